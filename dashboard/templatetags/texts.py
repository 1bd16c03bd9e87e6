"""Texts from monitored servers, made safe to look at: they may hold anything."""

import re
import unicodedata

import sqlparse
from django import template
from django.utils.html import conditional_escape, escape, format_html
from django.utils.safestring import SafeString, mark_safe
from sqlparse import tokens

from analyzer.findings import EvidenceLevel, Severity
from analyzer.statements.display import one_line
from analyzer.words.visible import HIDDEN, visible_line
from analyzer.words.visible import visible as visible

register = template.Library()

# The lexer is linear, but every token becomes an element.
MAX_HIGHLIGHTED_CHARACTERS = 20_000


register.filter("visible", visible)
register.filter("visible_line", visible_line)


@register.filter
def has_hidden(text: object) -> bool:
    return HIDDEN.search(str(text)) is not None


@register.filter
def hidden_names(text: object) -> str:
    """What the invisible characters are called, for the warning beside a text to copy."""
    characters = dict.fromkeys(HIDDEN.findall(str(text)))
    return ", ".join(unicodedata.name(c, f"U+{ord(c):04X}").lower() for c in characters)


@register.filter
def sql_line(sql: str, width: int = 160) -> str:
    return visible(one_line(sql, width))


@register.filter
def highlighted(code: str, language: str) -> SafeString:
    """Code with its parts marked for colour; SQL only, others come as they are, escaped."""
    if language != "sql" or len(code) > MAX_HIGHLIGHTED_CHARACTERS:
        return conditional_escape(visible(code))
    parts = []
    for kind, value in sqlparse.lexer.tokenize(code):  # type: ignore[no-untyped-call]
        name = _kind_class(kind)
        shown = escape(visible(value))
        parts.append(format_html('<span class="{}">{}</span>', name, shown) if name else shown)
    return mark_safe("".join(parts))  # every part was escaped above


@register.filter
def code_marked(prose: str) -> SafeString:
    """A docstring's paragraph: what stands between double backticks is code."""
    return mark_safe(re.sub(r"``(.+?)``", r"<code>\1</code>", escape(prose)))  # everything was escaped before


def _kind_class(kind: object) -> str:
    if kind in tokens.Literal.String.Symbol:  # a quoted identifier
        return ""
    if kind in tokens.Keyword:
        return "sql-keyword"
    if kind in tokens.Comment:
        return "sql-comment"
    if kind in tokens.Literal.String:
        return "sql-string"
    if kind in tokens.Literal or kind in tokens.Name.Placeholder:
        return "sql-value"
    return ""


@register.filter
def severity_name(value: int) -> str:
    return Severity(value).name.lower()


_LEVELS = {
    EvidenceLevel.RULE: "By rule: from the catalog and the statistics alone.",
    EvidenceLevel.PLANNED: "Planned: the planner chose it on the twin.",
    EvidenceLevel.EXECUTED: "Executed: seen in an EXPLAIN ANALYZE.",
    EvidenceLevel.REALISED: "Realised: measured in production after the change.",
}


@register.filter
def level_sentence(level: str) -> str:
    return _LEVELS.get(EvidenceLevel(level), level) if level in set(EvidenceLevel) else level


_LEVEL_WORDS = {
    EvidenceLevel.RULE: "by rule, from statistics and the catalog",
    EvidenceLevel.PLANNED: "the planner's estimate",
    EvidenceLevel.EXECUTED: "seen in an executed plan",
    EvidenceLevel.REALISED: "measured in production",
}


@register.filter
def level_words(level: str) -> str:
    """The evidence of a finding, short enough for a list."""
    return _LEVEL_WORDS[EvidenceLevel(level)] if level in set(EvidenceLevel) else level


@register.filter
def version_name(server_version_num: int | None) -> str:
    """150020 as 15.20."""
    if not server_version_num:
        return "unknown"
    return f"{server_version_num // 10000}.{server_version_num % 10000}"


@register.simple_tag(takes_context=True)
def query_with(context: template.Context, **changes: object) -> str:
    """The page's query string with some values changed; an empty value takes one away, and paging restarts."""
    query = context["request"].GET.copy()
    query.pop("page", None)
    for name, value in changes.items():
        if value in (None, ""):
            query.pop(name, None)
        else:
            query[name] = str(value)
    return f"?{query.urlencode()}" if query else "?"
