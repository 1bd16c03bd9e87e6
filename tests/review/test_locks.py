"""locks.py and work.py against real servers: each action's locks, rewrites and scans as PostgreSQL does them."""

from collections.abc import Iterator

import pytest

from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.defaults import functions_of
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.live_facts import LiveFacts
from analyzer.review.lock_modes import Mode
from analyzer.review.locks import locks_of
from analyzer.review.statements import actions_of
from analyzer.review.work import work_of
from analyzer.statements.tree import parse
from tests.review.locks.observe import HERE, Observed, observe_inside, observe_outside, statements
from tests.servers import VERSIONS, ScratchDatabase

pytestmark = pytest.mark.postgres
MODES = {mode.name.title().replace("_", "") + "Lock": mode for mode in Mode}
# their plans decide what DML reads, and views are no tables to observe
# what a view's query reads, and changes that are none where a table is where it shall be
UNTOLD = ("truncate", "refresh", "alter table u set tablespace", "alter table a set access method")
NO_SCANS = (
    "update ",
    "explain ",
    "delete ",
    "insert ",
    "merge ",
    "with ",
    "select ",
    "create table ",
    "create materialized ",
)


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def world(request, postgres) -> Iterator[tuple[ScratchDatabase, LiveFacts]]:
    database = ScratchDatabase(postgres(request.param))
    database.execute((HERE / "world.sql").read_text())
    database.vacuum()
    functions = {
        name for sql, _, _ in statements("inside.sql") for action in actions_of(parse(sql)[0].stmt)
        if action.new is not None for name in functions_of(action.new.default)
    }  # fmt: skip
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        facts = read_live_facts(connection, functions)
    yield database, facts
    database.drop()


def expected(sql: str, facts: LiveFacts) -> Observed:
    """As the review says it."""
    known = FactsAtStatement(facts.schema.server_version_num, facts)
    observed, modes = Observed(), dict[str, Mode]()
    for action in actions_of(parse(sql)[0].stmt):
        for lock in locks_of(action, known):
            if lock.is_index:
                observed.indexes.add(lock.relation.name)
            elif known.table(lock.relation) is not None and known.table(lock.relation).kind in "rpm":
                modes[lock.relation.name] = max(lock.mode, modes.get(lock.relation.name, lock.mode))
        for work in work_of(action, known):
            if not work.is_certain:
                continue
            table = known.table(work.relation)
            below = known.partitions_of(table) if work.kind == "index" else known.below(table)
            parts = [t.name for t in (table, *below) if t.kind != "p"]
            if work.kind == "rewrite":
                observed.rewritten |= set(parts)
            observed.scanned |= set(parts)
        known.note(action)
    observed.locks = dict(modes)
    return observed


def test_locks_rewrites_and_scans_are_those_of_the_server(world):
    database, facts = world
    version, differing, seen = database.server.version, [], 0
    empty = {table.name for table in facts.schema if not table.size_bytes}
    for sql, since, is_refused in statements("inside.sql"):
        if since > version or is_refused:
            continue
        seen += 1
        real, said = observe_inside(database, sql), expected(sql, facts)
        real.locks = {name: MODES[mode] for name, mode in real.locks.items() if mode in MODES}
        if sql.startswith(NO_SCANS):
            real.scanned, said.scanned = set(), set()
        if sql.startswith(UNTOLD):
            said.rewritten, said.scanned, real.rewritten, real.scanned = set(), set(), set(), set()
        for observed in (real, said):  # of an empty table nothing is read, and nobody waits for it
            observed.scanned -= empty
            observed.rewritten -= empty
        if real != said:
            differing.append(f"{sql}\n   server {real}\n   said   {said}")
    assert not differing, "\n".join(differing)
    assert seen > 200


def test_locks_of_what_no_transaction_may_hold_are_those_of_the_server(postgres):
    """In a database of its own: what is cancelled half way leaves invalid indexes."""
    for version in VERSIONS:
        database = ScratchDatabase(postgres(version))
        database.execute((HERE / "world.sql").read_text())
        database.vacuum()
        with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
            facts = read_live_facts(connection, ())
        for line in (HERE / "outside.sql").read_text().splitlines()[1:]:
            sql, _, blocker = line.partition("; -- ")
            blocker, _, since = blocker.partition("; from ")
            if int(since or 13) > version:
                continue
            real = observe_outside(database, sql, blocker)
            said = expected(sql, facts).locks
            said.pop("q1", None)  # detached at the end, in a second transaction
            real.pop("q1", None)
            assert {n: MODES[m] for n, m in real.items() if m in MODES} == said, (version, sql)
        database.drop()
