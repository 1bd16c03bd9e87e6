"""Measures the promises of docs/performance.md on this machine.

    python -m bench                 everything
    python -m bench sampling size   some of it: names of the modules measure_*.py
    python -m bench --list

Starts its own PostgreSQL 18 twice (a monitored server with 5,000 statements, and the store) and stops both.
Exit status 1 when a promise does not hold.
"""

import argparse
import importlib
import os
import pkgutil
import platform
import sys
import tempfile
import time
from pathlib import Path

import bench
from analyzer.runtime.postgres import PostgresCluster

STORE = {
    "fsync": "off",  # we measure our work, not this machine's disk
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "max_wal_size": "4GB",
    "autovacuum_naptime": "10s",
}


def main() -> int:
    names = sorted(m.name[8:] for m in pkgutil.iter_modules(bench.__path__) if m.name.startswith("measure_"))
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of: {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="names of the measurements")
    args = parser.parse_args()
    if args.list:
        print("\n".join(names))
        return 0
    if unknown := set(args.names) - set(names):
        parser.error(f"there is no measurement {', '.join(sorted(unknown))}; there are {', '.join(names)}")

    with tempfile.TemporaryDirectory(prefix="pgloupe-bench-", dir="/tmp" if Path("/tmp").is_dir() else None) as place:
        Path(place).chmod(0o755)  # as root, PostgreSQL runs as another user
        with PostgresCluster(Path(place) / "store", settings=STORE) as store:
            _set_up_django(store, Path(place))
            return _measure(args.names or names, store, Path(place))


def _set_up_django(store: PostgresCluster, place: Path) -> None:
    import psycopg

    with psycopg.connect(store.dsn(), autocommit=True) as connection:
        connection.execute("create database pgloupe_bench")
    os.environ["DATABASE_URL"] = store.dsn("pgloupe_bench")
    os.environ["PGLOUPE_VAR_DIR"] = str(place / "var")
    os.environ["DJANGO_SETTINGS_MODULE"] = "dashboard.settings"
    os.environ.setdefault("PGLOUPE_LOG_LEVEL", "WARNING")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measure(names: list[str], store: PostgresCluster, place: Path) -> int:
    from bench.results import Context, table

    with Context(place, store) as context:
        print(f"PostgreSQL {store.version}, Python {platform.python_version()}, {platform.machine()},", end=" ")
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        results = []
        for name in names:
            began = time.perf_counter()
            found = importlib.import_module(f"bench.measure_{name}").measure(context)
            print(f"\n{name} ({time.perf_counter() - began:.0f} s)\n{table(found)}", flush=True)
            results += found
    failed = [r for r in results if r.holds is False]
    print(f"\n{len(results) - len(failed)} of {len(results)} hold" if not failed else f"\n{len(failed)} do not hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
