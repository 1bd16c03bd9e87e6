"""What is said before an index is made or dropped: rows refused, plans that stop early, keys that stay unserved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from analyzer.advice.candidates.typed import Existing
from analyzer.advice.cautions import early_stop, of_definition
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.rules.suggest import foreign_keys_served
from analyzer.advice.selection.drops import proposals
from analyzer.plans import parse_plan
from analyzer.schema.foreign_keys import supporting_index, would_serve
from analyzer.schema.replica_scans import ReplicaScans
from analyzer.schema.storage import StorageFacts
from tests.advice.builders import facts, foreign_key, index, table

CUSTOMERS = table("customers", ["id|bigint|-1", "name|text|-0.9"])
ORDERS = table(
    "orders", ["id|bigint|-1", "customer_id|bigint|50000", "deleted_at|timestamp with time zone|-0.1|0.9"],
    foreign_keys=(foreign_key("fk", "customer_id", to=CUSTOMERS),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("predicate", "serves"),
    [
        (None, True),
        ("customer_id IS NOT NULL", True),  # a NULL references nothing
        ("deleted_at IS NULL", False),  # soft delete: the row that goes may be referenced by a deleted one
        ("deleted_at IS NOT NULL", False),
        ("customer_id > 5", False),
        ("customer_id IS NOT NULL AND deleted_at IS NULL", False),
    ],
)
def test_a_partial_index_serves_a_key_only_where_it_leaves_out_nulls(predicate, serves):
    definition = IndexDefinition(ORDERS, (IndexColumn("customer_id"),), predicate=predicate)
    assert foreign_keys_served(definition) == (["public.orders.fk"] if serves else [])
    [key] = ORDERS.foreign_keys
    built = table("orders", ["customer_id|bigint|5"], indexes=(index("i", "customer_id", where=predicate),), keys=())
    assert (supporting_index(built, key) is not None) is serves


@pytest.mark.parametrize(
    ("method", "columns", "serves"),
    [
        ("btree", ("customer_id", "id"), True),
        ("btree", ("id", "customer_id"), False),
        ("hash", ("customer_id",), True),
        ("gin", ("customer_id",), False),
        ("btree", (None,), False),  # an expression, or another operator class
    ],
)
def test_which_new_index_serves_a_key(method, columns, serves):
    assert would_serve(ORDERS.foreign_keys[0], method, columns, None) is serves


def dropped(*indexes):
    made = table("t", ["id|bigint|-1", "tags|text[]|-1", "a|integer|5", "b|integer|5"], indexes=indexes)
    return [(p.index.name, p.reason) for p in proposals(facts(made))]


def test_an_index_is_unused_only_where_no_server_scanned_it_for_long():
    idle = index("idle", "a", scans=0, size_bytes=2**20)
    made = table("t", ["id|bigint|-1", "a|integer|5"], indexes=(idle,))
    known = facts(made, days_since_stats_reset=40.0)

    def reasons(known, scans=None):
        return [p.reason for p in proposals(known, replica_scans=scans)]

    assert reasons(known) == ["No scan has used it here in the 40 days that are counted."]
    assert reasons(known, ReplicaScans(("far",), {idle.oid: 0}, 35.0)) == [
        "No scan has used it here and on the replicas that are watched in the 35 days that are counted."
    ]
    for scans in (ReplicaScans(("far",), {idle.oid: 3}, 35.0), ReplicaScans(("far",), {idle.oid: 0}, 2.0)):
        assert reasons(known, scans) == []
    assert reasons(known, ReplicaScans(("far",))) == []  # which does not tell
    assert reasons(known, ReplicaScans(("far",), {idle.oid: 0}, 35.0, ("near",))) == []  # which nobody watches
    assert reasons(replace(known, is_replica=True)) == []
    at = datetime(2026, 11, 30, tzinfo=UTC)
    vacuumed = replace(made, storage=StorageFacts(last_vacuum=at - timedelta(days=50)))
    used = replace(idle, scans=3, last_scan=at - timedelta(days=33))
    lately = replace(idle, oid=9, columns=("id",), scans=3, last_scan=at - timedelta(days=3))
    of_16 = facts(replace(made, indexes=(used, lately)), days_since_stats_reset=40.0, taken_at=at)
    assert reasons(of_16) == ["No scan has used it here in the 33 days since the last one."]
    never_reset = facts(vacuumed, days_since_stats_reset=None, taken_at=at)
    assert reasons(never_reset) == ["No scan has used it here in the 50 days that are counted."]


def test_equal_indexes_of_any_method_are_duplicates():
    one = index("one", "tags", method="gin", size_bytes=2**17)
    two = index("two", "tags", method="gin", size_bytes=2**17)
    first, second = sorted((one, two), key=lambda i: i.oid)
    assert dropped(one, two) == [(second.name, f"{first.name} is the same and does its work.")]
    assert dropped(one, index("two", "tags", method="gin", where="a = 5")) == []
    assert dropped(one, index("two", "tags", "a", method="gin")) == []
    excludes = index("excludes", "tags", method="gist", backs_constraint=True)
    assert dropped(excludes, index("same", "tags", method="gist")) == [
        ("same", "excludes is the same and does its work.")
    ]
    # their ranges may differ
    assert dropped(index("one", "a", method="brin"), index("two", "a", method="brin")) == []


def test_what_cluster_and_replication_need_stays():
    wide = index("wide", "a", "b")
    assert [name for name, _ in dropped(index("plain", "a"), wide)] == ["plain"]
    for need in ({"is_clustered": True}, {"is_replica_identity": True}):
        kept = index("kept", "a", **need)
        assert dropped(kept, wide) == []
        assert "cannot simply be dropped" in Existing(ORDERS, kept).why_needed
    assert Existing(ORDERS, wide).why_needed == ""


def test_an_index_that_refuses_rows_is_said():
    made = table("t", ["id|bigint|-1", "a|character varying(40)|-1", "b|jsonb|-1"])
    assert of_definition(IndexDefinition(made, (IndexColumn("a"),))) == []
    [said] = of_definition(IndexDefinition(made, (IndexColumn("a"), IndexColumn("b"))))
    assert said.startswith("b holds documents, whose length nothing bounds; a B-tree entry holds 2,704")


def scan(node_type, **more):
    return {"Node Type": node_type, "Relation Name": "t", "Alias": "t", "Total Cost": 10, "Plan Rows": 5, **more}


def below(node, relationship):
    return {**node, "Parent Relationship": relationship}


BEFORE = parse_plan([{"Plan": scan("Limit", Plans=[scan("Sort", Plans=[scan("Seq Scan", Filter="(a ~~ 'x')")])])}])
IN_ORDER = scan("Index Scan", **{"Index Name": "ix_name", "Filter": "(a ~~ 'x')"})
LOOKED_UP = scan("Nested Loop", Plans=[  # a few rows for each of another table's
    below(scan("Seq Scan"), "Outer"),
    below(scan("Memoize", Plans=[below(IN_ORDER, "Outer")]), "Inner"),
])  # fmt: skip
SEARCH = "select * from customers where name ilike '%x%' order by name limit 5"


@pytest.mark.parametrize(
    ("sql", "plan", "is_said"),
    [
        (SEARCH, scan("Limit", Plans=[IN_ORDER]), True),
        (SEARCH, scan("Limit", Plans=[scan("Nested Loop", Plans=[IN_ORDER, scan("Seq Scan")])]), True),
        (SEARCH, scan("Limit", Plans=[scan("Sort", Plans=[IN_ORDER])]), False),  # it reads all of them anyway
        (SEARCH, IN_ORDER, False),
        (SEARCH, scan("Limit", Plans=[LOOKED_UP]), False),
        (SEARCH, scan("Limit", Plans=[scan("Seq Scan", Plans=[below(IN_ORDER, "SubPlan")])]), False),
        # of one customer: to the end of it cheaper than what is read now
        (SEARCH, scan("Limit", Plans=[{**IN_ORDER, "Total Cost": 9}]), False),
        (SEARCH.replace("ilike '%x%'", "= 'x'"), scan("Limit", Plans=[IN_ORDER]), False),
        (SEARCH.replace("ilike '%x%'", "like 'x%'"), scan("Limit", Plans=[IN_ORDER]), False),  # counted, not guessed
    ],
)
def test_a_plan_that_stops_early_on_a_guess_is_said(sql, plan, is_said):
    said = early_stop(sql, facts(CUSTOMERS), BEFORE, parse_plan([{"Plan": plan}]))
    assert (said or "").startswith("Its new plan reads rows in the order of ix_name") is is_said
