"""Tables that no search_path of ours finds: one plan and one suggestion for all tenants that are alike."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from analyzer.advice.code import CodeOptions, DjangoModel, code_for
from analyzer.advice.code.change import creation
from analyzer.advice.code.change import in_each_schema as changes_in_each_schema
from analyzer.advice.ddl import create_index, in_each_schema
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.outcome import definition_from_json, definition_to_json
from analyzer.advice.resolved_workload import as_read, missing_table, why_left_out, why_unread
from analyzer.advice.rollout.steps import steps_forward
from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.advice.why_none import why_none
from analyzer.schema.facts import TableActivity
from analyzer.schema.objects import FunctionFacts
from analyzer.statements.resolution import resolutions, structure
from tests.advice.builders import facts, index, statement, table

INV = ("id|bigint|-1", "cust|integer|9000", "owner_id|integer|500")
READ = TableActivity(seq_scans=10)


def inv(schema, rows=100_000, indexes=(), activity=READ, name="inv", columns=INV):
    return table(name, columns, rows, indexes, schema=schema, activity=activity)


def tenants(count=3, **more):
    return [inv(f"t{n}", **more) for n in range(1, count + 1)]


def read(sql, schema, **more):
    found = as_read([replace(statement(sql), **more)], schema)
    return [
        (s.sql, round(s.calls_per_day), {oid: [t.schema for t in ts] for oid, ts in s.alike.items()}) for s in found
    ]


def test_tenants_that_are_alike_are_planned_once_on_one_of_the_largest():
    known = facts(*tenants(), inv("t0", rows=5))
    largest = known.find_table("inv", "t1")
    assert read("select * from inv where cust = $1", known) == [
        ('select * from "t1".inv where cust = $1', 1000, {largest.oid: ["t2", "t3", "t0"]})
    ]


def test_tenants_that_differ_are_planned_apart_with_their_share_of_the_calls():
    has_it = inv("t9", indexes=(index("inv_cust", "cust"),), activity=TableActivity(seq_scans=30))
    found = read("select * from inv where cust = $1", facts(*tenants(1), has_it))
    assert sorted(f[:2] for f in found) == [
        ('select * from "t1".inv where cust = $1', 250), ('select * from "t9".inv where cust = $1', 750),
    ]  # fmt: skip


def test_a_copy_that_nobody_reads_and_that_is_not_alike_is_no_tenant():
    backup = table("inv", INV, 10, keys=(), schema="backup")
    found = read("select * from inv where cust = $1", facts(*tenants(2), backup))
    assert [f[0] for f in found] == ['select * from "t1".inv where cust = $1']
    assert [schemas for f in found for schemas in f[2].values()] == [["t2"]]


def test_a_name_on_the_path_is_the_paths_whatever_other_schemas_have():
    known = facts(inv("public"), inv("auth"))
    assert read("select * from inv where cust = $1", known) == [("select * from inv where cust = $1", 1000, {})]


def test_where_sessions_set_their_path_a_shared_name_may_be_any_of_them():
    known = facts(*tenants(2), inv("public", name="people"), inv("t1", name="people"), inv("t2", name="people"))
    found = as_read([statement("select * from inv"), statement("select * from people where cust = $1")], known)
    people = found[1]
    assert people.sql == "select * from people where cust = $1"
    assert [[t.schema for t in ts] for ts in people.alike.values()] == [["t1", "t2"]]


def test_a_role_with_a_path_of_its_own_reads_its_own_tables():
    known = facts(inv("public"), inv("auth"), role_paths={"": ("public",), "auth_admin": ("auth",)})
    sql = "select * from inv where cust = $1"
    assert [f[0] for f in read(sql, known, roles=("auth_admin",))] == ['select * from "auth".inv where cust = $1']
    assert [f[0] for f in read(sql, known, roles=("app",))] == [sql]
    (both,) = as_read([replace(statement(sql), roles=("app", "auth_admin"))], known)
    assert [[t.schema for t in ts] for ts in both.alike.values()] in ([["public"]], [["auth"]])


def test_a_table_that_one_schema_alone_has_is_that_one():
    known = facts(inv("app"), inv("public", name="other"))
    assert [f[0] for f in read("select * from inv join other using (id)", known)] == [
        'select * from "app".inv join other using (id)'
    ]


def test_every_kind_of_statement_keeps_its_ctes_aliases_and_locks():
    known = facts(*tenants(2), *(inv(f"t{n}", name="Odd 10") for n in (1, 2)))
    for sql, wanted in {
        "with inv as (select 1) select * from inv": "with inv as (select 1) select * from inv",
        "select i.id from inv i for update of i": 'select i.id from "t1".inv i for update of i',
        "select inv.id from inv for update of inv": 'select inv.id from "t1".inv for update of inv',
        'insert into inv select * from "Odd 10"': 'insert into "t1".inv select * from "t1"."Odd 10"',
        "merge into inv using only inv s on s.id = inv.id when matched then delete":
            'merge into "t1".inv using only "t1".inv s on s.id = inv.id when matched then delete',
        "declare c cursor for select * from inv": 'select * from "t1".inv',
    }.items():  # fmt: skip
        assert read(sql, known)[0][0] == wanted


def test_what_no_schema_has_says_so():
    known = facts(
        inv("t1"), inv("t2"), inv("t1", name="a"), inv("t2", name="b"), inv("t3", name="a"), inv("t3", name="b")
    )
    assert why_unread("select * from a join b using (id)", known) is None  # t3
    assert why_unread("select * from a join b using (id) join inv using (id)", known) == (
        "It names tables without their schema, and no schema with the application's search_path (public) has them all:"
        " a is in t1, t3; b is in t2, t3; inv is in t1, t2."
    )
    assert (missing_table("select * from tmp", known), missing_table("select * from pg_class, inv", known)) == (
        "tmp",
        None,
    )


def test_a_table_that_the_facts_leave_out_is_neither_gone_nor_nothing_to_index():
    known = replace(facts(inv("t1")), left_out=("public.kunde", "old.inv", "s.gr\ufffd\ufffde"))
    for sql in ("select * from kunde", "copy (select 1 from public.kunde) to stdout", "insert into kunde select 1"):
        assert why_left_out(sql, known) == (
            "public.kunde is left out: a name (its own, a column's or an index's) is no UTF-8, and no DDL could hold"
            " it."
        )
    assert why_left_out('select 1 from inv join "gr\ufffd\ufffde" on true', known).startswith("s.gr\ufffd\ufffde is")
    assert (why_left_out("select * from inv", known), why_left_out("select * from s.kunde", known)) == (None, None)
    assert (why_left_out("select * from old.inv", known) or "").startswith("old.inv is left out")
    assert why_none("select * from kunde", known, None, {}, ()).startswith("public.kunde is left out")


def test_one_suggestion_has_the_ddl_for_each_schema_under_one_name():
    known = facts(*tenants(2), inv("t10", indexes=(replace(index("ix_inv_cust", "owner_id"), schema="t10"),)))
    (read_as, other) = as_read([statement("select * from inv where cust = $1")], known)
    suggestions = suggest_indexes([read_as, other], known).suggestions
    assert {s.schema: s.statements for s in suggestions} == {
        "t1": (
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_inv_cust ON t1.inv (cust)",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_inv_cust ON t2.inv (cust)",
        ),
        "t10": ("CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_inv_cust_2 ON t10.inv (cust)",),
    }
    whole = next(s for s in suggestions if s.schema == "t1")
    assert whole.undo_statements == tuple(f"DROP INDEX CONCURRENTLY IF EXISTS {t}.ix_inv_cust" for t in ("t1", "t2"))
    assert whole.reason.startswith("The same for inv in each of 2 schemas: t1, t2. cust is compared by equality")


def definition(known):
    first, *others = known.tables
    return IndexDefinition(first, (IndexColumn("cust"),), also=tuple(others))


def test_the_schemas_are_kept_with_the_suggestion_and_those_that_have_it_by_now_are_left_out():
    known = facts(*tenants(12))
    kept = definition_to_json(definition(known))
    later = facts(*tenants(11), inv("t12", indexes=(index("by_hand", "cust"),)))
    found = definition_from_json(kept, later)
    assert found is not None
    ddl = create_index(found, later)
    assert [sql.split(" ON ")[1] for sql in ddl.statements] == [f"t{n}.inv (cust)" for n in range(1, 12)]
    assert ddl.notes[0] == f"In each of 11 schemas: {', '.join(f't{n}' for n in range(1, 12))}."
    assert in_each_schema(found) == "The same for inv in each of 12 schemas: t1, t2, t3, t4, t5 and 7 more."
    assert definition_from_json({k: v for k, v in kept.items() if k != "also"}, later).also == ()


def test_a_rollout_has_a_step_for_every_schema():
    change = creation(definition(facts(*tenants(3))), facts(*tenants(3)))
    steps = [step for part in changes_in_each_schema(change) for step in steps_forward(part, None)]
    assert [step.index for step in steps] == [f"t{n}.ix_inv_cust" for n in (1, 2, 3)]
    assert change.title == "Create index ix_inv_cust on t1.inv and in 2 more schemas"


@pytest.mark.parametrize("extra", [{}, {"method": "gin"}], ids=["single", "trigrams"])
@pytest.mark.parametrize("models", [{}, {"inv": DjangoModel("shop", "Inv")}], ids=["sql", "django"])
def test_a_migration_is_for_one_schema_and_the_sql_for_all(extra, models):
    tables = tenants(3, columns=(*INV, "note|text|-1"))
    key = IndexColumn("note", opclass="gin_trgm_ops") if extra else IndexColumn("lower(note)", is_expression=True)
    wanted = IndexDefinition(tables[0], (key,), also=tuple(tables[1:]), **extra)
    known = facts(*tables, search_path=("t1",))
    sql, *migrations = code_for(
        wanted, known, CodeOptions(date=datetime(2026, 11, 30, tzinfo=UTC), django_models=models)
    )
    assert [sql.code.count(f" ON t{n}.inv") for n in (1, 2, 3)] == [1, 1, 1]
    assert sql.code.count("CREATE EXTENSION") == len(extra)
    for tab in migrations:
        assert "t2" not in tab.code, tab.key
        assert "t3" not in tab.code, tab.key
        assert tab.notes[0].startswith("The same for inv in each of 3 schemas: t1, t2, t3. The migration is for one")
    assert "CREATE INDEX" not in migrations[0].code or migrations[0].code.count(" ON t1.inv") == 1


def orders(schema, **more):
    """A tenant's table whose types are the tenant's own."""
    own = f'"{schema}"' if schema == "T-3" else schema
    types = {"st": f"{own}.status", "sts": f"{own}.status[]", "price": f"{own}.coin(10,2)"}
    made = inv(schema, name="orders", columns=("id|bigint|-1", "st|text|3", "sts|text|3", "price|text|900"), **more)
    return with_types(made, **types)


def test_types_of_a_tenants_own_are_the_schemas_that_the_tables_are_of():
    known = facts(orders("t1"), orders("t2"), orders("T-3"))
    largest = known.find_table("orders", "T-3")
    sql = "select * from orders where st = $1::status and sts @> $2::status[] and price > $3::coin and id = $4::int"
    expected = (
        'select * from "T-3".orders where st = $1::"T-3".status and sts @> $2::"T-3".status[]'
        ' and price > $3::"T-3".coin and id = $4::int'
    )
    assert read(sql, known) == [(expected, 1000, {largest.oid: ["t1", "t2"]})]
    (one,) = as_read([replace(statement(sql), samples=("select * from orders where st = 'new'::status",))], known)
    assert one.samples == ('select * from "T-3".orders where st = \'new\'::"T-3".status',)


def test_what_names_a_tenants_type_names_each_tenants_own_in_its_ddl():
    rows_of = {"t1": "(st = 'new'::t1.status)", "T-3": "(st = 'new'::\"T-3\".status)"}
    first, other, has_it = (
        orders("t1"),
        orders("T-3"),
        replace(orders("t2"), indexes=(index("by_hand", "id", where="(st = 'new'::t2.status)"),)),
    )
    known = facts(first, other, has_it)
    columns = (IndexColumn("id"),)
    wanted = IndexDefinition(first, columns, predicate=rows_of["t1"], also=(other, has_it))
    assert [sql.partition(" ON ")[2] for sql in create_index(wanted, known).statements] == [
        f"t1.orders (id) WHERE {rows_of['t1']}",
        f'"T-3".orders (id) WHERE {rows_of["T-3"]}',
    ]
    text = IndexDefinition(first, (IndexColumn("st::t1.status::text || 't1.status'", is_expression=True),))
    assert text.on(other, known).columns[0].name == "st::\"T-3\".status::text || 't1.status'"


def with_types(made, **types):
    return replace(made, columns=tuple(replace(c, type_name=types.get(c.name, c.type_name)) for c in made.columns))


def function(schema, name, **more):
    return FunctionFacts(schema, name, "text", "sql", False, "i", "s", "owner", False, True, **more)


def test_only_names_that_both_schemas_have_are_renamed_and_only_as_names():
    first, other = orders("t1"), orders("T-3")
    public = orders("public")
    functions = [function(schema, "slug") for schema in ("t1", "T-3")] + [function("public", "unaccent")]
    known = facts(first, other, public, functions=functions)
    written = "t1.slug(name) || 'see t1.status' || t1.other(name) || \"my t1.status\" || (a.t1).status"
    text = IndexDefinition(first, (IndexColumn(written, is_expression=True),))
    assert text.on(other, known).columns[0].name == written.replace("t1.slug", '"T-3".slug')
    shared = IndexDefinition(public, (IndexColumn("public.unaccent(name)", is_expression=True),))
    assert shared.on(first, known).columns[0].name == "public.unaccent(name)"


def test_an_extensions_type_in_public_makes_no_difference_between_tenants_and_public():
    one, public = (with_types(table("p", ["id|bigint|-1"], schema=s), id="public.citext") for s in ("t1", "public"))
    assert structure(one, facts(one, public)) == structure(public, facts(one, public))


def test_a_tenants_namesake_of_a_built_in_takes_nothing_over():
    mine = with_types(table("p", ["at|text|-1", "st|text|-1"], schema="t1"), at="t1.date", st="t1.status")
    functions = [function("t1", "lower", is_named_as_built_in=True), function("t1", "slug")]
    known = facts(mine, table("p", ["at|text|-1"], schema="t2"), functions=functions)
    sql = "select lower(name), slug(name) from p where at = $1::date and st = $2::status"
    one = resolutions(sql, known)[0]
    assert one.sql == 'select lower(name), "t1".slug(name) from "t1".p where at = $1::date and st = $2::"t1".status'
