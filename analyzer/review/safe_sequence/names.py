"""Names that PostgreSQL gives where a migration leaves them out: so that the safe sequence ends with the same schema.

Source: ChooseConstraintName(), ChooseIndexName() and makeObjectName() in indexcmds.c.
"""

from collections.abc import Sequence

MOST_BYTES = 63


def object_name(first: str, second: str, label: str) -> str:
    """``first_second_label``, the longer of the first two cut until it fits."""
    parts = [first.encode(), second.encode()]
    over = len(label.encode()) + 1 + (1 if second else 0)
    while len(parts[0]) + len(parts[1]) + over > MOST_BYTES:
        longer = 0 if len(parts[0]) > len(parts[1]) else 1
        parts[longer] = parts[longer][:-1]
    texts = [part.decode(errors="ignore") for part in parts]
    return "_".join(text for text in (*texts, label) if text)


def constraint_name(table: str, columns: Sequence[str], label: str) -> str:
    """``label``: fkey, check, key."""
    return object_name(table, _columns(columns), label)


def index_name(table: str, columns: Sequence[str]) -> str:
    return object_name(table, _columns(columns), "idx")


def _columns(columns: Sequence[str]) -> str:
    text = ""
    for column in columns:
        text = f"{text}_{column}" if text else column
        if len(text.encode()) >= MOST_BYTES:
            break
    return text.encode()[:MOST_BYTES].decode(errors="ignore")
