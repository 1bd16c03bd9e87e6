"""The package: built, installed in an empty environment somewhere else, and used there, with a home of its own."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.demo import shop
from tests.environment import IN_VAIN_S, reachable_dir
from tests.running import REPOSITORY, Running

pytestmark = [pytest.mark.postgres, pytest.mark.fault, pytest.mark.xdist_group("package")]

NOT_IN_IT = ("tests", "bench", ".ci", "var")


@pytest.fixture(scope="module")
def built() -> Iterator[Path]:
    """A folder with the wheel and the sdist, of what git has, not of what lies about."""
    folder = reachable_dir("package")
    source = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, files):
        if (REPOSITORY / name).exists():  # else it is deleted and not committed yet
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, source / name)
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(source)], check=True)
    yield folder / "dist"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def installed(built: Path) -> Iterator[Path]:
    """``bin`` of an environment with the wheel and what it needs."""
    folder = reachable_dir("installed")
    venv.create(folder / "env", with_pip=True)
    pip = [str(folder / "env" / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, str(next(built.glob("*.whl")))], check=True, cwd=folder)
    yield folder / "env" / "bin"
    shutil.rmtree(folder, ignore_errors=True)


def test_wheel_and_sdist_hold_everything(built: Path) -> None:
    inside = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    kept = [p.relative_to(REPOSITORY) for p in REPOSITORY.glob("analyzer/**/*") if p.suffix in (".py", ".sql")]
    kept += [p.relative_to(REPOSITORY) for p in REPOSITORY.glob("dashboard/**/*.py")]
    assert {str(p) for p in kept} <= inside
    assert {str(p) for p in kept} <= source
    for folder in ("templates", "static"):
        files = {str(p.relative_to(REPOSITORY)) for p in (REPOSITORY / folder).rglob("*") if p.is_file()}
        assert {f"dashboard/{name}" for name in files} <= inside
        assert files <= source
    assert [name for name in inside if name.startswith(NOT_IN_IT)] == []
    assert "LICENSE" in source


LOOKED_AT_SESSIONS = "select 1 from analyzer_stepstatus where step = 'activity' and last_success_at is not null"


def test_installed_demo_finds_something_and_advise_answers(installed: Path) -> None:
    home = reachable_dir("home")
    elsewhere = reachable_dir("elsewhere")
    clean = {"HOME": str(home), "PATH": f"{installed}:/usr/bin:/bin", "DATABASE_URL": "", "REDIS_URL": "", "CI": ""}
    demo = Running(
        "demo", program=[str(installed / "pgloupe"), "--data-dir", str(home / "pgloupe")], cwd=elsewhere,
        var_dir=home / "pgloupe", **clean,
    )  # fmt: skip
    try:
        demo.wait_for(lambda: demo.store("select code from analyzer_findingrecord"), "a finding")
        demo.wait_for(lambda: demo.store(LOOKED_AT_SESSIONS), "a look at the sessions")
        socket = next((home / "pgloupe" / "demo-postgres").glob(".s.PGSQL.*[0-9]"))
        port = socket.name.rpartition(".")[2]
        dsn = f"postgresql:///{shop.DATABASE}?host={socket.parent}&port={port}&user={shop.MONITOR_ROLE}"
        answer = subprocess.run(
            [installed / "pgloupe", "advise", dsn], cwd=elsewhere, env={**os.environ, **clean}, capture_output=True,
            text=True, check=False, timeout=IN_VAIN_S,
        )  # fmt: skip
        assert (answer.returncode, "CREATE INDEX CONCURRENTLY" in answer.stdout) == (0, True), answer
        assert demo.stop() == 0
        assert " ended with exit code " not in demo.output
    finally:
        demo.remove()


def test_installed_command_names_itself_and_keeps_its_data_in_the_users_folder(installed: Path) -> None:
    home = reachable_dir("home")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PGLOUPE", "DATABASE", "REDIS", "XDG"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [installed / "pgloupe", *arguments], cwd=home, env={**clean, "HOME": str(home)}, capture_output=True,
            text=True, check=False, timeout=IN_VAIN_S,
        )  # fmt: skip

    data = home / ".local" / "share" / "pgloupe"
    assert run("advise").stderr.strip().endswith("pgloupe advise postgresql://user:password@host/dbname")
    show = "import django.conf as c; print(c.settings.LOGIN_COMMAND, 'in', c.settings.LOGIN_PLACE, sep='|')"
    told = subprocess.run(
        [installed / "python", "-c", show], cwd=home, text=True, capture_output=True, check=True,
        env={**clean, "HOME": str(home), "DJANGO_SETTINGS_MODULE": "dashboard.settings"},
    )  # fmt: skip
    assert told.stdout == "pgloupe login_link|in|on the machine pgLoupe runs on\n"
    link = run("login_link")
    assert (link.returncode, link.stderr) == (
        2,
        f"pgLoupe is not running (no store answers for {data}, and DATABASE_URL is not set). Start it with"
        ' "pgloupe up" in another terminal, then run this again; a start takes some seconds.\n',
    )
    assert run("--data-dir").stderr == "--data-dir needs a directory.\n"
