"""Why a statement gets no index: what its plan without any says, what stands in its text, and what could be done.

The cause that is named is one that PostgreSQL's own plan or text shows; the cure stands beside it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pglast import ast, enums

from analyzer.advice.candidates.expressions import can_be_key, unqualified
from analyzer.advice.candidates.immutable import time_zone_column
from analyzer.advice.candidates.specialised import PATTERNS, key_of, kind_of
from analyzer.advice.ddl import IndexColumn, IndexDefinition
from analyzer.advice.rules.candidates import small_table_reason
from analyzer.advice.selection.relevance import oids_upwards
from analyzer.advice.sizing.key_widths import declared, fits_btree, key_bytes, too_wide
from analyzer.checks import Threshold
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.blocks import Predicate, QueryBlock, TableUse
from analyzer.statements.predicates import query_blocks
from analyzer.statements.tree import (
    Node,
    Unparsable,
    column_names,
    function_name,
    name_parts,
    parse,
    walk,
)
from analyzer.words.lists import and_list

LIMITS = {
    "many": Threshold(0.05, "rows wanted / rows", "judgement: at random_page_cost 4 an index is dearer from there"),
}
MANY_RATIO = LIMITS["many"].value
# pg_proc.provolatile = 'v' among what stands in conditions
VOLATILE = frozenset({
    "random", "clock_timestamp", "timeofday", "nextval", "currval", "lastval", "gen_random_uuid", "uuid_generate_v4",
    "uuid_generate_v1", "uuidv7", "uuidv4", "random_normal", "setval",
})  # fmt: skip
EXCLUDING = frozenset({"ne", "not_in"})
INDEXABLE = PATTERNS | {"eq", "in", "any", "in_subquery", "lt", "gt", "between", "like_prefix", "contains", "semi"}
NOT_IMMUTABLE = "marked IMMUTABLE"
PART_OF_DAY = re.compile(r"(EXTRACT\((?!YEAR|EPOCH)|(pg_catalog\.)?date_part\('(?!year|epoch))", re.IGNORECASE)
POSITION = re.compile(r"(pg_catalog\.)?(position|strpos)\(", re.IGNORECASE)
MOST_NAMED = 3
SUBPLAN = "SubPlan"
# how 13 to 18 print subplans and InitPlans, the longest first
NO_SQL = (
    (re.compile(r"\(InitPlan \d+\)\.col\d+"), "$1"),
    (re.compile(r"\((?:ANY|ALL) \("), "(("),
    (re.compile(r"\((?:alternatives: )?(?:(?: or )?(?:hashed )?SubPlan \d+)+\)(?:\.col\d+)?"), f'("{SUBPLAN}")'),
    (re.compile(r"EXISTS\((?=\"|\()"), "("),
)


@dataclass(frozen=True, slots=True)
class Scan:
    """A node that reads a table. ``rows``: expected to come out of it, over all workers."""

    table: TableFacts
    alias: str
    node_type: str
    index: str | None
    rows: float
    cost: float
    filter: str

    @property
    def is_whole(self) -> bool:
        return self.index is None and "Seq Scan" in self.node_type


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
    scans = sorted(_scans(plan, facts), key=lambda s: -s.cost)
    blocks = query_blocks(sql, facts)
    whole = [s for s in scans if s.is_whole]
    if whole and whole[0].cost > (total_cost := float(plan.get("Total Cost", 0.0))):
        return _stopped_early(whole[0], total_cost / whole[0].cost)
    if whole:
        return _read_whole(whole[0], blocks, facts, tried)
    if sampled := next((s for s in scans if s.node_type == "Sample Scan"), None):
        return f"It reads a sample of {sampled.table.qualified_name}: TABLESAMPLE uses no index."
    if named := [s for s in scans if s.index]:
        parts = dict.fromkeys(_serving(s) for s in named)
        some = _listed(list(parts))
        verb = "serves" if len(parts) == 1 else "serve"
        return f"{some} {verb} it already; no other index makes it cheaper."
    return "It reads no table that an index could be on."


def _serving(scan: Scan) -> str:
    index = next((i for i in scan.table.indexes if i.name == scan.index), None)
    held = f" (for rows with {index.predicate.strip('()')})" if index is not None and index.predicate else ""
    return f"{scan.index} on {scan.table.qualified_name}{held}"


def cause_of(
    sql: str, facts: SchemaFacts, explained: Mapping[str, Any] | None, refused: Mapping[str, str]
) -> str | None:
    """What keeps an index from the tables that are read whole, where it is something that can be changed."""
    plan = (explained or {}).get("Plan", {})
    blocks = query_blocks(sql, facts)
    for scan in sorted(_scans(plan, facts), key=lambda s: -s.cost):
        if not scan.is_whole:
            continue
        uses = _uses_of(scan.table, blocks, facts)
        here = _refused_on(scan.table, refused, facts)
        for block, use in uses:
            if reason := _in_text(block, use, scan, here):
                return reason
        if reason := _in_filter(scan, uses):
            return reason
    return _over_tables(plan)


def _uses_of(table: TableFacts, blocks: Sequence[QueryBlock], facts: SchemaFacts) -> list[tuple[QueryBlock, TableUse]]:
    """Where the statement names it, or what it is a part of or inherits from; nowhere where a view does."""
    upwards, found = oids_upwards(table, facts), []
    for block in blocks:
        for use in block.tables:
            named = facts.find_table(use.name, use.schema or None)
            if named is not None and (named.oid in upwards or table in facts.heirs(named)):
                found.append((block, use))
    return found


def _refused_on(table: TableFacts, refused: Mapping[str, str], facts: SchemaFacts) -> dict[str, str]:
    """Those on the whole of a partitioned table are its parts', too."""
    tables = (facts.table(oid) for oid in oids_upwards(table, facts))
    names = tuple(f"{each.qualified_name} " for each in tables if each is not None)
    return {body: why for body, why in refused.items() if body.startswith(names)}


# what the statement's own text shows


def _in_text(block: QueryBlock, use: TableUse, scan: Scan, refused: Mapping[str, str]) -> str | None:
    table = scan.table
    for predicate in use.predicates:
        reason = _of_predicate(predicate, table, refused)
        if reason is not None:
            return reason
    for term in block.order_by:
        key = IndexColumn(term.column) if term.column and term.alias == use.alias else None
        if key is not None and block.has_limit and not fits_btree(key, table) and table.column(key.name):
            return f"{too_wide(key, table)}, so nothing can keep its order."
    return None


def _of_predicate(predicate: Predicate, table: TableFacts, refused: Mapping[str, str]) -> str | None:
    column = table.column(predicate.column)
    if column is None:
        return None
    if predicate.expression is not None and predicate.expression.startswith("jsonb_path_exists("):
        return (
            f"No index serves jsonb_path_exists(). {predicate.column} @? path asks the same, and a GIN index on"
            f" {predicate.column} (jsonb_path_ops) serves that."
        )
    searching = POSITION.match(predicate.expression or "")
    if searching is not None and kind_of(IndexColumn(column.name), column) == "text":
        return (
            f"No index serves {searching[2]}(). {column.name} LIKE '%...%' asks for the same rows, and a trigram index"
            f" on {column.name} serves that."
        )
    if predicate.expression is not None and not can_be_key(predicate.expression):
        if zoned := time_zone_column(predicate.expression, table):
            return _by_time_zone(unqualified(predicate.expression), zoned)
        return _unknown_constant(predicate.expression) if predicate.operator in INDEXABLE else None
    key = key_of(predicate)
    if key is None:
        return None
    why = next((w for body, w in refused.items() if f"({key.name})" in body), "")
    if NOT_IMMUTABLE in why and predicate.expression is not None:
        return _not_immutable(predicate, key, table)
    if predicate.operator == "contains" and predicate.text == "=":
        return (
            f"No index serves = ANY ({predicate.column}). {predicate.column} @> ARRAY[...] asks for the same rows, and"
            f" a GIN index on {predicate.column} serves that."
        )
    if predicate.operator in PATTERNS | {"like_prefix"} and kind_of(key, column) == "citext":
        return (
            f"{predicate.column} is citext, whose LIKE no index serves. {predicate.column}::text ILIKE asks the same,"
            f" and a trigram index on (({predicate.column}::text)) serves that."
        )
    is_ordered = predicate.operator in ("lt", "gt", "between", "row_lt", "row_gt")
    if is_ordered and not predicate.is_in_or and not fits_btree(key, table) and key_bytes(key, table) > 0:
        return f"{too_wide(key, table)}."
    return None


def _unknown_constant(expression: str) -> str | None:
    statements = parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return None
    numbers = sorted({n.number for n in walk(statements) if isinstance(n, ast.ParamRef)})
    if not numbers:
        return None
    which = " and ".join(f"${n}" for n in numbers)
    return (
        f"An index on {unqualified(expression)} would need the constant in the place of {which}, which the recorded"
        " text does not hold. It is told by a run seen in pg_stat_activity, or by asking with the values in the text"
        " (manage.py predict, or Try a statement)."
    )


def _not_immutable(predicate: Predicate, key: IndexColumn, table: TableFacts) -> str:
    if zoned := time_zone_column(key.name, table):
        return _by_time_zone(key.name, zoned)
    if key.name.startswith("to_tsvector("):
        return (
            f"{key.name} depends on default_text_search_config, so no index can hold it. With the configuration named,"
            " as in to_tsvector('english', ...), in the statement and in a GIN index, it can."
        )
    return (
        f"{key.name} is not immutable: its result may change with the session's settings, so no index can hold it."
        f" A condition on {predicate.column} itself could use one."
    )


def _by_time_zone(expression: str, column: str) -> str:
    if PART_OF_DAY.match(expression):
        return (
            f"{expression} depends on the session's TimeZone, so no index can hold it. With the zone named, as in"
            f" {column} AT TIME ZONE 'UTC' in the place of {column}, an index on the expression can."
        )
    return (
        f"{expression} depends on the session's TimeZone, so no index can hold it. A range of {column} itself can ask"
        f" for the same rows ({column} >= start AND {column} < end), and an index on {column} serves that."
    )


# what the plan's filter shows


def _in_filter(scan: Scan, uses: Sequence[tuple[QueryBlock, TableUse]]) -> str | None:
    condition = _parsed(scan.filter)
    if condition is None:
        return None
    written = {p.column for _, use in uses for p in use.predicates if p.expression is not None}  # cast by hand
    for node in walk(condition):
        if isinstance(node, ast.A_Expr) and (reason := _compared(node, scan.table, written)):
            return reason
    excluded = [p for _, use in uses for p in use.predicates if p.operator in EXCLUDING]
    others = [p for _, use in uses for p in use.predicates if p.operator not in EXCLUDING | {"other"}]
    if excluded and not others:
        names = _listed(list(dict.fromkeys(p.column for p in excluded)))
        return f"Its conditions on {scan.table.qualified_name} exclude values of {names}: no index narrows that down."
    if any(map(_is_not_distinct, walk(condition))) and not others:
        return (
            "No index serves IS NOT DISTINCT FROM. Where the value is never NULL, = asks the same; else"
            " (x = $1 OR (x IS NULL AND $1 IS NULL))."
        )
    return None


def _is_not_distinct(node: Node) -> bool:
    """EXPLAIN prints it as NOT (x IS DISTINCT FROM y)."""
    inner = node.args[0] if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR else None
    return isinstance(inner, ast.A_Expr) and inner.kind == enums.A_Expr_Kind.AEXPR_DISTINCT


def _compared(node: Node, table: TableFacts, written: set[str]) -> str | None:
    sides = [node.lexpr, node.rexpr]
    volatile = [function_name(n) for s in sides for n in _walked(s) if isinstance(n, ast.FuncCall)]
    volatile = [name for name in volatile if name in VOLATILE]
    columns = list(dict.fromkeys(name for side in sides for name in _names(side)))
    if volatile and columns:
        return (
            f"It compares {columns[0]} with {volatile[0]}(), which is volatile: computed anew for each row, so no index"
            f" can be searched for it. As (SELECT {volatile[0]}()) it is computed once."
        )
    for side in sides:
        if not isinstance(side, ast.TypeCast) or not isinstance(side.arg, ast.ColumnRef):
            continue
        name = getattr(side.arg.fields[-1], "sval", "")
        column = table.column(name)
        to = name_parts(side.typeName.names)[-1]
        if column is None or name in written:
            continue
        if to not in ("text", "varchar", "bpchar") or kind_of(IndexColumn(name), column) != "text":
            return (
                f"The value that {name} is compared with is of type {to}, so the server casts {name}"
                f" ({declared(column)}) for each row, and an index on it cannot serve that. Send the value as"
                f" {declared(column)}, or write it ::{declared(column)}."
            )
    return None


def _over_tables(plan: Mapping[str, Any]) -> str | None:
    """An OR between conditions of several tables can only be looked at when the rows are joined."""
    for node in _nodes(plan):
        for key in ("Join Filter", "Filter"):
            condition = _parsed(str(node.get(key, "")))
            if condition is None:
                continue
            for part in walk(condition):
                if not isinstance(part, ast.BoolExpr) or part.boolop != enums.BoolExprType.OR_EXPR:
                    continue
                aliases = [set(_aliases(arm)) for arm in part.args]
                distinct = set().union(*aliases)
                if len(distinct) > 1 and any(one != distinct for one in aliases):
                    return (
                        f"Its OR joins conditions on {_listed(sorted(distinct))}: until the rows are joined none of"
                        " them can leave any out, whatever indexes there are. One query for each side of the OR,"
                        " joined by UNION, lets each use its own."
                    )
                if any(map(_asks_subquery, part.args)) and not all(map(_asks_subquery, part.args)):
                    return (
                        "Its OR joins a condition with a subquery, which is looked up for each row. One query for each"
                        " side of the OR, joined by UNION, lets each use an index."
                    )
    return None


def _asks_subquery(arm: Node) -> bool:
    """Whether a subquery must be true for it; of one under NOT no index finds the rows, alone either."""
    if isinstance(arm, ast.BoolExpr) and arm.boolop == enums.BoolExprType.NOT_EXPR:
        return False
    if isinstance(arm, ast.BoolExpr):
        return any(map(_asks_subquery, arm.args))
    return SUBPLAN in column_names(arm)


def _stopped_early(scan: Scan, read_ratio: float) -> str:
    """A LIMIT or EXISTS above it: the whole plan costs less than the scan would, read to its end."""
    share = f"{max(0.01, read_ratio):.0%}"
    return (
        f"It stops as soon as it has the rows it asks for: the planner expects it to read at most {share} of"
        f" {scan.table.qualified_name}, row after row, and no index to find them sooner."
    )


def _read_whole(scan: Scan, blocks: Sequence[QueryBlock], facts: SchemaFacts, tried: Sequence[IndexDefinition]) -> str:
    table = scan.table
    name = table.qualified_name
    if small := small_table_reason(table):
        return small
    uses = _uses_of(table, blocks, facts)
    conditions = [p for _, u in uses for p in u.predicates]
    ratio = scan.rows / table.rows if table.rows else None
    if uses and not conditions:
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
    if not on_it and not uses:
        return f"Its own text asks nothing of {name}; a view or a function that reads it is not looked into."
    if not on_it:
        shown = _listed(list(dict.fromkeys(_shown(p) for p in conditions)))
        return f"None of its conditions on {name} is one that an index could serve: {shown}."
    bodies = _listed([d.body() for d in sorted(on_it, key=lambda d: (len(d.body()), d.body()))])
    tables = _listed(list(dict.fromkeys(d.table.qualified_name for d in on_it)))
    return (
        f"Tried on {tables}: {bodies}. With none of them the planner expects to be any cheaper than reading it whole."
    )


def _shown(predicate: Predicate) -> str:
    what = unqualified(predicate.expression) if predicate.expression else predicate.column
    said = {
        "is_not_null": "IS NOT NULL", "is_null": "IS NULL", "is_true": "is true", "is_false": "is false", "ne": "<>",
        "not_in": "NOT IN", "other": predicate.text or "a function",
    }.get(predicate.operator, predicate.text)  # fmt: skip
    return f"{what} {said}".strip() if what != said else what


# reading plans


def _scans(plan: Mapping[str, Any], facts: SchemaFacts) -> Iterator[Scan]:
    for node, workers in _with_workers(plan, 0):
        name = node.get("Relation Name")
        table = facts.find_table(str(name), node.get("Schema")) if name else None
        if table is None:
            continue
        index = node.get("Index Name") or next((n["Index Name"] for n in _nodes(node) if n.get("Index Name")), None)
        divisor = workers + max(0.0, 1 - 0.3 * workers) if node.get("Parallel Aware") and workers else 1.0
        yield Scan(
            table, str(node.get("Alias", name)), str(node.get("Node Type", "")), index,
            float(node.get("Plan Rows", 0)) * divisor, float(node.get("Total Cost", 0)), str(node.get("Filter", "")),
        )  # fmt: skip


def _with_workers(node: Mapping[str, Any], workers: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    """Source of the share that each takes: costsize.c, get_parallel_divisor()."""
    workers = int(node.get("Workers Planned", workers))
    if node:
        yield node, workers
    for child in node.get("Plans", ()):
        yield from _with_workers(child, workers)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (node for node, _ in _with_workers(plan, 0))


def _parsed(condition: str) -> Node | None:
    """A subplan is a column called SubPlan there, since EXPLAIN prints no SQL for it."""
    if not condition:
        return None
    for written, readable in NO_SQL:
        condition = written.sub(readable, condition)
    statements = parse(f"SELECT WHERE {condition}")
    return None if isinstance(statements, Unparsable) else statements[0].stmt.whereClause


def _walked(node: Node | tuple[Node, ...] | None) -> Iterator[Node]:
    return walk(node) if node is not None else iter(())


def _names(node: Node | tuple[Node, ...] | None) -> Iterator[str]:
    return column_names(node) if node is not None else iter(())


def _aliases(node: Node) -> Iterator[str]:
    for part in walk(node):
        if isinstance(part, ast.ColumnRef) and len(part.fields) > 1 and isinstance(part.fields[-2], ast.String):
            yield part.fields[-2].sval


def _listed(names: Sequence[str]) -> str:
    shown = list(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        return f"{', '.join(shown)} and {len(names) - MOST_NAMED} more"
    return and_list(shown)
