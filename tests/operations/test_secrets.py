"""Secrets by environment or file, and keys that come and go."""

import json
import os
import stat
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from analyzer.models import ParameterSample, Server
from analyzer.runtime.environment import secret
from analyzer.runtime.secret_keys import key_name, load_or_create_keys
from analyzer.store.key_rotation import encrypted_columns
from analyzer.store.secrets import decrypt, encrypt
from tests.dashboard import world

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_secret_comes_from_the_environment_or_from_a_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    assert secret("X", environment={"X": "plain"}) == "plain"
    assert secret("X", environment={"X_FILE": str(file)}) == "s3cret"
    assert secret("X", "default", environment={}) == "default"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"X": "a", "X_FILE": "/f"}, "X and X_FILE are both set; unset one of them"),
        ({"X_FILE": "/no/such"}, "X_FILE names /no/such, which cannot be read: No such file or directory"),
        ({"X_FILE": os.devnull}, "X_FILE names /dev/null, which is empty"),
    ],
)
def test_what_is_wrong_with_a_secret_is_said(environment, says):
    with pytest.raises(ImproperlyConfigured) as raised:
        secret("X", environment=environment)
    assert str(raised.value) == says


def settings_of(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own makes of an environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "import json, dashboard.settings as s;"
            "print(json.dumps([s.DATABASES['default'], s.CELERY_BROKER_URL, s.SECRET_KEY, s.ENCRYPTION_KEYS]))",
        ],
        cwd=REPOSITORY,
        env={**kept, "PGLOUPE_VAR_DIR": str(tmp_path / "var"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_settings_take_every_secret_from_a_file(tmp_path):
    key = Fernet.generate_key().decode()
    values = {
        "DATABASE_PASSWORD": "p@ss/w:rd %41",
        "REDIS_PASSWORD": "r#d/s",
        "PGLOUPE_SECRET_KEY": "sign",
        "PGLOUPE_ENCRYPTION_KEYS": f"{key}\n",
    }
    environment = {"DATABASE_URL": "postgresql://pgloupe@db:6432/store", "REDIS_URL": "redis://redis:6379/0"}
    for name, value in values.items():
        (tmp_path / name).write_text(value)
        environment[f"{name}_FILE"] = str(tmp_path / name)
    done = settings_of(tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    database, broker, signing, encryption = json.loads(done.stdout)
    assert (database["PASSWORD"], database["HOST"], database["PORT"]) == ("p@ss/w:rd %41", "db", 6432)
    assert broker == "redis://:r%23d%2Fs@redis:6379/0"
    assert (signing, encryption) == ("sign", [key])
    assert not (tmp_path / "var" / "keys.json").exists()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TZ_NAME", "../../etc/passwd", "is '../../etc/passwd', which is no time zone (Europe/Berlin is one)"),
        ("ANALYZER_SAMPLE_INTERVAL_S", "1e5", "is '1e5'; it has to be a whole number, 1 or more"),
        ("ANALYZER_ASSUMED_ROUND_TRIP_MS", "nan", "is 'nan'; it has to be a number, 0 or more"),
        (
            "DATABASE_URL",
            "postgresql://u:canary/s@db:5432/store",
            "cannot be read: it has to be like postgresql://user",
        ),
        ("DATABASE_URL", "postgresql://u:1/canary@db/store", "cannot be read: it has to be like postgresql://user"),
        ("REDIS_URL", "redis://:canary/s@queue:6379/0", "cannot be read: it has to be like redis://:password@host"),
    ],
)
def test_a_setting_that_cannot_be_is_said_in_a_sentence(tmp_path, name, value, says):
    done = settings_of(tmp_path, **{name: value})
    assert (done.returncode, f"ImproperlyConfigured: {name} {says}" in done.stderr) == (1, True), done.stderr
    assert "canary" not in done.stderr
    command = [sys.executable, "manage.py", "check"]
    environment = {"PATH": os.environ["PATH"], "PGLOUPE_VAR_DIR": str(tmp_path / "var"), name: value}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.startswith(f"pgLoupe cannot start: {name} {says}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANALYZER_SAMPLE_INTERVAL_S", "+60"),
        ("ANALYZER_STATEMENT_TIMEOUT_MS", "10_000"),
        ("ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR", "0"),
        ("ANALYZER_KEEP_HOURS_DAYS", " "),
        ("TZ_NAME", ""),
        ("DATABASE_URL", "postgresql+psycopg://u%40azure:p@db/store?sslmode=require"),
        ("DATABASE_URL", "postgresql:///store?host=/run/postgresql&user=me@here"),
        ("DATABASE_URL", "postgresql://db:5432/store?user=me@azure"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
    ],
)
def test_a_setting_that_can_be_is_taken(tmp_path, name, value):
    assert settings_of(tmp_path, **{name: value}).returncode == 0


def test_the_image_makes_no_keys_of_its_own(tmp_path):
    done = settings_of(tmp_path, PGLOUPE_KEYS="given")
    assert done.returncode == 1
    assert "PGLOUPE_SECRET_KEY is not set, nor PGLOUPE_SECRET_KEY_FILE" in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_broken_key_is_named_by_its_place_only(tmp_path, monkeypatch):
    monkeypatch.setenv("PGLOUPE_ENCRYPTION_KEYS", f"{Fernet.generate_key().decode()},canary-no-key")
    with pytest.raises(ImproperlyConfigured) as raised:
        load_or_create_keys(tmp_path)
    assert "number 2 of 2 is no key" in str(raised.value)
    assert "canary" not in str(raised.value)


def test_keys_are_made_for_their_owner_only(tmp_path):
    made = load_or_create_keys(tmp_path)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert load_or_create_keys(tmp_path) == made


# -- rotation -----------------------------------------------------------------------------------------------------


@pytest.fixture
def old_and_new(settings) -> tuple[str, str]:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.ENCRYPTION_KEYS = (old,)
    return old, new


def filled() -> tuple[Server, list[str]]:
    """A server with a password and more parameter samples than one batch."""
    of = world.server(password_encrypted=encrypt("canary-password"))
    world.server("open", password_encrypted="")
    statement = world.figures(of, hours=0.1, every_s=60)[0]
    texts = [f"select * from shop_order where id = {n}" for n in range(1_200)]
    ParameterSample.objects.bulk_create(
        ParameterSample(
            statement=statement,
            database=world.database(of),
            taken_at=statement.last_seen,
            sql_encrypted=encrypt(text),
        )
        for text in texts
    )
    return of, texts


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def read_all(of: Server) -> tuple[str, list[str]]:
    of.refresh_from_db()
    samples = ParameterSample.objects.order_by("pk").values_list("sql_encrypted", flat=True)
    return decrypt(of.password_encrypted), [decrypt(token) for token in samples]


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db
def test_rotation_lets_the_old_key_go(settings, old_and_new):
    old, new = old_and_new
    of, texts = filled()
    settings.ENCRYPTION_KEYS = (new, old)
    assert "analyzer_server.password_encrypted: 1 to re-encrypt, 0 under the newest key" in said("--check")
    text = said()
    assert f"Newest key {key_name(new)}; old keys: {key_name(old)}" in text
    assert "analyzer_parametersample.sql_encrypted: 1200 re-encrypted, 0 under the newest key, 0 unreadable" in text
    assert old not in text
    assert new not in text
    settings.ENCRYPTION_KEYS = (new,)
    assert read_all(of) == ("canary-password", texts)
    assert "analyzer_parametersample.sql_encrypted: 0 re-encrypted, 1200 under the newest key" in said()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db
def test_a_lost_key_is_said_with_the_servers_it_concerns(settings, old_and_new):
    of, _ = filled()
    settings.ENCRYPTION_KEYS = (old_and_new[1],)
    before = of.password_encrypted
    with pytest.raises(CommandError) as raised:
        said()
    assert str(raised.value).startswith("No key here opens the password of: shop. Add the missing key")
    of.refresh_from_db()
    assert of.password_encrypted == before  # kept: the key may be found again


def test_every_encrypted_column_is_found():
    assert {(model._meta.db_table, column) for model, column in encrypted_columns()} >= {
        ("analyzer_server", "password_encrypted"),
        ("analyzer_parametersample", "sql_encrypted"),
    }


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.django_db
def test_rotation_of_the_key_file_step_by_step(settings, tmp_path, monkeypatch):
    for name in ("PGLOUPE_ENCRYPTION_KEYS", "PGLOUPE_ENCRYPTION_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings.VAR_DIR = tmp_path

    def restarted() -> tuple[str, ...]:
        settings.ENCRYPTION_KEYS = load_or_create_keys(tmp_path).encryption
        return settings.ENCRYPTION_KEYS

    (first,) = restarted()
    of, texts = filled()
    assert "Restart pgLoupe, then run: manage.py rotate_keys" in said("--add")
    second, kept = restarted()
    assert kept == first
    with pytest.raises(CommandError, match="Still under old keys: 1 of analyzer_server, 1200 of analyzer_parameter"):
        said("--drop-old")
    said()
    assert key_name(first) in said("--drop-old")
    assert restarted() == (second,)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert read_all(of) == ("canary-password", texts)
