"""Which share of a table a condition keeps, from pg_stats alone; None where nothing is known."""

from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.blocks import Predicate

# selfuncs.h: DEFAULT_INEQ_SEL, DEFAULT_RANGE_INEQ_SEL, DEFAULT_MATCH_SEL
INEQUALITY_SELECTIVITY = 1 / 3
BETWEEN_SELECTIVITY = 0.005
MATCH_SELECTIVITY = 0.005
# arrayfuncs' estimate for "= ANY($1)": scalararraysel() assumes ten elements
ASSUMED_ELEMENTS = 10


def equality_selectivity(column: ColumnFacts) -> float | None:
    """Share of rows, 0 to 1, that ``column = $1`` keeps; None without statistics.

    The planner's rule for an unknown value: non-null rows spread evenly over the distinct values.
    Source: PostgreSQL's selfuncs.c, var_eq_non_const(), less its most-common cap.
    """
    distinct = column.distinct_values
    return None if distinct is None else (1 - (column.null_frac or 0)) / distinct


def rarest_selectivity(column: ColumnFacts) -> float | None:
    """Share of rows that ``column = $1`` keeps for the rarest value known: it may be the one asked for."""
    usual = equality_selectivity(column)
    common = column.most_common_freqs
    return usual if usual is None or not common else min(usual, *common)


def predicate_selectivity(predicate: Predicate, table: TableFacts) -> float | None:
    """Share of rows that one condition on a bare column keeps, as the planner guesses for unknown values."""
    column = table.column(predicate.column)
    if column is None or not predicate.is_bare:
        return None
    if (predicate.column,) in table.unique_keys and predicate.operator == "eq" and table.rows:
        return 1 / table.rows
    one = equality_selectivity(column)
    match predicate.operator:
        case "eq":
            return one
        case "in" | "any" | "in_subquery":
            return None if one is None else min(1.0, one * (predicate.value_count or ASSUMED_ELEMENTS))
        case "is_null":
            return column.null_frac
        case "is_not_null":
            return None if column.null_frac is None else 1 - column.null_frac
        case "is_true" | "is_false":
            # without the values we cannot tell which of the two is rare
            return None if column.null_frac is None else (1 - column.null_frac) / 2
        case "lt" | "gt":
            return INEQUALITY_SELECTIVITY * (1 - (column.null_frac or 0))
        case "between":
            return BETWEEN_SELECTIVITY * (1 - (column.null_frac or 0))
        case "like_prefix":
            return MATCH_SELECTIVITY * (1 - (column.null_frac or 0))
    return None


def combined_selectivity(predicates: list[Predicate], table: TableFacts) -> float | None:
    """All conditions together, taken as independent as the planner does; two bounds on one column make a range.

    None when one condition that an index would serve has no estimate.
    """
    total = 1.0
    bounds: dict[str, set[str]] = {}
    for predicate in predicates:
        if not predicate.is_sargable:
            continue
        if predicate.operator in ("lt", "gt"):
            bounds.setdefault(predicate.column, set()).add(predicate.operator)
            continue
        share = predicate_selectivity(predicate, table)
        if share is None:
            return None
        total *= share
    for name, sides in bounds.items():
        column = table.column(name)
        total *= BETWEEN_SELECTIVITY if len(sides) == 2 else INEQUALITY_SELECTIVITY
        total *= 1 - (column.null_frac or 0 if column else 0)
    return total
