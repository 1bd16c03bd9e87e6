"""An Alembic revision read from its code, against the statements that Alembic itself writes (``--sql``)."""

import io
import textwrap

import pytest
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from analyzer.review.actions import Kind
from analyzer.review.files.alembic import read_alembic
from analyzer.review.files.sql import read_sql
from analyzer.review.review import review
from analyzer.review.show import review_as_text

HEAD = """
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b"
down_revision = "a"


def upgrade() -> None:
{body}


def downgrade() -> None:
    {down}
"""
OPERATIONS = """
op.add_column("orders", sa.Column("code", sa.String(20), nullable=True))
op.add_column("orders", sa.Column("code", sa.Integer(), nullable=False, server_default="5"), schema="app")
op.add_column("orders", sa.Column("code", sa.Uuid(), server_default=sa.text("gen_random_uuid()")))
op.add_column("orders", sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False))
op.add_column("orders", sa.Column("is_paid", sa.Boolean(), server_default=sa.false(), nullable=False))
op.add_column("orders", sa.Column("is_new", sa.Boolean(), server_default=sa.true()))
op.add_column("orders", sa.Column("code", sa.Text(), server_default=sa.null()))
op.add_column("orders", sa.Column("n", sa.Integer(), server_default=sa.literal_column("7")))
op.add_column("orders", sa.Column("on", sa.Date(), server_default=sa.func.current_date()))
op.add_column("orders", sa.Column("tags", postgresql.ARRAY(sa.Text())))
op.add_column("orders", sa.Column("j", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
op.add_column("orders", sa.Column("n", sa.Numeric(8, 2)))
op.add_column("orders", sa.Column("twice", sa.Integer(), sa.Computed("total * 2", persisted=True)))
op.drop_column("orders", "note")
op.alter_column("orders", "total", type_=sa.BigInteger(), existing_type=sa.Integer())
op.alter_column("orders", "total", nullable=False, existing_type=sa.Integer())
op.alter_column("orders", "total", nullable=True, server_default=None, existing_type=sa.Integer())
op.alter_column("orders", "total", new_column_name="amount")
op.alter_column("orders", "total", type_=sa.Integer(), postgresql_using="total::integer", existing_type=sa.Text())
op.create_index(op.f("ix_total"), "orders", ["total"], unique=False)
op.create_index("ix", "orders", ["total", sa.text("lower(note)")], unique=True, schema="app")
op.create_index("ix", "orders", ["total"], postgresql_where=sa.text("note IS NULL"), postgresql_using="btree")
op.drop_index("ix_total", table_name="orders", if_exists=True)
op.create_foreign_key("fk", "orders", "customers", ["customer_id"], ["id"], ondelete="CASCADE")
op.create_foreign_key("fk", "orders", "customers", ["a"], ["id"], source_schema="x", referent_schema="y", postgresql_not_valid=True)
op.create_unique_constraint("uq", "orders", ["total", "note"])
op.create_primary_key("pk", "orders", ["id"])
op.create_check_constraint("ck", "orders", "total > 0")
op.drop_constraint("ck", "orders", type_="check")
op.rename_table("orders", "sales")
op.drop_table("orders")
op.execute("UPDATE orders SET total = 1 WHERE id = 5")
op.execute(sa.text("SELECT 1"))
op.create_table("lines", sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True), sa.Column("order_id", sa.Integer(), sa.ForeignKey("orders.id")))
op.create_table("lines", sa.Column("id", sa.Integer()), sa.Column("o", sa.Integer()), sa.PrimaryKeyConstraint("id"), sa.ForeignKeyConstraint(["o"], ["app.orders.id"]))
"""  # noqa: E501


def revision(*operations: str, down: str = "op.execute('select 1')") -> str:
    return HEAD.format(body="\n".join(textwrap.indent(o, "    ") for o in operations), down=down)


def alembic_sql(source: str) -> str:
    buffer, names = io.StringIO(), {}
    options = {"as_sql": True, "output_buffer": buffer, "transactional_ddl": True}
    context = MigrationContext.configure(dialect_name="postgresql", opts=options)
    exec(source, names)
    with Operations.context(context):
        names["upgrade"]()
    return buffer.getvalue()


def done(migration):
    return [
        (a.kind.value, str(a.relation), a.column, a.name, a.columns, a.others, a.type, a.is_not_valid, a.is_unique,
         a.has_where, a.new and (a.new.type, a.new.is_not_null, a.new.has_value))
        for step in migration.steps for a in step.actions if a.kind not in (Kind.BEGIN, Kind.COMMIT)
    ]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS.strip().split("\n"))
def test_an_operation_is_read_as_alembic_runs_it(operation):
    source = revision(operation)
    read = read_alembic(source)
    assert (read.remarks, done(read)) == ((), done(read_sql(alembic_sql(source))))


def test_batches_blocks_and_what_is_not_followed():
    source = revision(
        'with op.batch_alter_table("orders", schema="app") as batch_op:\n'
        '    batch_op.add_column(sa.Column("a", sa.Integer()))\n'
        '    batch_op.create_index("i", ["a"])',
        "with op.get_context().autocommit_block():\n"
        '    op.create_index("j", "orders", ["b"], postgresql_concurrently=True)',
        "if True:\n    op.execute('DROP TABLE old')",
        "bind = op.get_bind()\nhelper(bind)",
        "op.create_exclude_constraint('x', 'orders')",
        down="pass",
    )
    migration = read_alembic(source)
    assert [(s.line, s.transaction, s.actions[0].kind.value, str(s.actions[0].relation)) for s in migration.steps] == [
        (12, 1, "ADD COLUMN", "app.orders"), (13, 1, "CREATE INDEX", "app.orders"), (15, 0, "CREATE INDEX", "orders"),
        (17, 2, "DROP TABLE", "old"),
    ]  # fmt: skip
    text = review_as_text(review(migration, 160_000, None), None)
    for said in (
        "downgrade() does nothing, so the migration cannot go back.",
        "line 16: if is not followed: what stands in it is taken to run once.",
        "line 18: Not reviewed: only running the code would tell what it does.",
        "line 19: helper() is not looked into.",
        "line 20: op.create_exclude_constraint() is not reviewed: it is not known here; give alembic upgrade --sql's"
        " output instead.",
    ):
        assert said in text, text


def test_the_type_before_is_the_one_that_the_revision_says():
    source = revision(
        'op.alter_column("orders", "code", existing_type=sa.VARCHAR(10), type_=sa.String(20))',
        'op.alter_column("orders", "name", existing_type=sa.VARCHAR(length=256), type_=sa.String(length=255))',
    )
    found = review(read_alembic(source), 160_000, None)
    codes = [(step.line, finding.code) for step, finding in found.findings if finding.code != "MG031"]
    assert codes == [(12, "MG001"), (12, "MG015")]


def test_safe_sequences_run_in_an_autocommit_block():
    source = revision('op.create_foreign_key("fk", "orders", "customers", ["customer_id"], ["id"])')
    found = review(read_alembic(source), 160_000, None)
    safe = found.statements[0].safe
    text = alembic_sql(revision(safe))
    assert [line for line in text.split("\n") if line.startswith("ALTER")] == [
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers (id) NOT VALID;",
        "ALTER TABLE orders VALIDATE CONSTRAINT fk;",
    ]


def test_alembics_offline_output_is_read_with_its_transactions():
    text = "BEGIN;\n\n-- Running upgrade  -> a\n\nALTER TABLE orders ADD COLUMN x INTEGER;\n\nCOMMIT;\n\n"
    migration = read_sql(text)
    assert [(s.line, s.transaction) for s in migration.steps] == [(1, 1), (5, 1), (7, 1)]
