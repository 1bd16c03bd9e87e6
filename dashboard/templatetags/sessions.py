"""Look-ups that templates of sessions need."""

from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def state_count(states: Mapping[str, int], state: str) -> int:
    """Sessions in a state, PostgreSQL's variants of it too: "idle in transaction (aborted)"."""
    return sum(n for name, n in states.items() if name == state or name.startswith(f"{state} ("))


@register.filter
def text_of(texts: Mapping[str, str], fingerprint: str | None) -> str:
    return texts.get(fingerprint or "", "")
