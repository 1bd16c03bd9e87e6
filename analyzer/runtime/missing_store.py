"""One sentence for a command whose store is not there, in the place of a traceback."""

import os
import sys
from pathlib import Path

from analyzer.runtime.places import program

# Where no DATABASE_URL is set and nothing runs under var/: Django wants an address, this one answers nobody.
NO_STORE_HOST = "/nonexistent"
NO_STORE_URL = f"postgresql://postgres@/pgloupe?host={NO_STORE_HOST}"
# They open whatever happens, and their first query would fail far from here.
INTERACTIVE = frozenset({"shell", "dbshell"})


def is_missing() -> bool:
    from django.conf import settings

    return bool(settings.DATABASES["default"]["HOST"] == NO_STORE_HOST)


def stop(error: Exception | None = None) -> int:
    """Say it; the exit code of a command that could not run."""
    sys.stderr.write(f"{sentence(error)}\n")
    return 2


def sentence(error: Exception | None = None) -> str:
    """What is wrong with the store, and what to do. ``error``: what the database driver said."""
    from django.conf import settings

    if not is_missing():
        said = str(error).strip().splitlines()
        return f"The store cannot be reached: {said[0] if said else 'it says nothing'}. Is it running?"
    place = Path(settings.VAR_DIR)
    if (place / "up.json").exists() and not os.access(place / "up.json", os.R_OK):
        return f"pgLoupe runs with the data in {place} as another user: run this as that user."
    return (
        f"pgLoupe is not running (no store answers for {place}, and DATABASE_URL is not set). Start it with"
        f' "{program()} up" in another terminal, then run this again; a start takes some seconds.'
    )
