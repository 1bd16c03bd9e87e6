"""What people type into the what-if box, and what they are told when it cannot be tried."""

import pytest

from analyzer.advice.candidates.typed import read_typed
from analyzer.errors import BadInput
from tests.advice.builders import facts, index, table

ORDERS = table(
    "orders",
    ["id|bigint|-1", "customer_id|bigint|40000", "status|text|4", "created|timestamp with time zone|-0.9",
     "total|numeric(10,2)|500", "email|text|-0.5", "data|jsonb|-1", "Ünïcode|text|7", "deleted|boolean|2"],
    indexes=(index("orders_status_idx", "status"), index("orders_created_idx", "created")),
)  # fmt: skip
PARTITIONED = table(
    "events", ["id|bigint|-1", "at|timestamp with time zone|-1"], kind="p", indexes=(index("events_at_idx", "at"),)
)
PART = table(
    "events_1", ["id|bigint|-1", "at|timestamp with time zone|-1"], parent_oid=PARTITIONED.oid,
    indexes=(index("events_1_at_idx", "at", parent_oid=PARTITIONED.indexes[-1].oid),),
)  # fmt: skip
OTHER = table("orders", ["id|bigint|-1", "note|text|-1"], schema="archive")
VIEW = table("recent", ["id|bigint|-1"], kind="v", keys=())
FOREIGN = table("remote", ["id|bigint|-1"], kind="f", keys=())
SCHEMA = facts(ORDERS, PARTITIONED, PART, OTHER, VIEW, FOREIGN)


def asked(text):
    """Names and bodies of what to add, names of what to hide."""
    typed = read_typed(text, SCHEMA)
    adds = [
        (w.name, w.definition.table.qualified_name, w.definition.is_unique, w.definition.body()) for w in typed.adds
    ]
    return adds, [e.name for e in typed.hides]


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("orders (customer_id)", "(customer_id)"),
        ("create index on orders (customer_id)", "(customer_id)"),
        ("CREATE INDEX CONCURRENTLY ON public.orders USING btree (customer_id);", "(customer_id)"),
        ("orders(customer_id, created desc)", "(customer_id, created DESC)"),
        ("orders (created desc nulls last, total nulls first)", "(created DESC NULLS LAST, total NULLS FIRST)"),
        ("orders (customer_id) include (total, status)", "(customer_id) INCLUDE (total, status)"),
        ("orders (customer_id) where status = 'open' and not deleted",
         "(customer_id) WHERE status = 'open' AND NOT deleted"),
        ("orders (lower(email) text_pattern_ops)", "((lower(email)) text_pattern_ops)"),
        ("orders ((data ->> 'kind'), id)", "((data ->> 'kind'), id)"),
        ("orders using gin (data jsonb_path_ops)", "USING gin (data jsonb_path_ops)"),
        ("orders using brin (created) with (pages_per_range = 32)",
         "USING brin (created) WITH (pages_per_range = 32)"),
        ("orders using hash (email)", "USING hash (email)"),
        ('orders (email collate "C")', '((email COLLATE "C"))'),
        ('orders ("Ünïcode")', '("Ünïcode")'),
        ("-- a comment\norders (customer_id) /* and one more */", "(customer_id)"),
        ("orders\n  (customer_id,\n   status)\n  where status = 'open'", "(customer_id, status) WHERE status = 'open'"),
    ],
)  # fmt: skip
def test_an_index_can_be_typed_in_full_or_in_short(text, body):
    assert asked(text) == ([(None, "public.orders", False, body)], [])


def test_names_and_uniqueness_are_kept():
    assert asked("create unique index if not exists mine on orders (email)") == (
        [("mine", "public.orders", True, "(email)")],
        [],
    )
    assert asked("unique orders (email)") == ([(None, "public.orders", True, "(email)")], [])
    assert asked("archive.orders (note)") == ([(None, "archive.orders", False, "(note)")], [])


def test_several_lines_and_several_kinds():
    text = """
    orders (customer_id)
    create index on orders (email)
       where not deleted
    hide orders_status_idx
    drop index concurrently if exists public.orders_created_idx, events_at_idx; orders (total)
    orders (customer_id)
    """
    assert asked(text) == (
        [
            (None, "public.orders", False, "(customer_id)"),
            (None, "public.orders", False, "(email) WHERE NOT deleted"),
            (None, "public.orders", False, "(total)"),
        ],
        ["public.orders_status_idx", "public.orders_created_idx", "public.events_at_idx"],
    )


def test_nothing_typed_asks_for_nothing():
    assert asked(" \n;; -- only a comment\n") == ([], [])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("orders (customer_id",
         "“orders (customer_id”: It is not valid SQL: syntax error at end of input."
         " Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."),
        ("please make it fast",
         '“please make it fast”: It is not valid SQL in line 1: syntax error at or near "make".'
         " Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."),
        ("select * from orders",
         "“select * from orders” is not about an index."
         " Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."),
        ("drop table orders",
         "“drop table orders” is not about an index."
         " Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."),
        ("orders ('", 'The text is not valid SQL: unterminated quoted string at or near "\'".'),
        ("order (id)",
         '“order (id)”: It is not valid SQL in line 1: syntax error at or near "order".'
         " Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."),
        ("ordres (id)", "There is no table ordres; did you mean orders?"),
        ("warehouse.stock (id)", "There is no table warehouse.stock."),
        ("orders (costumer_id)", "public.orders has no column costumer_id; did you mean customer_id?"),
        ("orders (id) include (zzz)", "public.orders has no column zzz."),
        ("orders (id) where zzz > 3", "public.orders has no column zzz."),
        ("orders (lower(zzz))", "public.orders has no column zzz."),
        ("recent (id)", "public.recent is a view, which cannot have indexes; name a table that it reads."),
        ("remote (id)", "public.remote is a foreign table, which cannot have indexes."),
        ("create index on only events (at)", "An index on ONLY public.events is used by no plan; leave ONLY out."),
        ("create index on orders (id) tablespace fast", "Plans do not depend on where an index lies; leave TABLESPACE"
         " out."),
        ("create unique index on orders (email) nulls not distinct",
         "Plans do not depend on NULLS NOT DISTINCT; leave it out."),
        ("orders using gist (email gist_trgm_ops (siglen = 32))",
         "The parameters of an operator class cannot be tried; leave them out."),
        ("orders using brin (created) with (autosummarize)",
         "Each parameter after WITH needs a value, as in WITH (fillfactor = 90)."),
        ("hide orders_state_idx", "There is no index orders_state_idx; did you mean orders_status_idx?"),
        ("drop index archive.orders_status_idx",
         "There is no index archive.orders_status_idx; did you mean orders_status_idx?"),
        ("hide events_1_at_idx",
         "public.events_1_at_idx is a part of a partitioned table's index and goes with it:"
         " name public.events_at_idx instead."),
        ("\n".join(f"orders (id, total) where id > {n}" for n in range(21)),
         "That is 21 indexes; at most 20 are tried at a time."),
        ("x" * 20_001, "The text is longer than 20 kB; write a few indexes at a time."),
        ("orders (id)\0", "The text holds a NUL character."),
    ],
)  # fmt: skip
def test_what_cannot_be_tried_is_said_in_one_sentence(text, says):
    with pytest.raises(BadInput) as refused:
        read_typed(text, SCHEMA)
    assert str(refused.value) == says
