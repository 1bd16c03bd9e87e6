"""Numbers as people read them: ``{{ value|quantity:"mean_time_ms" }}`` takes the unit from the name.

So a time looks the same on every page. What is not known (None) reads "unknown", never 0.
"""

import math
from collections.abc import Callable
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from analyzer.words.durations import THIN, UNKNOWN, rate_words, time_words
from analyzer.words.sizes import KB, MB, short_number, size_words

register = template.Library()

_RATES = {
    "_per_day": " a day",
    "_per_hour": " an hour",
    "_per_s": " a second",
    "_per_call": " a call",
    "_per_execution": " a run",
}
_UNITS = ("_ms", "_us", "_s", "_bytes", "_kb", "_mb", "_blocks", "_ratio", "_factor", "_days", "_pages")


@register.filter
def quantity(value: object, name: str) -> str:
    """``value`` with the unit its ``name`` ends in; a plain number where it ends in none."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if not math.isfinite(value):
        return UNKNOWN
    for suffix, words in _RATES.items():
        if name.endswith(suffix):
            return quantity(value, name.removesuffix(suffix)) + words
    for unit, shown in _SHOWN.items():
        if name.endswith(unit) or name == unit[1:]:
            return shown(float(value))
    return count(value)


@register.filter
def spoken(name: str) -> str:
    """``time_lost_s_per_day`` as ``Time lost``: the unit is said by the value."""
    for suffix in _RATES:
        name = name.removesuffix(suffix)
    for unit in _UNITS:
        if name.endswith(unit) and name != unit[1:]:
            # A ratio may stand beside the number it is a share of.
            name = name.removesuffix(unit) + (", share" if unit == "_ratio" else "")
            break
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


@register.filter
def duration(value_ms: float | None) -> str:
    """12 µs, 340 ms, 1.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    return time_words(value_ms, THIN)


@register.filter
def rate(s_per_day: float, watched_s: float | None) -> str:
    """Seconds a day as "52 min a day", or what was seen where less than an hour was watched."""
    return rate_words(s_per_day, watched_s, THIN)


@register.filter
def size(value_bytes: float | None) -> str:
    """PostgreSQL's own names: kB, MB, GB of 1024."""
    return UNKNOWN if value_bytes is None else _thin(size_words(value_bytes))


@register.filter
def count(value: float | None) -> str:
    """1 234 567; small fractions keep two digits."""
    if value is None:
        return UNKNOWN
    number = float(value)
    if abs(number) < 10 and number != int(number):
        return _short(number)
    return f"{number:,.0f}".replace(",", THIN)


@register.filter
def whole(value: float | None) -> str:
    """A mean of things that come whole."""
    return count(None if value is None else round(value))


@register.filter
def short_count(value: float | None) -> str:
    """1.2 k, 3.4 M: where a column has no room."""
    if value is None:
        return UNKNOWN
    number = float(value)
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(number) >= limit * 0.9995:
            return f"{_short(number / (1e3 if unit == 'k' else limit))}{THIN}{unit}"
    return count(number)


@register.filter
def threshold_value(value: float) -> str:
    """As it stands in the code: no rounding, so that it can be compared; very small ones as 5.6e-05."""
    return f"{value:,.10g}".replace(",", THIN)


@register.filter
def percent(ratio: float | None) -> str:
    if ratio is None:
        return UNKNOWN
    share = ratio * 100
    if 0 < share < 0.1:
        return f"<{THIN}0.1{THIN}%"
    if 99 < share < 100:  # "100 %" would say all
        return f"{min(share, 99.9):.1f}{THIN}%"
    return f"{share:.0f}{THIN}%" if share >= 9.95 or share == int(share) else f"{share:.1f}{THIN}%"


@register.filter
def ago(at: datetime | None) -> str | SafeString:
    """ "3 min ago" with the exact time on hover; "never" for None."""
    if at is None:
        return "never"
    exact = timezone.localtime(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S %Z"),
        _ago_words(at),
    )


@register.filter
def due(at: datetime | None) -> str | SafeString:
    """When something comes: "in 12 s", "now" once its time has passed."""
    if at is None:
        return UNKNOWN
    return "now" if at <= timezone.now() else ago(at)


@register.filter
def clock(at: datetime | None) -> str | SafeString:
    """The time of day, with the date when it is not today."""
    if at is None:
        return "never"
    exact, today = timezone.localtime(at), timezone.localdate()
    words = exact.strftime("%H:%M:%S" if exact.date() == today else "%Y-%m-%d %H:%M")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        exact.strftime("%Y-%m-%d %H:%M:%S %Z"),
        words,
    )


def _ago_words(at: datetime) -> str:
    seconds = (timezone.now() - at).total_seconds()
    if seconds < -1:
        return f"in {_rough(-seconds)}"
    if seconds < 2:
        return "just now"
    return f"{_rough(seconds)} ago"


def _rough(seconds: float) -> str:
    for limit, length, unit in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // length)}{THIN}{unit}"
    days = int(seconds // 86400)
    return f"{days}{THIN}day{'s' if days > 1 else ''}"


def _short(number: float) -> str:
    return _thin(short_number(number))


def _thin(words: str) -> str:
    return words.replace(",", THIN).replace(" ", THIN)


def _with_unit(unit: str) -> Callable[[float], str]:
    return lambda value: f"{count(value)}{THIN}{unit}"


_SHOWN: dict[str, Callable[[float], str]] = {
    "_ms": duration,
    "_us": lambda value: duration(value / 1000),
    "_s": lambda value: duration(value * 1000),
    "_bytes": size,
    "_kb": lambda value: size(value * KB),
    "_mb": lambda value: size(value * MB),
    "_blocks": _with_unit("blocks"),
    "_pages": _with_unit("pages"),
    "_ratio": percent,
    "_factor": lambda value: f"{_short(value)}×",
    "_days": lambda value: f"{_short(value)}{THIN}days",
}
