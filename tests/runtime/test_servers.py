"""The tests' own servers give what tests/servers.py promises."""

import os

import psycopg
import pytest
import redis

from tests import servers

pytestmark = pytest.mark.postgres


@pytest.mark.skipif(os.environ.get("CI", "") not in {"1", "true"}, reason="only CI must have everything")
def test_ci_has_every_server_and_tool():
    assert servers.missing() == []


def test_every_version_is_the_one_asked_for_and_has_its_settings(any_postgres):
    with psycopg.connect(any_postgres.dsn()) as connection:
        version = connection.execute("select current_setting('server_version_num')::int / 10000").fetchone()
        shown = connection.execute(
            "select name, setting from pg_settings where name in ('shared_preload_libraries',"
            " 'track_io_timing', 'track_activity_query_size', 'fsync') order by 1"
        ).fetchall()
    assert version == (any_postgres.version,)
    assert shown == [
        ("fsync", "off"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("track_activity_query_size", "4096"),
        ("track_io_timing", "on"),
    ]


def test_scratch_login_reads_everything_and_writes_nothing(any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)", "insert into t values (7)", "analyze t")
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        assert connection.execute("select a from t").fetchone() == (7,)
        assert connection.execute("select tablename from pg_stats where tablename = 't'").fetchone() == ("t",)
        texts = connection.execute("select query from pg_stat_statements where query ilike 'create table%'")
        assert "<insufficient privilege>" not in {text for (text,) in texts}
        connection.execute("set default_transaction_read_only = off")
        for forbidden in ("insert into t values (8)", "create table u (a int)", "create temp table v ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)


def test_scratch_database_leaves_nothing_behind(postgres18):
    database = servers.ScratchDatabase(postgres18)
    database.drop()
    with postgres18.connect() as connection:
        assert connection.execute(
            "select (select count(*) from pg_database where datname = %s),"
            " (select count(*) from pg_roles where rolname = %s)",
            [database.name, database.login],
        ).fetchone() == (0, 0)


def test_debians_15_has_hypopg(postgres15, scratch_database):
    if not postgres15.has_hypopg:
        if os.environ.get("CI"):
            pytest.fail("HypoPG is not installed (apt install postgresql-15-hypopg)")
        pytest.skip("HypoPG is not installed (apt install postgresql-15-hypopg)")
    with psycopg.connect(scratch_database(postgres15).dsn) as connection:
        assert connection.execute("select extname from pg_extension where extname = 'hypopg'").fetchone()


def test_pgbouncer_pools_transactions(postgres15, scratch_database, pgbouncer):
    database = scratch_database(postgres15)
    pooler = pgbouncer(database)
    with psycopg.connect(pooler.dsn(), prepare_threshold=None) as first:
        (first_pid,) = first.execute("select pg_backend_pid()").fetchone()
        first.commit()
        with psycopg.connect(pooler.dsn(), prepare_threshold=None) as second:
            (second_pid,) = second.execute("select pg_backend_pid()").fetchone()
    assert first_pid == second_pid  # the server connection went back to the pool at commit


def test_redis_is_the_one_in_the_settings(redis_server, settings):
    assert redis_server.url == settings.CELERY_BROKER_URL
    assert redis.Redis.from_url(settings.CELERY_BROKER_URL).ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=redis_server.port, retry=None).ping()


@pytest.mark.django_db
def test_djangos_test_database_lives_on_18():
    from django.db import connection

    assert connection.pg_version // 10000 == 18
    assert connection.settings_dict["NAME"].startswith("test_")
