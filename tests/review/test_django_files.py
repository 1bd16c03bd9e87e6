"""A Django migration read from its code, against the statements that Django itself would run."""

import textwrap

import pytest
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.state import ProjectState

from analyzer.review.actions import Kind
from analyzer.review.files.django import read_django
from analyzer.review.files.sql import read_sql
from analyzer.review.review import review
from analyzer.review.show import review_as_text
from tests.review.builders import live_facts

BEFORE = """
from django.db import migrations, models

operations = [
    migrations.CreateModel(name="Customer", fields=[("id", models.BigAutoField(primary_key=True))]),
    migrations.CreateModel(
        name="Order",
        fields=[
            ("id", models.BigAutoField(primary_key=True)), ("total", models.IntegerField()),
            ("note", models.TextField(null=True)), ("customer", models.ForeignKey("shop.customer", models.CASCADE)),
        ],
    ),
]
"""
HEAD = """
import uuid

from django.contrib.postgres.operations import AddConstraintNotValid, AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = {atomic}
    operations = [
{operations}
    ]
"""
OPERATIONS = """
migrations.AddIndex(model_name="order", index=models.Index(fields=["total", "note"], name="one"))
migrations.AddIndex("order", models.Index(fields=["total"], name="two", condition=models.Q(total__gt=0)))
migrations.AddField(model_name="order", name="code", field=models.CharField(max_length=20, null=True))
migrations.AddField("order", "count", models.IntegerField(default=0))
migrations.AddField("order", "count2", models.PositiveIntegerField(db_default=5))
migrations.AddField("order", "uuid", models.UUIDField(default=uuid.uuid4))
migrations.AddField("order", "text", models.TextField(blank=True))
migrations.AddField("order", "flag", models.BooleanField(db_index=True, null=True))
migrations.AddField("order", "amount", models.DecimalField(max_digits=8, decimal_places=2, null=True, unique=True))
migrations.AddField("order", "courier", models.ForeignKey("shop.customer", models.CASCADE, null=True))
migrations.AddField("order", "one", models.OneToOneField("shop.customer", models.CASCADE, null=True))
migrations.AddField("order", "many", models.ManyToManyField("shop.customer"))
migrations.AddField("order", "at", models.DateTimeField(auto_now_add=True, null=True))
migrations.RemoveField("order", "note")
migrations.RenameField("order", "note", "remark")
migrations.RenameModel("Order", "Purchase")
migrations.AlterModelTable("order", "sales")
migrations.DeleteModel("Order")
migrations.AddConstraint("order", models.CheckConstraint(condition=models.Q(total__gt=0), name="positive"))
migrations.AddConstraint("order", models.UniqueConstraint(fields=["total", "note"], name="both"))
migrations.AddConstraint("order", models.UniqueConstraint(fields=["total"], condition=models.Q(total=1), name="some"))
AddConstraintNotValid("order", models.CheckConstraint(condition=models.Q(total__gt=0), name="positive"))
migrations.AlterModelOptions("order", {"ordering": ["total"]})
migrations.RunSQL("select 1; update shop_order set total = 1 where id = 5", migrations.RunSQL.noop)
migrations.RunSQL(["create index x on shop_order (total)", ("select 1", None)], "drop index x")
migrations.SeparateDatabaseAndState([migrations.RunSQL("select 1", "")], [migrations.RemoveField("order", "note")])
migrations.CreateModel("Line", [("id", models.BigAutoField(primary_key=True)), ("order", models.ForeignKey("shop.order", models.CASCADE)), ("sku", models.SlugField())])
"""  # noqa: E501
# of the same locks: Django writes the foreign key with the column or apart, which PostgreSQL locks alike
SAME = {Kind.SET: None, Kind.BEGIN: None, Kind.COMMIT: None, Kind.OTHER: None}


def migration_of(*operations: str, atomic: bool = True) -> str:
    lines = "\n".join(textwrap.indent(operation, " " * 8) + "," for operation in operations)
    return HEAD.format(operations=lines, atomic=atomic)


def django_sql(source: str) -> str:
    """As sqlmigrate prints it."""
    before, after = {}, {}
    exec(BEFORE, before)
    exec(source, after)
    state = ProjectState()
    for operation in before["operations"]:
        operation.state_forwards("shop", state)
    migration: Migration = after["Migration"]("0002_x", "shop")
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state, editor, collect_sql=True)
    return "\n".join(editor.collected_sql)


def done(migration):
    """Kind, relation, column or columns of each action; a key's part as the lock that it takes."""
    found = set()
    for step in migration.steps:
        for action in step.actions:
            if action.kind in SAME:
                continue
            relation = action.relation.name if action.relation else action.name
            if action.kind is Kind.ADD_FOREIGN_KEY:
                found |= {("references", relation, action.others[0].name)}
                continue
            if action.kind is Kind.CREATE_TABLE:
                found |= {("references", relation, other.name) for other in action.others}
            if action.new is not None and action.new.references is not None:
                found.add(("references", relation, action.new.references.name))
            new = (action.new.type, action.new.is_not_null, action.new.is_unique) if action.new else ()
            found.add((action.kind.value, relation, action.column, action.columns, action.has_where, new))
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("operation", OPERATIONS.strip().split("\n"))
def test_an_operation_is_read_as_django_runs_it(operation):
    source = migration_of(operation)
    real, read = read_sql(django_sql(source)), read_django(source, "shop/migrations/0002_x.py", None)
    assert [r.text for r in read.remarks] == []
    wanted = done(real)
    if "ManyToMany" in operation or "CreateModel" in operation:  # the indexes of a new table lock nothing
        wanted, got = ({d for d in e if d[0] not in ("CREATE INDEX", "ADD UNIQUE")} for e in (wanted, done(read)))
    else:
        got = done(read)
        # text_pattern_ops indexes for LIKE come beside those of unique and indexed texts
        wanted = {d for d in wanted if d[0] != "CREATE INDEX" or "_like" not in str(d)}
    assert got == wanted


@pytest.mark.django_db
def test_sqlmigrates_output_is_one_transaction():
    text = django_sql(migration_of('migrations.AddField("order", "x", models.IntegerField(null=True))'))
    migration = read_sql(f"BEGIN;\n{text}\nCOMMIT;\n")
    assert [(s.line, s.transaction, s.actions[0].kind) for s in migration.steps] == [
        (1, 1, Kind.BEGIN), (5, 1, Kind.ADD_COLUMN), (6, 1, Kind.COMMIT),
    ]  # fmt: skip


def test_what_cannot_be_read_is_named_with_its_line_and_what_to_give_instead():
    source = migration_of(
        'migrations.AlterField("order", "total", models.BigIntegerField())',
        "migrations.RunPython(fill)",
        "migrations.RunSQL(SQL)",
        "*more",
    )
    text = review_as_text(review(read_django(source, "shop/migrations/0002_x.py", None), 160_000, None), None)
    for said in (
        "line 11: AlterField is not reviewed: what it runs depends on the project; give the output of manage.py"
        " sqlmigrate shop 0002_x instead.",
        "line 12 (RunPython): migrations.RunPython(fill)\n   What it runs cannot be looked into.",
        "RunPython has no reverse_code, so the migration cannot go back.",
        "line 13: RunSQL is not reviewed: not all of it is written plainly",
        "line 14: An operation that is no call is not reviewed.",
    ):
        assert said in text, text


@pytest.mark.parametrize(
    ("field", "statements"),
    [
        ("models.BigIntegerField()", ["ALTER TABLE shop_order ALTER COLUMN total TYPE bigint USING total::bigint"]),
        ("models.IntegerField(null=True)", ["ALTER TABLE shop_order ALTER COLUMN total DROP NOT NULL"]),
        ("models.IntegerField(db_index=True)", ["CREATE INDEX ON shop_order (total)"]),
        ("models.IntegerField(unique=True, help_text='x')", ["ALTER TABLE shop_order ADD UNIQUE (total)"]),
        ("models.IntegerField(verbose_name='x', default=5)", []),
    ],
)
def test_alter_field_is_told_by_the_servers_column(field, statements):
    """AlterField runs what differs between the column and the field."""
    live = live_facts({"schema": "create table shop_order (id int primary key, total int not null)"}, 160_000)
    source = migration_of(f'migrations.AlterField("order", "total", {field})')
    migration = read_django(source, "shop/migrations/0002_x.py", live.schema)
    assert ([s.sql for s in migration.steps], migration.remarks) == (statements, ())


def test_a_migration_with_atomic_false_holds_nothing_together():
    operation = 'AddIndexConcurrently("order", models.Index(fields=["total"], name="x"))'
    codes = {}
    for atomic in (True, False):
        found = review(
            read_django(migration_of(operation, atomic=atomic), "shop/migrations/0002_x.py", None), 160_000, None
        )
        codes[atomic] = [finding.code for _, finding in found.findings]
    assert codes == {True: ["MG010"], False: []}


def test_safe_sequences_are_written_as_djangos_own_operations():
    source = migration_of(
        'migrations.AddIndex(\n    model_name="order",\n    index=models.Index(fields=["total"], name="x"),\n)',
        'migrations.AddField("order", "courier", models.ForeignKey("shop.customer", models.CASCADE, null=True))',
    )
    found = review(read_django(source, "shop/migrations/0002_x.py", None), 160_000, None)
    first, second = (s.safe for s in found.statements if s.safe)
    assert first == (
        "from django.contrib.postgres.operations import AddIndexConcurrently\n\n"
        "atomic = False  # in the migration's class, with nothing else in it\n\n"
        'AddIndexConcurrently(\n    model_name="order",\n    index=models.Index(fields=["total"], name="x"),\n),\n'
    )
    compile(f"f(\n{second.partition(chr(10))[2]})", "second", "eval")
    assert '"CREATE INDEX CONCURRENTLY ON shop_order (courier_id)",' in second
