"""Making a cluster's data directory, and running PostgreSQL's programs as the right user."""

import os
import re
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from analyzer.runtime import system_user
from analyzer.runtime.processes import RuntimeFailure, SystemUser

SUPERUSER = "postgres"
PASSWORD_FILE = "pgloupe-superuser-password"
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def initialise(data_dir: Path, bin_dir: Path, user: SystemUser | None, more: Sequence[str] = ()) -> None:
    """initdb where there is no cluster yet, with a generated superuser password in a 0600 file.

    It works in a directory beside and renames that: an interrupted start leaves nothing half made. A cluster of
    another major version is refused. ``more``: further options of initdb.
    """
    if (data_dir / "PG_VERSION").exists():
        _refuse_other_version(data_dir, bin_dir, user)
        return
    unfinished = data_dir.with_name(f"{data_dir.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    system_user.make_private_dir(unfinished, user)
    password_file = data_dir.with_name(f"{data_dir.name}.pw")
    _write_private(password_file, secrets.token_urlsafe(24), user)
    options = ["-D", str(unfinished), "-U", SUPERUSER, "-E", "UTF8", f"--pwfile={password_file}", "-N"]
    options += ["--auth-host=scram-sha-256", "--auth-local=trust", *more]
    try:
        try:
            run_program(bin_dir, user, "initdb", *options, "--locale=C.UTF-8")
        except RuntimeFailure as failure:
            if "locale" not in str(failure):
                raise
            run_program(bin_dir, user, "initdb", *options, "--locale=C")  # a system without C.UTF-8
        (unfinished / "pg_hba.conf").write_text(HBA)
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude 'pgloupe.conf'\n")
        password_file.rename(unfinished / PASSWORD_FILE)
    finally:
        password_file.unlink(missing_ok=True)
    unfinished.rename(data_dir)


def binary_version(bin_dir: Path, user: SystemUser | None) -> str:
    """As the binary says it, e.g. ``18.6``."""
    words = run_program(bin_dir, user, "postgres", "--version").split()
    return next((word for word in words if re.match(r"\d+", word)), words[-1])


def run_program(bin_dir: Path, user: SystemUser | None, program: str, *arguments: str) -> str:
    """What the program printed; RuntimeFailure with the end of its message when it fails."""
    result = subprocess.run(
        [str(bin_dir / program), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        env=server_environment(bin_dir),
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        timeout=180,
    )
    if result.returncode:
        detail = (result.stderr.strip() or result.stdout.strip()).splitlines()[-6:]
        raise RuntimeFailure(f"{program} failed: " + " ".join(detail))
    return result.stdout.strip()


def server_environment(home: Path) -> dict[str, str]:
    """Ours without PGDATA, PGPORT and the like: they must not reach the server or initdb."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C", "HOME": str(home)}


def _refuse_other_version(data_dir: Path, bin_dir: Path, user: SystemUser | None) -> None:
    made_by = (data_dir / "PG_VERSION").read_text().strip()
    version = binary_version(bin_dir, user)
    if not version.startswith(f"{made_by}."):
        raise RuntimeFailure(
            f"{data_dir} was made by PostgreSQL {made_by}, but {bin_dir} is {version};"
            " move the directory away, or use the old binaries to dump it"
        )


def _write_private(path: Path, text: str, user: SystemUser | None) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    if user is not None:
        os.chown(path, user.uid, user.gid)
