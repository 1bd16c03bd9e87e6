"""A line of a log out of the JSON object that who carries it writes: Docker's json-file, journald, collectors."""

import json
from collections.abc import Mapping

FIELDS = ("log", "message", "MESSAGE", "textPayload")
PIECE_BYTES = 16_384  # Docker breaks longer lines; all but the last piece have no line break


def carried_text(line: str | bytes) -> str | None:
    """What PostgreSQL wrote, with its line break; None of an object that is an entry of jsonlog, or none of these."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, Mapping) or "error_severity" in value:
        return None
    name = next((name for name in FIELDS if isinstance(value.get(name), str)), None)
    if name is None or value[name].startswith("duration: "):
        return None
    text: str = value[name]
    is_piece = name == "log" and len(text.encode("utf-8", "replace")) >= PIECE_BYTES
    return text if is_piece or text.endswith("\n") else f"{text}\n"


def out_of_carrier(text: str) -> str | None:
    """The log that is carried a line an object; None where any line is something else."""
    if not text.lstrip().startswith("{") or "plan:" not in text:
        return None
    pieces = [carried_text(line) for line in text.splitlines() if line.strip()]
    return "".join(piece for piece in pieces if piece is not None) if None not in pieces else None
