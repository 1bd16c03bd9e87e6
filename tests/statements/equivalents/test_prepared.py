"""What is offered can be prepared, with parameters in any places, as the statement can from which it was made."""

import random
from typing import Any

import psycopg
import pytest
from pglast import parser

from analyzer.statements.equivalents import COUNT, FIRST_ROWS, Equivalent, NotRewritten, keyset, rewritten
from analyzer.statements.preparable import preparable_sql
from tests.statements.equivalents.tables import DDL, FACTS
from tests.statements.equivalents.test_same_rows import DRAWN

CASES = 60  # of each kind
CONSTANTS = ("ICONST", "FCONST", "SCONST")
PAGES = (
    "select * from a where v > 1 and w < 2 order by v, id limit 3 offset 4",
    "select a.id, b.x + 1 from a join b on b.a_id = a.id and b.y = 2 where a.v = 3 order by b.x desc, a.id limit 4 "
    "offset 5 * 6",
    "select * from a where v = 1 order by id limit 2 offset 3 * 4 + 5",
)


@pytest.mark.postgres
@pytest.mark.parametrize("kind", list(DRAWN))
def test_each_kind_can_be_prepared(kind: str, scratch_database, postgres) -> None:  # type: ignore[no-untyped-def]
    for version in (13, 18):
        database, chance, tried = scratch_database(postgres(version)), random.Random(kind), 0
        database.execute(*DDL)
        with database.connect() as connection:
            for _ in range(40 * CASES):
                sql = with_parameters(DRAWN[kind](chance)[0], chance)
                found = rewritten(kind, sql, FACTS)
                if not isinstance(found, Equivalent):
                    continue
                as_it_is = can_be_prepared(connection, sql)
                if not as_it_is and not can_be_prepared(connection, preparable_sql(sql).sql):
                    continue
                # what pg_stat_statements makes of an array or an interval no server takes without our help
                text = found.sql if as_it_is else preparable_sql(found.sql).sql
                assert can_be_prepared(connection, text), (sql, found.sql)
                tried += "$" in found.sql
                if tried == CASES:
                    break
        assert tried == CASES


@pytest.mark.postgres
def test_the_next_page_can_be_prepared(scratch_database, postgres18) -> None:  # type: ignore[no-untyped-def]
    database, chance = scratch_database(postgres18), random.Random(1)
    database.execute(*DDL)
    with database.connect() as connection:
        for sql in (with_parameters(page, chance) for page in PAGES for _ in range(CASES)):
            found = keyset(sql, FACTS)
            assert isinstance(found, Equivalent), sql
            assert can_be_prepared(connection, found.sql), (sql, found.sql)


def test_parameters_move_up_where_one_goes() -> None:
    sql = "select * from a where (select count(*) from b where x = $1) > $2 and v = $3 or $4 < w"
    found = rewritten(COUNT, sql, FACTS)
    assert isinstance(found, Equivalent)
    assert found.sql == "SELECT * FROM a WHERE (EXISTS (SELECT 1 FROM b WHERE x = $1) AND v = $2) OR $3 < w"
    assert found.assumptions == ("the statement's $2 is 0", "the statement's $3 and $4 are $2 and $3 here")
    last = rewritten(COUNT, "select * from a where v = $1 and (select count(*) from b where x = v) > $2", FACTS)
    assert isinstance(last, Equivalent)
    assert last.assumptions == ("the statement's $2 is 0",)


def test_a_parameter_that_stands_elsewhere_does_not_go() -> None:
    for kind, sql in (
        (COUNT, "select * from a where (select count(*) from b where x = v) > $1 and v = $1"),
        (FIRST_ROWS, "select *, $1 from (select a.*, row_number() over (partition by v order by id) n from a) q"
                     " where n = $1"),
    ):  # fmt: skip
        found = rewritten(kind, sql, FACTS)
        assert isinstance(found, NotRewritten)
        assert found.reasons == ("a parameter that would go stands elsewhere, too: its type may become another",)


def with_parameters(sql: str, chance: random.Random) -> str:
    """As pg_stat_statements writes it, but only some of the constants, and parameters numbered anew."""
    keeps, text, end, number = chance.choice((0.0, 0.3, 0.6)), "", 0, 0
    for token in parser.scan(sql):
        if token.name == "PARAM" or (token.name in CONSTANTS and chance.random() >= keeps):
            number += 1
            text, end = f"{text}{sql[end : token.start]}${number}", token.end + 1
    return text + sql[end:]


def can_be_prepared(connection: Any, sql: str | None) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"prepare q as {sql}")
            connection.execute("deallocate q")
    except psycopg.Error:
        return False
    return True
