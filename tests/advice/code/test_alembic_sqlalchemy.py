"""Generated SQL, Alembic, SQLAlchemy and SQLModel code, imported and run up and down on real servers."""

import importlib.util
import itertools
import subprocess
from datetime import UTC, datetime

import alembic.command
import alembic.config
import pytest
import sqlalchemy
import sqlmodel

from analyzer.advice.code import CodeOptions, code_for, code_for_drop
from analyzer.advice.code.existing import definition_of
from analyzer.advice.ddl import create_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.runtime.postgres import embedded_bin_dir
from tests.advice.code.kinds import (
    KINDS,
    PARTITIONED,
    PARTITIONED_KINDS,
    SCHEMA,
    defined_by_ddl,
    definition,
    facts_of,
    index_definitions,
)

pytestmark = [pytest.mark.postgres, pytest.mark.long]
DATE = datetime(2026, 11, 24, 17, 5, tzinfo=UTC)
HOSTILE = [
    'we""ird Table\\g',
    ":var x:y \\:z",
    "it's \\gexec",
    "new\nline; drop",
    "per%cent %s",
    "日本語" * 7,
    "a" * 63,
]
ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.fixture(params=[13, 18], ids=lambda version: f"pg{version}")
def shop(request, postgres, scratch_database):
    database = scratch_database(postgres(request.param))
    database.execute(SCHEMA)
    return database


def engine_of(database):
    url = f"postgresql+psycopg://{database.superuser_dsn.partition('://')[2]}"
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)


def tab(tabs, key):
    return next(t for t in tabs if t.key == key)


def load(path, code):
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(f"generated_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def psql(database, text):
    done = subprocess.run(
        [embedded_bin_dir() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", database.superuser_dsn],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


class Alembic:
    """A project of its own, with one revision after another."""

    def __init__(self, database, place):
        self.versions, self.head = place / "versions", None
        self.versions.mkdir(parents=True)
        (place / "env.py").write_text(ENV)
        self.config = alembic.config.Config()
        self.config.set_main_option("script_location", str(place))
        self.config.set_main_option("path_separator", "os")
        url = engine_of(database).url.render_as_string(hide_password=False)
        self.config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))

    def add(self, tab, revision):
        (self.versions / tab.file_name).write_text(tab.code)
        self.head = revision

    def upgrade(self):
        alembic.command.upgrade(self.config, "head")

    def downgrade(self):
        alembic.command.downgrade(self.config, "-1")


def test_every_kind_up_and_down(shop, tmp_path):
    """One set of definitions for all: what the DDL makes."""
    facts, engine = facts_of(shop), engine_of(shop)
    project, planned = Alembic(shop, tmp_path / "alembic"), []
    wanted, steps = {}, []
    for kind in KINDS:
        ddl = create_index(definition(kind, facts), facts, planned)
        made = defined_by_ddl(shop, ddl)
        assert list(made) == [ddl.name]
        options = CodeOptions(DATE, alembic_head=project.head)
        tabs = code_for(definition(kind, facts), facts, options, planned=planned)
        planned.append(ddl.name)
        wanted.update(made)
        steps.append(dict(wanted))

        sql = tab(tabs, "sql")
        psql(shop, sql.code)
        assert index_definitions(shop) == made, kind
        psql(shop, sql.more[0].code)
        assert index_definitions(shop) == {}

        for key, orm in (("sqlalchemy", sqlalchemy), ("sqlmodel", sqlmodel)):
            code = tab(tabs, key).code
            (index,) = load(tmp_path / "models.py", code).__table_args__
            table = model_table(facts, orm, index, "shop_orderline")
            assert index.table is table
            index.create(engine)
            assert index_definitions(shop) == made, code
            index.drop(engine)
            assert index_definitions(shop) == {}

        revision = tab(tabs, "alembic")
        module = load(tmp_path / "revision.py", revision.code)
        assert module.down_revision == project.head
        assert revision.file_name.startswith(f"2026_11_24_1705_{module.revision}_add_ix_shop_orderline_")
        project.add(revision, module.revision)
    project.upgrade()
    assert index_definitions(shop) == wanted
    for step in reversed([{}, *steps[:-1]]):
        project.downgrade()
        assert index_definitions(shop) == step
    engine.dispose()


counter = itertools.count()


def model_table(facts, orm, index, name):
    """The table of a model of the columns, with the generated index in its __table_args__."""
    columns = facts.find_table(name).columns
    if orm is sqlalchemy:
        return sqlalchemy.Table(name, sqlalchemy.MetaData(), *[
            sqlalchemy.Column(c.name, primary_key=c.name == "id") for c in columns
        ], index)  # fmt: skip
    fields = {c.name: sqlmodel.Field(default=None, primary_key=c.name == "id") for c in columns}
    body = {"__module__": __name__, "__tablename__": name, "__table_args__": (index,),
            "metadata": sqlalchemy.MetaData(), **fields,
            "__annotations__": {c.name: int | None for c in columns}}  # fmt: skip
    return type(sqlmodel.SQLModel)(f"Orderline{next(counter)}", (sqlmodel.SQLModel,), body, table=True).__table__


def test_drops_up_and_down(shop, tmp_path):
    facts = facts_of(shop)
    planned = []
    # PostgreSQL prints IN in another way once it has read its own print
    kinds = [kind for kind in KINDS if kind != "partial in"]
    for kind in kinds:
        ddl = create_index(definition(kind, facts), facts, planned)
        planned.append(ddl.name)
        shop.execute(*ddl.statements)
    shop.execute('create index "C index" on shop_orderline (note collate "C")')
    before, facts = index_definitions(shop), facts_of(shop)
    table, project = facts.find_table("shop_orderline"), Alembic(shop, tmp_path / "alembic")
    indexes = [i for i in table.indexes if not i.is_primary]
    assert len(indexes) == len(kinds) + 1
    for index in indexes:
        tabs = code_for_drop(index, table, facts, CodeOptions(DATE, alembic_head=project.head))
        rest = {n: d for n, d in before.items() if n != index.name}
        sql = tab(tabs, "sql")
        psql(shop, sql.code)
        assert index_definitions(shop) == rest
        psql(shop, sql.more[0].code)
        assert index_definitions(shop) == before
        revision = tab(tabs, "alembic")
        project.add(revision, load(tmp_path / "revision.py", revision.code).revision)
        project.upgrade()
        assert index_definitions(shop) == rest, revision.code
        project.downgrade()
        assert index_definitions(shop) == before, revision.code
        project.upgrade()
        shop.execute(*[s for s in tabs[0].more[0].code.splitlines() if s.startswith("CREATE")])
        load(tmp_path / "models.py", tab(tabs, "sqlalchemy").code)


def test_every_kind_on_a_partitioned_table_up_and_down(shop, tmp_path):
    shop.execute(PARTITIONED)
    facts, engine, before = facts_of(shop), engine_of(shop), index_definitions(shop)
    project, planned, wanted, steps = Alembic(shop, tmp_path / "alembic"), [], {}, []
    for kind in PARTITIONED_KINDS:
        each = definition(kind, facts, "shop_archive")
        made = defined_by_ddl(shop, create_index(each, facts, planned))
        assert len(made) == 4, kind
        tabs = code_for(each, facts, CodeOptions(DATE, alembic_head=project.head), planned=planned)
        name = next(iter(set(made) & {create_index(each, facts, planned).name}))
        planned += made
        wanted.update(made)
        steps.append(dict(wanted))

        sql = tab(tabs, "sql")
        psql(shop, sql.code)
        assert index_definitions(shop) == made, kind
        psql(shop, sql.more[0].code)
        for key, orm in (("sqlalchemy", sqlalchemy), ("sqlmodel", sqlmodel)):
            (index,) = load(tmp_path / "models.py", tab(tabs, key).code).__table_args__
            model_table(facts, orm, index, "shop_archive")
            index.create(engine)  # at once and with names of PostgreSQL's own for the partitions
            found = index_definitions(shop)
            assert (found[name], len(found)) == (made[name], 4)
            index.drop(engine)
        assert index_definitions(shop) == before

        revision = tab(tabs, "alembic")
        project.add(revision, load(tmp_path / "revision.py", revision.code).revision)
    project.upgrade()
    assert index_definitions(shop) == wanted
    for step in reversed([{}, *steps[:-1]]):
        project.downgrade()
        assert index_definitions(shop) == step
    engine.dispose()


def test_partitioned_table(shop, tmp_path):
    shop.execute(
        "create table event (at date not null, kind int) partition by range (at)",
        "create table event_1 partition of event for values from ('2023-01-01') to ('2024-01-01')",
        "create table event_2 partition of event for values from ('2024-01-01') to ('2025-01-01')",
    )
    facts, project = facts_of(shop), Alembic(shop, tmp_path / "alembic")
    wanted = IndexDefinition(facts.find_table("event"), (IndexColumn("kind"), IndexColumn("at", descending=True)))
    made = defined_by_ddl(shop, create_index(wanted, facts))
    assert set(made) == {"ix_event_kind_at", "ix_event_1_kind_at", "ix_event_2_kind_at"}
    tabs = code_for(wanted, facts, CodeOptions(DATE))
    psql(shop, tabs[0].code)
    assert index_definitions(shop) == made
    psql(shop, tabs[0].more[0].code)
    project.add(tab(tabs, "alembic"), "x")
    project.upgrade()
    assert index_definitions(shop) == made
    project.downgrade()
    assert index_definitions(shop) == {}
    project.upgrade()
    facts = facts_of(shop)
    table = facts.find_table("event")
    (index,) = table.indexes
    tabs = code_for_drop(index, table, facts, CodeOptions(DATE))
    psql(shop, tabs[0].code)
    assert index_definitions(shop) == {}
    psql(shop, tabs[0].more[0].code)
    assert len(index_definitions(shop)) == 3


def test_hostile_names(shop, tmp_path):
    for name in HOSTILE:
        quoted = '"' + name.replace('"', '""') + '"'
        with shop.connect() as connection:
            connection.execute(f"create schema {quoted}".encode())
            connection.execute(f"create table {quoted}.{quoted} ({quoted} int, b int)".encode())
    facts, project, engine = facts_of(shop), Alembic(shop, tmp_path / "alembic"), engine_of(shop)
    for name in HOSTILE:
        quoted = '"' + name.replace('"', '""') + '"'
        columns = (IndexColumn(name), IndexColumn(f"{quoted} + b", is_expression=True))
        wanted = IndexDefinition(facts.find_table(name, name), columns, predicate=f"{quoted} > 1", include=(name,))
        made = defined_by_ddl(shop, create_index(wanted, facts))
        tabs = code_for(wanted, facts, CodeOptions(DATE, alembic_head=project.head))
        psql(shop, tabs[0].code)
        assert index_definitions(shop) == made
        psql(shop, tabs[0].more[0].code)
        compile(tab(tabs, "django").code, "django", "exec")
        for key in ("sqlalchemy", "sqlmodel"):
            (index,) = load(tmp_path / "models.py", tab(tabs, key).code).__table_args__
            columns = [sqlalchemy.Column(name), sqlalchemy.Column("b")]
            sqlalchemy.Table(name, sqlalchemy.MetaData(), *columns, index, schema=name)
            index.create(engine)
            assert index_definitions(shop) == made, key
            index.drop(engine)
        revision = tab(tabs, "alembic")
        project.add(revision, load(tmp_path / "revision.py", revision.code).revision)
        project.upgrade()
        assert index_definitions(shop) == made, revision.code
        project.downgrade()
        assert index_definitions(shop) == {}
        project.upgrade()
        shop.execute(*[s.encode() for s in create_index(wanted, facts).undo_statements])


def test_hostile_access_method_and_operator_class_come_back(shop):
    name = 'x" (a); drop table t; --'
    quoted = '"' + name.replace('"', '""') + '"'
    shop.execute(
        "create table t (a int, b text)",
        f"create schema {quoted}",
        f"create access method {quoted} type index handler hashhandler",
        f"create operator class {quoted}.{quoted} for type int using {quoted} as operator 1 =,"
        " function 1 hashint4(int)",
        f"create index i on t using {quoted} (a {quoted}.{quoted}) with (fillfactor = 70)",
        "create index j on t using btree (b text_pattern_ops) with (fillfactor = '70')",
    )
    before, facts = index_definitions(shop), facts_of(shop)
    table = facts.find_table("t")
    for index in table.indexes:
        sql = tab(code_for_drop(index, table, facts, CodeOptions(DATE)), "sql")
        psql(shop, sql.code)
        assert index.name not in index_definitions(shop)
        psql(shop, sql.more[0].code)
        assert index_definitions(shop) == before
        made = definition_of(index, table)
        assert made is not None, index.definition
        shop.execute(f"drop index {index.name}", f"create index {index.name} on t {made.body()}")
        assert index_definitions(shop) == before


def test_revision_stops_at_an_invalid_index(shop, tmp_path):
    """IF NOT EXISTS would take what a broken-off build left for the index."""
    facts, project = facts_of(shop), Alembic(shop, tmp_path / "alembic")
    tabs = code_for(definition("single", facts), facts, CodeOptions(DATE))
    shop.execute("create index ix_shop_orderline_quantity on shop_orderline (quantity)")
    with shop.connect() as connection:
        connection.execute(
            "update pg_index set indisvalid = false where indexrelid = 'ix_shop_orderline_quantity'::regclass"
        )
    project.add(tab(tabs, "alembic"), "x")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match=r"Index public.ix_shop_orderline_quantity is invalid: an"):
        project.upgrade()
    tabs = code_for(definition("single", facts), facts_of(shop), CodeOptions(DATE))
