"""Points Django's settings at the tests' servers; loaded before them (``-p`` in pyproject.toml).

Nothing starts here. The addresses are fixed now because settings are read once; tests/servers.py starts
the servers behind them when a test asks (the store when a test uses the database).
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psutil

from analyzer.runtime.processes import free_port

# Not pytest's own temp directory: that one is 0700, and as root PostgreSQL runs as a system user.
TEMP_DIR = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())
for left_over in TEMP_DIR.glob("pgl-test-*-*"):  # of runs that were killed: their process is gone
    owner = left_over.name.split("-")[2]
    if owner.isdigit() and not psutil.pid_exists(int(owner)):
        shutil.rmtree(left_over, ignore_errors=True)
SESSION_DIR = Path(tempfile.mkdtemp(prefix=f"pgl-test-{os.getpid()}-", dir=TEMP_DIR))
SESSION_DIR.chmod(0o755)
atexit.register(shutil.rmtree, SESSION_DIR, ignore_errors=True)

# Whoever waits for something that a busy machine does late fails after this long; no test is about it.
IN_VAIN_S = 600
STORE_VERSION = 18
STORE_DATA_DIR = SESSION_DIR / f"postgres-{STORE_VERSION}"
STORE_PORT = free_port()
REDIS_PORT = free_port()
REDIS_PASSWORD = "tests-only"

# Settings are the tests' own, whatever the shell they run in has exported for a pgLoupe or for psql.
FOR_TESTS = ("PGLOUPE_TEST_", "PGLOUPE_SCREENSHOTS")
for name in [*os.environ]:
    if name.startswith(("PGLOUPE_", "ANALYZER_", "EMAIL_", "PG")) and not name.startswith(FOR_TESTS):
        del os.environ[name]
os.environ["PGLOUPE_VAR_DIR"] = str(SESSION_DIR / "var")
os.environ["DATABASE_URL"] = f"postgresql://postgres@/pgloupe?host={STORE_DATA_DIR}&port={STORE_PORT}"
os.environ["REDIS_URL"] = f"redis://:{REDIS_PASSWORD}@127.0.0.1:{REDIS_PORT}/0"
os.environ.pop("TZ_NAME", None)  # times on pages are those of UTC here, wherever the tests run
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's sync API runs an event loop


def reachable_dir(name: str) -> Path:
    """A new directory that the servers' system user can enter, whatever the rights of pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=SESSION_DIR))
    directory.chmod(0o755)
    return directory
