"""Whatever is planned on the twin, it ends in time, within its memory, with a plan of a size that can be read; and the
next statement is planned as if nothing had been."""

import json
import re
from pathlib import Path

import psutil
import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.plans.size import node_count
from analyzer.runtime.processes import RuntimeFailure, wait_until_gone
from analyzer.twin import Twin, lease, limits
from analyzer.twin import twin as twin_module
from tests.environment import IN_VAIN_S
from tests.twin.conftest import settings_of

pytestmark = [pytest.mark.postgres, pytest.mark.long]

SCHEMA = (
    "create table t (id int, a int)",
    "insert into t select g, g from generate_series(1, 5000) as g",
    "create function spins(int) returns int language plpgsql immutable as $$ begin loop end loop; end $$",
    # a timeout is heard once, and a cancel as often as it is sent
    "create function swallows(int) returns int language plpgsql immutable as $$ begin loop begin loop end loop;"
    " exception when query_canceled then null; end; end loop; end $$",
    "create function eats(int) returns int language plpgsql immutable as"
    " $$ declare t text := 'x'; begin loop t := t || t; end loop; end $$",
    "create function recurses(int) returns int language sql immutable as 'select 1'",
    "create or replace function recurses(int) returns int language sql immutable as 'select recurses($1 + 1)'",
    "create function fills(int) returns int language sql immutable as"
    " 'select cardinality(array_fill(1, array[100000000]) || array_fill(1, array[100000000]))'",
    "analyze t",
)
# in one product of long numbers PostgreSQL looks for no interrupts, nor between two of them while it folds constants
DEAF = "(1e65000::numeric + 1.1) * (1e65000::numeric - 1.1)"
DEAF_SQL = "select " + ", ".join([f"{DEAF} > 0"] * 1000) + " from t where a = 5"
LOOKUP = "select * from t where a = 5"
LATE = "Planning it took longer than 1 s on the twin"
HUNGRY = "Planning it needed more than 1 GB of memory on the twin."


def query(sql, key=None):
    return Query(key=key or sql, statement=sql, sql=sql, weight=1.0)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(limits, "TIMEOUT_MS", 1000)
    # such a text is refused before (statements/folding.py); these limits hold for what is not seen there
    monkeypatch.setattr("analyzer.statements.folding.MOST_DIGITS", float("inf"))


@pytest.fixture
def hostile(scratch_database, postgres18):
    database = scratch_database(postgres18)
    database.execute(*SCHEMA)
    return database


def table_t(database):
    with connect(settings_of(database.superuser_dsn)) as connection:
        return read_schema(connection).find_table("t")


def backends(twin: Twin) -> list[psutil.Process]:
    return [psutil.Process(c.info.backend_pid) for c in (twin._planning.connection, twin._role)]


def test_functions_that_do_not_end_are_ended_whatever_the_server(scratch_database, any_postgres, var_dir, short):
    database = scratch_database(any_postgres)
    database.execute(*SCHEMA)
    with lease(settings_of(database.superuser_dsn), var_dir) as twin:
        planned = twin.plan(query(LOOKUP))
        assert not isinstance(planned, Refused)
        for function, reasons in (
            ("spins", {f"{LATE}."}),
            ("swallows", {f"{LATE} and was ended."}),
            ("eats", {HUNGRY, f"{LATE}.", f"{LATE} and was ended."}),  # on a busy machine the time comes first
            ("fills", {HUNGRY, f"{LATE}.", f"{LATE} and was ended."}),
            ("recurses", {"Stack depth limit exceeded."}),
        ):
            refused = twin.plan(query(f"select * from t where a = {function}(1)"))
            assert isinstance(refused, Refused), function
            assert refused.reason in reasons, function
            assert twin.plan(query(LOOKUP, key=function)) == planned
        assert not twin.is_ended
        assert twin._times_anew == 0


def test_arithmetic_that_hears_nothing_is_killed_and_the_twin_made_anew(hostile, var_dir, short):
    settings = settings_of(hostile.superuser_dsn)
    with lease(settings, var_dir) as twin:
        made = twin.hypothesize([IndexDefinition(table_t(hostile), (IndexColumn(c),)) for c in ("id", "a")])
        with_index = twin.plan(query(LOOKUP), [made[1].id])
        assert with_index.used == {made[1].id}
        for times in (1, 2):
            killed = twin._planning.connection.info.backend_pid
            assert twin.plan(query(DEAF_SQL, key=str(times))) == Refused(f"{LATE} and was ended.")
            assert wait_until_gone([killed], timeout_s=IN_VAIN_S)
            assert twin.plan(query(LOOKUP, key=str(times)), [made[1].id]) == with_index
            assert twin._times_anew == times
        assert twin.hypothesize([made[0].definition]) == [made[0]]
    with lease(settings, var_dir) as twin:  # a twin that ended and was not needed again
        assert isinstance(twin.plan(query(DEAF_SQL)), Refused)
    with lease(settings, var_dir) as twin:
        assert twin.timing.build_s > 0
        assert not isinstance(twin.plan(query(LOOKUP)), Refused)


def test_a_twin_that_ends_over_and_over_is_given_up(hostile, var_dir, short, monkeypatch):
    monkeypatch.setattr(twin_module, "MOST_TIMES_ANEW", 0)
    with lease(settings_of(hostile.superuser_dsn), var_dir) as twin:
        assert isinstance(twin.plan(query(DEAF_SQL)), Refused)
        with pytest.raises(RuntimeFailure, match="has ended 1 times over what it was to plan; it is given up"):
            twin.plan(query(LOOKUP))


def test_indexes_are_made_within_the_same_limits(hostile, var_dir, short):
    table = table_t(hostile)
    with lease(settings_of(hostile.superuser_dsn), var_dir) as twin:
        answers = twin.hypothesize(
            [
                IndexDefinition(table, (IndexColumn("id"),), predicate="a = spins(1)"),
                IndexDefinition(table, (IndexColumn("a + swallows(1)", is_expression=True),)),
                IndexDefinition(table, (IndexColumn("a"),)),
                IndexDefinition(table, (IndexColumn("id"),), predicate=f"{' and '.join([f'{DEAF} > a'] * 1000)}"),
            ]
        )
        assert [a for a in answers if isinstance(a, Refused)] == [
            Refused("Making it took longer than 1 s on the twin."),
            Refused(f"{LATE} and was ended."),
            Refused(f"{LATE} and was ended."),
        ]
        assert twin.plan(query(LOOKUP), [answers[2].id]).used == {answers[2].id}


def test_every_process_has_its_limits(hostile, var_dir):
    with lease(settings_of(hostile.superuser_dsn), var_dir) as twin:
        postmaster = backends(twin)[0].parent()
        for process in (postmaster, *backends(twin)):
            said = Path(f"/proc/{process.pid}/limits").read_text()
            of = {line[:25].strip(): line[25:].split()[:2] for line in said.splitlines()[1:]}
            assert of["Max address space"] == [str(limits.MEMORY_LIMIT_BYTES)] * 2
            assert of["Max cpu time"] == [str(limits.CPU_LIMIT_S)] * 2
            assert of["Max core file size"] == ["0", "0"]


@pytest.mark.parametrize(
    "sql",
    [
        "select " + ", ".join(["'x'::char(10485760)"] * 130),
        "select length(replace(replace(repeat('a',10000),'a',repeat('b',5000)),'b','cccccccccc'))",
        "select jsonb_path_exists(('['||repeat('1,',5000)||'1]')::jsonb, '$[*] ? (@ == 5 || $[*] == 7)')",
        "select fills(1)",
    ],
)
def test_texts_that_fold_to_much_take_no_more_memory(sql, hostile, var_dir):
    """Some of them the gate refuses before they are sent."""
    with lease(settings_of(hostile.superuser_dsn), var_dir) as twin:
        assert isinstance(twin.plan(query(sql)), Refused)
        assert not isinstance(twin.plan(query(LOOKUP)), Refused)
        for process in backends(twin):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak_kb = int(status.partition("VmPeak:")[2].split()[0])
            assert peak_kb * 1024 <= limits.MEMORY_LIMIT_BYTES


def test_a_plan_that_is_too_large_is_not_read(hostile, var_dir, monkeypatch):
    many = " union all ".join([LOOKUP] * 40)
    with lease(settings_of(hostile.superuser_dsn), var_dir) as twin:
        nodes = node_count(twin.explain(query(many))["Plan"])
        monkeypatch.setattr(limits, "MOST_NODES", nodes - 1)
        assert twin.explain(query(many)) == Refused(f"Its plan has {nodes} nodes, where {nodes - 1} can be read.")
        monkeypatch.setattr(limits, "MOST_PLAN_BYTES", 10_000)
        refused = twin.explain(query(many)).reason
        assert re.fullmatch(r"Its plan is too large: [\d.]+ kB, where 9.77 kB can be read\.", refused)
        assert isinstance(twin.plan(query(f"{many} order by 1")), Refused)
        assert not isinstance(twin.explain(query(LOOKUP)), Refused)


def plan_text(levels, text="x"):
    """As EXPLAIN prints it."""
    lines = [f'{" " * (4 * level + 2)}"Node Type": "Append",\n"Plans": [{{' for level in range(1, levels)]
    lines.append(f'{" " * (4 * levels + 2)}"Node Type": "Seq Scan",\n"Filter": {json.dumps(text)}')
    return '[{"Plan": {\n' + "\n".join(lines) + "}]" * (levels - 1) + "}}]"


def test_levels_and_nodes_are_counted_before_anything_is_read():
    assert limits.read_plan(plan_text(limits.MOST_LEVELS // 2), 0)["Plan"]["Node Type"] == "Append"
    assert limits.read_plan(plan_text(5_000), 0) == Refused("Its plan is nested more than 200 levels deep.")
    # what a statement says is no node
    quoted = '\n      "Node Type": "Limit",' * 20_000
    assert limits.read_plan(plan_text(1, quoted), 0)["Plan"]["Filter"] == quoted


def test_a_table_of_ten_thousand_columns_in_views_is_planned_or_refused(scratch_database, postgres18, var_dir):
    database = scratch_database(postgres18)
    columns = ", ".join(f"a_column_with_a_long_name_{n} int" for n in range(1500))
    database.execute(
        f"create table wide ({columns})",
        "create table split (k int) partition by list (k)",
        "do $$ begin for i in 1..300 loop execute format("
        "'create table split_%s partition of split for values in (%s)', i, i); end loop; end $$",
    )
    with lease(settings_of(database.superuser_dsn), var_dir) as twin:
        joined = "select a.* from wide a, wide b, wide c, wide d, wide e, wide f, wide g, wide h"
        assert isinstance(twin.explain(query(joined)), dict)
        wider = " union all ".join(["select * from wide"] * 200)
        assert "too large" in twin.explain(query(wider)).reason or "memory" in twin.explain(query(wider)).reason
        split = " union all ".join(["select * from split"] * 40)
        assert twin.explain(query(split)) == Refused("Its plan has 12,001 nodes, where 10,000 can be read.")
        assert isinstance(twin.explain(query("select 1 from split")), dict)
