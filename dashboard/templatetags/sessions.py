"""Figures and look-ups that templates of sessions need."""

from collections.abc import Mapping

from django import template

from analyzer.words.durations import THIN
from dashboard.templatetags.quantities import count

register = template.Library()


@register.filter
def state_count(states: Mapping[str, int], state: str) -> int:
    """Sessions in a state, PostgreSQL's variants of it too: "idle in transaction (aborted)"."""
    return sum(n for name, n in states.items() if name == state or name.startswith(f"{state} ("))


@register.filter
def text_of(texts: Mapping[str, str], fingerprint: str | None) -> str:
    return texts.get(fingerprint or "", "")


@register.filter
def average_sessions(value: float | None) -> str:
    """An average of sessions; what was seen never reads 0."""
    return f"<{THIN}0.01" if value is not None and 0 < value < 0.005 else count(value)
