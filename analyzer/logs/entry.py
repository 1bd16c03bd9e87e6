"""One entry of a server's log that says how long something took, still as the bytes that the log has."""

from typing import NamedTuple

PLAN, STATEMENT, NOTHING = "plan", "statement", "nothing"  # kinds: of NOTHING only the duration was logged
MILLISECONDS = rb"(\d{1,15}\.\d{1,9})"
# of what stands between the duration and the text; "parse" and "bind" are no executions
WORDS = rb"  (plan|statement|execute (?:fetch from )?[^:\n]*|fastpath function call|parse [^:\n]*|bind [^:\n]*):"


class LogEntry(NamedTuple):
    """``text``: what stands behind ``plan:`` or ``statement:``. ``when``: holds the time, as the log writes it.

    ``database`` is None where the log does not say which; ``is_cut``: it was longer than is read of one entry.
    """

    kind: str
    duration_ms: float
    text: bytes
    detail: bytes
    when: bytes
    database: bytes | None
    is_cut: bool = False


def kind_of(word: bytes | None) -> str | None:
    """None of what is no execution."""
    if word is None:
        return NOTHING
    if word == b"plan":
        return PLAN
    return STATEMENT if word == b"statement" or word.startswith(b"execute") else None
