"""Several things in a sentence. Pure."""

from collections.abc import Sequence


def and_list(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"; "" of none."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def some_of(names: Sequence[str], most: int = 3) -> str:
    """The first names for a sentence: "a, b and c", "a, b, c and 4 more"."""
    shown = list(names[:most])
    return and_list([*shown, f"{len(names) - most:,} more"] if len(names) > most else shown)


def counted(number: int, thing: str) -> str:
    """ "1 plan", "2,000 plans"; of things whose plural has an s."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")
