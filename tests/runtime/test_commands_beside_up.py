"""Commands in a second terminal: they find what `up` runs, or say in one sentence that nothing does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import IN_VAIN_S
from tests.running import REPOSITORY, Running, new_var_dir, status

pytestmark = [pytest.mark.postgres, pytest.mark.fault]
PASSWORD = "correct horse battery staple"


def run(var_dir: Path, *arguments: str, text: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    left_out = {"DATABASE_URL", "REDIS_URL", "PGLOUPE_BASE_URL", "CI"}
    inherited = {k: v for k, v in os.environ.items() if k not in left_out}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY, env={**inherited, "PGLOUPE_VAR_DIR": str(var_dir), **env}, input=text, text=True,
        capture_output=True, check=False, timeout=IN_VAIN_S,
    )  # fmt: skip


def test_commands_find_the_store_and_the_address_of_what_runs():
    running = Running("up", var_dir=new_var_dir("beside"))
    try:
        url = running.url
        link = run(running.var_dir, "login_link")
        assert (link.returncode, link.stderr) == (0, "")
        assert link.stdout.startswith(f"{url}/login/once/")
        assert status(link.stdout.strip()) == 200
        made = run(
            running.var_dir, "createsuperuser", "--noinput", "--username", "ada", "--email", "a@example.com",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )  # fmt: skip
        assert (made.returncode, made.stderr) == (0, "")
        again = run(running.var_dir, "login_link", "--user", "ada", "--url", "https://elsewhere.example.com")
        assert again.stdout.startswith("https://elsewhere.example.com/login/once/")
        for command, said in (
            (("shell", "-c", "from analyzer.models import Server as S; print('n', S.objects.count())"), "n 0"),
            (("rotate_keys", "--check"), "0 to re-encrypt"),
            (("showmigrations", "analyzer"), "[X] 0001_initial"),
        ):
            done = run(running.var_dir, *command)
            assert (done.returncode, said in done.stdout) == (0, True), done.stderr
        named = run(running.var_dir, "login_link", PGLOUPE_BASE_URL="https://loupe.example.com/")
        assert named.stdout.startswith("https://loupe.example.com/login/once/")
        unknown = run(running.var_dir, "changepassword", "nobody")
        assert unknown.stderr.strip() == "CommandError: user 'nobody' does not exist"
    finally:
        running.remove()
    stopped = run(running.var_dir, "login_link")
    assert stopped.returncode == 2


@pytest.mark.parametrize(
    "command",
    [
        ("login_link",), ("changepassword", "ada"), ("createsuperuser",), ("rotate_keys",), ("shell", "-c", "1"),
        ("showmigrations",), ("backup", "/tmp/never.dump"), ("dbshell",),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_without_a_store_it_is_one_sentence(command, tmp_path):
    done = run(tmp_path, *command)
    assert done.returncode == 2
    assert done.stderr.startswith("pgLoupe is not running (no store answers for ")
    assert len(done.stderr.splitlines()) == 1


def test_commands_to_type_name_the_data_directory_that_was_given(tmp_path):
    """Without it they would look elsewhere, and say that nothing runs."""
    place = tmp_path / "my data"
    called = f"manage.py --data-dir '{place}'"
    assert f'Start it with "{called} up"' in run(tmp_path, "--data-dir", str(place), "login_link").stderr
    script = (
        f"from dashboard.command import main; main(['manage.py', '--data-dir={place}', 'help'], 'manage.py');"
        "from django.conf import settings as s; print(s.LOGIN_COMMAND); print(s.VAR_DIR)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=IN_VAIN_S,
        env={k: v for k, v in os.environ.items() if k != "PGLOUPE_PROGRAM"},
    )  # fmt: skip
    login_command, var_dir = done.stdout.splitlines()[-2:]
    assert (login_command.partition(" ")[2], var_dir) == (f"{called} login_link", str(place))


def test_a_store_that_does_not_answer_is_one_sentence_without_its_password(tmp_path):
    done = run(tmp_path, "login_link", DATABASE_URL="postgresql://me:canary@127.0.0.1:1/nothing")
    assert done.returncode == 2
    assert done.stderr.startswith("The store cannot be reached: ")
    assert "canary" not in done.stderr
    assert "Traceback" not in done.stderr


def test_up_prints_the_address_people_use():
    running = Running("up", var_dir=new_var_dir("named"), PGLOUPE_BASE_URL="https://loupe.example.com/")
    try:
        assert running.login_link.startswith("https://loupe.example.com/login/once/")
        assert running.stdout.startswith("pgLoupe: https://loupe.example.com/  Log in once")
        assert f"It listens on http://127.0.0.1:{running.port}" in running.stderr
        assert run(running.var_dir, "login_link").stdout.startswith("https://loupe.example.com/login/once/")
    finally:
        running.remove()
