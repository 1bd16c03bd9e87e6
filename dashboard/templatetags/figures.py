"""Figures with where they come from; the words are those of ``dashboard/figures.py``."""

import re
from dataclasses import replace

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from analyzer.findings import Basis
from analyzer.models import FindingRecord, SuggestionRecord
from analyzer.plans.compare import cost_figure
from analyzer.words.durations import THIN, allows_daily_rate, count_words, rate_words
from dashboard.figures import MEANING, ImpactWords, gain_line, impact_words, suggestion_gain
from dashboard.findings.closed import closing_line, gone_line
from dashboard.templatetags.quantities import quantity

_BASIS = re.compile(rf"\b({'|'.join(Basis)})\b")
register = template.Library()
register.simple_tag(gain_line)
register.filter(gone_line)
register.filter(closing_line)


@register.filter
def impact(finding: FindingRecord) -> ImpactWords:
    return impact_words(finding.impact_s_per_day, finding.impact_assumed_s_per_day, finding.watched_s)


@register.filter
def basis(words: object) -> SafeString:
    """The words with those for where a figure comes from marked, and what these mean on hover."""
    parts = _BASIS.split(str(words))
    return format_html_join("", "{}", ((_marked(Basis(p)) if p in set(Basis) else p,) for p in parts))


def _marked(word: Basis) -> SafeString:
    return format_html('<abbr class="basis" title="{}">{}</abbr>', MEANING[word], word)


@register.simple_tag
def figure(name: str, value: object, watched_s: float | None = None) -> str:
    """``value`` with the unit its ``name`` ends in; a rate of less than an hour as what was seen."""
    if name.endswith("_per_day") and isinstance(value, int | float) and not allows_daily_rate(watched_s):
        is_time = name.endswith("_s_per_day")
        return rate_words(value, watched_s, THIN) if is_time else count_words(value, watched_s, THIN)
    return quantity(value, name)


@register.filter
def cost(value: float | None) -> str:
    """Of the planner: digits enough for the factor beside it."""
    return "unknown" if value is None else cost_figure(value).replace(",", THIN)


@register.simple_tag
def taken(suggestion: SuggestionRecord) -> ImpactWords:
    """What the statements it helps take, as measured."""
    return impact_words(suggestion.helped_time_s_per_day, 0.0, suggestion.watched_s)


@register.simple_tag
def saved(suggestion: SuggestionRecord) -> ImpactWords:
    """What it saves as planned; where no planner was asked what its statements take as measured."""
    gain = suggestion_gain(suggestion)
    if gain is None:
        taken = impact_words(suggestion.helped_time_s_per_day, 0.0, suggestion.watched_s)
        return replace(taken, per=f"{taken.per} now") if taken.amount else ImpactWords("", "gain not known")
    impact = impact_words(gain.saved_s_per_day, 0.0, suggestion.watched_s)
    return (
        ImpactWords(impact.amount, f"less {impact.per}", str(Basis.PLANNED)) if impact.amount else ImpactWords("", "")
    )
