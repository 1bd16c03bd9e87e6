"""Every safe sequence on real servers: the same schema and rows as the original, and no work under a strong lock."""

import re
from pathlib import Path

import pytest
from psycopg import sql

from analyzer.monitored.catalog.migration_facts import read_live_facts
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.locks import locks_of
from analyzer.review.safe_sequence.render import rendered
from analyzer.review.safe_sequence.steps import safe_steps
from analyzer.review.statements import actions_of
from analyzer.review.work import work_of
from analyzer.statements.split import split_statements
from analyzer.statements.tree import parse
from tests.review.locks.observe import HERE
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
CASES = [c.sql for c in split_statements((Path(__file__).parent / "safe_sequences.sql").read_text())]
# without the order of columns' numbers, and what an index was called on its way
SCHEMA = """
    select 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
        pg_get_expr(d.adbin, d.adrelid), a.attidentity::text
    from pg_attribute as a join pg_class as c on c.oid = a.attrelid left join pg_attrdef as d
        on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'm') and a.attnum > 0
        and not a.attisdropped
    union all select 'constraint', k.conrelid::regclass::text, k.conname, pg_get_constraintdef(k.oid),
        k.convalidated::text, k.conindid::regclass::text, null
    from pg_constraint as k where k.connamespace = 'public'::regnamespace and k.contype <> 'n'
    union all select 'index', i.indrelid::regclass::text, i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid),
        i.indisvalid::text, h.inhparent::regclass::text, null
    from pg_index as i join pg_class as c on c.oid = i.indexrelid left join pg_inherits as h on h.inhrelid = c.oid
    where c.relnamespace = 'public'::regnamespace
    union all select 'sequence', s.sequencename, s.data_type::text,
        pg_get_serial_sequence('a', 'x'), null, null, null
    from pg_sequences as s where schemaname = 'public' and exists (
        select from pg_attribute where attrelid = 'a'::regclass and attname = 'x')
    union all select 'inherits', inhrelid::regclass::text, inhparent::regclass::text, null, null, null, null
    from pg_inherits where inhrelid in (select oid from pg_class where relkind in ('r', 'p'))
    order by 1, 2, 3
"""
ROWS = "select md5(string_agg(to_jsonb(u)::text, ',' order by to_jsonb(u)::text)) from {} as u"


WORLD = ((HERE / "world.sql").read_text(), 'update a set free = id, "Odd one" = nullif(id % 7, 0)')


@pytest.fixture(scope="module", params=(13, 18), ids=lambda version: f"pg{version}")
def world(request, postgres):
    database = ScratchDatabase(postgres(request.param))
    database.execute(*WORLD)
    database.vacuum()
    with connect(ConnectionSettings.from_dsn(database.dsn, allow_local=True)) as connection:
        live = read_live_facts(connection, ("random", "volatile_one", "gen_random_uuid"), ("a", "e"))
    with World(database) as original:
        yield database, live, original
    database.drop()


class World:
    """The tables of world.sql."""

    def __init__(self, database: ScratchDatabase) -> None:
        self.database = database

    def __enter__(self):
        self.connection = self.database.connect()
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ends_with(self, statements, is_random):
        """Run one by one, on the tables as they were at first."""
        self.connection.execute("drop schema if exists public, apart cascade; create schema public")
        for statement in (*WORLD, *statements):
            self.connection.execute(statement)
        return self.state(is_random)

    def would_end_with(self, statement, is_random):
        """In a transaction that is rolled back."""
        with self.connection.transaction(force_rollback=True):
            self.connection.execute(statement)
            return self.state(is_random)

    def state(self, is_random):
        tables = ("u",) if is_random else ("a", "u", "e", "p")
        rows = [self.connection.execute(sql.SQL(ROWS).format(sql.Identifier(t))).fetchone() for t in tables]
        return self.connection.execute(SCHEMA).fetchall(), rows


def steps_of(case, live):
    return safe_steps(actions_of(parse(case)[0].stmt), case, FactsAtStatement(live.schema.server_version_num, live))


def test_safe_sequences_end_with_the_same_schema_and_rows(world):
    database, live, original = world
    here = World(ScratchDatabase(database.server))
    with here:
        _compare(live, original, here)
    here.database.drop()


def _compare(live, original, here):
    for case in CASES:
        steps = steps_of(case, live)
        if "table e" in case:  # is empty: it is fine as it is
            assert steps is None
            continue
        if steps is None:
            assert "detach" in case, case
            assert live.schema.server_version_num < 140_000
            continue
        text = rendered(steps, (), "sql")
        statements = _whole(s for s in re.sub(r"^--.*\n", "", text).split(";\n") if s.strip())
        # an identity's numbers are given in the order in which rows are met
        is_random = any(word in case for word in ("random", "serial", "identity", "deferrable initially"))
        schema, rows = original.would_end_with(case, is_random)
        safe_schema, safe_rows = here.ends_with(statements, is_random)
        # DETACH CONCURRENTLY leaves a CHECK of the bounds
        left = {row for row in {*schema} ^ {*safe_schema} if "q1_k_check" not in row}
        assert sorted(map(str, left)) == [], case
        assert rows == safe_rows, case


def _whole(pieces):
    """DO blocks hold semicolons at lines' ends themselves."""
    held = ""
    for piece in pieces:
        held += piece
        if held.count("$do$") % 2 == 0:
            yield held
            held = ""
        else:
            held += ";\n"


def test_safe_sequences_do_no_work_under_a_lock_that_others_wait_for(world):
    """By the lock table that test_locks.py proves."""
    _, live, _ = world
    for case in CASES:
        known = FactsAtStatement(live.schema.server_version_num, live)
        for step in steps_of(case, live) or ():
            for raw in parse(step.sql):
                for action in actions_of(raw.stmt):
                    works = [w for w in work_of(action, known) if w.is_certain]
                    strong = [lock for lock in locks_of(action, known) if lock.mode.blocks_writes]
                    is_refresh = action.kind.startswith("REFRESH")  # which locks what nobody writes
                    assert not (works and strong) or is_refresh, (case, step.sql)
                    is_detach = action.kind.startswith("DETACH")  # of which the partition is locked at the end
                    assert not strong or step.is_brief or is_detach, (case, step.sql)
                    known.note(action)


def test_what_is_written_between_the_steps_is_kept(world):
    """Rows come and change between any two statements: of the new type they are all there, each with its own value."""
    database, live, _ = world
    here = World(ScratchDatabase(database.server))
    with here:
        for case, value in (
            ("alter table a alter column kept7 type bigint", "kept7 = nn"),
            ("alter table a add column x int not null default volatile_one()", "x = 1"),
        ):
            here.ends_with(["update a set kept7 = nn"], is_random=True)
            for number, step in enumerate(steps_of(case, live), start=1):
                here.connection.execute(step.sql)
                here.connection.execute(
                    "insert into a (id, nn, kept7, checked, unvalidated)"
                    f" values ({1000 + number}, {number}, {number}, 1, 1)"
                )
                here.connection.execute(f"update a set nn = -nn, kept7 = -nn where id in ({number}, {999 + number})")
            rows = here.connection.execute(f"select count(*) filter (where {value}), count(*) from a").fetchone()
            assert rows == (300 + number, 300 + number), case
    here.database.drop()
