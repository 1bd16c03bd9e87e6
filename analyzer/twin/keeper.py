"""Twins on disk: made when needed, reused while the server's schema and statistics are the same, removed when unused.

    <var>/twins/template/data         an empty cluster to copy
    <var>/twins/<key>/source.json     the server's figures, and the dump beside it
    <var>/twins/<key>/slot-0/         one twin; a second holder at the same time gets slot-1, from the same dump
    <var>/twins/<key>/watched         it is of a server in the store, and goes with it

A slot is held by a lock on its file, which the kernel lets go when its holder dies; the server of a dead holder ends
with it, and what it left is built anew. A slot has links of its own to the dump it is built from: another holder may
replace it meanwhile.
"""

import contextlib
import errno
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors as pg

from analyzer.errors import MonitoredServerError
from analyzer.monitored.catalog.planner_facts import (
    CatalogMarks,
    PlannerFacts,
    read_planner_facts,
    read_settings,
    read_state,
)
from analyzer.monitored.catalog.schema_dump import dump_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.runtime.client_programs import EMBEDDED_VERSION_NUM, client_program
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.twin.build import Built, build
from analyzer.twin.cluster import open_cluster
from analyzer.twin.extensions import ALLOWED, BUILT_IN
from analyzer.twin.file_locks import lock, try_lock
from analyzer.twin.hypothetical_size import Estimator
from analyzer.twin.restore import NO_SPACE
from analyzer.twin.twin import Timing, Twin
from analyzer.twin.upkeep import OLDEST_S, WATCHED, key_of, remove_superseded, remove_surplus
from analyzer.twin.watch import TwinEnded

logger = logging.getLogger(__name__)

FORMAT = 7  # of what is kept on disk; another number and it is made anew
MOST_SLOTS = 16
# statistics change with every ANALYZE, plans seldom; the schema is compared on every use
FRESH_S = 15 * 60
ANEW = -1.0
LEAST_FREE_BYTES = 1 << 20  # judgement: with less PostgreSQL cannot begin a segment of its log


class NeedsOwnAddress(MonitoredServerError):
    """The server is reached through a connection pooler, which pg_dump must not use."""


@contextlib.contextmanager
def lease(
    settings: ConnectionSettings,
    var_dir: Path,
    *,
    search_path: Sequence[str] | None = None,
    fresh_s: float = FRESH_S,
    use_server: bool = True,
    estimator: Estimator | None = None,
    is_watched: bool = False,
) -> Iterator[Twin]:
    """The twin of ``settings``' database, for one thread of one process; stopped at the end.

    ``fresh_s``: statistics may have changed since, for so long (the schema and the settings may not); ANEW: what was
    read before is not used, since sizes change without a mark. ``use_server=False``: what was
    read last is good enough, also when the server is down. ``search_path``: the application's, default as found.
    ``is_watched``: the server is in the store; ``remove_unwatched`` deletes its twin when it no longer is.
    Raises MonitoredServerError (the server cannot be read) or RuntimeFailure (the twin cannot be made).
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_in_words(var_dir))
        place = _Place(var_dir / "twins", settings)
        remove_superseded(var_dir)
        with lock(place.directory / "lock"):  # nobody removes it before we hold a slot
            dumped = _current_source(place, settings, fresh_s, use_server)
            if is_watched:
                (place.directory / WATCHED).touch()
            slot = stack.enter_context(_slot(place))
            (slot / "lock").touch()
            source = _own_source(place, slot)
        begun = time.monotonic()
        home = _Home(place, slot, source)
        if home.build_s:
            remove_surplus(var_dir)
        start_s = time.monotonic() - begun - home.build_s
        try:
            twin = Twin(
                home.cluster, source.facts(), home.built, search_path=search_path, estimator=estimator, anew=home.anew
            )
            twin.timing = Timing(dumped, home.build_s, start_s)
            _mark(slot / "clean", False)
            with contextlib.closing(twin):
                yield twin
            _mark(slot / "clean", not (twin.is_ended or twin.is_spoilt))
        finally:
            home.cluster.stop()


@contextlib.contextmanager
def _in_words(var_dir: Path) -> Iterator[None]:
    """A full disk or a killed PostgreSQL as RuntimeFailure, whatever was being done: a person asked."""
    where = f"The twin's files under {var_dir} cannot be written"
    try:
        yield
    except RuntimeFailure as error:
        if NO_SPACE not in str(error) and not _is_full(var_dir):
            raise
        raise RuntimeFailure(f"{where}: {NO_SPACE}") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr or b"").decode(errors="replace").strip().rpartition(": ")[2]
        raise RuntimeFailure(f"{where}: {last or 'no reason given'}") from error
    except (pg.DiskFull, pg.IoError) as error:
        raise RuntimeFailure(f"{where}: {NO_SPACE}") from error
    except (psycopg.OperationalError, TwinEnded) as error:
        if _is_full(var_dir):  # PostgreSQL ends itself where it cannot write its log
            raise RuntimeFailure(f"{where}: {NO_SPACE}") from error
        raise RuntimeFailure("The twin's PostgreSQL has ended; the next use builds it anew") from error
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise  # none of a file's
        raise RuntimeFailure(f"{where}: {error.strerror or 'no reason given'}") from error


def _is_full(var_dir: Path) -> bool:
    with contextlib.suppress(OSError):
        return shutil.disk_usage(var_dir).free < LEAST_FREE_BYTES
    return False


class _Source:
    """A dump and the figures that belong to it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def figures(self) -> Path:
        return self.directory / "source.json"

    @property
    def dump(self) -> Path:
        return self.directory / "schema.dump"

    def facts(self) -> PlannerFacts:
        return PlannerFacts.from_json(self._kept()["facts"])

    def kept_state(self) -> tuple[CatalogMarks, float] | None:
        """Of what lies here and when it was read (epoch); None without anything usable."""
        try:
            kept = self._kept()
        except (OSError, ValueError):
            return None
        if kept.get("format") != FORMAT or not self.dump.exists():
            return None
        return CatalogMarks(**kept["facts"]["state"]), kept["read_at"]

    def stamp(self) -> str:
        return f"{FORMAT} {self._kept()['read_at']}"

    def keep(self, facts: PlannerFacts) -> None:
        text = json.dumps({"format": FORMAT, "read_at": time.time(), "facts": facts.to_json()})
        _write_private(self.figures, text)

    def _kept(self) -> dict[str, Any]:
        return dict(json.loads(self.figures.read_text()))


class _Place(_Source):
    """Where one database's twins are."""

    def __init__(self, root: Path, settings: ConnectionSettings) -> None:
        super().__init__(root / key_of(settings))
        self.root = root
        # the server's own user may be another: it has to get through to its data directory, which is 0700
        mode = 0o711 if os.geteuid() == 0 else 0o700
        for directory in (root, self.directory):
            directory.mkdir(mode=mode, parents=True, exist_ok=True)
            directory.chmod(mode)


def _current_source(place: _Place, settings: ConnectionSettings, fresh_s: float, use_server: bool) -> float:
    """See that dump and figures are there and fresh; seconds it took to read them anew, 0 if that was not needed."""
    (place.directory / "used").touch()
    kept = place.kept_state()
    if kept is not None and not use_server:
        return 0.0
    begun = time.monotonic()
    with connect(settings, statement_timeout_ms=30_000) as connection:
        is_fresh = kept is not None and _is_fresh(kept, read_state(connection), fresh_s)
        if is_fresh and place.facts().settings == read_settings(connection):
            return 0.0
        facts = read_planner_facts(connection, ALLOWED | BUILT_IN)
    if facts.is_pooled:
        raise NeedsOwnAddress(
            f"{settings.address} is a connection pooler: pg_dump, which reads schema and statistics, would leave"
            " its settings in the application's sessions; give the address of the PostgreSQL server itself"
        )
    unfinished = place.dump.with_name("schema.dump.new")
    dump_schema(
        settings,
        unfinished,
        pg_dump=client_program("pg_dump", max(EMBEDDED_VERSION_NUM, facts.server_version_num)),
        excluded=[(r.schema, r.name) for r in facts.relations if r.kind in ("r", "p") and not r.is_readable],
    )
    place.figures.unlink(missing_ok=True)
    unfinished.rename(place.dump)
    place.keep(facts)
    return time.monotonic() - begun


def _own_source(place: _Place, slot: Path) -> _Source:
    own = _Source(slot)
    for shared, linked in ((place.figures, own.figures), (place.dump, own.dump)):
        linked.unlink(missing_ok=True)
        os.link(shared, linked)
    return own


def _is_fresh(kept: tuple[CatalogMarks, float], now: CatalogMarks, fresh_s: float) -> bool:
    state, read_at = kept
    age_s = time.time() - read_at
    return (
        fresh_s != ANEW
        and state.schema == now.schema
        and age_s < OLDEST_S
        and (state.statistics == now.statistics or age_s < fresh_s)
    )


class _Home:
    """A slot's cluster, and the next one where that has ended."""

    def __init__(self, place: _Place, slot: Path, source: _Source) -> None:
        self._place, self._slot, self._source = place, slot, source
        self.cluster, self.built, self.build_s = _ready_cluster(place, slot, source)

    def anew(self) -> tuple[PostgresCluster, Built]:
        self.cluster.stop(timeout_s=5)
        _mark(self._slot / "clean", False)
        self.cluster, self.built, _ = _ready_cluster(self._place, self._slot, self._source)
        _mark(self._slot / "clean", False)
        return self.cluster, self.built


def _ready_cluster(place: _Place, slot: Path, source: _Source) -> tuple[PostgresCluster, Built, float]:
    """A started cluster with that source in it; seconds its building took."""
    stamp, built_file, clean = source.stamp(), slot / "built.json", slot / "clean"
    built: Built | None = None
    if clean.exists() and built_file.exists():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            kept = json.loads(built_file.read_text())
            built = Built.from_json(kept["built"]) if kept["stamp"] == stamp else None
    with lock(place.root / "template.lock"):
        cluster = _open(slot, place.root / "template", keep=clean.exists())
    if built is not None:
        return cluster, built, 0.0
    _mark(clean, False)
    try:
        built = build(cluster, source.dump, source.facts())
    except BaseException:
        cluster.stop()
        raise
    _write_private(built_file, json.dumps({"stamp": stamp, "built": built.to_json()}))
    _mark(clean, True)
    return cluster, built, built.seconds


def _open(slot: Path, template: Path, *, keep: bool) -> PostgresCluster:
    """What a holder that died left is not trusted: recovery does not know the pages that were made by hand."""
    if not keep:
        PostgresCluster(slot / "data").remove()
    try:
        return open_cluster(slot, template)
    except RuntimeFailure:
        PostgresCluster(slot / "data").remove()
        (slot / "built.json").unlink(missing_ok=True)
        return open_cluster(slot, template)


@contextlib.contextmanager
def _slot(place: _Place) -> Iterator[Path]:
    """The first slot that nobody holds."""
    for number in range(MOST_SLOTS):
        slot = place.directory / f"slot-{number}"
        slot.mkdir(exist_ok=True)
        slot.chmod(place.directory.stat().st_mode & 0o777)
        with try_lock(slot / "lock") as is_ours:
            if is_ours:
                yield slot
                return
    raise RuntimeFailure(f"All {MOST_SLOTS} twins of this database are in use; wait for one to end")


def _mark(path: Path, is_set: bool) -> None:
    if is_set:
        path.touch()
    else:
        path.unlink(missing_ok=True)


def _write_private(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.rename(path)
