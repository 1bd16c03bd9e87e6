"""Asking for the rows after the last one of a page gives the next page, wherever NULLs stand and rows tie."""

import random

import pytest

from analyzer.statements.equivalents import Equivalent, keyset
from analyzer.statements.tree import Unparsable, parse
from tests.checks.builders import facts
from tests.statements.equivalents.tables import DDL, FACTS, fill

DIRECTIONS = ("", "desc", "nulls first", "desc nulls last", "asc nulls last", "desc nulls first")
CASES = 300


@pytest.mark.postgres
@pytest.mark.parametrize("version", [13, 18])
def test_next_page_begins_after_the_last_row(version: int, scratch_database, postgres) -> None:  # type: ignore[no-untyped-def]
    database, chance, tried = scratch_database(postgres(version)), random.Random(version), 0
    database.execute(*DDL)
    with database.connect() as connection:
        while tried < CASES:
            with connection.transaction(force_rollback=True):
                fill(connection, chance)
                for _ in range(10):
                    keys, sql = _paged(chance)
                    offset = chance.randint(1, 6)
                    found = keyset(sql.replace("$1", str(offset)), FACTS)
                    assert isinstance(found, Equivalent), sql
                    whole = found.sql.partition(" ORDER BY ")[2].partition(" LIMIT ")[0]
                    everything = connection.execute(f"{sql.partition(' order by ')[0]} order by {whole}").fetchall()
                    if len(everything) < offset:
                        continue
                    last = everything[offset - 1]
                    given = {number: last[at] for number, at in enumerate(keys, 1)}
                    page = found.sql
                    for number, value in given.items():
                        page = page.replace(f"${number}", "NULL::int" if value is None else str(value))
                    after = connection.execute(page).fetchall()
                    assert after == everything[offset : offset + 4], (sql, page)
                    tried += 1


def _paged(chance: random.Random) -> tuple[tuple[int, ...], str]:
    """Which columns of the output complete the order, and the statement."""
    first, second = chance.choice(DIRECTIONS), chance.choice(DIRECTIONS)
    return chance.choice(
        (
            ((0,), f"select id, v from a order by id {chance.choice(('', 'desc'))} limit 4 offset $1"),
            ((1, 0), f"select id, v from a order by v {first} limit 4 offset $1"),
            ((1, 2, 0), f"select a.* from a order by v {first}, a.w {second} limit 4 offset $1"),
            ((1, 2, 0), f"select a.* from a order by 2 {first}, 3 {second} limit 4 offset $1"),
            ((0, 1), f"select v as x, id as v from a order by 1 {first} limit 4 offset $1"),
            ((1, 0), f"select id, v as n, w from a where w > 0 order by n {first}, id {second} limit 4 offset $1"),
            ((1, 0, 2), f"select a.id, b.x, b.id from a join b on b.x = a.v order by x {first} limit 4 offset $1"),
            ((1, 2, 0), f"select id as k, v as w, w as v from a order by 2 {first}, 3 {second} limit 4 offset $1"),
            ((0, 1), f"select v as id, id as v from a order by 1 {first} limit 4 offset $1"),
            ((1,), f"select v as id, id as v from a order by 2 {chance.choice(('', 'desc'))} limit 4 offset $1"),
            ((2, 1, 0), f"select id, w, a.v from a order by 3 {first}, 2 {second} limit 4 offset $1"),
        )
    )


def test_an_order_of_one_direction_without_null_is_a_comparison_of_rows() -> None:
    found = keyset("select id, kind, v from c where v = $1 order by id desc, kind desc limit 20 offset $2", FACTS)
    assert isinstance(found, Equivalent)
    assert found.sql == (
        "SELECT id, kind, v FROM c WHERE v = $1 AND (c.id, c.kind) < ($2, $3) ORDER BY id DESC, kind DESC LIMIT 20"
    )
    assert found.assumptions == tuple(
        f"${key} of the last row of the page before" for key in ("2 is c.id", "3 is c.kind")
    )


def test_names_write_no_lines_of_their_own() -> None:
    name = 'x"; drop\n\n table \u202e'
    table = {"name": name, "columns": [{"name": name, "not_null": True}, "v"], "primary_key": [name]}
    quoted = '"' + name.replace('"', '""') + '"'
    found = keyset(f"select v from {quoted} order by v desc limit 3 offset 5", facts({"tables": [table]}))
    assert isinstance(found, Equivalent)
    assert not any("\n" in fact or "\u202e" in fact for fact in found.assumptions)
    parsed = parse(found.laid_out)
    assert not isinstance(parsed, Unparsable)
    assert (len(parsed), parsed[0].stmt.fromClause[0].relname) == (1, name)
