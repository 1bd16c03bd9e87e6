"""What prints the map of a whole project's models, to paste in a shell there (read by models_map.py)."""

# -v 0: Django 5.2's shell says on stdout what it imports. Managed models come last: several may be of one table.
MODELS_COMMAND = """\
python manage.py shell -v 0 <<'EOF'
import json, pathlib
from django.apps import apps
from django.db.migrations.loader import MigrationLoader
last, tables = dict(MigrationLoader(None).graph.leaf_nodes()), {}
models = [m for m in apps.get_models(include_auto_created=True) if not m._meta.proxy]
for m in sorted(models, key=lambda m: m._meta.managed):
    keys = [f for f in m._meta.local_concrete_fields if f.remote_field]
    tables[m._meta.db_table] = {
        "model": m._meta.label, "managed": m._meta.managed, "auto": bool(m._meta.auto_created),
        "own": not {"site-packages", "dist-packages"} & set(pathlib.Path(m._meta.app_config.path).parts),
        "migration": last.get(m._meta.app_label), "fields": {f.column: f.name for f in m._meta.local_concrete_fields},
        "reverse": {f.column: f.remote_field.get_accessor_name() for f in keys if not f.remote_field.hidden}}
for f in [f for m in models for f in m._meta.local_many_to_many if f.m2m_db_table() in tables]:
    names = tables[f.m2m_db_table()].setdefault("m2m", {})
    names[f.m2m_column_name()] = f.name
    names.update({} if f.remote_field.hidden else {f.m2m_reverse_name(): f.remote_field.get_accessor_name()})
print(json.dumps(tables))
EOF
"""
CLASSES_COMMAND = """\
python - <<'EOF'
import gc, json
import yourapp.models  # every module with models of yours
from sqlalchemy.orm import configure_mappers, registry
configure_mappers()
classes, tables = [m for r in gc.get_objects() if type(r) is registry for m in r.mappers], {}
for m in classes:
    tables[str(m.local_table)] = {
        "class": f"{m.class_.__module__}:{m.class_.__qualname__}", "sqlmodel": hasattr(m.class_, "model_fields"),
        "fields": {c.name: p.key for p in m.column_attrs for c in p.columns if c.table is m.local_table}}
for m in classes:
    for r in m.relationships:
        for here, there in r.local_remote_pairs if r.secondary is None else r.synchronize_pairs:
            key, column = ("one", here) if r.direction.name == "MANYTOONE" else (
                "reverse" if r.secondary is None else "m2m", there)
            tables.setdefault(str(column.table), {}).setdefault(key, {})[column.name] = r.key
print(json.dumps(tables))
EOF
"""
