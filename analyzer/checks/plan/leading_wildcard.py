"""A search inside of texts reads the whole table: no B-tree knows what a text holds in its middle.

``LIKE '%word%'``, ``ILIKE`` and regular expressions look at every row. A GIN index with ``gin_trgm_ops`` (extension
pg_trgm) holds the texts' groups of three letters and serves all three, from three letters in a row on. For words in
longer texts full text search is better still. ``ILIKE 'abc'`` without a wildcard asks for equality in any case:
``lower(column) = lower(value)`` with an index on ``lower(column)``. To verify, look for a Bitmap Index Scan on the new
index.

Leave it alone on small tables, and where writing matters more than searching: a trigram index is large and slow to
update. The time is the scan's own, as much of it as the rows thrown away are of those read.
"""

import re
from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Fix, Threshold
from analyzer.checks.columns import TEXTS, type_of
from analyzer.checks.node import run_time_ms, shown, time_evidence
from analyzer.checks.scan import filter_condition, share_ms, table_facts, table_sql, whole_scan
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison, Condition
from analyzer.plans.indexable import RELABELLED, indexable
from analyzer.plans.redact import REDACTED
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="PL016",
    title="Search inside of texts reads the whole table",
    severity=Severity.WARNING,
    gives_way_to=("PL041",),
    rows_read=Threshold(10_000, "rows", "measured: cached, 1.5 to 13 ms on PostgreSQL 15"),
    kept_ratio=Threshold(0.10, "kept / read", "judgement: above it the scan is often right"),
)

LIKES = re.compile(r"!?~~\*? (?:ANY \()?'((?:[^']|'')*)'")
LIST = re.compile(r"~~\*? ANY \('\{(.*?)\}'")
ANCHORED = re.compile(rf" ~ '(?:\^\w{{3}}|{re.escape(REDACTED)}')")  # or kept without its value: it may be
WILDCARD = re.compile(r"[%_]+")
LETTERS = 3  # pg_trgm's unit
CASES = ("upper", "lower")  # Django's icontains compares upper(column)
NO_TEXTS = ("citext", "character", "bpchar")  # with operators of their own, which gin_trgm_ops has not


@check.on(PlanNode, "Seq Scan")
def leading_wildcard(node: PlanNode, context: Context) -> Iterator[Finding]:
    if node.filter is None or " ~" not in node.filter or node.rows_removed_by_filter is None:
        return
    whole = whole_scan(node, context.facts)
    if whole is None or not whole.scan.keeps_few(check["rows_read"], check["kept_ratio"]):
        return
    read = filter_condition(node)
    if read is None or indexable(read).equal:  # an index on that column may be what is missing
        return
    searches = next((s for c in read.comparisons if (s := _searches(c, read, node.filter)) is not None), None)
    if searches is None:
        return
    text, each = searches
    scan = whole.scan
    time_ms = share_ms(scan.certain_time_ms, scan.read - scan.kept, scan.read)
    patterns = LIKES.findall(node.filter)
    is_short = bool(patterns) and " ~" not in LIKES.sub("", node.filter) and all(map(is_too_short, patterns))
    types = [_type(search, table_facts(node, context.facts)) for search in each]
    keys = list(dict.fromkeys(map(_key, each, types)))
    no_text = next((s for s, type_name in zip(each, types, strict=True) if _compares_no_text(s, type_name)), None)
    table = table_sql(node, context.facts)
    is_alone = not whole.scans.are_partitions  # of partitions the index belongs on the table above, unnamed here
    fixes: tuple[Fix, ...] = ()
    if None not in keys and is_alone and table and not is_short:
        installed = context.facts is not None and "pg_trgm" in context.facts.extensions
        key = ", ".join(f"{searched} gin_trgm_ops" for searched in keys)
        code = f"CREATE INDEX CONCURRENTLY ON {table} USING gin ({key});"
        code = code if installed else f"CREATE EXTENSION IF NOT EXISTS pg_trgm;\n{code}"
        if any(search.functions for search in each):  # an expression's statistics come with the index
            code += f"\nANALYZE {table};"
        fixes = (Fix("Trigram index", "sql", code),)
    yield check.finding(
        subject=whole.scans.subject,
        message=(
            f"{whole.scans.subject} read {scan.read:,.0f} rows to keep {scan.kept:,.0f}: no B-tree index can serve"
            f" {shown(text, 200)}."
        ),
        hint=_hint_as_text(no_text)
        if no_text is not None and not is_short
        else _hint(each[0], _all_of(keys), is_short),
        evidence={"rows_read": round(scan.read), "rows_kept": round(scan.kept), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        fixes=fixes,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=whole.scans.table,
    )


def _searches(comparison: Comparison, read: Condition, text: str) -> tuple[str, list[Comparison]] | None:
    """The comparison's text with the searches that are all of it: itself, or each arm of an OR."""
    if comparison.operator != "OR":
        return (comparison.text, [comparison]) if _is_search(comparison, text) else None
    for arms in read.alternatives:
        each = [next((c for c in arm if _is_search(c, text)), None) for arm in arms]
        if {column for arm in arms for c in arm for column in c.columns} <= set(
            comparison.columns
        ) and None not in each:
            return comparison.text, [c for c in each if c is not None]
    return None


def _is_search(comparison: Comparison, text: str) -> bool:
    """``text``: the whole filter, as printed. A parameter's pattern is not known, so neither is its start."""
    if comparison.is_negated or comparison.other != "constant" or len(comparison.columns) != 1:
        return False
    match comparison.operator:
        case "~~":
            return comparison.leading_wildcard
        case "~~*" | "~*" | "~~* ANY":
            return True
        case "~~ ANY":
            lists = [listed.split(",") for listed in LIST.findall(text)]
            return bool(lists) and all(item.lstrip('"').startswith(("%", "_")) for items in lists for item in items)
        case "~":
            return not ANCHORED.search(text)
    return False


def is_too_short(pattern: str) -> bool:
    """Whether no three letters follow each other in a LIKE's pattern; the start and end of a text count as letters.

    Of a plan that is kept without values nobody knows.
    """
    pieces = WILDCARD.split(f"  {pattern} ")
    return all(len(piece.strip() and piece) < LETTERS and piece.strip() != REDACTED for piece in pieces)


def _type(search: Comparison, table: TableFacts | None) -> str | None:
    """Of the column; None where nobody knows it."""
    column = table.column(search.columns[0].name) if table is not None else None
    if column is not None:
        return type_of(column)
    return "citext" if "::citext" in search.text else None


def _key(search: Comparison, type_name: str | None) -> str | None:
    """What an index would hold: the column, or it in capitals or small letters; None: an expression or a collation of
    its own, or a type that gin_trgm_ops does not serve."""
    column = quote_identifier(search.columns[0].name)
    if search.operators or search.names_collation or not RELABELLED.issuperset(search.casts):
        return None
    if type_name not in (None, *TEXTS):
        return None
    match search.functions:
        case () if type_name not in NO_TEXTS or (type_name == "citext" and search.casts):
            return column
        case (function,) if function in CASES and f".{function}(" not in search.text:  # of a schema: somebody's own
            return f"{function}({column})"
    return None


def _compares_no_text(search: Comparison, type_name: str | None) -> bool:
    return type_name in NO_TEXTS and not (search.functions or search.operators or search.casts)


def _all_of(keys: list[str | None]) -> str:
    known = [key for key in keys if key is not None]
    if len(known) == len(keys):
        return and_list(known)
    return "that expression" if len(keys) == 1 else "those expressions"


def _hint_as_text(search: Comparison) -> str:
    as_text = f"{quote_identifier(search.columns[0].name)}::text"
    return (
        "gin_trgm_ops (extension pg_trgm) serves comparisons of text, not of citext and char(n): compare"
        f" {as_text} (by ILIKE or ~* where case does not matter), and a GIN index on ({as_text}) serves it, from three"
        " letters in a row on."
    )


def _hint(search: Comparison, what: str, is_short: bool) -> str:
    if is_short:
        return (
            "The pattern has no three letters in a row, so a trigram index cannot serve it either: ask for a longer"
            " one, or add a condition that an index serves."
        )
    equal = (
        f" Without a wildcard, lower({what}) = lower(value) with an index on lower({what}) does."
        if search.operator == "~~*" and not search.leading_wildcard and what == quote_identifier(search.columns[0].name)
        else ""
    )
    return (
        f"A GIN index on {what} with gin_trgm_ops (extension pg_trgm) serves it, from three letters in a row on.{equal}"
        " For words in long texts, full text search (tsvector) serves better."
    )
