"""Which index serves a foreign key: seven that do not, six that do."""

import pytest

from analyzer.checks import run_checks
from analyzer.checks.schema.foreign_key_without_index import check
from analyzer.schema.facts import ForeignKeyFacts, IndexFacts
from analyzer.schema.foreign_keys import why_unusable
from tests.checks.builders import facts

INT4_OPS, TEXT_OPS = 1976, 1994
ONE = ForeignKeyFacts("fk", ("a_id",), 1, "public", "parent", ("id",), opfamilies=((INT4_OPS, 1977),))
TWO = ForeignKeyFacts("fk2", ("a_id", "b_id"), 1, "public", "parent", ("a", "b"), opfamilies=((INT4_OPS,), (INT4_OPS,)))


def index(*columns: str | None, **more: object) -> IndexFacts:
    values = {"method": "btree", "opfamilies": (INT4_OPS,) * len(columns), **more}
    return IndexFacts(oid=1, schema="public", name="ix", columns=columns, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "candidate"),
    [
        (ONE, index("a_id")),
        (ONE, index("a_id", "other")),
        (ONE, index("a_id", method="hash", opfamilies=(1977,))),
        (ONE, index("a_id", predicate="(a_id IS NOT NULL)")),
        (TWO, index("b_id", "a_id")),
        (TWO, index("a_id", "b_id", "other")),
        (TWO, index("a_id", "b_id", predicate="((a_id IS NOT NULL) AND (b_id IS NOT NULL))")),
    ],
)
def test_index_serves_the_key(key: ForeignKeyFacts, candidate: IndexFacts) -> None:
    assert why_unusable(candidate, key) is None


@pytest.mark.parametrize(
    ("key", "candidate", "why"),
    [
        (ONE, index("other", "a_id"), "its leading columns are not the key's"),
        (ONE, index(None), "it indexes an expression"),
        (ONE, index("other", include=("a_id",)), "its leading columns are not the key's"),
        (ONE, index("a_id", method="brin"), "it is a brin index"),
        (ONE, index("a_id", predicate="(a_id > 10)"), "it is partial"),
        (ONE, index("a_id", predicate="(deleted_at IS NULL)"), "it is partial"),
        (ONE, index("a_id", is_valid=False), "it is invalid"),
        (ONE, index("a_id", opfamilies=(TEXT_OPS,)), "its operator class does not know the key's equality"),
        (TWO, index("a_id"), "its leading columns are not the key's"),
        (TWO, index("a_id", "other", "b_id"), "its leading columns are not the key's"),
        (TWO, index("a_id", "b_id", method="hash"), "it is a hash index"),
    ],
)
def test_index_does_not_serve_the_key(key: ForeignKeyFacts, candidate: IndexFacts, why: str) -> None:
    assert why_unusable(candidate, key) == why


def test_a_key_that_the_check_fails_on_costs_no_other_key_its_finding() -> None:
    keys = [{"name": "good", "columns": ["a_id"], "references": "a"}, {"name": "bad", "columns": [], "references": "a"}]
    outcome = run_checks(
        facts({"tables": [{"name": "a", "rows": 5}, {"name": "b", "rows": 5000, "foreign_keys": keys}]}), checks=[check]
    )
    assert [f.about for f in outcome.findings] == ["public.b.good"]
    assert outcome.failed == {"SC001": {"public.b.bad": "IndexError"}}
