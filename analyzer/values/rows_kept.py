"""Values that the rows of a call suggest: a plan that keeps none where the application gets 93 proves nothing.

Told only where one parameter alone decides how many rows come out: one table, no LIMIT, no aggregate, one comparison.
"""

import math
from collections.abc import Mapping

from pglast import ast

from analyzer.schema.facts import SchemaFacts, distinct_values
from analyzer.statements.blocks import ParameterUse
from analyzer.statements.predicates import query_blocks, searches_texts
from analyzer.statements.tree import single_statement
from analyzer.values.assumed import LIMIT_VALUE, OFFSET_VALUE, limit_values
from analyzer.values.column_values import ColumnValues, Statistics
from analyzer.values.partial_indexes import PartialValue

DECIDING = ("eq", "lt", "gt")
MOST_LIMIT = 1_000  # judgement: no page of anything is larger


def values_for_rows(
    sql: str,
    uses: Mapping[int, ParameterUse],
    statistics: Statistics,
    facts: SchemaFacts | None,
    rows_per_call: float | None,
) -> dict[int, PartialValue]:
    """By parameter: the value whose share of the table comes nearest to the rows of a call."""
    if facts is None or not rows_per_call or rows_per_call < 0.5:
        return {}
    blocks = query_blocks(sql, facts)
    compared = [u for u in uses.values() if u.column is not None and u.narrows and u.operator != "key"]
    if len(blocks) != 1 or len(compared) != 1 or compared[0].operator not in DECIDING or compared[0].is_wrapped:
        return {}
    [block], [use] = blocks, compared
    is_counted = block.is_aggregate or block.is_grouped or block.distinct or block.has_limit or block.has_offset
    if len(block.tables) != 1 or is_counted or block.has_other_sources or block.kind != "select":
        return {}
    table = facts.find_table(use.table or "", use.schema or None)
    known = statistics.get((use.schema or "", use.table or "", use.column or ""))
    if table is None or known is None or not table.rows:
        return {}
    share = min(1.0, rows_per_call / table.rows)
    value = _equal(known, share, table.rows) if use.operator == "eq" else _beyond(known, share, use.operator)
    if value is None:
        return {}
    how = "as frequent as its rows per call suggest" if use.operator == "eq" else "that keeps about its rows per call"
    return {use.number: PartialValue(value, f"${use.number}: a value {how}")}


def limits_for_rows(sql: str, rows_per_call: float | None) -> dict[int, PartialValue]:
    """LIMIT of the whole statement, where its rows per call tell it: they are above the limit that is taken else, the
    same whole number in each call, or at most one."""
    statement = single_statement(sql)
    if not isinstance(statement, ast.SelectStmt) or not rows_per_call:
        return {}
    is_whole = rows_per_call == int(rows_per_call) and not searches_texts(sql)  # how many match nobody can estimate
    if not is_whole and 1 < rows_per_call <= int(LIMIT_VALUE):
        return {}
    size = str(min(MOST_LIMIT, math.ceil(rows_per_call)))
    number = next((n for n, value in limit_values(statement, "limit", OFFSET_VALUE).items() if value == "limit"), None)
    said = f"${number}: LIMIT as large as its rows per call"
    return {} if number is None else {number: PartialValue(size, said)}


def _equal(known: ColumnValues, share: float, rows: float) -> str | None:
    pairs = list(zip(known.most_common_freqs, known.most_common_values, strict=False))
    rest = 1.0 - known.null_frac - sum(freq for freq, _ in pairs)
    distinct = distinct_values(known.n_distinct, rows)
    others = [b for b in known.middle_bounds if b not in known.most_common_values]
    if others and rest > 0:
        pairs.append((rest / max(1.0, distinct - len(pairs)), others[0]))
    nearest = [(abs(math.log(freq / share)), at, value) for at, (freq, value) in enumerate(pairs) if freq > 0]
    return min(nearest)[2] if nearest else None


def _beyond(known: ColumnValues, share: float, operator: str) -> str | None:
    """A bound of the histogram, at least one step from the end: beyond the last one there is nothing."""
    steps = len(known.histogram_bounds) - 1
    if steps < 1:
        return None
    kept = min(steps, max(1, round(share / max(1e-9, 1 - known.null_frac) * steps)))
    return known.histogram_bounds[steps - kept if operator == "gt" else kept]
