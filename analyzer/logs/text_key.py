"""What two runs of a statement have in common, at a glance: 3 µs instead of the millisecond of a fingerprint.

Equal keys are equal statements but for constants and comments; equal statements may have several keys (``-1`` and
``1``, lists of different lengths), which their fingerprint brings together.
"""

import re
from collections.abc import Hashable

# Constants and comments, and what must not be taken for one: names in quotes. Each begins at a character of few, which
# is what makes it quick, and stays (groups 1 and 2).
COMMON = re.compile(
    rb"([\s(=,<>+*/%\-\[:|~!&#@^\"])"
    rb"(?:\d[\d.]*(?:[eE][-+]?\d+)?|'[^']*+(?:''[^']*+)*+(?:'|\Z)|(?<=\")([^\"]*\"?)"
    rb"|(?<=/)\*.*?(?:\*/|\Z)|(?<=-)-[^\n]*)",
    re.DOTALL,
)
# The same, and strings with backslashes and between dollars (tag: group 2). What does not end goes to the end: else the
# search would begin anew at each of a thousand beginnings.
ANY = re.compile(
    rb'("[^"]*"?)'
    rb"|(?<![\w$\"])[eE]'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+(?:'|\\?\Z)"
    rb"|'[^']*(?:'|\Z)"
    rb"|(?<![\w$.])\d[\d.]*(?:[eE][-+]?\d+)?"
    rb"|/\*.*?(?:\*/|\Z)|--[^\n]*"
    rb"|(?<![\w$])\$((?:[A-Za-z_]\w*)?)\$.*?(?:\$\2\$|\Z)",
    re.DOTALL,
)
# Lists and rows of constants: in long texts they differ from run to run.
LONG = 1_000  # bytes
RUN_OF_CONSTANTS = re.compile(rb"\?(?:[\s,()]*+\?){7,}+")


def text_key(text: bytes) -> Hashable:
    if len(text) > LONG:
        return RUN_OF_CONSTANTS.sub(b"...", ANY.sub(_unless_name, text))
    return tuple(ANY.split(text) if b"\\" in text or b"$" in text else COMMON.split(text))


def _unless_name(match: re.Match[bytes]) -> bytes:
    return match[1] or b"?"
