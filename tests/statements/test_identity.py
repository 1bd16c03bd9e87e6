"""One statement is one text on one set of tables: what may be put together, and what must not."""

import pytest

from analyzer.statements.fingerprint import fingerprint, shape_of

APART = [
    ("select * from auth.users where email = $1", "select * from public.users where email = $1"),
    ("select * from users where email = $1", "select * from public.users where email = $1"),
    ("select * from metrics_2025_10 where host = $1", "select * from metrics_2025_11 where host = $1"),
    ("update s1.inv set cust = $1", "update s2.inv set cust = $1"),
    ("delete from log_2025", "delete from log_2026"),
    ("insert into s1.a select * from s1.b", "insert into s1.a select * from s2.b"),
    ("insert into log_10 values ($1)", "insert into log_11 values ($1)"),
    ('select * from "T 10"', 'select * from "T 11"'),
    ("select * from o where x in (select y from log_11)", "select * from o where x in (select y from log_12)"),
    ("select * from log_11, log_12", "select * from log_11"),
    ("with c as (select 1) select * from c", "with c as (select 1) select * from s1.c"),
    ("copy s1.o to stdout", "copy s2.o to stdout"),
    ("copy log_10 from stdin", "copy log_11 from stdin"),
    ("truncate log_11", "truncate log_12"),
    ("refresh materialized view s1.m", "refresh materialized view s2.m"),
    ("declare c cursor for select * from s1.o", "declare c cursor for select * from s2.o"),
    ("create table x as select * from s1.o", "create table x as select * from s2.o"),
    ("select * from a join b on a.x = b.x", "select * from a join b on a.y = b.y"),
    ("select * from o", "declare c cursor for select * from o"),
    (
        "merge into s1.t using s on s.id = t.id when matched then delete",
        "merge into s2.t using s on s.id = t.id when matched then delete",
    ),
]
TOGETHER = [
    ("select * from s1.o where a = 1", 'select * from "s1".o where a = $1'),
    ("select * from o x where x.a in (1, 2, 3)", "select * from o x where x.a in ($1 /*, ... */)"),
    (
        'declare "_django_curs_140234_sync_1" no scroll cursor with hold for select id from o where cust = 7',
        'declare "_django_curs_990234_sync_22" no scroll cursor with hold for select id from o where cust = $1',
    ),
    ('fetch forward 2000 from "_django_curs_1402_sync_1"', 'fetch forward 100 from "_django_curs_99_sync_2"'),
    (
        "create temp table tmp_8374 as select * from o where id = 5",
        "create temp table tmp_99 as select * from o where id = $1",
    ),
    ("create table x as select * from o where note = 'n80'", "create table x as select * from o where note = $1"),
    ("copy (select * from o where cust = 5) to stdout", "copy (select * from o where cust = $1) to stdout"),
    ("prepare a as select * from o where a = $1", "prepare b as select * from o where a = $1"),
    ("with log_10 as (select 1) select * from log_10", "with log_10 as (select $1) select * from log_10"),
]


@pytest.mark.parametrize(("first", "second"), APART)
def test_other_tables_make_another_statement(first, second):
    assert fingerprint(first) is not None
    assert fingerprint(first) != fingerprint(second)


@pytest.mark.parametrize(("first", "second"), TOGETHER)
def test_other_values_and_names_of_cursors_make_the_same_statement(first, second):
    assert fingerprint(first) is not None
    assert fingerprint(first) == fingerprint(second)


def test_the_same_statement_of_two_tenants_has_one_shape():
    first, second = (fingerprint(f"select * from t{n}.inv where cust = $1") for n in (10, 11))
    assert first
    assert second
    assert shape_of(first) == shape_of(second) == fingerprint("select * from inv where cust = $1")


def test_names_that_libpg_query_tells_apart_keep_their_old_fingerprint():
    assert fingerprint("select * from users where email = $1") == "e213d9d32c7097d5"
    assert fingerprint("select * from address1") != fingerprint("select * from address2")
    assert "-" not in (fingerprint("select * from address1") or "")
