"""Several things in a sentence. Pure."""

from collections.abc import Sequence


def and_list(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; "" of none."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def counted(number: int, thing: str) -> str:
    """ "1 plan", "2,000 plans"; of things whose plural has an s."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
