"""The processes of docker-compose.yml on this machine: their very commands, with a PostgreSQL and a Redis of their own.

What a container would give is given here: /app is what the Dockerfile copies, secrets are files, each process runs as a
user without rights (where the tests run as root), with the image's environment and nothing of ours.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from analyzer.runtime.processes import SystemUser, free_port, kill_tree, last_lines, spawn
from analyzer.runtime.redis import redis_binary
from analyzer.runtime.system_user import can_reach
from tests import servers
from tests.environment import IN_VAIN_S, SESSION_DIR
from tests.waiting import wait_for

REPOSITORY = Path(__file__).resolve().parents[2]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())
# The image's own virtual environment, made as the Dockerfile says, to prove that it holds all that is needed.
BIN = Path(os.environ.get("PGLOUPE_TEST_IMAGE_VENV", sys.prefix)) / "bin"


def image_environment() -> dict[str, str]:
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    return dict(part.split("=", 1) for part in block.replace("\\\n", " ").split())


def copied_into_image() -> list[tuple[list[str], str]]:
    """Sources and destination of each COPY from the build's context into the last stage."""
    last_stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    lines = [line.split()[1:] for line in last_stage.splitlines() if line.startswith("COPY ") and "--from" not in line]
    return [(line[:-1], line[-1]) for line in lines]


def lay_out_app(to: Path) -> None:
    for sources, destination in copied_into_image():
        for source in sources:
            path = REPOSITORY / source
            if path.is_dir():
                shutil.copytree(path, to / destination, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place = to / destination / path.name if destination.endswith("/") else to / destination
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


class Team:
    def __init__(self) -> None:
        self.place = SESSION_DIR / f"team-{os.urandom(3).hex()}"
        self.app = self.place / "app"
        self.app.mkdir(parents=True)
        lay_out_app(self.app)
        self.secrets = self.place / "run" / "secrets"
        subprocess.run(["sh", str(REPOSITORY / "docker/make-secrets.sh"), str(self.secrets)], check=True)
        self.secrets.chmod(0o755)  # a container sees the files only; here the path has to be walked
        self.server = servers.start_private(18)
        user = self.server.cluster.user
        self.user: SystemUser | None = user if can_reach(BIN / "python", user) else None
        self.tmp = self.place / "tmp"
        for directory in (self.tmp, self.place / "collected"):
            directory.mkdir()
            if self.user:
                os.chown(directory, self.user.uid, self.user.gid)
        with self.server.connect() as connection:
            password = (self.secrets / "database_password").read_text()
            connection.execute(sql.SQL("create role pgloupe login password {}").format(sql.Literal(password)))
            connection.execute("create database pgloupe owner pgloupe")
        self.redis_port, self.web_port = free_port(), free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.restarts: dict[str, int] = {}

    def environment(self, container: str) -> dict[str, str]:
        """The image's, then the service's; addresses and paths are this machine's."""
        given = {name: str(v) for name, v in COMPOSE["x-app"]["environment"].items() if v is not None}
        here = {
            "PATH": f"{BIN}:{redis_binary().parent}:/usr/bin:/bin",
            "PGLOUPE_STATIC_ROOT": str(self.place / "collected"),
            "DATABASE_URL": f"postgresql://pgloupe@127.0.0.1:{self.server.cluster.port}/pgloupe",
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "PGLOUPE_BIND": f"127.0.0.1:{self.web_port}",
        }
        return {name: self._here(value, container) for name, value in {**image_environment(), **given, **here}.items()}

    def _here(self, text: str, container: str) -> str:
        """Paths and names of a container as those of this machine."""
        return (
            text.replace("/run/secrets", str(self.secrets))
            .replace("/tmp/alive", f"{self.tmp}/{container}.alive")
            .replace("/tmp/beat-schedule", f"{self.tmp}/{container}.beat")
            .replace("/tmp/pgloupe", f"{self.tmp}/{container}.var")
            .replace("@%h", f"@{container}")
            .replace("redis-cli", f"redis-cli -p {self.redis_port}")
            .replace("redis-server -", f"redis-server - --port {self.redis_port} --bind 127.0.0.1")
            .replace("127.0.0.1:8000", f"127.0.0.1:{self.web_port}")
            .replace("$$", "$")
        )

    def command(self, service: str, container: str) -> list[str]:
        return [self._here(word, container) for word in COMPOSE["services"][service]["command"]]

    def start(self, service: str, container: str = "") -> subprocess.Popen[bytes]:
        container = container or service
        self.processes[container] = spawn(
            self.command(service, container),
            log_file=self.place / f"{container}.log",
            user=self.user,
            env=self.environment(container),
            cwd=self.app,
        )
        return self.processes[container]

    def run(self, *command: str) -> str:
        """A one-off command in a container: ``docker compose run --rm web ...``."""
        done = subprocess.run(
            command,
            env=self.environment("run"),
            cwd=self.app,
            capture_output=True,
            text=True,
            check=False,
            timeout=IN_VAIN_S,
            **({"user": self.user.uid, "group": self.user.gid, "extra_groups": []} if self.user else {}),
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def is_healthy(self, service: str, container: str = "") -> bool:
        """What the service's health check says."""
        test = COMPOSE["services"][service]["healthcheck"]["test"]
        kind, *words = (self._here(word, container or service) for word in test)
        command = ["sh", "-c", words[0]] if kind == "CMD-SHELL" else words
        env = self.environment(container or service)
        return subprocess.run(command, env=env, cwd=self.app, capture_output=True, check=False).returncode == 0

    def stop(self, container: str, timeout_s: float = IN_VAIN_S) -> int:
        """As Docker does: SIGTERM, then wait."""
        process = self.processes.pop(container)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout_s)

    def kill(self, container: str) -> None:
        process = self.processes.pop(container)
        kill_tree(process.pid)
        process.wait(IN_VAIN_S)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=IN_VAIN_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def store(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.server.dsn("pgloupe")) as connection:
            return connection.execute(statement.encode()).fetchall()

    def tasks_done(self) -> dict[str, int]:
        """By worker, the tasks it has run."""
        said = self.run("celery", "-A", "dashboard.celery:app", "inspect", "stats", "--json", "--timeout", "3")
        return {name: sum(stats["total"].values()) for name, stats in json.loads(said).items()}

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = IN_VAIN_S) -> Any:
        def look() -> Any:
            found = condition()
            if not found:
                self.restart_what_ended(what)
            return found

        def state() -> str:
            return "\n".join([f"for {what}", *(f"{c}: {last_lines(self.place / f'{c}.log')}" for c in self.processes)])

        return wait_for(look, state, timeout_s=timeout_s, every_s=0.2)

    def restart_what_ended(self, during: str) -> None:
        """``restart: unless-stopped``: Docker starts again what ended; not for ever here."""
        for container, process in list(self.processes.items()):
            if process.poll() is None:
                continue
            self.restarts[container] = self.restarts.get(container, 0) + 1
            log = last_lines(self.place / f"{container}.log", 40)
            assert self.restarts[container] < 4, f"{container} ends again and again during {during}: {log}"
            self.start(container.rstrip("-0123456789"), container)

    def remove(self) -> None:
        for container in list(self.processes):
            self.kill(container)
        self.server.cluster.remove()
        shutil.rmtree(self.place, ignore_errors=True)
