"""Ordinary statements and the database they are sent to, from ordinary.sql and ordinary_setup.sql."""

import re
from pathlib import Path

EXTENSIONS = ("citext", "pg_trgm", "hstore", "unaccent")
SETUP = (Path(__file__).parent / "ordinary_setup.sql").read_text()
STATEMENTS: dict[str, str] = dict(
    re.findall(r"^-- (\w+)\n(.+(?:\n.+)*)", (Path(__file__).parent / "ordinary.sql").read_text(), re.MULTILINE)
)
