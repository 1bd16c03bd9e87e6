"""Lookups that join several tables: named after the table whose rows they return, and fetched along the keys."""

import pytest

from analyzer.behaviour.pages import Lookup
from analyzer.behaviour.pairs import children_of
from analyzer.checks.statement.n_plus_one_burst import check
from tests.checks.builders import facts, found_by, workload


def table(name, **to):
    columns = ["id", "name", *to]
    keys = [{"name": f"{name}_{c}_fk", "columns": [c], "references": target} for c, target in to.items()]
    return {
        "name": name, "columns": columns, "rows": 100000.0, "primary_key": ["id"], "unique_keys": [["id"]],
        "indexes": [{"name": f"ix_{name}_{c}", "columns": [c]} for c in to], "foreign_keys": keys,
    }  # fmt: skip


TABLES = [
    table("organizer"),
    table("event", organizer_id="organizer"),
    table("item", event_id="event", category_id="category"),
    table("variation", item_id="item"),
    table("tag"),
    table("item_tags", item_id="item", tag_id="tag"),
    table("category", parent_id="category"),
]
OF_EVENT = "from event e join item i on i.event_id = e.id where e.organizer_id = $1 and i.event_id = $2"
OF_ORGANIZER = "from item i join event e on i.event_id = e.id where e.organizer_id = $1"
OF_CATEGORY = "select c.id, c.parent_id from category c join category p on c.parent_id = p.id where p.id = $1"
OF_TAGS = "select t.id, t.name from tag t join item_tags x on x.tag_id = t.id where x.item_id = $1"
IN_LIST = (
    "select v.id, v.item_id from variation v join item i on v.item_id = i.id join event e on i.event_id = e.id"
    " where e.organizer_id = $1 and v.item_id in ($2 /*, ... */)"
)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        (IN_LIST, "public.variation by item_id"),
        (f"select i.id, i.event_id {OF_EVENT}", "public.item by event_id"),
        (f"select e.id, i.id {OF_EVENT}", "public.event by organizer_id, item.event_id"),
        (f"select i.id, i.event_id {OF_ORGANIZER}", "public.item by event.organizer_id"),
        (f"select count(*) {OF_ORGANIZER}", "public.item by event.organizer_id"),
        (
            "select i.id from item i left join event e on i.event_id = e.id where e.organizer_id = $1",
            "public.item by conditions on event.organizer_id",
        ),
        (OF_CATEGORY, "public.category by category.id"),
        (OF_TAGS, "public.tag by item_tags.item_id"),
        (f"{OF_TAGS} and t.id = $2", "public.tag by id, item_tags.item_id"),
    ],
)
def test_a_lookup_is_named_after_the_table_whose_rows_it_returns(sql, name):
    schema = facts({"tables": TABLES})
    assert Lookup(None, children_of(sql, schema)).name == name


def named(parent, child):
    given = {
        "pages": {"list": 20, "other": 300},
        "statements": [
            {"sql": parent, "page": "list", "rows_per_call": 15, "rows_vary": True},
            {"sql": child, "per_row_of": 0, "rows_per_call": 3},
            {"sql": "select k from session where k = $1", "page": "other"},
        ],
        "facts": {"tables": [*TABLES, table("session")]},
    }
    return {f.subject: f.fixes[0].code for f in found_by(check, workload(given))}


@pytest.mark.parametrize(
    ("parent", "child", "subject", "code"),
    [
        (
            "organizer",
            f"select i.id, i.event_id {OF_ORGANIZER}",
            "public.item(event.organizer_id) per row of public.organizer",
            'Organizer.objects.prefetch_related("event_set__item_set")',
        ),
        (
            "item",
            OF_TAGS,
            "public.tag(item_tags.item_id) per row of public.item",
            'Item.objects.prefetch_related("tags")',
        ),
    ],
)
def test_the_call_fetches_the_rows_that_are_returned(parent, child, subject, code):
    assert named(f"select id, name from {parent} order by name limit $1", child) == {subject: code}


@pytest.mark.parametrize(
    ("parent", "child", "subject"),
    [
        ("id, name from organizer", f"select i.id, i.event_id {OF_EVENT}", "public.item(event_id)"),
        ("id, name from organizer", f"select count(*) {OF_ORGANIZER}", "public.item(event.organizer_id)"),
        ("id, category_id from item", OF_CATEGORY, "public.category(category.id)"),
    ],
)
def test_no_call_is_made_up_for_rows_of_another_table(parent, child, subject):
    """The tenant of a lookup by another key, a count over a join, and rows that hang on the row with the key."""
    found = named(f"select {parent} order by name limit $1", child)
    assert list(found) == [f"{subject} several times per page"]
    assert not any("Event" in code or "Category" in code for code in found.values())
