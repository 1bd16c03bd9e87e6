"""Why the rules suggest no index for a table, in a sentence."""

from collections.abc import Collection

from analyzer.advice.candidates.specialised import special_indexes, specialised_need
from analyzer.advice.thresholds import SMALL_TABLE_BYTES, SMALL_TABLE_ROWS
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.blocks import Predicate, QueryBlock
from analyzer.words.sizes import size_words


def small_table_reason(table: TableFacts) -> str | None:
    """Why an index on so small a table is not worth it; None for a table that is large, or of unknown size."""
    if table.rows is not None and table.rows < SMALL_TABLE_ROWS:
        return f"{table.qualified_name} has only about {table.rows:,.0f} rows: reading it whole is quick."
    if table.size_bytes is not None and table.size_bytes < SMALL_TABLE_BYTES:
        return f"{table.qualified_name} has only {size_words(table.size_bytes)}: reading it whole is quick."
    return None


def why_nothing_is_read_by_index(
    block: QueryBlock, table: TableFacts, values: list[Predicate], extensions: Collection[str]
) -> str:
    """Of a table that no condition or order leads an index to."""
    special = specialised_need(table, values, extensions)
    if special is not None:
        return special.reason
    for predicate in values:
        if not predicate.is_in_or and len(special_indexes(table, predicate, extensions)) > 1:
            asked = predicate.expression or quote_identifier(predicate.column)
            return f"Which index knows {asked} {predicate.text}, only a planner tells."
    if any(p.is_in_or for p in values):
        return "Its conditions are joined by OR over several columns: no single index serves them."
    if any(p.expression for p in values):
        return "It compares an expression, not a bare column, so an index on the column cannot serve it."
    if values:
        return "Its conditions exclude values instead of naming them: no index narrows that down."
    if block.is_grouped or block.distinct or block.is_aggregate:
        return f"It sums up {table.qualified_name} without a condition: all rows are needed."
    if block.order_by and block.has_limit:
        return "It orders by an expression or by several tables' columns: no single index gives that order."
    return f"It reads {table.qualified_name} without a condition."
