"""Ways to a user's function that attackers found: none of them leads there any more, whoever owns the objects.

Here they belong to a superuser, whom the gate trusts not to change them meanwhile, so that only what a statement
reaches keeps it away. ``{s}`` is a schema of the case's own, in the application's search_path.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from analyzer.monitored.connection import ConnectionSettings
from analyzer.monitored.explain.explain import ExplainLimits, ExplainRequest, explain_statement
from tests.servers import VERSIONS, ScratchDatabase, Server

MARK = "a user's function ran: "


def function(name: str, arguments: str, returns: str, value: str) -> str:
    return (
        f"create function {name}({arguments}) returns {returns} language plpgsql immutable as"
        f" $$ begin raise log '{MARK.replace(chr(39), chr(39) * 2)}{name}'; return {value}; end $$"
    )


@dataclass(frozen=True)
class Case:
    name: str
    setup: tuple[str, ...]
    sql: str
    since: int = 13
    until: int = 18
    undo: tuple[str, ...] = ()


COLOUR = ("create type {s}.colour as enum ('red', 'blue')", "create table {s}.painted (c {s}.colour)")
PAINT = (function("{s}.paint", "c {s}.colour", "int", "1"),
         "create cast ({s}.colour as int) with function {s}.paint({s}.colour) as implicit")  # fmt: skip
CHECKED = (function("{s}.is_right", "v int", "boolean", "true"),
           "create domain {s}.checked as int check ({s}.is_right(value))")  # fmt: skip
PLAIN = ("create domain {s}.plain as int",)

CASES = [
    Case("renamed columns", (*COLOUR, *PAINT), "select abs(a) from painted as x(a)"),
    Case("columns of a join's alias", (*COLOUR, *PAINT), "select abs(q) from (painted cross join t) j(q)"),
    Case("row of a join's alias",
         (*COLOUR, function("{s}.as_json", "c {s}.colour", "json", "'1'::json"),
          "create cast ({s}.colour as json) with function {s}.as_json({s}.colour)"),
         "select row_to_json(j) from (painted cross join t) j"),
    Case("cast of a table's row",
         ("create table {s}.r (id int)", function("{s}.of_row", "r {s}.r", "int", "1"),
          "create cast ({s}.r as int) with function {s}.of_row({s}.r) as implicit"),
         "select abs(x) from r x"),
    Case("cast of an array",
         (*COLOUR, function("{s}.of_array", "c {s}.colour[]", "int", "1"),
          "create cast ({s}.colour[] as int) with function {s}.of_array({s}.colour[]) as implicit"),
         "select abs(array[c]) from painted"),
    Case("query in a policy",
         (function("{s}.seen", "v int", "int", "v"), "create view {s}.v as select id from t where {s}.seen(1) > 0",
          "create table {s}.guarded (id int)", "alter table {s}.guarded enable row level security",
          "create policy p on {s}.guarded using (id in (select id from {s}.v))"),
         "select * from guarded"),
    Case("index of a table in a policy",
         (function("{s}.seen", "v int", "int", "v"), "create table {s}.inner_one (id int)",
          "create index on {s}.inner_one (id) where {s}.seen(1) > 0 and id > 4",
          "create table {s}.guarded (id int)", "alter table {s}.guarded enable row level security",
          "create policy p on {s}.guarded using (id in (select id from {s}.inner_one where id > 10))"),
         "select * from guarded"),
    Case("partition key above",
         (function("{s}.key", "v int", "int", "v"),
          "create table {s}.top (id int, v int) partition by range (({s}.key(1) + id))",
          "create table {s}.middle partition of {s}.top for values from (0) to (100) partition by list (v)",
          "create table {s}.low partition of {s}.middle for values in (1, 2)"),
         "select * from middle where v = 1"),
    Case("partition key by oid",
         (function("{s}.key", "v int", "int", "v"),
          "create table {s}.top (id int) partition by range (({s}.key(1) + id))",
          "create table {s}.low partition of {s}.top for values from (0) to (100)"),
         "select pg_get_partition_constraintdef('{s}.low'::regclass)"),
    Case("operator of types that PostgreSQL cannot compare",
         (function("{s}.same", "a int, b text", "boolean", "true"),
          "create operator public.= (leftarg = int, rightarg = text, function = {s}.same)"),
         "select * from t where id = s and s % 'note'", undo=("drop operator public.= (int, text)",)),
    Case("function of a domain", (*PLAIN, function("public.lpad", "a {s}.plain, b {s}.plain", "int", "1")),
         "select lpad(5, 5), s % 'a' from t", undo=("drop function public.lpad({s}.plain, {s}.plain)",)),
    Case("operator of a domain",
         (*PLAIN, function("{s}.op", "a {s}.plain, b {s}.plain", "boolean", "true"),
          "create operator public.@@@ (leftarg = {s}.plain, rightarg = {s}.plain, function = {s}.op)"),
         "select 5 @@@ 6, s % 'a' from t", undo=("drop operator public.@@@ ({s}.plain, {s}.plain)",)),
    Case("operator of rows",
         (function("{s}.op", "a t, b t", "boolean", "true"),
          "create operator public.= (leftarg = t, rightarg = t, function = {s}.op)"),
         "select x = y, x.s % 'b' from t x, t y", undo=("drop operator public.= (t, t)",)),
    Case("function of an array of rows", (function("public.cardinality", "a t[]", "int", "1"),),
         "select cardinality(array[x]), x.s % 'b' from t x", undo=("drop function public.cardinality(t[])",)),
    Case("attribute beside a namesake", (function("public.evil", "a int", "int", "1"),),
         "select generate_series.evil, (select 1 from (select 1 as evil) generate_series), 'a' % 'b'"
         " from generate_series(1, 3)", undo=("drop function public.evil(int)",)),
    Case("attribute of a join's USING alias",
         (function("public.evil", "a record", "int", "1"), "create table {s}.u (id int)"),
         "select j.evil, 'a' % 'b', (select 1 from (select 1 as evil) j) from t join u using (id) as j", since=14,
         undo=("drop function public.evil(record)",)),
    Case("domain put into an extension",
         (*CHECKED, "create role \"{s}_owner\"", "alter domain {s}.checked owner to \"{s}_owner\"",
          "alter extension hstore add domain {s}.checked"), "select 5::checked",
         undo=("alter extension hstore drop domain {s}.checked", "drop domain {s}.checked", "drop role \"{s}_owner\"")),
    Case("PostgreSQL's function behind an operator",
         (*CHECKED, "create operator public.?!? (leftarg = text, rightarg = text, function = pg_input_is_valid)"),
         "select '5' ?!? '{s}.checked'", since=16, undo=("drop operator public.?!? (text, text)",)),
    Case("JSON_ARRAY before it was a keyword", (function("public.json_array", "a int, b int", "int", "1"),),
         "select json_array(1, 2), 'a' % 'b'", until=15, undo=("drop function public.json_array(int, int)",)),
    Case("MERGE_ACTION before it was a keyword", (function("public.merge_action", "", "int", "1"),),
         "select merge_action(), 'a' % 'b' from t", until=16, undo=("drop function public.merge_action()",)),
    Case("default operator class of a type of PostgreSQL's own",
         (function("{s}.compare", "a point, b point", "int", "0"),
          "create operator class {s}.points default for type point using btree as operator 1 <^, operator 5 >^,"
          " operator 3 ~=, function 1 {s}.compare(point, point)", "create table {s}.places (p point)"),
         "select p from places order by p", undo=("drop operator class {s}.points using btree cascade",)),
    Case("cast between types of PostgreSQL's own",
         (function("{s}.number", "a text", "int", "1"),
          "create cast (text as int) with function {s}.number(text) as implicit"),
         "select abs(s) from t", undo=("drop cast (text as int)",)),
    Case("overload beside an extension's function",
         (*COLOUR, function("public.similarity", "a {s}.colour, b int", "int", "1")),
         "select similarity('red', 5)", undo=("drop function public.similarity({s}.colour, int)",)),
    Case("overload of other arguments",
         (*COLOUR, function("public.similarity", "a {s}.colour, b text, c text", "int", "1")),
         "select similarity('a', 'b'), similarity('red', 'x', 'y')",
         undo=("drop function public.similarity({s}.colour, text, text)",)),
    Case("expression of extended statistics",
         (function("{s}.made", "a int", "int", "a"), "create table {s}.e (id int, v int)",
          "create statistics {s}.st on ({s}.made(1) + id), v from {s}.e"), "select * from e where v = 1", since=14),
    Case("difference of a range's bounds",
         (function("{s}.apart", "a int, b int", "float8", "1"),
          "create type {s}.span as range (subtype = int, subtype_diff = {s}.apart)", "create table {s}.b (r {s}.span)"),
         "select count(*) from b as x(y) where y && '[3,9]'"),
]  # fmt: skip


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def database(request: pytest.FixtureRequest, postgres: Callable[[int], Server]) -> Iterator[ScratchDatabase]:
    made = ScratchDatabase(postgres(request.param))
    made.execute(
        "create extension pg_trgm", "create extension hstore", "create table t (id int primary key, v int, s text)",
        "insert into t select g, g, 'note ' || g from generate_series(1, 100) g", "analyze t",
    )  # fmt: skip
    try:
        yield made
    finally:
        made.drop()


@pytest.mark.postgres
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_users_function_is_not_reached(case: Case, database: ScratchDatabase) -> None:
    if not case.since <= database.server.version <= case.until:
        pytest.skip(f"PostgreSQL {case.since} to {case.until}")
    schema = f"case_{CASES.index(case)}"
    database.execute(
        f"create schema {schema}",
        *(statement.replace("{s}", schema) for statement in case.setup),
        f'grant usage on schema {schema} to "{database.login}"',
        f'grant select on all tables in schema {schema} to "{database.login}"',
    )
    log = Path(database.server.cluster.log_file)
    read_to = log.stat().st_size
    sql = case.sql.replace("{s}", schema)
    request = ExplainRequest(sql, "", search_path=("public", schema), mean_exec_time_ms=3.0, max_exec_time_ms=5.0)
    try:
        (outcome,) = explain_statement(ConnectionSettings.from_dsn(database.dsn), request, ExplainLimits(cores=64))
    finally:
        database.execute(*(statement.replace("{s}", schema) for statement in case.undo))
    text = log.read_bytes()[read_to:].decode("utf-8", "replace")
    assert not [line for line in text.splitlines() if MARK in line and "pgloupe" in line]
    assert (outcome.decision, outcome.plan) == ("refused", None), outcome.reason
    assert "ERROR" not in "".join(line for line in text.splitlines() if " pgloupe " in line)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "sql",
    [
        "select s from t where s % 'note 7'",
        "select similarity(s, 'note') from t where id = 5",
        "select x.v from t as x",
    ],
)
def test_what_reaches_none_is_executed(sql: str, database: ScratchDatabase) -> None:
    request = ExplainRequest(sql, "", mean_exec_time_ms=3.0, max_exec_time_ms=5.0)
    (outcome,) = explain_statement(ConnectionSettings.from_dsn(database.dsn), request, ExplainLimits(cores=64))
    assert outcome.decision == "executed", outcome.reason
