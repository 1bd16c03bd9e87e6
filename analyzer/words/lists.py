"""Several things in a sentence. Pure."""

from collections.abc import Sequence


def and_list(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; "" of none."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
