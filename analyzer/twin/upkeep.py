"""Which twins go from the disk: nobody uses them, their server is gone, their dump is old, or there are too many."""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.runtime.postgres import PostgresCluster
from analyzer.twin.file_locks import try_lock

WATCHED = "watched"
OLDEST_S = 24 * 3600  # of statistics; also how long sample values of earlier dumps may stay
UNUSED_S = 7 * 24 * 3600
MOST_BYTES = 2 << 30  # of all twins on disk. Measured: 24 to 33 MB each, so some 60


def remove_unused(var_dir: Path, unused_s: float = UNUSED_S) -> list[Path]:
    """Delete twins that nobody leased for so long; those removed."""
    return [d for d in _kept(var_dir) if _unused_s(d) > unused_s and remove(d)]


def remove_unwatched(var_dir: Path, watched: Collection[ConnectionSettings]) -> list[Path]:
    """Delete the twins of servers that were in the store and are not, or are reached otherwise; those removed."""
    keys = {key_of(settings) for settings in watched}
    return [d for d in _kept(var_dir) if d.name not in keys and (d / WATCHED).exists() and remove(d)]


def remove_superseded(var_dir: Path, older_than_s: float = OLDEST_S / 2) -> list[Path]:
    """Delete slots that nobody holds and that are of an earlier dump, which holds sample values; those removed.

    Only of dumps so old: a slot that is used again soon is built anew where it is.
    """
    removed = []
    for directory in _kept(var_dir):
        current = directory / "schema.dump"
        for slot in sorted(directory.glob("slot-*/")):
            if _age_s(slot / "schema.dump") > older_than_s and not _is_same(slot / "schema.dump", current):
                removed += [slot] if _remove_slot(slot) else []
        for left in (*directory.glob("*.new*"), *directory.glob("*/*.list")):  # of processes that were killed
            if left.is_file() and _age_s(left) > older_than_s:
                left.unlink(missing_ok=True)
    return removed


def remove_surplus(var_dir: Path, most_bytes: int = MOST_BYTES) -> list[Path]:
    """Delete slots that nobody holds, the least recently used first, until all twins take no more than that on disk;
    those removed. The dumps stay: the next use builds from them."""
    slots = [(slot, disk_bytes(slot)) for d in _kept(var_dir) for slot in d.glob("slot-*/")]
    left = sum(size_bytes for _, size_bytes in slots)
    removed = []
    for slot, size_bytes in sorted(slots, key=lambda s: -_age_s(s[0] / "lock")):
        if left <= most_bytes:
            break
        if _remove_slot(slot):
            removed.append(slot)
            left -= size_bytes
    return removed


def _remove_slot(slot: Path) -> bool:
    with try_lock(slot / "lock") as is_ours:
        if is_ours:
            PostgresCluster(slot / "data").remove()
            shutil.rmtree(slot, ignore_errors=True)
    return is_ours


def disk_bytes(directory: Path) -> int:
    """As taken, not as long as the files look."""
    total = 0
    for path, _, files in os.walk(directory):
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(path, file)).st_blocks * 512
    return total


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except FileNotFoundError:
        return False


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:  # somebody else removes it
        return 0.0


def remove(directory: Path) -> bool:
    """Delete all that is kept of one database; False when somebody holds it."""
    with contextlib.ExitStack() as stack:
        for slot in [directory, *directory.glob("slot-*/")]:
            if not stack.enter_context(try_lock(slot / "lock")):
                return False
        for slot in directory.glob("slot-*/"):
            PostgresCluster(slot / "data").remove()
        shutil.rmtree(directory, ignore_errors=True)
    return True


def _kept(var_dir: Path) -> list[Path]:
    return sorted(used.parent for used in (var_dir / "twins").glob("*/used"))


def _unused_s(directory: Path) -> float:
    return _age_s(directory / "used")


def key_of(settings: ConnectionSettings) -> str:
    """Tells servers, databases and logins apart."""
    return hashlib.sha256(f"{settings.address} {settings.user}".encode()).hexdigest()[:16]
