"""Where the migration of an index stands, and whether Django's own operation makes the index there or SQL has to.

AddIndexConcurrently does nothing and says OK for a model that is not managed; in an app in site-packages the migration
would be gone with the next installation; a model has no Meta to list the index where a ManyToManyField made the table.
"""

import re
from dataclasses import dataclass

from analyzer.advice.code.change import Change, CodeOptions
from analyzer.schema.index_names import fits
from analyzer.schema.orm_models import PACKAGED_APPS, DjangoModel, is_bare_name, model_of
from analyzer.schema.python_source import python_string


@dataclass(frozen=True, slots=True)
class MigrationPlace:
    """``app`` None: not known. ``model`` None: SQL has to make the index. ``dependencies``: lines of source."""

    app: str | None
    model: DjangoModel | None
    number: str
    dependencies: tuple[str, ...]
    notes: tuple[str, ...]


def place_of(change: Change, options: CodeOptions) -> MigrationPlace:
    model = model_of(change.table, change.facts, options.django_models)
    why = _why_sql(change, model, options)
    app = (model.app if model.is_own else None) if model else _app_by_name(change.table.name, options)
    number, previous = _previous(app, options)
    dependencies = (previous, *_of_package(model))
    if why:
        return MigrationPlace(app, None, number, dependencies, (why,))
    notes: tuple[str, ...] = ()
    if model and model.is_guess:
        notes = (
            f"App {model.app} and model {model.model} are read from the table's name, fields from the columns."
            " A map (table = app.Model) says it for certain, and which models are unmanaged or of a package.",
        )
    return MigrationPlace(app, model, number, dependencies, notes)


def _why_sql(change: Change, model: DjangoModel | None, options: CodeOptions) -> str:
    """A sentence where Django's operation would do nothing, or not what is meant; "" where it does."""
    table = change.table
    name = table.qualified_name
    if model is None and options.django_models:
        return f"{name} is not in the map of models: the migration runs SQL and can stand in any app of yours."
    if model is None:
        return (
            f"The name of {name} does not tell its model. Give a map (table = app.Model) to get AddIndexConcurrently;"
            " until then the migration runs SQL and can stand in any app."
        )
    if model.is_auto:
        is_it = "looks like" if model.is_guess else "is"
        return f"{name} {is_it} the table of a ManyToManyField: it has no model to list the index, so SQL makes it."
    if not model.is_own:
        return (
            f"App {model.app} {'looks like' if model.is_guess else 'is'} one of a package (site-packages), where a"
            " migration would be lost with the next installation. This one runs SQL in an app of yours; what Django"
            " knows of the package's models stays as it is, so makemigrations finds nothing to do."
        )
    if model.is_managed is False:
        return (
            f"Model {model.app}.{model.model} is managed = False: for it Django's own operation does nothing and says"
            " OK, so the migration runs SQL and Meta.indexes stays as it is. A database made from the migrations alone,"
            " as for tests, needs the table before."
        )
    kinds = {"m": "a materialized view", "p": "a partitioned table", "v": "a view", "f": "a foreign table"}
    if table.kind in kinds:
        return f"{name} is {kinds[table.kind]}, so the migration runs SQL and Meta.indexes stays as it is."
    if table.parent_oid is not None:
        return f"{name} is a partition and has no model of its own, so the migration runs SQL."
    by_schema = table.qualified_name in options.django_models and table.schema not in change.facts.search_path
    if by_schema or not is_bare_name(table, change.facts):
        return (
            f"{name} is in another schema than the one Django looks in first, where its own operation would make the"
            " index, or look for it to drop it: the migration runs SQL and Meta.indexes stays as it is."
        )
    if not change.is_drop and not fits(change.name):
        return (
            f"Django takes no index name of more than 30 characters, and {change.name} has {len(change.name)}: the"
            " migration runs SQL and Meta.indexes stays as it is."
        )
    return ""


def _app_by_name(table: str, options: CodeOptions) -> str | None:
    """The user's app whose label the table's name begins with, where the map has no model of it."""
    labels = {model.app for model in options.django_models.values() if model.is_own}
    return max((label for label in labels if table.startswith(f"{label}_")), key=len, default=None)


def _previous(app: str | None, options: CodeOptions) -> tuple[str, str]:
    """The new migration's number, and its dependency on the one before it."""
    label = python_string(app or "yourapp")
    of_app = (model.migration for model in options.django_models.values() if model.app == app)
    previous = options.django_previous or next(of_app, None)
    if previous is None:
        return "NNNN", f'({label}, "0001_initial"),  # put the latest migration of the app here'
    digits = re.match(r"\d+", previous)
    number = f"{int(digits[0]) + 1:0{len(digits[0])}}" if digits else "NNNN"
    comment = "" if options.django_previous else "  # the latest when the map of models was made"
    return number, f"({label}, {python_string(previous)}),{comment}"


def _of_package(model: DjangoModel | None) -> tuple[str, ...]:
    """So that a new database has the package's table before the index."""
    if model is None or model.is_own or not (model.migration or model.app in PACKAGED_APPS):
        return ()
    return (f"({python_string(model.app)}, {python_string(model.migration or '__first__')}),  # makes the table",)
