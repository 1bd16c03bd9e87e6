"""Texts that may hold anything, with what cannot be seen in them spelled out."""

import re

# Characters that change how the text around them is read without being seen: bidirectional controls
# ("Trojan Source"), zero-width characters, and the C0 and C1 controls apart from tab and newline.
HIDDEN = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
BREAKS = re.compile("[\n\u2028\u2029]")


def visible(text: object) -> str:
    """The text with its invisible controls spelled out: ``⟨U+202E⟩``."""
    return HIDDEN.sub(_spelled, str(text))


def visible_line(text: object) -> str:
    """As ``visible``, and what would break the line spelled out too: a name must not write lines of its own."""
    return BREAKS.sub(_spelled, visible(text))


def _spelled(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"
