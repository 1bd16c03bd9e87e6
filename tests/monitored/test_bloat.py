"""Bloat of planted tables and B-trees on real servers, estimated and measured, against what writing them anew gives."""

import time
from typing import Any

import pytest

from analyzer.checks import Rules, run_checks
from analyzer.monitored.catalog import bloat as measuring
from analyzer.monitored.catalog.bloat import measure_bloat
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.bloat import Bloat, Unknown, btree_bloat, heap_bloat
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.kept import decode, encode
from tests import environment
from tests.monitored.bloat_planted import PLANTED
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
# small objects stand for large ones
RULES = Rules(thresholds={(code, "size"): 0.5 for code in ("SC059", "IX010")})
LEAST_BYTES = 500_000
BLOATED_TABLES = {"bloated", "emptied", "queue"}
BLOATED_INDEXES = {"bloated_pkey", "emptied_pkey", "queue_pkey"}
SIZES = (
    "select relname, pg_relation_size(oid) from pg_class"
    " where relkind in ('r', 'i') and relnamespace = 'public'::regnamespace"
)


def vacuum(database: ScratchDatabase) -> None:
    """Until the statistics say so: up to 14 those of the deletes may come after those of the VACUUM."""
    untold = (
        "select count(*) from pg_stat_user_tables s join pg_class c on c.oid = s.relid"
        " where c.relkind = 'r' and (s.last_vacuum is null or s.n_dead_tup > 0)"
    )
    database.vacuum()
    deadline = time.monotonic() + environment.IN_VAIN_S
    with database.connect() as connection:
        while connection.execute(untold).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.6)  # longer than a session keeps its statistics to itself
            connection.execute("vacuum")


def bloats(facts: SchemaFacts) -> dict[str, Bloat | Unknown]:
    found: dict[str, Bloat | Unknown] = {}
    for table in facts:
        found[table.name] = heap_bloat(table, facts.taken_at)
        found |= {index.name: btree_bloat(table, index, facts.taken_at) for index in table.indexes}
    return found


def found_by_checks(facts: SchemaFacts) -> dict[str, set[str]]:
    outcome = run_checks(facts, rules=RULES)
    return {code: {f.subject for f in outcome.findings if f.code == code} for code in ("SC059", "IX010")}


def test_bloat_is_found_and_what_only_looks_so_is_not(any_postgres: Any, scratch_database: Any, monkeypatch) -> None:
    database = scratch_database(any_postgres)
    database.execute(*PLANTED)
    vacuum(database)
    expected = {"SC059": BLOATED_TABLES, "IX010": BLOATED_INDEXES}
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:  # with pg_monitor's rights
        estimated = read_schema(conn)
        assert found_by_checks(estimated) == expected
        monkeypatch.setattr(measuring, "MOST_A_VISIT", 4)
        first = measure_bloat(conn, estimated, None, least_bytes=LEAST_BYTES)
        assert len(first.fill_tried_at) == 4  # the worst first, the rest at the next visits
        again = measure_bloat(conn, read_schema(conn), decode(encode(first)), least_bytes=LEAST_BYTES)
        measured = measure_bloat(conn, read_schema(conn), again, least_bytes=LEAST_BYTES)
    assert found_by_checks(measured) == expected
    names = {t.name for t in measured if t.fill} | {i.name for t in measured for i in t.indexes if i.fill}
    assert names == BLOATED_TABLES | BLOATED_INDEXES  # no other looks so
    with database.connect() as session:
        before = dict(session.execute(SIZES).fetchall())
        session.execute("vacuum full")
        truth = {name: 1 - size / before[name] for name, size in session.execute(SIZES).fetchall()}
    for facts in (estimated, measured):
        for name, bloat in bloats(facts).items():
            if isinstance(bloat, Bloat) and before[name] >= LEAST_BYTES:
                low, high = bloat.low_bytes / bloat.size_bytes, bloat.high_bytes / bloat.size_bytes
                assert low - 0.02 <= truth[name] <= high + 0.02, (name, truth[name], bloat)
    assert bloats(estimated)["shrunk"] == Unknown("columns were dropped, and old rows still hold them")


def test_a_b_tree_without_a_leaf_page_is_measured_as_such(any_postgres: Any, scratch_database: Any) -> None:
    database = scratch_database(any_postgres)
    database.execute("create extension pgstattuple", "create table t (id int primary key)")
    with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
        facts = read_schema(conn)
        table = facts.find_table("t")
        fill = measuring._measure(conn, table, table.indexes[0])
        (row,) = conn.run(
            "bloat_btree", {"oid": table.indexes[0].oid, "most_bytes": 2**30}, identifiers={"schema": "public"},
            action="measuring bloat",
        )  # fmt: skip
    assert (row.leaf_density_ratio, fill.leaf_pages, fill.leaf_density_ratio) == (None, 0, None)


def test_only_the_extensions_own_function_is_called_by_a_login_that_reads(any_postgres: Any, scratch_database: Any):
    database = scratch_database(any_postgres)
    trap = "create function {}(regclass) returns table (table_len int8) language sql as $$ select 1/0::int8 $$"
    database.execute(
        "create table bloated (id int primary key, note text)",
        "insert into bloated select g, repeat('x', 60) from generate_series(1, 20000) g",
        "delete from bloated where id % 5 <> 0",
        "create schema tools",
        trap.format("public.pgstattuple_approx"),
    )
    vacuum(database)

    def measured(dsn: str) -> bool:
        with connect(ConnectionSettings.from_dsn(dsn)) as conn:
            facts = measure_bloat(conn, read_schema(conn), None, least_bytes=LEAST_BYTES)
            return facts.find_table("bloated").fill is not None

    assert not measured(database.dsn)  # no extension
    database.execute("create extension pgstattuple schema tools", f"grant usage on schema tools to {database.login}")
    assert measured(database.dsn)
    assert not measured(database.superuser_dsn)  # what it reached would run with that right
    database.execute("create role owner_of_tools", "alter function tools.pgstattuple_approx(regclass) owner to"
                     " owner_of_tools")  # fmt: skip
    try:
        assert not measured(database.dsn)
    finally:
        database.execute("alter function tools.pgstattuple_approx(regclass) owner to postgres",
                         "drop role owner_of_tools")  # fmt: skip
    database.execute("revoke execute on function tools.pgstattuple_approx(regclass) from pg_stat_scan_tables")
    assert not measured(database.dsn)
