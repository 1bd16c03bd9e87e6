"""A statement's page names the tables it really touches, or may touch, and how its time is counted."""

from dataclasses import replace
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analyzer.models import Database, Role, Server, Statement
from analyzer.monitored.readings import StatementText
from analyzer.store.schemas import keep_schema
from analyzer.store.texts import keep_texts
from dashboard.statements.tables import notes_of, tables_of
from tests.advice.builders import facts, table
from tests.dashboard import world
from tests.store.conftest import FakeServer

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]
INV = ("id|bigint|-1", "cust|integer|9000")


@pytest.fixture
def fake():
    server = Server.objects.create(
        name="shop", slug="shop", host="127.0.0.1", user="u", dbname="shop", server_version_num=150000
    )
    database = Database.objects.create(server=server, oid=5, name="shop", is_inspected=True)
    Role.objects.create(server=server, oid=10, name="app")
    schemas = ("auth", "public", "t1", "t2", "t10")
    tables = [table("inv", INV, schema=s) for s in schemas if s.startswith("t")]
    users = [table("users", INV, schema=s) for s in ("auth", "public")]
    known = facts(*tables, *users, role_paths={"": ("public",), "auth_admin": ("auth",)})
    keep_schema(database, replace(known, search_path=("public", "auth")))
    return FakeServer(server, now=timezone.now() - timedelta(minutes=5))


def statement(fake, texts, of):
    for queryid in texts:
        fake.run(queryid)
    fake.read()
    fake.name(texts)
    return fake.entry(of).statement


def rows(found):
    return [(row.name, row.note) for row in tables_of(found)]


def test_a_qualified_table_is_that_one_and_on_18_perhaps_another_too(fake):
    found = statement(fake, {1: "select * from auth.users"}, 1)
    assert rows(found) == [("auth.users", "")]
    Server.objects.update(server_version_num=180000)
    found = Statement.objects.select_related("server").get()
    assert rows(found) == [("auth.users", "PostgreSQL 18 may count the same statement on public with it")]


def test_a_name_is_looked_up_along_the_path_of_the_role_that_ran_it(fake):
    found = statement(fake, {1: "select * from users"}, 1)
    unless = "unless the session's own search_path names {} first"
    assert rows(found) == [("public.users", unless.format("auth"))]
    Role.objects.update(name="auth_admin")
    assert rows(found) == [("auth.users", unless.format("public"))]
    Role.objects.create(server=fake.server, oid=20, name="app")
    keep_texts(fake.server, [StatementText(20, 5, 1, True, "select * from users")])
    fake.roles = {2: 20}
    fake.run(2)
    fake.read()
    keep_texts(fake.server, [StatementText(20, 5, 2, True, "select * from users")])
    assert rows(found) == [("public.users", "for role app"), ("auth.users", "for role auth_admin")]


def test_a_name_that_only_a_sessions_path_finds_lists_what_it_may_be(fake):
    found = statement(fake, {1: "select * from inv where cust = $1"}, 1)
    said = "one of 3 schemas that a session's search_path may name"
    assert rows(found) == [("t1.inv", said), ("t2.inv", said), ("t10.inv", said)]


@pytest.mark.parametrize(
    ("sql", "heading", "why_no_plan"),
    [
        ("lock table inv in share mode", "LOCK on inv", "It is a utility statement, which has no plan of its own."),
        ("commit", "Utility statement", "It is a utility statement, which has no plan of its own."),
        ("explain select * from users", "EXPLAIN on users", "It plans a query and does not run it"),
        ("create table x as table users with no data", "CREATE on users", "It plans a query and does not run it"),
        ("create table x as select 1 from users", "CREATE TABLE AS: Select from users", "The statements that cost the"),
        ("insert into inv select * from users", "Insert into inv, reading users", "The statements that cost the most"),
        ("copy inv to stdout", "COPY on inv", "It is a utility statement, which has no plan of its own."),
    ],
)  # fmt: skip
def test_the_page_names_a_statement_by_what_it_does_and_says_why_there_is_no_plan(fake, sql, heading, why_no_plan):
    found = statement(fake, {1: sql}, 1)
    client = Client()
    client.force_login(world.user())
    page = unescape(client.get(reverse("statement", args=["shop", found.fingerprint])).content.decode())
    assert f"<h1>{heading}</h1>" in page
    assert why_no_plan in page
    if found.kind == "utility":
        assert page.count(why_no_plan) == 2  # no index either
        assert "statements that cost the most" not in page


def test_the_page_says_how_time_is_counted(fake):
    fake.nested = frozenset({2})
    texts = {1: "select f($1)", 2: "select * from users where cust = c", 3: "declare c cursor for select * from users",
             4: "fetch 10 from c", 5: "fetch 10 from d"}  # fmt: skip
    inside = statement(fake, texts, 2)
    assert notes_of(inside) == [
        "It is called from inside other statements, as of functions (pg_stat_statements.track = all): that time is part"
        " of the calling statements' time too, and the server's total counts it once, there."
    ]
    assert notes_of(fake.entry(1).statement) == []
    assert notes_of(fake.entry(3).statement) == [
        "Its time is that of the FETCHes from its cursors; a call is a cursor opened."
    ]
    assert notes_of(fake.entry(5).statement) == [
        "No DECLARE of this cursor is in pg_stat_statements any more, so which query it fetches is not known."
    ]
    client = Client()
    client.force_login(world.user())
    page = client.get(reverse("statement", args=["shop", inside.fingerprint])).content.decode()
    assert "It is called from inside other statements" in page
    assert "It runs inside other statements only" in page


def test_a_cursor_that_several_declared_names_them(fake):
    texts = {
        1: "declare c cursor for select * from users",
        2: "declare c cursor for select * from inv",
        3: "fetch 5 from c",
    }
    found = statement(fake, texts, 3)
    (said,) = notes_of(found)
    assert said.startswith("2 statements declare cursors of this name, so their time cannot be told apart: ")
    assert "select * from inv" in said
