"""Which entries are ours: by the marker, and by a login that nobody else uses."""

import pytest

from analyzer.models import Snapshot, Statement, StatementEntry
from analyzer.monitored.readings import NamesByOid, StatementText
from analyzer.store.series import own_entries
from analyzer.store.series.snapshots import keep_names, keep_texts
from analyzer.store.series.totals import statement_totals
from analyzer.store.series.windows import Window
from analyzer.store.tidying import tidy_store

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
OURS = 10  # the fake's role; its server's login is "u"
DUMP = {
    1: "SET lock_timeout = 0",
    2: "LOCK TABLE public.p IN ACCESS SHARE MODE",
    3: "SELECT pg_catalog.pg_get_viewdef($1::pg_catalog.oid) AS viewdef",
    4: "SELECT c.oid FROM pg_catalog.pg_class c",
    5: "BEGIN",
    6: "SELECT pg_get_partkeydef($1)",
    7: "select /* pgloupe */ 1",
}
APPLICATION = {20: "select * from orders where id = $1", 21: "COMMIT", 22: "select now()"}


def named(fake, login=OURS):
    keep_names(fake.server, NamesByOid({5: "shop"}, {login: "u", 99: "app"}))


def listed(fake) -> set[int]:
    return set(StatementEntry.objects.filter(server=fake.server, is_own=False).values_list("queryid", flat=True))


def ran(fake, *texts, calls=1):
    for queryids in texts:
        for queryid in queryids:
            fake.run(queryid, calls=calls, time_ms=10)
    return fake.read()


def test_a_login_of_our_own_stands_in_no_list_and_counts_as_our_cost(fake):
    named(fake)
    fake.roles = dict.fromkeys(APPLICATION, 99)
    ran(fake, DUMP, APPLICATION)
    ran(fake, DUMP, APPLICATION)
    keep_texts(fake.server, [StatementText(99, 5, q, True, t) for q, t in APPLICATION.items()], now=fake.now)
    fake.name(DUMP)
    assert listed(fake) == set(APPLICATION)
    assert Statement.objects.count() == len(APPLICATION)
    snapshot = Snapshot.objects.latest("taken_at")
    assert (snapshot.own_exec_time_ms, snapshot.total_exec_time_ms) == (70, 100)
    kept = ran(fake, DUMP, APPLICATION)
    assert (kept.snapshot.own_exec_time_ms, kept.changed) == (70, 3)
    page = statement_totals(fake.server, Window.last("1h", fake.now))
    assert page.count == len(APPLICATION)


def test_the_applications_own_login_loses_nothing_of_it(fake):
    named(fake)
    ran(fake, DUMP, APPLICATION)
    fake.name(DUMP | APPLICATION)
    # SET, LOCK TABLE, BEGIN and functions without a schema may be the application's
    assert listed(fake) == {*APPLICATION, 1, 2, 5, 6}


@pytest.mark.parametrize(
    ("sql", "is_application"),
    [
        ("select * from orders", True),
        ("select api.create_order($1)", True),  # an application may be all functions
        ("select create_order($1)", True),
        ("call pay($1)", True),
        ("copy orders from stdin", True),
        ("insert into pg_temp.x values ($1)", True),
        ("vacuum orders", True),
        ("create table x (a int)", True),
        ("select $1", False),
        ("show server_version", False),
        ("LOCK TABLE public.p IN ACCESS SHARE MODE", False),
        ("PREPARE dumpFunc(pg_catalog.oid) AS SELECT p.proname FROM pg_catalog.pg_proc p", False),
        ("SELECT pg_get_partkeydef($1)", False),
        ("SELECT pg_catalog.set_config($1, $2, $3)", False),
        ("not a statement", False),
    ],
)
def test_what_says_that_somebody_else_uses_the_login(sql, is_application):
    assert own_entries.is_application(sql) is is_application


def test_a_login_that_the_application_begins_to_use_gets_its_statements_back(fake):
    named(fake)
    ran(fake, DUMP, {21: ""})
    fake.name(DUMP | {21: "COMMIT"})
    assert listed(fake) == set()
    ran(fake, DUMP, APPLICATION)
    fake.name({20: APPLICATION[20], 22: APPLICATION[22]})
    kept = ran(fake, DUMP, APPLICATION, calls=3)
    assert {int(k["queryid"]) for k in kept.unknown_keys} == {*DUMP, 21}  # judged anew
    fake.name(DUMP | {21: "COMMIT"})
    assert listed(fake) == {*APPLICATION, 1, 2, 5, 6}
    page = statement_totals(fake.server, Window.last("1h", fake.now), filters={"search": "commit"})
    assert page.rows[0].calls >= 3


def test_another_roles_reads_of_the_catalog_are_its_own(fake):
    named(fake, login=55)
    ran(fake, DUMP)
    fake.name(DUMP)
    assert listed(fake) == set(DUMP) - {7}


def test_nested_statements_of_explain_analyze_say_nothing_of_a_login(fake):
    named(fake)
    ran(fake, {30: ""})
    StatementEntry.objects.update(toplevel=False)
    keep_texts(fake.server, [StatementText(OURS, 5, 30, False, "select * from orders where id = $1")], now=fake.now)
    assert listed(fake) == set()


def test_what_was_taken_for_the_applications_before_the_logins_name_was_known_is_claimed(fake):
    ran(fake, DUMP)
    ran(fake, DUMP)
    fake.name(DUMP)
    assert len(listed(fake)) == len(DUMP) - 1
    named(fake)
    for _ in range(5):
        ran(fake, DUMP)
    tidy_store(fake.now)
    assert listed(fake) == set()
    assert Statement.objects.count() == 0
    assert ran(fake, DUMP).changed == 0
