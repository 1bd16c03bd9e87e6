"""Where Django's own operation would do nothing, or what it is in cannot be committed: SQL, run up and down for real.

The map is the one that the command prints in the project. A package's app lies in a folder site-packages.
"""

import shlex
import sys

import pytest

from analyzer.advice.code import CodeOptions, DjangoModel, code_for, code_for_drop, parse_map
from analyzer.advice.code.models_commands import MODELS_COMMAND
from analyzer.advice.ddl import create_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.errors import BadInput
from tests.advice.builders import facts, table
from tests.advice.code.kinds import defined_by_ddl, facts_of, index_definitions
from tests.advice.code.test_django import DATE, SETTINGS, Project, django_tab

pytestmark = pytest.mark.long

PARCELS = """
from django.db import models

class Parcel(models.Model):
    code = models.CharField(max_length=40)
    places = models.ManyToManyField("Place")

class Place(models.Model):
    name = models.TextField()
"""
UNMANAGED = """

class Legacy(models.Model):
    zone = models.IntegerField()
    class Meta:
        managed = False
        db_table = "legacy"

class AccountSummary(models.Model):
    account = models.IntegerField()
    class Meta:
        managed = False
        db_table = "mv"

class Archived(models.Model):
    zone = models.IntegerField()
    class Meta:
        managed = False
        db_table = 'archive"."old'

class Label(models.Model):
    name = models.TextField()
    lines = models.ManyToManyField(OrderLine)
"""
OUTSIDE = (
    "create schema archive",
    "create table legacy (id int primary key, zone int)",
    "create table base (id int primary key, account int)",
    "create view seen as select * from base",
    "create materialized view mv as select * from base",
    "create table archive.old (id int primary key, zone int)",
    "create table archive.shop_label (id int primary key, name text)",
    "create table events (id int, at date) partition by range (at)",
    "create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01')",
)
# table -> column, folder of the migration, what the note says
PLACES = {
    "legacy": ("zone", "shop", "shop.Legacy is managed = False"),
    "mv": ("account", "shop", "shop.AccountSummary is managed = False"),
    "archive.old": ("zone", "shop", "shop.Archived is managed = False"),
    "archive.shop_label": ("name", "shop", "not in the map of models"),
    "base": ("account", "yourapp", "public.base is not in the map of models"),
    "events_2024": ("id", "yourapp", "public.events_2024 is not in the map of models"),
    "parcels_parcel": ("code", "yourapp", "App parcels is one of a package (site-packages)"),
    "parcels_parcel_places": ("place_id", "yourapp", "is the table of a ManyToManyField"),
    "shop_label_lines": ("label_id", "shop", "is the table of a ManyToManyField"),
}


class WithPackage(Project):
    """``shop``, which is ours, and ``parcels``, which is a package's."""

    def __init__(self, place, database):
        package = place / "site-packages" / "parcels"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        (package / "models.py").write_text(PARCELS)
        super().__init__(place, database)
        (place / "shop_settings.py").write_text(
            f"import sys\nsys.path.insert(0, {str(package.parent)!r})\n"
            + SETTINGS.replace('"shop"]', '"shop", "parcels", "yourapp"]')
        )
        mine = place / "yourapp" / "migrations"
        mine.mkdir(parents=True)
        for init in (mine.parent, mine):
            (init / "__init__.py").write_text("")
        self.run("makemigrations", "parcels")
        (mine / "0001_initial.py").write_text(
            "from django.db import migrations\nclass Migration(migrations.Migration):\n    dependencies = []\n"
        )
        (place / "manage.py").write_text(
            "import sys\nfrom django.core.management import execute_from_command_line\n"
            "execute_from_command_line(sys.argv)\n"
        )
        models = place / "shop" / "models.py"
        models.write_text(models.read_text() + UNMANAGED)
        self.run("makemigrations", "shop")
        self.run("migrate")

    def models(self):
        command = MODELS_COMMAND.replace("python manage.py", f"{shlex.quote(sys.executable)} manage.py")
        return parse_map(self.shell(command))


@pytest.fixture
def project(postgres18, scratch_database, tmp_path):
    database = scratch_database(postgres18)
    database.execute(*OUTSIDE)
    return WithPackage(tmp_path, database)


@pytest.mark.postgres
def test_sql_makes_what_djangos_own_operation_would_not(project):
    database = project.database
    models, before, schema_facts = project.models(), index_definitions(database), facts_of(database)
    latest = {"shop": "0002_accountsummary_archived_legacy_label", "yourapp": "0001_initial"}
    first = dict(latest)
    wanted = dict(before)
    for name, (column, folder, note) in PLACES.items():
        schema, _, bare = name.rpartition(".")
        of_table = IndexDefinition(schema_facts.find_table(bare, schema or None), (IndexColumn(column),))
        tab = django_tab(code_for(of_table, schema_facts, CodeOptions(DATE, models.django)))
        previous = first[folder] if folder == "shop" else "0001_initial"
        assert f'("{folder}", "{previous}"),  # ' in tab.code, "what the map tells, else a place to fill in"
        made = defined_by_ddl(database, create_index(of_table, schema_facts))
        tab = django_tab(
            code_for(of_table, schema_facts, CodeOptions(DATE, models.django, django_previous=latest[folder]))
        )
        assert tab.file_name.startswith(f"{folder}/migrations/"), name
        assert note in tab.notes[0], name
        assert "RunSQL" in tab.code
        assert "AddIndexConcurrently" not in tab.code
        assert ('("parcels", "0001_initial"),  # makes the table' in tab.code) is name.startswith("parcels")
        latest[folder] = tab.file_name.rpartition("/")[2].removesuffix(".py")
        (project.place / tab.file_name).write_text(tab.code)
        wanted |= made
    assert len(wanted) == len(before) + len(PLACES)
    project.run("migrate")
    assert index_definitions(database) == wanted
    assert "No changes" in project.run("makemigrations", "--check", "--dry-run")
    for app, previous in first.items():
        project.run("migrate", app, previous)
    assert index_definitions(database) == before
    project.run("migrate")

    schema_facts = facts_of(database)
    for name, (_, folder, _) in PLACES.items():
        schema, _, bare = name.rpartition(".")
        table = schema_facts.find_table(bare, schema or None)
        index = next(i for i in table.indexes if i.name in wanted and i.name not in before)
        options = CodeOptions(DATE, models.django, django_previous=latest[folder])
        tab = django_tab(code_for_drop(index, table, schema_facts, options))
        assert "RemoveIndexConcurrently" not in tab.code
        latest[folder] = tab.file_name.rpartition("/")[2].removesuffix(".py")
        (project.place / tab.file_name).write_text(tab.code)
    project.run("migrate")
    assert index_definitions(database) == before
    assert "No changes" in project.run("makemigrations", "--check", "--dry-run")


def test_a_model_named_in_lines_can_be_unmanaged_or_of_a_package():
    models = parse_map("mv = shop.Summary, unmanaged\nparcels_parcel = parcels.Parcel, site-packages  # theirs\n")
    assert models.django == {
        "mv": DjangoModel("shop", "Summary", is_managed=False),
        "parcels_parcel": DjangoModel("parcels", "Parcel", is_own=False),
    }
    with pytest.raises(BadInput, match="Line 1 of the map of models: 'managed' is neither unmanaged nor site-packages"):
        parse_map("mv = shop.Summary, managed")


@pytest.mark.postgres
def test_a_guess_that_meets_an_unmanaged_model_fails_with_the_reason(project):
    """Django itself says OK and makes nothing."""
    project.database.execute("create table shop_legacy (id int primary key, zone int)")
    models = project.place / "shop" / "models.py"
    models.write_text(models.read_text().replace('db_table = "legacy"', 'db_table = "shop_legacy"'))
    schema_facts = facts_of(project.database)
    wanted = IndexDefinition(schema_facts.find_table("shop_legacy"), (IndexColumn("zone"),))
    project.previous = "0002_accountsummary_archived_legacy_label"
    tab = django_tab(code_for(wanted, schema_facts, project.options()))
    assert "AddIndexConcurrently" in tab.code
    project.add(tab)
    with pytest.raises(AssertionError, match=r"Django made no index public.ix_shop_legacy_zone: it leaves models with"):
        project.run("migrate")


@pytest.mark.parametrize(
    ("on", "note"),
    [
        (table("auth_user", ["id|bigint|-1"]), "App auth looks like one of a package (site-packages)"),
        (table("django_content_type", ["id|bigint|-1"]), "App django_content looks like one of a package"),
        (table("shop_summary", ["id|bigint|-1"], kind="m"), "public.shop_summary is a materialized view"),
        (table("shop_first", ["id|bigint|-1"], parent_oid=7), "public.shop_first is a partition"),
        (table("shop_order", ["id|bigint|-1"], schema="archive"), "archive.shop_order is in another schema"),
    ],
)
def test_without_a_map_sql_is_run_where_a_guess_would_do_harm(on, note):
    found = facts(on, table("shop_order", ["id|bigint|-1"]))
    tab = django_tab(code_for(IndexDefinition(on, (IndexColumn("id"),)), found, CodeOptions(DATE)))
    assert tab.notes[0].startswith(note)
    assert "AddIndexConcurrently" not in tab.code
    assert tab.more == ()


def test_a_longer_name_of_an_index_that_is_there_already_runs_sql():
    on = table("shop_order", ["id|bigint|-1"])
    name = "an_index_somebody_made_long_ago"
    tab = django_tab(code_for(IndexDefinition(on, (IndexColumn("id"),)), facts(on), CodeOptions(DATE), name=name))
    assert tab.notes[0].startswith(f"Django takes no index name of more than 30 characters, and {name} has 31")
    assert name in tab.code


def test_trigrams_bring_their_extension_to_a_database_made_from_the_migrations():
    on = table("shop_order", ["id|bigint|-1", "note|text|-1"])
    wanted = IndexDefinition(on, (IndexColumn("note", opclass="gin_trgm_ops"),), method="gin")
    tabs = code_for(wanted, facts(on), CodeOptions(DATE))
    for key in ("django", "alembic"):
        code = next(t for t in tabs if t.key == key).code
        assert code.count("CREATE EXTENSION IF NOT EXISTS pg_trgm") == 1
        assert "DROP EXTENSION" not in code
