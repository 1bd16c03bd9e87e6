"""Which class of the application a table belongs to: by the map that a user gave, without one by Django's naming.

``analyzer.advice.code.models_map`` reads the map.
"""

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.schema.facts import SchemaFacts, TableFacts

# Labels of apps that come as packages: without a map, an index on their tables goes into an app of the user's own. A
# label that somebody's own app has as well does no harm: SQL makes the same index.
PACKAGED = """
account admin auth authtoken axes cms constance contenttypes django easy_thumbnails filer flatpages guardian hijack knox
mfa oauth2_provider oidc_provider otp_static otp_totp post_office redirects reversion sessions silk simple_history sites
social_auth socialaccount taggit thumbnail token_blacklist two_factor usersessions waffle wagtailadmin wagtailcore
wagtaildocs wagtailforms wagtailimages wagtailredirects wagtailsearch wagtailusers watson
"""
PACKAGED_APPS = frozenset(PACKAGED.split())


@dataclass(frozen=True, slots=True)
class DjangoModel:
    """``app`` label and ``model`` class; column -> name in ``fields``, ``reverse`` and ``m2m``, as far as given."""

    app: str
    model: str
    fields: Mapping[str, str] = field(default_factory=dict)
    is_guess: bool = False
    is_managed: bool | None = None  # False: migrations leave the table alone; None: nobody said
    is_own: bool = True  # False: the app is installed in site-packages, where nobody commits
    is_auto: bool = False  # made by a ManyToManyField: no class in models.py
    migration: str | None = None  # the app's latest when the map was made
    reverse: Mapping[str, str] = field(default_factory=dict)  # foreign key -> accessor on what it points at
    m2m: Mapping[str, str] = field(default_factory=dict)  # of a through table: foreign key -> accessor of the others


@dataclass(frozen=True, slots=True)
class MappedClass:
    """A class of SQLAlchemy or SQLModel; names as in DjangoModel, and ``one``: foreign key -> relationship.

    A table between many and many has no class: ``module`` and ``name`` are "".
    """

    module: str
    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    is_sqlmodel: bool = False
    one: Mapping[str, str] = field(default_factory=dict)
    reverse: Mapping[str, str] = field(default_factory=dict)
    m2m: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Models:
    """What is known of an application's classes, by ``table`` or ``schema.table``; empty where nothing is."""

    django: Mapping[str, DjangoModel] = field(default_factory=dict)
    classes: Mapping[str, MappedClass] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.django.keys() | self.classes.keys())


def model_of(table: TableFacts, facts: SchemaFacts, models: Mapping[str, DjangoModel]) -> DjangoModel | None:
    """The user's word; without any, Django's default name ``app_model``; None where neither tells.

    The class's capitals are not in the table's name: a guess is ``Orderline`` for shop_orderline, and migrations,
    which compare in lower case, take it.
    """
    if models:
        return models.get(table.qualified_name) or (models.get(table.name) if is_bare_name(table, facts) else None)
    through = through_app(table)
    if through:
        return DjangoModel(through, "", is_guess=True, is_own=_is_own(through), is_auto=True)
    app, _, model = table.name.rpartition("_")
    if not (app.isidentifier() and model.isidentifier() and table.name.islower() and table.name.isascii()):
        return None
    return DjangoModel(app, model.capitalize(), is_guess=True, is_own=_is_own(app))


def _is_own(app: str) -> bool:
    return app not in PACKAGED_APPS and not app.startswith("django_")  # django_content_type, django_celery_beat_...


def class_of(table: TableFacts, facts: SchemaFacts, classes: Mapping[str, MappedClass]) -> MappedClass | None:
    mapped = classes.get(table.qualified_name) or (classes.get(table.name) if is_bare_name(table, facts) else None)
    return mapped if mapped and mapped.name else None


def is_bare_name(table: TableFacts, facts: SchemaFacts) -> bool:
    """Whether an application that writes the bare name means this table: the search path's, or the only one."""
    default = facts.find_table(table.name)
    if default is not None:
        return default.oid == table.oid
    return sum(1 for other in facts if other.name == table.name) == 1


def through_app(table: TableFacts) -> str | None:
    """The app of a ManyToManyField's own table, which has no model to name: app_model_field."""
    keys = {key.columns[0]: key for key in table.foreign_keys if len(key.columns) == 1}
    if len(keys) != 2 or {c.name for c in table.columns} != {"id", *keys}:
        return None
    for key in keys.values():
        if table.name.startswith(f"{key.referenced_table}_") and "_" in key.referenced_table:
            return key.referenced_table.rpartition("_")[0]
    return None


def field_of(table: TableFacts, column: str, model: DjangoModel) -> str | None:
    """The field's name; None where the column's cannot be one. ForeignKey ``customer`` has column customer_id."""
    if column in model.fields:
        return model.fields[column]
    is_key = any(key.columns == (column,) for key in table.foreign_keys)
    name = column.removesuffix("_id") if is_key else column
    return name if is_field(name) else None


def known_orm(models: Models, facts: SchemaFacts | None) -> str:
    """The ORM by the map, or by the tables that tools make: django, sqlalchemy or sqlmodel; "" where neither tells."""
    if models.django or models.classes:
        if models.django:
            return "django"
        return "sqlmodel" if any(c.is_sqlmodel for c in models.classes.values()) else "sqlalchemy"
    names = {table.name for table in facts} if facts is not None else set()
    if names & {"django_migrations", "django_content_type"}:
        return "django"
    return "sqlalchemy" if "alembic_version" in names else ""


def is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def is_field(name: str) -> bool:
    """Whether Django takes it as a field's name: system checks E001 and E002 of fields."""
    return is_name(name) and "__" not in name and not name.endswith("_")
