"""Passwords of a migration reach no report: those are kept by build servers, and sent."""

import json

import pytest

from analyzer.review.files.read import read_migration
from analyzer.review.review import review
from analyzer.review.show import review_as_json, review_as_sarif, review_as_text

SQL = (
    "create role app login password 'geheim'",
    "alter user app with encrypted password E'geheim' valid until '2030-01-01'",
    "create user mapping for app server s options (user 'app', password $$geheim$$)",
    "alter server s options (set token 'geheim')",
    "create foreign table f (a int) server s options (key 'geheim')",
    "create subscription s connection 'host=x password=geheim' publication p",
    "alter subscription s connection 'postgres://app:geheim@x/db'",
    "alter role app set app.key = geheim",
    "alter system set primary_conninfo = 'host=x password=geheim'",
    "set app.password = 'geheim'",
    "select set_config('app.password', 'geheim', false)",
    "copy orders from program 'curl -u app:geheim https://x'",
    "create view v as select * from dblink('host=x password=geheim', 'select 1') as t (a int)",
    "do $$ begin create role app password 'geheim'; end $$",
    "do $$ begin execute 'create role app password ''geheim'''; end $$",
    "create function f() returns text language sql as $f$ select dblink_connect('postgres://a:geheim@x/d') $f$",
)
PLAIN = (
    "comment on column users.password is 'a hash, never geheim'",
    "alter table users add column password text default 'geheim'",
    "alter table users add constraint no_blank check (password <> 'geheim')",
)
DJANGO = "from django.db import migrations\nclass Migration(migrations.Migration):\n    operations = [{}]\n"
ALEMBIC = "from alembic import op\nrevision = 'a'\ndown_revision = None\ndef upgrade():\n    {}\n"
INDEX = "alter table users alter column name set not null;"


def reports(text: str, file: str) -> str:
    found = review(read_migration(text, file), 160_000, None)
    as_data = [review_as_json(found), review_as_sarif(found, file)]
    return review_as_text(found, None) + "".join(map(json.dumps, as_data))


@pytest.mark.parametrize("sql", SQL)
def test_a_password_is_shown_in_no_report(sql):
    in_begin = f"begin; {sql}; commit;"
    files = {
        "new.sql": sql, "more.sql": in_begin,
        "app/migrations/0002_a.py": DJANGO.format(f"migrations.RunSQL({f'{INDEX} {sql}'!r})"),
        "versions/a.py": ALEMBIC.format(f"op.execute({sql!r})"),
        "versions/b.py": ALEMBIC.format(f"op.execute({f'{INDEX} {sql}'!r})"),
    }  # fmt: skip
    for file, text in files.items():
        assert "geheim" in text
        assert "geheim" not in reports(text, file), text


@pytest.mark.parametrize("sql", PLAIN)
def test_other_strings_are_shown(sql):
    assert sql in reports(sql, "new.sql")
