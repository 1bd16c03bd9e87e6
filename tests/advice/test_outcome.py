"""What the figures say about an index that was built."""

from dataclasses import replace

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.outcome import (
    Measured,
    ObservedIndex,
    OutcomeLimits,
    StatementOutcome,
    built_index,
    decide,
    definition_from_json,
    definition_to_json,
    drop_ddl,
    has_index,
    headline,
    index_names,
    index_scans,
    kept_for,
    scans_since,
    slower,
    statement_from_json,
    statement_to_json,
)
from analyzer.plans import parse_plan
from tests.advice.builders import facts, foreign_key, index, table

LIMITS = OutcomeLimits(calls=30, wait_s=3600, gain_ratio=0.1)
PARENT = table("parent", ["id|bigint|-1"])


def ran(before_ms: float | None, after_ms: float | None, calls: int = 30, fingerprint: str = "f") -> StatementOutcome:
    after = Measured(calls, after_ms, 5.0) if after_ms is not None else Measured()
    return StatementOutcome(fingerprint, Measured(100, before_ms, 1204.0), after)


@pytest.mark.parametrize(
    ("since_s", "scans", "statements", "state"),
    [
        (60, 30, [ran(41, 0.3)], "realised"),
        (60, 29, [ran(41, 0.3, calls=29)], "built"),  # used, but one call too few to tell
        (3600, 29, [ran(41, 0.3, calls=29)], "realised"),  # a rare statement: an hour is enough
        (3600, 1, [ran(None, 0.3, calls=1)], "built"),  # not measured before: who scanned it is not known
        (3600, 1, [replace(ran(None, 0.3, calls=1), uses_index=True)], "realised"),
        (3600, 9, [replace(ran(41, 43), uses_index=True)], "realised"),  # nothing was gained: the figures say so
        (3600, 1000, [ran(10, 9.9, calls=119)], "built"),  # rows of another statement's nested loop
        (3600, 1000, [ran(10, 8.5, calls=30)], "built"),  # so few calls scatter by more
        (3600, 1000, [ran(10, 8.5, calls=9000), ran(41, 0.3, calls=1, fingerprint="g")], "realised"),
        (3600, 1, [ran(41, 43, calls=119)], "built"),  # scanned by chance, not by what it was made for
        (3600, 11, [ran(41, 43, calls=119)], "built"),
        (3600, 12, [ran(41, 0.3, calls=119)], "realised"),  # for one value in ten
        (3600, 1, [ran(41, 0.3, calls=119)], "built"),  # what became faster did so without it
        (3600, 20, [ran(41, 0.3, calls=119), ran(41, 41, calls=200)], "built"),  # of all their calls
        (3600, 0, [ran(41, 41)], "not_used"),
        (3600, 0, [ran(41, 0.3)], "not_used"),  # what became faster did so without it
        (3599, 0, [ran(41, 41)], "built"),
        (3600, 0, [ran(41, 41, calls=29)], "built"),
        (3600, 0, [], "built"),  # serves a foreign key: parents may be deleted once a year
        (3600, 1, [], "realised"),
        (60, 1, [], "built"),
        (3600, None, [ran(100, 50)], "realised"),  # scans not counted: the time decides
        (3600, None, [ran(100, 89)], "built"),
    ],
)
def test_verdict(since_s: float, scans: int | None, statements: list[StatementOutcome], state: str) -> None:
    assert decide(ObservedIndex(since_s, scans, tuple(statements)), LIMITS) == state


def test_the_index_is_found_by_what_it_is_on_not_by_its_name() -> None:
    columns = ["id|bigint|-1", "a|text|10", "b|integer|10"]
    wanted = IndexDefinition(table("t", columns), (IndexColumn("a"), IndexColumn("b", descending=True)))

    def found(*indexes: object) -> str | None:
        on = replace(wanted, table=table("t", columns, indexes=indexes))
        index_ = built_index(on)
        return index_.name if index_ else None

    assert found() is None
    assert (
        found(index("other", "b", "a"), index("up", "a", "b"), index("long", "a", "b", "id", options=(0, 3, 0))) is None
    )
    assert found(index("theirs", "a", "b", options=(0, 3))) == "theirs"
    assert found(index("broken", "a", "b", options=(0, 3), valid=False)) is None
    twice = (
        replace(index("second", "a", "b", options=(0, 3)), oid=2),
        replace(index("first", "a", "b", options=(0, 3)), oid=1),
    )
    assert found(*twice) == "first"


def test_definition_survives_json() -> None:
    on = table("t", ["id|bigint|-1", "a|text|10"])
    columns = (IndexColumn("lower(a)", is_expression=True), IndexColumn("a", True, False, "text_pattern_ops"))
    definition = IndexDefinition(on, columns, "btree", ("id",), "(a IS NOT NULL)", True, "fillfactor = 90")
    data = definition_to_json(definition)
    assert definition_from_json(data, facts(on)) == definition
    assert definition_from_json(data, facts(PARENT)) is None


def test_statement_outcome_survives_json() -> None:
    outcome = replace(ran(41, 0.3), plan_change="Seq Scan on t became Index Scan", uses_index=True)
    kept = statement_to_json(outcome)
    assert statement_from_json(kept) == outcome
    del kept["uses_index"]  # as earlier versions wrote it
    assert statement_from_json(kept) == replace(outcome, uses_index=False)


def test_scans_of_a_partitioned_index_are_its_partitions() -> None:
    parts = [
        table(f"p{n}", ["a|text|10"], keys=(), oid=n, indexes=(
            index(f"p{n}_a", "a", scans=n, parent_oid=99), index(f"p{n}_own", "a", scans=1000),
        ))
        for n in (1, 2)
    ]  # fmt: skip
    whole = replace(index("root_a", "a"), oid=99)
    root = table("root", ["a|text|10"], keys=(), kind="p", partitions=(1, 2), indexes=(whole,))
    assert index_scans(whole, root, facts(root, *parts)) == 3
    assert index_scans(parts[1].indexes[0], parts[1], facts(root, *parts)) == 2
    assert index_names(whole, root, facts(root, *parts)) == {
        ("public", "root_a"), ("public", "p1_a"), ("public", "p2_a")
    }  # fmt: skip


def test_a_counter_that_fell_began_anew() -> None:
    assert scans_since(None, None, 7) == 7  # the index is new, so all its scans are of after
    assert scans_since(7, 7, 9) == 9
    assert scans_since(9, 9, 2) == 11
    assert scans_since(9, 9, None) == 9
    assert scans_since(None, None, None) is None


def test_what_an_unused_index_is_kept_for() -> None:
    plain, unique = index("plain", "a"), index("u", "a", unique=True)
    key = foreign_key("t_a_fkey", "a", to=PARENT)
    alone = table("t", ["a|bigint|10"], keys=())
    assert kept_for(plain, alone) == ""
    assert kept_for(unique, alone) == "It is unique: the table's rows are checked by it."
    child = table("t", ["a|bigint|10"], keys=(), foreign_keys=(key,))
    assert kept_for(plain, child) == "Deleting or changing a row that t_a_fkey references reads it."
    unenforced = replace(child, foreign_keys=(replace(key, is_enforced=False),))
    for cannot_serve, on in (
        (index("part", "a", where="(deleted_at IS NULL)"), child), (index("brin", "a", method="brin"), child),
        (index("expression", None, expressions=("abs(a)",)), child), (plain, unenforced),
    ):  # fmt: skip
        assert kept_for(cannot_serve, on) == ""
    assert kept_for(index("no_nulls", "a", where="(a IS NOT NULL)"), child) != ""
    assert drop_ddl(plain, alone) == "DROP INDEX CONCURRENTLY IF EXISTS public.plain;\n"


def test_headline_is_the_statement_whose_time_changed_most_in_all() -> None:
    rare, common = ran(1000, 1, calls=1, fingerprint="rare"), ran(41, 1, calls=3000, fingerprint="common")
    assert headline([rare, common, ran(None, 1, fingerprint="unknown")]) == common
    assert headline([ran(None, 1)]) is None


def test_statements_that_became_slower_are_told_apart_from_noise() -> None:
    much, little = ran(10, 20, calls=300, fingerprint="much"), ran(10, 30, calls=40, fingerprint="little")
    noise, rare, unknown = ran(10, 10.9), ran(10, 90, calls=29), ran(None, 90)
    assert slower([little, noise, rare, unknown, much, ran(10, 1)], LIMITS) == [much, little]


@pytest.mark.parametrize(
    ("schema", "index", "has"), [("a", "ix", True), ("b", "ix", False), (None, "ix", True), ("a", "other", False)]
)
def test_a_plan_has_an_index_by_its_schema_and_name(schema, index, has):
    of = {"Relation Name": "t"} | ({"Schema": schema} if schema else {})
    below = {"Node Type": "Bitmap Index Scan", "Index Name": index}
    for node in (
        {"Node Type": "Index Scan", "Index Name": index, **of},
        {"Node Type": "Bitmap Heap Scan", **of, "Plans": [{"Node Type": "BitmapOr", "Plans": [below]}]},
    ):
        assert has_index(parse_plan({"Plan": node}), {("a", "ix")}) is has
