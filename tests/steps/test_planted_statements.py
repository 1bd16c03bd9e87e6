"""Checks of texts on what real servers kept of them: what was planted is found, what looks like it is not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from analyzer.models import Statement
from analyzer.steps import check
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store import schemas
from analyzer.store.check_rules import rules_of
from analyzer.store.databases import inspected_database
from analyzer.store.series.overheads import overheads
from analyzer.store.series.totals import rates
from analyzer.store.series.windows import Window
from analyzer.store.servers import add_server_from_dsn
from tests.servers import ScratchDatabase, Server

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

SCHEMA = (
    "create table author (id int primary key, name text)",
    "insert into author select n, 'a' || n from generate_series(1, 20000) n",
    "create table book (id int primary key, author_id int references author, title text, body text, is_new bool)",
    "insert into book select n, case when n % 10 > 0 then n end, 't', 'b', true from generate_series(1, 3000) n",
    "create table tag (id int primary key, name text)",
    "insert into tag values (1, 'a'), (2, 'b'), (3, 'c')",
    "create table book_tag (book_id int references book, tag_id int references tag)",
    "insert into book_tag select n, t from generate_series(1, 3000) n, generate_series(1, 2) t",
    "create table event (id int generated always as identity primary key, kind text)",
    "create role {role} login",
    "analyze",
)
# code -> what is sent; none of the others is found
PLANTED = {
    "ST021": ["select id from author where id not in (select author_id from book) limit 1"],
    "ST022": ["select id, name from author where id > 5 limit 20 offset 40"],
    "ST023": ["select count(*) from book b, author a where a.id < 5 and b.id < 5"],
    "ST024": ["update book set is_new = false"],
    "ST025": ["insert into event (kind) values ('x')"],
    "ST026": [f"select title from book where id in ({', '.join(map(str, range(n)))})" for n in range(2, 110)],
    "ST027": ["alter role {role} password 'secret'"],
    "ST029": ["select id, name from author"],
    "ST030": [
        "select count(*) from (select distinct b.id, b.title, b.body from book b join book_tag t on t.book_id = b.id"
        " where t.tag_id in (1, 2)) s"
    ],
    "ST032": ["select name from tag where id = 2"],
}
DAY = timedelta(days=1)
HASH = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVka2V5:c2VydmVya2V5"
INNOCENT = [
    "select id from author where id not in (select author_id from book where author_id is not null) limit 1",
    "select id, name from author where id > 5 order by id limit 20 offset 40",
    "select count(*) from book b, author a where a.id = b.author_id and b.id < 5",
    "update book set is_new = false where is_new",
    "insert into event (kind) select name from tag where id = 1",
    f"alter role {{role}} password '{HASH}'",
    "select name from author where id = 7",
]


def test_exactly_the_planted_statements_are_found(any_postgres: Server, scratch_database) -> None:  # type: ignore[no-untyped-def]
    database: ScratchDatabase = scratch_database(any_postgres)
    role = f"app_{database.name}"
    database.execute(*(statement.replace("{role}", role) for statement in SCHEMA))
    server = add_server_from_dsn(database.dsn)
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    send(database, [sql.replace("{role}", role) for some in [*PLANTED.values(), INNOCENT] for sql in some])
    pipeline.take_snapshot(server)
    found = findings(server)
    expected = set(PLANTED) - ({"ST026"} if any_postgres.version >= 18 else set())
    assert {code for code, _ in found} == expected
    texts = dict(Statement.objects.filter(server=server).values_list("fingerprint", "normalized_sql"))
    for code, about in found:
        words = PLANTED[code][0].replace("{role}", role).split()[:3]
        assert texts[about].lower().split()[:3] == words, (code, texts[about])
        assert "hash" not in texts[about]
    assert len(found) == len(expected), found
    now = timezone.now()  # the session asked for the times of planning, too
    assert any(known.plan_time_s_per_day for known in overheads(server, Window(now - DAY, now)).values())
    assert not [text for text in texts.values() if "secret" in text or "c3Rvcm" in text]
    database.execute(f"drop role {role}")


def send(database: ScratchDatabase, statements: list[str]) -> None:
    """Constants in the text; the role's password hashed by the client, once."""
    with database.connect() as session:
        session.execute("set pg_stat_statements.track_utility = on")
        session.execute("set pg_stat_statements.track_planning = on")
        for statement in statements:
            session.execute(statement)  # type: ignore[call-overload]


def findings(server) -> set[tuple[str, str]]:  # type: ignore[no-untyped-def]
    """With calls and times as if all were sent fifty times a second: how long the test took does not matter."""
    now = timezone.now()
    known = inspected_database(server)
    assert known is not None
    window = Window(now - DAY, now)
    daily = {
        pk: replace(rate, calls_per_day=4_320_000.0, total_time_s_per_day=7_000.0)
        for pk, rate in rates(server, window).items()
    }
    facts = schemas.newest_schema(known)
    outcome = check.check_statements(server, known, daily, facts, rules_of(server), now, now, overheads(server, window))
    assert outcome.failed == {}
    return {(f.code, f.about) for f in outcome.findings if f.code >= "ST020"}
