"""Generated Django migrations, in a project of their own, migrated up and down on real servers.

Django 5.2 itself asks for PostgreSQL 14; the project lifts that check, since what counts is the SQL it sends.
"""

import ast
import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.db.models import Index

from analyzer.advice.code import CodeOptions, code_for, code_for_drop, parse_models
from analyzer.advice.code.models_commands import MODELS_COMMAND
from analyzer.advice.ddl import create_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.errors import BadInput
from tests.advice.builders import facts as make_facts
from tests.advice.builders import foreign_key, table
from tests.advice.code.kinds import (
    KINDS,
    PARTITIONED,
    PARTITIONED_KINDS,
    defined_by_ddl,
    definition,
    facts_of,
    index_definitions,
)

pytestmark = pytest.mark.long

DATE = datetime(2026, 11, 24, 17, 5, tzinfo=UTC)
SETTINGS = """
import os
from urllib.parse import unquote, urlsplit
from django.db.backends.postgresql.features import DatabaseFeatures
DatabaseFeatures.minimum_database_version = (13,)
url = urlsplit(os.environ["SHOP_DSN"])
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:].partition("?")[0],
    "USER": url.username, "PASSWORD": unquote(url.password or ""), "HOST": url.hostname, "PORT": url.port}}
INSTALLED_APPS = ["django.contrib.postgres", "shop"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
MODELS = """
import datetime
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
from django.db import models
{imports}

class Customer(models.Model):
    email = models.CharField(max_length=80)

class OrderLine(models.Model):
    customer = models.ForeignKey(Customer, models.CASCADE{more})
    status = models.CharField(max_length=20)
    quantity = models.IntegerField(null=True)
    is_paid = models.BooleanField()
    created = models.DateTimeField()
    day = models.DateField()
    note = models.TextField()
    data = models.JSONField()
    span = DateTimeRangeField()
    tags = ArrayField(models.TextField(), null=True)
    class Meta:
        indexes = [{indexes}]
"""


class Project:
    """A Django project with the app ``shop``; ``previous`` is its latest migration."""

    def __init__(self, place, database):
        self.place, self.database = place, database
        self.migrations = place / "shop" / "migrations"
        self.migrations.mkdir(parents=True)
        for package in (place / "shop", self.migrations):
            (package / "__init__.py").write_text("")
        (place / "shop_settings.py").write_text(SETTINGS)
        self.write_models()
        self.run("makemigrations", "shop")
        self.run("migrate", "shop")
        self.previous = "0001_initial"

    def write_models(self, imports=(), indexes=(), more=""):
        text = MODELS.format(imports="\n".join(imports), indexes=",\n".join(indexes), more=more)
        (self.place / "shop" / "models.py").write_text(text)

    def run(self, *arguments):
        return self.shell(shlex.join([sys.executable, "-m", "django", *arguments]))

    def shell(self, command):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DJANGO")}
        done = subprocess.run(
            command, shell=True, cwd=self.place, capture_output=True, text=True, check=False,
            env={**environment, "DJANGO_SETTINGS_MODULE": "shop_settings", "SHOP_DSN": self.database.superuser_dsn},
        )  # fmt: skip
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def options(self, **more):
        return CodeOptions(DATE, django_previous=self.previous, **more)

    def add(self, tab):
        app, folder, name = tab.file_name.split("/")
        assert (app, folder) == ("shop", "migrations")
        (self.migrations / name).write_text(tab.code)
        self.previous = name.removesuffix(".py")


def django_tab(tabs):
    return next(t for t in tabs if t.key == "django")


def imports_and_index(code):
    """Import lines and the one index of a Meta piece."""
    tree = ast.parse(code)
    imports = [ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    (indexes,) = (n for n in ast.walk(tree) if isinstance(n, ast.Assign) and n.targets[0].id == "indexes")
    (index,) = indexes.value.elts
    return imports, ast.unparse(index)


@pytest.mark.postgres
@pytest.mark.parametrize("version", [13, 18])
def test_every_kind_up_and_down_and_dropped(version, postgres, scratch_database, tmp_path):
    database = scratch_database(postgres(version))
    database.execute("create extension pg_trgm")
    project = Project(tmp_path, database)
    before, facts = index_definitions(database), facts_of(database)
    assert len(before) == 1, "Django's own index of the foreign key"
    wanted, planned, imports, indexes = dict(before), [], set(), []
    for kind, (_, _, is_said) in KINDS.items():
        ddl = create_index(definition(kind, facts), facts, planned)
        tab = django_tab(code_for(definition(kind, facts), facts, project.options(), planned=planned))
        assert len(ddl.name) <= Index.max_name_length
        assert ("AddIndexConcurrently" in tab.code) is is_said, tab.code
        assert f'"{ddl.name}"' in tab.code if is_said else ddl.name in tab.code
        wanted |= defined_by_ddl(database, ddl)
        planned.append(ddl.name)
        project.add(tab)
        assert bool(tab.more) is is_said
        for piece in tab.more:
            lines, index = imports_and_index(piece.code)
            imports |= set(lines)
            indexes.append(index)
    assert len(wanted) == len(KINDS) + 1
    project.run("migrate", "shop")
    assert index_definitions(database) == wanted
    project.write_models(sorted(imports), indexes)
    assert "No changes" in project.run("makemigrations", "--check", "--dry-run", "shop")
    project.run("migrate", "shop", "0001")
    assert index_definitions(database) == before
    project.run("migrate", "shop")
    last = project.previous.partition("_")[0]

    facts = facts_of(database)
    for index in facts.find_table("shop_orderline").indexes:
        if not index.is_primary:
            tabs = code_for_drop(index, facts.find_table("shop_orderline"), facts, project.options())
            tab = django_tab(tabs)
            is_from_field = index.name in before
            if is_from_field:
                assert "db_index=False" in tab.notes[1]
            is_remembered = not is_from_field and len(tab.more) == 1
            assert ("RemoveIndexConcurrently" in tab.code) is is_remembered
            project.add(tab)
    project.run("migrate", "shop")
    assert index_definitions(database) == {}
    project.run("migrate", "shop", last)
    assert index_definitions(database) == wanted
    project.run("migrate", "shop")
    project.write_models(more=", db_index=False")
    project.run("makemigrations", "shop")
    project.run("migrate", "shop")
    assert index_definitions(database) == {}


@pytest.mark.postgres
@pytest.mark.parametrize("version", [13, 18])
def test_every_kind_on_a_partitioned_table_and_a_table_without_model(version, postgres, scratch_database, tmp_path):
    database = scratch_database(postgres(version))
    database.execute("create extension pg_trgm")
    project = Project(tmp_path, database)
    database.execute(
        PARTITIONED,
        'create table "Old:Table %s" ("a""b" int, "c__d" int)',
    )
    before, facts = index_definitions(database), facts_of(database)
    archived = [definition(kind, facts, "shop_archive") for kind in PARTITIONED_KINDS]
    old = IndexDefinition(facts.find_table("Old:Table %s"), (IndexColumn('a"b'), IndexColumn("c__d")))
    wanted = dict(before)
    models = parse_models('{"Old:Table %s": "shop.OrderLine"}')
    planned = []
    for each in (*archived, old):
        made = defined_by_ddl(database, create_index(each, facts, planned))
        options = project.options(django_models=models)
        project.add(django_tab(code_for(each, facts, options, planned=planned)))
        wanted |= made
        planned += made
    assert len(wanted) == len(before) + 4 * len(archived) + 1
    project.run("migrate", "shop")
    assert index_definitions(database) == wanted
    project.run("migrate", "shop", "0001")
    assert index_definitions(database) == before


@pytest.mark.postgres
def test_the_command_prints_the_map_of_the_project(postgres18, scratch_database, tmp_path):
    project = Project(tmp_path, scratch_database(postgres18))
    (tmp_path / "manage.py").write_text(
        "import os, sys\nfrom django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n"
    )
    command = MODELS_COMMAND.replace("python manage.py", f"{shlex.quote(sys.executable)} manage.py")
    found = parse_models(project.shell(command))
    assert found["shop_orderline"].app == "shop"
    assert found["shop_orderline"].model == "OrderLine"
    assert found["shop_orderline"].fields["customer_id"] == "customer"
    assert "shop_customer" in found


CUSTOMER = table("shop_customer", ["id|bigint|-1", "email|text|-1"])
ORDER = table(
    "shop_order",
    ["id|bigint|-1", "customer_id|bigint|100", "shop_id|bigint|100", "class|text|5"],
    foreign_keys=(foreign_key("k", "customer_id", to=CUSTOMER),),
)


def migration(columns, on=ORDER, **options):
    facts = make_facts(CUSTOMER, on)
    return django_tab(
        code_for(IndexDefinition(on, tuple(map(IndexColumn, columns))), facts, CodeOptions(DATE, **options))
    )


def test_migration_as_it_reads():
    models = parse_models('{"shop_order": {"model": "shop.Order", "managed": true}}')
    tab = migration(["customer_id", "shop_id"], django_previous="0009_more", django_models=models)
    assert tab.file_name == "shop/migrations/0010_add_ix_shop_order_customer_025425.py"
    assert (
        tab.code
        == """\
# Create index ix_shop_order_customer_025425 on public.shop_order
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CONCURRENTLY cannot run inside a transaction

    dependencies = [
        ("shop", "0009_more"),
    ]

    operations = [
        # a timeout half-way would leave an invalid index
        migrations.RunSQL(
            sql=["SET statement_timeout = 0", "SET lock_timeout = 0"],
            reverse_sql=["RESET statement_timeout", "RESET lock_timeout"],
        ),
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(fields=["customer", "shop_id"], name="ix_shop_order_customer_025425"),
        ),
        migrations.RunSQL(
            sql=["RESET statement_timeout", "RESET lock_timeout"],
            reverse_sql=["SET statement_timeout = 0", "SET lock_timeout = 0"],
        ),
    ]
"""
    )


def test_user_map_beats_the_guess():
    tab = migration(["customer_id"], django_models=parse_models("shop_order = sales.Purchase  # renamed"))
    assert '("sales", "0001_initial"),  # put the latest migration of the app here' in tab.code
    assert 'model_name="purchase"' in tab.code
    assert tab.file_name.startswith("sales/migrations/NNNN_")
    fields = {"shop_order": {"model": "sales.Purchase", "fields": {"customer_id": "buyer"}}}
    assert 'fields=["buyer"]' in migration(["customer_id"], django_models=parse_models(json.dumps(fields))).code


def test_column_that_cannot_be_a_field_runs_sql():
    tab = migration(["class"])
    assert "migrations.RunSQL(" in tab.code
    assert "AddIndexConcurrently" not in tab.code
    assert tab.more == ()


def test_table_of_many_to_many_field_has_no_model():
    through = table(
        "shop_order_tags",
        ["id|bigint|-1", "order_id|bigint|100", "tag_id|bigint|100"],
        foreign_keys=(foreign_key("a", "order_id", to=ORDER), foreign_key("b", "tag_id", to=CUSTOMER)),
    )
    tab = migration(["tag_id"], on=through)
    assert tab.file_name.startswith("shop/migrations/")
    assert "AddIndexConcurrently" not in tab.code
    assert "ManyToManyField" in tab.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("orders shop.Order extra", "Line 1 of the map of models is not of the form: table = app.Model"),
        ("a = b.C\n\norders = Order", "Line 3 of the map of models: 'Order' is not of the form app.Model"),
        ('{"orders": 5}', "The map's entry for table 'orders' must be \"app.Model\" or"),
        ('{"orders": "shop.Order",}', "The map of models is not valid JSON at line 1: "),
        ('["a"]', "The map of models must be a JSON object"),
        ('{"orders": %s}' % ("1" * 5_000), "The map of models is not valid JSON."),
        ("[" * 100_000, "The map of models is not valid JSON."),
        ('{"o": {"model": "a.B", "fields": {"x": "not a field"}}}', "The map's entry for table 'o': \"fields\" must"),
        ("orders = shop.import", "is not of the form app.Model"),
    ],
)
def test_bad_map_is_told(text, message):
    with pytest.raises(BadInput) as caught:
        parse_models(text)
    assert message in str(caught.value)


def test_map_by_lines():
    assert {k: f"{v.app}.{v.model}" for k, v in parse_models("a: x.A\n# no\n\npublic.b = y.B\nc z.C").items()} == {
        "a": "x.A",
        "public.b": "y.B",
        "c": "z.C",
    }
    assert parse_models("") == {}
