"""Whether a lock_timeout holds while a statement runs."""

import re
from collections.abc import Iterator, Mapping, Sequence

from analyzer.review.files.migration import MigrationStep
from analyzer.review.settings import values_of

NONE = re.compile(r"\s*0+(\.0*)?\s*[a-z]*\s*", re.IGNORECASE)


def timeouts(steps: Sequence[MigrationStep], back: Mapping[int, int], of_the_role: bool) -> Iterator[bool]:
    """Of each step, whether one holds at its beginning."""
    for value in values_of("lock_timeout", steps, back):
        yield of_the_role if value is None else NONE.fullmatch(value[0]) is None
