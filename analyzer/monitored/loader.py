"""Finds the text of a statement we send: ``sql/NAME.sql``, or the variant for what is installed.

``NAME.pg17.sql`` is for servers from 17 on, ``NAME.v1_11.sql`` for the extension's version 1.11 and newer (an
extension's views follow its own version, which can lag behind the server's). The highest variant not above
what is installed is taken. Comments stay in the file; what is sent carries our marker behind its first word.
"""

import re
from functools import lru_cache
from pathlib import Path

from analyzer.errors import UnsupportedVersion
from analyzer.monitored.readings import OWN_MARKER, is_ours

SQL_DIR = Path(__file__).parent / "sql"
MARKER = OWN_MARKER
_VARIANT = re.compile(r"(?P<name>[a-z_]+)(?:\.pg(?P<server>\d+)|\.v(?P<extension>\d+_\d+))?\.sql")


@lru_cache(maxsize=256)
def load(name: str, server_version_num: int, extension_version: str | None = None) -> str:
    """The statement's text with the marker, without the file's comments."""
    return mark(_statement(find(name, server_version_num, extension_version).read_text("utf-8")))


def mark(statement: str) -> str:
    """The statement with our marker behind its first word; unchanged where it has it."""
    return statement if is_ours(statement) else re.sub(r"^\s*(\w+)", rf"\1 {MARKER}", statement, count=1)


def find(name: str, server_version_num: int, extension_version: str | None = None) -> Path:
    """The file ``load`` takes; UnsupportedVersion where all variants are for something newer."""
    wanted_extension = version_tuple(extension_version) if extension_version else None
    best: tuple[tuple[int, ...], Path] | None = None
    lowest: tuple[tuple[int, ...], str] | None = None
    for path, server, extension in _variants(name):
        rank = (server or 0, *(extension or (0, 0)))
        needed = f"{server}" if server else ".".join(map(str, extension or ()))
        if lowest is None or rank < lowest[0]:
            lowest = (rank, needed)
        if server is not None and server > server_version_num // 10_000:
            continue
        if extension is not None and (wanted_extension is None or extension > wanted_extension):
            continue
        if best is None or rank > best[0]:
            best = (rank, path)
    if best is not None:
        return best[1]
    if lowest is None:
        raise FileNotFoundError(f"There is no {name}.sql in {SQL_DIR}")
    if extension_version is not None:
        raise UnsupportedVersion("The extension's version", extension_version, f"{lowest[1]} or newer")
    raise UnsupportedVersion("PostgreSQL", str(server_version_num // 10_000), f"{lowest[1]} or newer")


def version_tuple(version: str) -> tuple[int, ...]:
    """``1.10`` as (1, 10), so that it is more than 1.9; what is no number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.split("."))


def head(path: Path) -> list[str]:
    """The leading comment lines of a file: what the statement is for, which rights it needs."""
    lines = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return lines


@lru_cache(maxsize=64)
def _variants(name: str) -> tuple[tuple[Path, int | None, tuple[int, ...] | None], ...]:
    variants = []
    for path in sorted(SQL_DIR.glob(f"{name}.*")):
        match = _VARIANT.fullmatch(path.name)
        if match is None or match["name"] != name:
            continue
        extension = version_tuple(match["extension"].replace("_", ".")) if match["extension"] else None
        variants.append((path, int(match["server"]) if match["server"] else None, extension))
    return tuple(variants)


def _statement(text: str) -> str:
    """Whole-line comments go: they are for the reader of the file, not for the server."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip()
