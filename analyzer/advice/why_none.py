"""Why a statement gets no index: what its plan without any says, what stands in its text, and what could be done.

The cause that is named is one that PostgreSQL's own plan or text shows; the cure stands beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pglast import ast

from analyzer.advice.candidates.specialised import prefix_indexes
from analyzer.advice.cause_in_plan import in_filter, over_tables
from analyzer.advice.cause_in_text import (
    INDEXABLE,
    computed_with_values,
    in_text,
    skipped_for_its_constant,
    without_values,
)
from analyzer.advice.cause_in_where import in_where, shown
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.plan_scans import Scan, table_scans
from analyzer.advice.resolved_workload import why_left_out
from analyzer.advice.rules.reasons import small_table_reason
from analyzer.advice.selection.relevance import oids_upwards
from analyzer.advice.where_blocks import blocks_with, conditions_on
from analyzer.checks import Threshold
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.blocks import Predicate, QueryBlock, TableUse
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import Node, Unparsable, single_statement, walk
from analyzer.words.lists import some_of

LIMITS = {
    "many": Threshold(0.05, "rows wanted / rows", "judgement: at random_page_cost 4 an index is dearer from there"),
}
MANY_RATIO = LIMITS["many"].value


def why_none(
    sql: str,
    facts: SchemaFacts,
    explained: Mapping[str, Any] | None,
    refused: Mapping[str, str],
    tried: Sequence[IndexDefinition],
) -> str:
    """One or two sentences. ``explained``: EXPLAIN's object without new indexes; ``refused``: why the planner did not
    take an index, by table and body; ``tried``: those it did take."""
    if cause := cause_of(sql, facts, explained, refused):
        return cause
    plan = (explained or {}).get("Plan", {})
    scans = sorted(table_scans(plan, facts), key=lambda s: -s.cost)
    blocks = query_blocks(sql, facts)
    whole = [s for s in scans if s.is_whole]
    if whole and whole[0].cost > (total_cost := float(plan.get("Total Cost", 0.0))):
        return _stopped_early(whole[0], total_cost / whole[0].cost, sql)
    if whole:
        return _read_whole(whole[0], sql, blocks, facts, refused, tried)
    if sampled := next((s for s in scans if s.node_type == "Sample Scan"), None):
        return f"It reads a sample of {sampled.table.qualified_name}: TABLESAMPLE uses no index."
    if named := [s for s in scans if s.index]:
        parts = dict.fromkeys(_serving(s) for s in named)
        some = some_of(list(parts))
        verb = "serves" if len(parts) == 1 else "serve"
        return f"{some} {verb} it already; no other index makes it cheaper."
    return why_left_out(sql, facts) or "It reads no table that an index could be on."


def _serving(scan: Scan) -> str:
    index = next((i for i in scan.table.indexes if i.name == scan.index), None)
    predicate = (index.predicate if index is not None else None) or ""
    if predicate.startswith("(") and predicate.endswith(")"):  # as pg_get_expr() writes all but calls
        predicate = predicate[1:-1]
    held = f" (for rows with {predicate})" if predicate else ""
    return f"{scan.index} on {scan.table.qualified_name}{held}"


def cause_of(
    sql: str, facts: SchemaFacts, explained: Mapping[str, Any] | None, refused: Mapping[str, str]
) -> str | None:
    """What keeps an index from the tables that are read whole, where it is something that can be changed."""
    plan = (explained or {}).get("Plan", {})
    blocks = query_blocks(sql, facts)
    for scan in sorted(table_scans(plan, facts), key=lambda s: -s.cost):
        if not scan.is_whole:
            continue
        uses = _uses_of(scan.table, blocks, facts)
        here = _refused_on(scan.table, refused, facts)
        for block, use in uses:
            if reason := in_text(block, use, scan.table, here):
                return reason
        is_alone = not any(p.operator in INDEXABLE for _, use in uses for p in use.predicates)
        named = blocks_with(sql, scan.table, [use for _, use in uses], facts)
        if reason := in_where(named, facts, is_alone=is_alone):
            return reason
        if reason := in_filter(scan, uses):
            return reason
        if reason := next(filter(None, (computed_with_values(use) for _, use in uses)), None):
            return reason
    return over_tables(plan)


def _uses_of(table: TableFacts, blocks: Sequence[QueryBlock], facts: SchemaFacts) -> list[tuple[QueryBlock, TableUse]]:
    """Where the statement names it, or what it is a part of or inherits from; nowhere where a view does."""
    upwards, uses = oids_upwards(table, facts), []
    for block in blocks:
        for use in block.tables:
            named = facts.find_table(use.name, use.schema or None)
            if named is not None and (named.oid in upwards or table in facts.heirs(named)):
                uses.append((block, use))
    return uses


def _refused_on(table: TableFacts, refused: Mapping[str, str], facts: SchemaFacts) -> dict[str, str]:
    """Those on the whole of a partitioned table are its parts', too."""
    tables = (facts.table(oid) for oid in oids_upwards(table, facts))
    names = tuple(f"{each.qualified_name} " for each in tables if each is not None)
    return {body: why for body, why in refused.items() if body.startswith(names)}


def _stopped_early(scan: Scan, read_ratio: float, sql: str) -> str:
    """A LIMIT or EXISTS above it: the whole plan costs less than the scan would, read to its end."""
    statement = single_statement(sql)
    selects = () if isinstance(statement, Unparsable) else walk(statement)
    if read_ratio > MANY_RATIO and any(map(_skips_rows, selects)):
        return (
            f"It counts off the rows before its OFFSET, one by one: the planner expects it to read {read_ratio:.0%} of"
            f" {scan.table.qualified_name}, and no index skips them. With an order by a unique key and a condition for"
            " the rows behind the last one shown (id > $1), an index finds the next page at once."
        )
    share = f"{max(0.01, read_ratio):.0%}"
    return (
        f"It stops as soon as it has the rows it asks for: the planner expects it to read at most {share} of"
        f" {scan.table.qualified_name}, row after row, and no index to find them sooner."
    )


def _skips_rows(node: Node) -> bool:
    """Not by OFFSET 0, which is a fence."""
    offset = getattr(node, "limitOffset", None)
    return offset is not None and not (isinstance(offset, ast.A_Const) and getattr(offset.val, "ival", 1) == 0)


def _read_whole(
    scan: Scan,
    sql: str,
    blocks: Sequence[QueryBlock],
    facts: SchemaFacts,
    refused: Mapping[str, str],
    tried: Sequence[IndexDefinition],
) -> str:
    table = scan.table
    name = table.qualified_name
    uses = _uses_of(table, blocks, facts)
    conditions = [p for _, u in uses for p in u.predicates]
    ratio = scan.rows / table.rows if table.rows else None
    written = conditions_on(blocks_with(sql, table, [u for _, u in uses], facts))
    is_asked = bool(not uses or conditions or written or scan.filter)
    if not is_asked and table.parent_oid is not None:  # small itself, one of many parts that are read
        named = facts.find_table(uses[0][1].name, uses[0][1].schema or None) or table
        return f"It reads {named.qualified_name} without a condition: all of its rows are needed."
    if small := small_table_reason(table):
        return small
    if not is_asked:
        return f"It reads {name} without a condition: all of its rows are needed."
    if ratio is not None and ratio >= MANY_RATIO:
        return (
            f"The planner expects {scan.rows:,.0f} of about {table.rows:,.0f} rows of {name} to be wanted"
            f" ({ratio:.0%}): reading it whole is cheaper than fetching so many through an index."
        )
    arms = [p for p in conditions if p.arm is not None]
    if arms and not [p for p in conditions if p.arm is None]:
        number, _, count = arms[0].arm or (0, 0, 0)
        served = {p.arm[1] for p in arms if p.arm and p.arm[0] == number}
        if len(served) < count:
            return (
                f"One side of its OR asks nothing of {name} that an index could serve, so all rows have to be read. One"
                " query for each side, joined by UNION, lets the others use theirs."
            )
    upwards = oids_upwards(table, facts)
    on_it = [d for d in tried if d.table.oid in upwards]
    bodies = some_of([d.body() for d in sorted(on_it, key=lambda d: (len(d.body()), d.body()))])
    if not uses:
        others = f" With those for other statements, {bodies}, it gets no cheaper." if on_it else ""
        return f"Its own text asks nothing of {name}; a view or a function that reads it is not looked into.{others}"
    if not on_it and not conditions and not written:
        adds = "row security policies of the table add" if table.policies else "is not in its own text"
        return f"It reads {name} whole by a condition that no index could serve and that {adds}."
    if not on_it and (
        reason := next(filter(None, (skipped_for_its_constant(use, table, refused) for _, use in uses)), None)
    ):
        return reason
    if not on_it and (prefixed := _prefix_index(conditions, table)):
        return (
            f"{prefixed} on {name} serves LIKE with a pattern that begins with a text; one that begins with a wildcard"
            " would take a trigram index (pg_trgm)."
        )
    if not on_it:
        asked = some_of(list(dict.fromkeys([*map(_shown, conditions)] or map(shown, written))))
        return f"None of its conditions on {name} is one that an index could serve: {asked}."
    tables = some_of(list(dict.fromkeys(d.table.qualified_name for d in on_it)))
    return (
        f"Tried on {tables}: {bodies}. With none of them the planner expects to be any cheaper than reading it whole."
    )


def _prefix_index(conditions: Sequence[Predicate], table: TableFacts) -> str | None:
    """The one in use for LIKE with a pattern that the text does not hold: no trigrams are tried beside it."""
    indexes = (index for p in conditions if p.operator == "like" for index in prefix_indexes(table, p.column))
    return next((index.name for index in indexes), None)


def _shown(predicate: Predicate) -> str:
    what = without_values(predicate.expression) if predicate.expression else predicate.column
    said = {
        "is_not_null": "IS NOT NULL", "is_null": "IS NULL", "is_true": "is true", "is_false": "is false", "ne": "<>",
        "not_in": "NOT IN", "other": predicate.text or ("" if predicate.expression else "a function"),
    }.get(predicate.operator, predicate.text)  # fmt: skip
    if predicate.operator == "other" and predicate.text.startswith("NOT"):
        return f"NOT {what} {predicate.text[4:]}".rstrip()
    return f"{what} {said}".strip() if what != said else what
