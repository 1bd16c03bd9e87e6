"""Backup, restore and migrate, on a store of their own in the tests' PostgreSQL 18."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cryptography.fernet import Fernet
from psycopg import sql

from tests import servers
from tests.conftest import need
from tests.environment import IN_VAIN_S
from tests.waiting import wait_for

pytestmark = [pytest.mark.postgres, pytest.mark.long]
REPOSITORY = Path(__file__).resolve().parents[2]


class Store:
    """An empty database and the environment that makes it pgLoupe's store."""

    def __init__(self, tmp_path: Path) -> None:
        self.server = need(lambda: servers.server(18))
        self.name = f"upkeep_{os.urandom(3).hex()}"
        with self.server.connect() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(self.name)))
        self.environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DATABASE_URL": self.server.dsn(self.name),
            "PGLOUPE_VAR_DIR": str(tmp_path / "var"),
            "PGLOUPE_SECRET_KEY": "tests",
            "PGLOUPE_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }

    def connect(self) -> psycopg.Connection:
        return self.server.connect(self.name)

    def value(self, statement: str) -> object:
        with self.connect() as connection:
            return connection.execute(statement).fetchone()[0]

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=REPOSITORY,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=IN_VAIN_S,
        )

    def drop(self) -> None:
        with self.server.connect() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(self.name)))


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.drop()


def test_backup_and_restore_bring_everything_back_and_say_what_needs_the_key(store, tmp_path):
    add = (
        "from analyzer.store.servers import add_server_from_dsn as add;"
        "add('postgresql://pgloupe:canary@127.0.0.1:5999/app?sslmode=disable', name='the app');"
        "from analyzer.store.series.partitions import ensure_partitions; from django.utils import timezone;"
        "ensure_partitions(timezone.now())"
    )
    assert store.manage("migrate", "-v0").returncode == 0
    done = store.manage("shell", "--no-imports", "-c", add)
    assert done.returncode == 0, done.stderr
    partitions = store.value("select count(*) from pg_inherits")
    file = tmp_path / "store.dump"

    done = store.manage("backup", str(file))
    assert done.returncode == 0, done.stderr
    assert "Passwords in it open with the encryption key" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"canary" not in file.read_bytes()
    assert store.manage("backup", str(file)).returncode == 2

    with store.connect() as connection:
        connection.execute("delete from analyzer_server")
        connection.execute("create table of_a_later_version (server_id bigint references analyzer_server)")
    done = store.manage("restore", str(file))
    assert (done.returncode, "The store is not empty; --replace" in done.stderr) == (2, True)
    done = store.manage("restore", "--replace", str(file))
    assert done.returncode == 0, done.stderr
    assert "analyzer_server.password_encrypted: 0 to re-encrypt, 1 under the newest key, 0 unreadable" in done.stdout
    assert store.value("select name from analyzer_server") == "the app"
    assert store.value("select count(*) from pg_inherits") == partitions
    assert store.value("select to_regclass('of_a_later_version') is null")
    assert store.value("select count(*) from pg_namespace where nspname = 'pgloupe_before_restore'") == 0

    done = store.manage("restore", "--replace", str(file), PGLOUPE_ENCRYPTION_KEYS=Fernet.generate_key().decode())
    assert done.returncode == 1  # restored, but:
    assert "No key here opens the password of: the app." in done.stderr
    assert store.value("select count(*) from analyzer_server") == 1

    broken = tmp_path / "broken.dump"
    broken.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    done = store.manage("restore", "--replace", str(broken))
    assert done.returncode == 2
    assert "The store is as it was." in done.stderr
    assert store.value("select name from analyzer_server") == "the app"


def test_migrate_waits_in_no_queue_that_others_stand_in(store):
    """While a long transaction holds a table, migrate tries again and again, and readers wait for 2 s at the most."""
    assert store.manage("migrate", "-v0", "analyzer", "0002").returncode == 0
    statements, stop = 0, threading.Event()

    def read() -> None:
        nonlocal statements
        with store.connect() as reader:
            while not stop.wait(0.02):
                reader.execute("insert into analyzer_statement select * from analyzer_statement where false")
                statements += 1

    with store.connect() as holder:
        holder.autocommit = False
        holder.execute("lock table analyzer_statement in row exclusive mode")
        done = store.manage("migrate", "-v0", "--lock-timeout-ms", "300", "--patience-s", "1")
        assert done.returncode == 2
        assert "A lock could not be had for 1 s; nothing of this migration is done" in done.stderr
        thread = threading.Thread(target=read)
        thread.start()
        process = subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "-v0", "--lock-timeout-ms", "300"],
            cwd=REPOSITORY,
            env=store.environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == "A table is in use; trying again.\n"
        assert process.poll() is None
        before = statements  # of others, who would all wait behind a migration that waits until the table is free
        wait_for(lambda: statements > before + 3)
        holder.commit()
    assert process.wait(IN_VAIN_S) == 0
    stop.set()
    thread.join()
    assert store.manage("migrate", "--check").returncode == 0


def test_two_migrates_at_once_do_it_once(store):
    command = [sys.executable, "manage.py", "migrate", "-v0"]
    processes = [
        subprocess.Popen(command, cwd=REPOSITORY, env=store.environment, stderr=subprocess.PIPE) for _ in range(2)
    ]
    outcomes = [(process.communicate(timeout=IN_VAIN_S)[1], process.returncode) for process in processes]
    assert [code for _, code in outcomes] == [0, 0], outcomes
    assert store.value("select count(*) = count(distinct (app, name)) from django_migrations")
