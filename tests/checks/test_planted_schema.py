"""A real database with bad objects and good twins (planted_schema.sql): the checks find the bad ones, no other."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzer.checks import Context, Rules, find
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.facts import SchemaFacts
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres
PLANTED = Path(__file__).parent / "planted_schema.sql"
COUNTED_DAYS = 60.0  # nobody waits so long in a test
# small tables stand for large ones
RULES = Rules(
    thresholds={
        ("IX003", "size"): 0.0, ("IX004", "size"): 100_000.0, ("IX005", "size"): 100_000.0,
        ("IX006", "size"): 40_000.0, ("IX007", "indexes"): 6.0, ("IX007", "written_rows"): 1_000.0,
        ("SC012", "deleted_rows"): 100.0, ("SC012", "child_rows"): 100.0, ("SC014", "rows"): 100.0,
        ("SC015", "rows"): 100.0, ("SC022", "rows"): 100.0, ("SC023", "rows"): 100.0, ("SC024", "rows"): 100.0,
        ("SC025", "rows"): 100.0, ("SC026", "rows"): 100.0, ("SC027", "rows"): 100.0, ("SC028", "rows"): 100.0,
        ("SC028", "size"): 1_000.0, ("SC030", "waste"): 30_000.0, ("SC035", "rows"): 100.0,
        ("SC036", "rows"): 100.0, ("SC050", "rows"): 100.0, ("SC051", "rows"): 150.0, ("SC051", "minutes"): 0.0,
        ("SC052", "dead_rows"): 100.0, ("SC055", "updated_rows"): 100.0, ("SC056", "inserted_rows"): 3_000.0,
        ("SC057", "rows"): 5_000.0, ("SC058", "rows"): 100.0,
    }
)  # fmt: skip
VACUUMED = ("article", "crowd", "sparse", "heavy_tail", "hot_counter", "batch")
GROWN = (
    "insert into outgrown select g, g from generate_series(301, 600) g",
    "create table unknown (id bigint primary key)",
    "insert into unknown select g from generate_series(1, 300) g",
    "create table parted (id bigint primary key) partition by range (id)",
    "create table parted_1 partition of parted for values from (1) to (1000)",
    "insert into parted select g from generate_series(1, 300) g",
)
USED = (
    "select count(*) from crowd where used = 7",
    "select count(*) from article where title like 'title 77%'",
    "select count(*) from sparse where half = 8",
    "select count(*) from sparse where gone = 50",
    "select count(*) from sparse where done",
    "select slug from article order by slug limit 1",
    "select title from article order by title limit 1",
    "select count(*) from discarded where a = 1",
    "select count(*) from discarded_partial where a = 1 and deleted_at is null",
)
USED_INDEXES = {
    "crowd_used", "article_title_0a1b2c3d_like", "sparse_half", "sparse_gone", "sparse_done", "article_slug",
    "article_title", "discarded_a", "discarded_partial_a",
}  # fmt: skip


def planted(version: int) -> tuple[str, set[tuple[str, str]]]:
    """The statements for a version, and what is to be found: code and what about."""
    lines = [re.sub(r"^--(\d+) ", lambda m: "" if version >= int(m[1]) else "-- ", line) for line in read()]
    said = [line.split()[2:4] for line in lines if line.startswith("-- finds ")]
    return "\n".join(lines), {(code, about) for code, about in said}


def read() -> list[str]:
    return PLANTED.read_text().splitlines()


@pytest.fixture
def facts(any_postgres: Any, scratch_database: Any) -> SchemaFacts:
    database = scratch_database(any_postgres)
    statements, _ = planted(any_postgres.version)
    in_one_session(database, [statements], seen="pg_stat_get_live_tuples('of_tenant_well'::regclass) = 300")
    in_one_session(database, ["analyze", *(f"vacuum {name}" for name in VACUUMED)])
    in_one_session(database, GROWN, seen="pg_stat_get_live_tuples('parted_1'::regclass) = 300")
    last = " and ".join(f"pg_stat_get_numscans('{name}'::regclass) > 0" for name in USED_INDEXES)
    in_one_session(database, ["analyze parted_1", "set enable_seqscan = off", *USED], seen=last)
    with connect(ConnectionSettings.from_dsn(database.superuser_dsn)) as conn:
        return replace(read_schema(conn), days_since_stats_reset=COUNTED_DAYS)


def in_one_session(database: Any, statements: Sequence[str], seen: str = "true") -> None:
    """Counters arrive some time after the statements, all of a session at once: until this holds."""
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement)
    with database.connect() as connection:
        wait_for(lambda: connection.execute(f"select {seen}").fetchone()[0], lambda: f"for {seen}")


def test_exactly_what_was_planted_is_found(any_postgres: Any, facts: SchemaFacts) -> None:
    outcome = find(facts, Context(), rules=RULES)
    assert outcome.failed == {}
    found = {(f.code, "database" if f.about == facts.database else f.about) for f in outcome.findings}
    expected = planted(any_postgres.version)[1]
    assert (found - expected, expected - found) == (set(), set())
    assert outcome.not_run == {}
    (never,) = (f for f in outcome.findings if f.code == "SC050")
    assert never.evidence["names"] == "public.unknown"
