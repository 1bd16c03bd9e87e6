"""Which parts of a condition an index can serve: columns compared as they are, and what stands in the way of others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from analyzer.plans.condition_tree import Around
from analyzer.plans.conditions import Comparison, Condition
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.operators import TURNED

EQUAL = ("=", "= ANY", "IS NULL")
RANGE = ("<", "<=", ">", ">=", "IS NOT NULL")
BTREE = (*EQUAL, *RANGE)
PATTERNS = ("~~", "~~*", "~", "~*")
# varchar and char(n) are printed so where nothing is computed: an index on the column serves them all the same
RELABELLED = frozenset(("text", "varchar", "bpchar"))


@dataclass(frozen=True, slots=True)
class Indexable:
    """Columns quoted for DDL, each once. ``other`` cannot be part of a plain B-tree's condition."""

    equal: tuple[str, ...]
    ranges: tuple[str, ...]
    other: tuple[Comparison, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """In the order an index wants: equality first, then one range; another range gains nothing."""
        return (*self.equal, *[r for r in self.ranges if r not in self.equal][:1])


def of_table(condition: Condition, alias: str | None) -> Condition:
    """Each comparison as seen from one table: in a nested loop ``o.customer_id = t.id`` is one of t's id, too.

    Columns without a table's name are its own: EXPLAIN leaves the name out where there is only one table. A comparison
    without a column of the table has no columns.
    """
    seen = tuple(_of_table(c, alias) for c in condition.comparisons)
    return condition if seen == condition.comparisons else replace(condition, comparisons=seen)


def _of_table(comparison: Comparison, alias: str | None) -> Comparison:
    if not comparison.columns or any(column.alias in (None, alias) for column in comparison.columns):
        return comparison
    around = comparison.around_other
    if (
        around is None
        or comparison.other not in ("column", "expression")
        or any(column.alias not in (None, alias) for column in comparison.other_columns)
    ):
        return replace(comparison, columns=(), other_columns=())
    is_bare = not (comparison.functions or comparison.operators or comparison.casts)
    return replace(
        comparison,
        columns=comparison.other_columns,
        operator=TURNED.get(comparison.operator, comparison.operator),
        other="column" if is_bare and len(comparison.columns) == 1 else "expression",
        other_columns=comparison.columns,
        other_functions=comparison.functions,
        around_other=Around(comparison.functions, comparison.operators, comparison.casts),
        functions=around.functions,
        operators=around.operators,
        casts=around.casts,
    )


def indexable(*conditions: Condition | None) -> Indexable:
    """Of conditions that all must hold, the first one's columns first. A condition that was not read has none."""
    equal: dict[str, None] = {}
    ranges: dict[str, None] = {}
    other = []
    for comparison in (c for condition in conditions if condition is not None for c in condition.comparisons):
        column = plain_column(comparison)
        if column is not None and (comparison.operator in EQUAL or not comparison.operator):
            equal[column] = None
        elif column is not None and comparison.operator in RANGE:
            ranges[column] = None
        else:
            other.append(comparison)
    return Indexable(tuple(equal), tuple(r for r in ranges if r not in equal), tuple(other))


def plain_column(comparison: Comparison) -> str | None:
    """The column of its table that is compared as it is with something known before the row is read."""
    if comparison.functions or comparison.operators or len(comparison.columns) != 1:
        return None
    if not RELABELLED.issuperset(comparison.casts) or compares_own_columns(comparison):
        return None
    if comparison.names_collation:
        return None
    if comparison.is_negated and comparison.operator:  # NOT flag is a comparison with false
        return None
    return quote_identifier(comparison.columns[0].name)


def compares_own_columns(comparison: Comparison) -> bool:
    """With another column of the same table, as in ``commitdate < receiptdate``: no index condition."""
    own = {column.alias for column in comparison.columns}
    return any(column.alias in own for column in comparison.other_columns) or len(own) > 1


def can_use_some_index(comparison: Comparison) -> bool:
    """Whether an index of any kind could help: on the column, an expression, with trigrams or partial."""
    return bool(comparison.columns) and comparison.other != "subplan" and comparison.operator not in ("OR", "<>")


def wrapped_side(comparison: Comparison) -> str:
    """``lower((email)::text)`` of ``('?'::text = lower((c.email)::text))``: what an index would have to be on."""
    text = comparison.text
    text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    names = [str(column.name) for column in comparison.columns]
    alias = comparison.columns[0].alias if comparison.columns else None
    before = re.compile(rf'(?<![\w".])"?{re.escape(alias)}"?\.') if alias else None
    sides = [side for side in _sides(text, comparison.operator) if any(name in side for name in names)]
    own = [side for side in sides if before is not None and before.search(side)] or sides
    side = own[0] if len(own) == 1 else text
    return before.sub("", side) if before is not None else side


def _sides(text: str, operator: str) -> tuple[str, ...]:
    """What stands left and right of the operator that is in no parentheses and no string."""
    signs = (f" {operator} ", f" {TURNED.get(operator, operator)} ")
    depth, quoted = 0, False
    for at, char in enumerate(text):
        quoted ^= char == "'"
        depth += 0 if quoted else (char == "(") - (char == ")")
        if char == " " and depth == 0 and not quoted:
            sign = next((sign for sign in signs if text.startswith(sign, at)), None)
            if sign is not None:
                return text[:at], text[at + len(sign) :]
    return (text,)


def expressions(comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """Sides with something around their columns, each once."""
    wrapped = (c for c in comparisons if (c.functions or c.operators or c.casts) and c.operator in BTREE)
    return tuple(dict.fromkeys(wrapped_side(c) for c in wrapped if not compares_own_columns(c)))
