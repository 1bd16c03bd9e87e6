"""Where pgLoupe's own files are: in its sources, or in an installed package."""

import os
from pathlib import Path

from platformdirs import user_data_path

ROOT = Path(__file__).resolve().parents[2]  # of the sources, or the folder that packages are installed in
IS_INSTALLED = not (ROOT / "manage.py").exists()


def data_dir() -> Path:
    """PGLOUPE_VAR_DIR, else ``var/`` in the sources, else the user's folder for data (``~/.local/share/pgloupe``)."""
    given = os.environ.get("PGLOUPE_VAR_DIR")
    if given:
        return Path(given).resolve()
    return user_data_path("pgloupe", appauthor=False) if IS_INSTALLED else ROOT / "var"


def program() -> str:
    """What people type before the name of a command: "pgloupe", "manage.py"."""
    return os.environ.get("PGLOUPE_PROGRAM", "pgloupe" if IS_INSTALLED else "manage.py")
