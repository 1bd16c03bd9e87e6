"""Which entries are one statement: by their tables, by the cursor they fetch from; what an older store put together."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps

from analyzer.behaviour.workload import StatementSeries
from analyzer.models import AdviceRun, Database, FindingRecord, Server, Statement, StatementEntry, SuggestionRecord
from analyzer.monitored.readings import StatementText
from analyzer.statements.fingerprint import fingerprint
from analyzer.store.series.timelines import server_timeline, statement_timeline
from analyzer.store.series.totals import rates, server_time_s_per_day, statement_totals
from analyzer.store.series.windows import Window
from analyzer.store.series.workload import workload
from analyzer.store.texts import keep_texts, waiting

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
AUTH = "select * from auth.users where email = $1"
PUBLIC = "select * from public.users where email = $1"
QUERY = "select id, note from o where cust = $1"


def declare(cursor: str, query: str = QUERY) -> str:
    return f'declare "{cursor}" no scroll cursor with hold for {query}'


def totals(fake, **filters):
    window = Window(fake.now - timedelta(hours=1), fake.now)
    page = statement_totals(fake.server, window, filters=filters)
    return {row.normalized_sql: (row.calls, row.total_exec_time_ms) for row in page.rows}, page.total_exec_time_ms


def run_twice(fake, texts, **more):
    """Entries that are known, with a second run each."""
    for queryid in texts:
        fake.run(queryid)
    fake.read()
    fake.name(texts)
    for queryid in texts:
        fake.run(queryid, **more)
    fake.read()


def test_each_set_of_tables_has_its_own_statement(fake):
    run_twice(fake, {1: AUTH, 2: PUBLIC, 3: "select * from auth.users where email = $1 /* again */"}, time_ms=7)
    assert totals(fake)[0] == {AUTH: (2, 14), PUBLIC: (1, 7)}
    tables = Statement.objects.order_by("normalized_sql").values_list("tables", flat=True)
    assert list(tables) == [["auth.users"], ["public.users"]]


def test_a_fetch_is_time_of_the_statement_that_declared_its_cursor_and_no_call(fake):
    texts = {
        1: declare("_django_curs_1_sync_1"),
        2: 'fetch forward 2000 from "_django_curs_1_sync_1"',
        3: declare("_django_curs_2_sync_1"),
        4: 'fetch forward 2000 from "_django_curs_2_sync_1"',
        5: 'close "_django_curs_1_sync_1"',
    }
    run_twice(fake, texts, time_ms=5)
    found, total = totals(fake, kind="select")
    assert found == {texts[1]: (2, 20)}
    assert total == 20
    statement = Statement.objects.get(kind="select")
    assert statement.tables == ["o"]
    window = Window(fake.now - timedelta(minutes=10), fake.now)
    timeline = statement_timeline(statement, window)
    assert (sum(b.calls or 0 for b in timeline.buckets), sum(b.total_exec_time_ms or 0 for b in timeline.buckets)) == (
        2,
        20,
    )
    rate = rates(fake.server, window)[statement.pk]
    assert rate.mean_exec_time_ms == 10
    database = Database.objects.create(server=fake.server, oid=5, name="shop")
    (series,) = [s for s in workload(fake.server, database, window).series if "declare" in s.normalized_sql]
    assert isinstance(series, StatementSeries)
    assert (series.calls.sum(), series.exec_time_ms.sum()) == (2, 20)
    assert not Statement.objects.filter(normalized_sql__startswith="fetch").exists()


def test_a_fetch_that_came_before_its_declare_is_tied_later(fake):
    run_twice(fake, {2: "fetch 10 from c"})
    assert Statement.objects.get().kind == "utility"
    run_twice(fake, {1: declare("c")})
    assert fake.entry(2).statement_id == fake.entry(1).statement_id
    assert Statement.objects.count() == 1


def test_a_cursors_name_that_several_statements_declared_ties_nothing(fake):
    run_twice(fake, {1: declare("c"), 2: "fetch 10 from c"})
    assert fake.entry(2).statement_id == fake.entry(1).statement_id
    run_twice(fake, {3: declare("c", "select * from other")})
    assert fake.entry(2).is_text_due
    assert fake.read().unknown_keys["queryid"].tolist() == [2]
    fake.name({2: "fetch 10 from c"})
    assert fake.entry(2).statement.normalized_sql == "fetch 0 from c"  # redacted
    assert fake.entry(2).adds_calls
    assert len(fake.read().unknown_keys) == 0


def test_another_roles_cursor_of_the_same_name_is_another(fake):
    fake.roles = {2: 20}
    run_twice(fake, {1: declare("c")})
    fake.run(2)
    fake.read()
    fake.name({})
    keep_texts(fake.server, [StatementText(20, 5, 2, True, "fetch 10 from c")], now=fake.now)
    assert fake.entry(2).statement_id != fake.entry(1).statement_id


def test_what_ran_inside_a_function_is_counted_once(fake):
    fake.nested = frozenset({2})
    texts = {1: "select f($1)", 2: "select count(*) from o where cust = $1"}
    run_twice(fake, texts, time_ms=8)
    found, total = totals(fake)
    assert found == {texts[1]: (1, 8), texts[2]: (1, 8)}
    assert total == 8
    window = Window(fake.now - timedelta(minutes=10), fake.now)
    assert sum(b.total_exec_time_ms or 0 for b in server_timeline(fake.server, window).buckets) == 8
    daily = rates(fake.server, window)
    once = pytest.approx(server_time_s_per_day(fake.server, window))
    assert [rate.total_time_s_per_day for rate in daily.values()] == [once, once]
    page = statement_totals(fake.server, window)
    assert {row.load_ratio for row in page.rows} == {1.0}


def test_a_query_inside_a_utility_is_no_call_of_the_utility(fake):
    """PostgreSQL 18 keeps the first utility's text for the query of all that run the same, older ones EXPLAIN's."""
    create, explain, select = "create table x as select * from o", "explain select * from p", "select * from {}"
    fake.nested = frozenset({2, 4})
    texts = {1: create, 2: create, 3: explain, 4: explain}
    for version_num, expected in (
        (170000, {create: 3, explain: 1, select.format("p"): 2}),
        (180000, {create: 1, select.format("o"): 2, explain: 1, select.format("p"): 2}),
    ):
        Server.objects.update(server_version_num=version_num)
        fake.server.refresh_from_db()
        fake.read()
        for queryid in texts:
            fake.run(queryid, calls=2 if queryid in fake.nested else 1)
        fake.read()
        fake.name(texts)
        window = Window(fake.now - timedelta(seconds=59), fake.now)
        assert {row.normalized_sql: row.calls for row in statement_totals(fake.server, window).rows} == expected


def as_before(fake):
    """A store of a version that took both tables for one, and each cursor for another statement."""
    run_twice(fake, {1: "select * from users where email = $1", 2: PUBLIC, 3: AUTH}, time_ms=5)
    old = Statement.objects.get(normalized_sql=PUBLIC)
    StatementEntry.objects.filter(queryid__in=(1, 2, 3)).update(statement=old)
    Statement.objects.exclude(pk=old.pk).delete()
    old.fingerprint = "e213d9d32c7097d5"
    old.save()
    return old


def upgrade() -> None:
    import_module("analyzer.migrations.0013_statements_by_tables").rename(apps, None)


def test_an_older_store_keeps_its_history_and_gets_its_texts_apart(fake):
    old = as_before(fake)
    database = Database.objects.create(server=fake.server, oid=5, name="shop")
    finding = FindingRecord.objects.create(
        server=fake.server,
        statement=old,
        key="PL004:e213d9d32c7097d5:Seq Scan",
        code="PL004",
        title="",
        severity=2,
        level="rule",
        about="e213d9d32c7097d5",
        subject="Seq Scan",
        message="",
        hint="",
        evidence={},
        first_seen=fake.now,
        last_seen=fake.now,
        related_fingerprints=["e213d9d32c7097d5", "other"],
    )
    suggestion = SuggestionRecord.objects.create(
        database=database,
        key="k",
        table="public.users",
        name="n",
        method="btree",
        columns=[],
        ddl="",
        undo_ddl="",
        level="rule",
        reason="",
        helps=[{"fingerprint": "e213d9d32c7097d5", "total_time_s_per_day": 1}],
        finding_keys=["PL004:e213d9d32c7097d5:Seq Scan", "SC001:public.users.fk:public.users (email)"],
        first_seen=fake.now,
        last_seen=fake.now,
    )
    run = AdviceRun.objects.create(
        database=database,
        tried_at=fake.now,
        result={"not_planned": {"e213d9d32c7097d5": "why"}, "x": ["e213d9d32c7097d5:rare"]},
    )
    upgrade()
    new = fingerprint(PUBLIC)
    for record in (old, finding, suggestion, run):
        record.refresh_from_db()
    assert (old.fingerprint, finding.about, finding.key) == (new, new, f"PL004:{new}:Seq Scan")
    assert finding.related_fingerprints == [new, "other"]
    assert suggestion.helps[0]["fingerprint"] == new
    assert suggestion.finding_keys == [f"PL004:{new}:Seq Scan", "SC001:public.users.fk:public.users (email)"]
    assert run.result == {"not_planned": {new: "why"}, "x": [f"{new}:rare"]}
    kept = fake.read()
    assert sorted(kept.unknown_keys["queryid"].tolist()) == [1, 2, 3]
    assert len(waiting(fake.server, retry=False)[0]) == 3
    fake.name({1: "select * from users where email = $1", 2: PUBLIC, 3: AUTH})
    assert totals(fake)[0] == {"select * from users where email = $1": (1, 5), PUBLIC: (1, 5), AUTH: (1, 5)}
    assert (
        Statement.objects.get(normalized_sql="select * from users where email = $1").fingerprint == "e213d9d32c7097d5"
    )
    assert len(fake.read().unknown_keys) == 0


def test_a_text_that_we_fail_at_is_left_out_and_the_others_are_named(fake, monkeypatch):
    def failing(text):
        if text == AUTH:
            raise TypeError("secret")
        return fingerprint(text)

    monkeypatch.setattr("analyzer.store.texts.fingerprint", failing)
    run_twice(fake, {1: AUTH, 2: PUBLIC})
    named = Statement.objects.order_by("pk").values_list("fingerprint", "normalized_sql", "text_state")
    assert sorted(named) == sorted([("q0000000000000001", "", "dropped"), (fingerprint(PUBLIC), PUBLIC, "ok")])


def test_a_text_that_the_server_lost_leaves_the_entry_where_it_was(fake):
    old = as_before(fake)
    upgrade()
    fake.read()
    fake.name({1: None, 2: PUBLIC, 3: "<insufficient privilege>"})
    assert set(StatementEntry.objects.values_list("statement_id", flat=True)) == {old.pk}
    assert not StatementEntry.objects.filter(is_text_due=True).exists()


def test_an_older_stores_cursors_become_one_statement(fake):
    texts = {1: declare("_django_curs_1_sync_1"), 2: "fetch 10 from c"}
    run_twice(fake, texts, time_ms=5)
    one = fake.entry(1).statement
    one.fingerprint, one.kind = "00000000000000aa", "utility"
    one.save()
    other = Statement.objects.create(
        server=fake.server,
        fingerprint="00000000000000ab",
        normalized_sql=declare("_django_curs_9_sync_9"),
        kind="utility",
        first_seen=fake.now,
        last_seen=fake.now,
    )
    StatementEntry.objects.create(server=fake.server, statement=other, role_oid=10, database_oid=5, queryid=77)
    upgrade()
    statement = Statement.objects.get(fingerprint=fingerprint(texts[1]))
    assert statement.kind == "select"
    assert statement.entries.count() == 2
    assert StatementEntry.objects.filter(is_text_due=True).count() == 3
