"""Words of the nightly mail."""

from django import template

from analyzer.reports.report import ServerNight, StatementChange
from analyzer.words.durations import THIN, UNKNOWN, rate_words
from dashboard.templatetags.quantities import percent

register = template.Library()

STEADY_RATIO = 0.05  # judgement: a change of a twentieth is no news
MANY_TIMES_RATIO = 2.0  # from three times as much on, "3 ×" reads better than "up 200 %"


@register.filter
def changed(ratio: float | None) -> str:
    """0.42 as "up 42 %"."""
    if ratio is None:
        return "not known"
    if abs(ratio) < STEADY_RATIO:
        return "steady"
    if ratio >= MANY_TIMES_RATIO:
        times = ratio + 1
        return f"{times:.0f}{THIN}× as much" if times >= 10 else f"{times:.1f}{THIN}× as much"
    return f"{'up' if ratio > 0 else 'down'} {percent(abs(ratio))}"


@register.filter
def statement_change(change: StatementChange) -> str:
    if change.is_new:
        return "new"
    if change.before_s_per_day is None:
        return "no day before"
    return changed(change.change_ratio)


@register.filter
def statement_time(change: StatementChange) -> str:
    """ "52 min a day"; of less than an hour what was measured, "41 s in 24 minutes"."""
    time_s = change.time_s_per_day
    return UNKNOWN if time_s is None else rate_words(time_s, change.statement.covered_s, THIN)


@register.filter
def change_colour(change: StatementChange) -> str:
    """As in tokens.css, light: mail programs know no custom properties."""
    ratio = change.change_ratio
    if change.is_new or (ratio is not None and ratio >= STEADY_RATIO):
        return "#b3261e"
    return "#276b3c" if ratio is not None and ratio <= -STEADY_RATIO else "#6c737d"


@register.filter
def load_words(server: ServerNight) -> str:
    """How busy it was and how that compares."""
    if server.load is None:
        return "nothing measured"
    words = f"{server.load:.2g} statements at once" if server.load < 10 else f"{server.load:.0f} statements at once"
    if server.load_before:
        words += f", {changed(server.load / server.load_before - 1)}"
    return words


@register.filter
def share_width(ratio: float | None) -> int:
    """A bar's width in percent, at least one so that it is seen."""
    return max(1, min(100, round((ratio or 0) * 100)))
