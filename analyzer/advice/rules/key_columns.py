"""Which columns an index is to begin with: as many equalities as leave few rows, then one range."""

from dataclasses import replace

from analyzer.advice.candidates.specialised import prefix_class
from analyzer.advice.definition import IndexColumn
from analyzer.advice.sizing.key_widths import entry_bytes
from analyzer.advice.thresholds import FEW_ROWS, MAX_EQUALITY_COLUMNS
from analyzer.checks.column_widths import BTREE_ENTRY_BYTES
from analyzer.schema.facts import TableFacts
from analyzer.statements.blocks import Predicate
from analyzer.values.selectivity import equality_selectivity, predicate_selectivity


def best_equality(predicates: list[Predicate], table: TableFacts) -> list[str]:
    """The most selective equality columns, as many as bring the rows down to few."""
    order = sorted(
        {p.column: p for p in predicates}.values(),
        key=lambda p: (
            predicate_selectivity(p, table) if predicate_selectivity(p, table) is not None else 1.0,
            p.column,
        ),
    )
    chosen: list[str] = []
    rows = table.rows or 0.0
    for predicate in order[:MAX_EQUALITY_COLUMNS]:
        if chosen and rows <= FEW_ROWS:
            break
        share = predicate_selectivity(predicate, table)
        if chosen and share is not None and share > 0.9:
            continue  # deleted_at IS NULL and the like: adds nothing
        if entry_bytes(table, map(IndexColumn, [*chosen, predicate.column])) > BTREE_ENTRY_BYTES:
            continue
        chosen.append(predicate.column)
        rows *= 1.0 if share is None else share
    return chosen


def is_selective(columns: list[str], table: TableFacts) -> bool:
    """Whether equality on these columns alone leaves few rows."""
    rows = table.rows or 0.0
    for name in columns:
        fact = table.column(name)
        share = equality_selectivity(fact) if fact else None
        rows *= 1.0 if share is None else share
    return bool(columns) and rows <= FEW_ROWS


def range_column(predicate: Predicate, table: TableFacts) -> IndexColumn:
    """A prefix LIKE needs an operator class that compares bytes, unless the collation does."""
    key, column = IndexColumn(predicate.column), table.column(predicate.column)
    if predicate.operator != "like_prefix" or column is None:
        return key
    return replace(key, opclass=prefix_class(key, column))


def fixed_conditions(predicates: list[Predicate]) -> frozenset[tuple[str, str]]:
    """Conditions that hold whatever the parameters are: what a partial index's predicate may be compared with."""
    return frozenset(
        (p.column, p.operator)
        for p in predicates
        if p.is_bare and p.operator in ("is_true", "is_false", "is_null", "is_not_null")
    ) | {(p.column, "is_not_null") for p in predicates if p.is_bare and p.is_range and not p.is_in_or}
