"""Which share of its table's rows an UPDATE or DELETE changes: all of them, or as ANALYZE's statistics tell."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.known_checks import column_of
from analyzer.review.resting import is_key
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.tree import Node, conjuncts, name_parts, operator_name, without_casts
from analyzer.values.selectivity import equality_selectivity

EXPRESSION = enums.A_Expr_Kind
Columns = Callable[[str], ColumnFacts | None]
Values = tuple[str, int]  # a column, and how many of its values
INTEGERS = frozenset({"smallint", "integer", "bigint"})
BATCH_ROWS = 10_000  # as many as a batch of ours changes: what a condition on few rows keeps at most


@dataclass(frozen=True, slots=True)
class Share:
    """``most``: of the rows, 0 to 1; that many where ``is_known``, else perhaps fewer."""

    most: float
    is_known: bool


def changes_all_rows(action: Action, known: FactsAtStatement) -> bool:
    """Without WHERE, or where a column that this migration adds without a value is still NULL: a backfill."""
    if action.kind not in (Kind.UPDATE, Kind.DELETE) or action.relation is None:
        return False
    if not action.has_where:
        return True
    where = action.node.whereClause
    if _joins(action.node):
        return False
    if is_always_true(where):
        return True
    column = _tested(where, enums.NullTestType.IS_NULL)
    return column is not None and known.column(action.relation, column).is_unfilled


def is_always_true(condition: Node) -> bool:
    """``true``, ``1 = 1``."""
    if isinstance(condition, ast.A_Expr) and condition.kind == EXPRESSION.AEXPR_OP and operator_name(condition) == "=":
        left, right = condition.lexpr, condition.rexpr
        return isinstance(left, ast.A_Const) and isinstance(right, ast.A_Const) and left.val == right.val is not None
    return isinstance(condition, ast.A_Const) and getattr(condition.val, "boolval", None) is True


def share_changed(action: Action, known: FactsAtStatement, column: Columns) -> Share | None:
    """None of what is no UPDATE or DELETE. ``column``: its facts where they still hold at the statement."""
    if action.kind not in (Kind.UPDATE, Kind.DELETE) or action.relation is None:
        return None
    if changes_all_rows(action, known):
        return Share(1.0, True)
    table = known.table(action.relation)
    parts = [part for part in conjuncts(action.node.whereClause) if not is_always_true(part)]
    if table is None or _joins(action.node):
        return Share(1.0, False)
    if _names_a_key(parts, table) or any(_is_few(few, table, column) for few in _few_values(parts, table)):
        return Share(0.0, False)
    shares = [_share(part, table, column) for part in parts]
    told = [share for share in shares if share is not None]
    most = min(told, default=1.0)
    return Share(most, len(told) == len(parts) == 1 or most == 0)  # conditions hold for the same rows, or for others


def _joins(node: Node) -> bool:
    return bool(getattr(node, "fromClause", None) or getattr(node, "usingClause", None))


def _share(part: Node, table: TableFacts, column: Columns) -> float | None:
    for test in (enums.NullTestType.IS_NULL, enums.NullTestType.IS_NOT_NULL):
        facts = column(name) if (name := _tested(part, test)) is not None else None
        if facts is not None and (facts.not_null or facts.null_frac is not None):
            nulls = 0.0 if facts.not_null else facts.null_frac or 0.0
            return nulls if test == enums.NullTestType.IS_NULL else 1 - nulls
    name = _equal_to_constants(part)
    values = len(part.rexpr) if name is not None and isinstance(part.rexpr, tuple) else 1
    is_few = name is not None and _is_few((name, values), table, column)
    return 0.0 if is_few else None  # which of the many values is asked for nobody knows


def _is_few(values: Values, table: TableFacts, column: Columns) -> bool:
    """Whether rows with that many values of the column are few, whichever values those are."""
    name, count = values
    if count > BATCH_ROWS:
        return False
    if name == "ctid" or any(is_key(index) and index.columns == (name,) for index in table.indexes):
        return True
    facts = column(name)
    usual = equality_selectivity(facts) if facts is not None else None
    if facts is None or usual is None:
        return False
    common = (facts.most_common_freqs or ())[:count]
    share = sum(max(usual, frequency) for frequency in common) + usual * (count - len(common))
    return share * facts.table_rows <= BATCH_ROWS


def _tested(part: Node, test: enums.NullTestType) -> str | None:
    return column_of(part.arg) if isinstance(part, ast.NullTest) and part.nulltesttype == test else None


def _equal_to_constants(part: Node) -> str | None:
    """The column of ``c = 5`` and of ``c IN (5, 6)``."""
    if not isinstance(part, ast.A_Expr) or part.kind not in (EXPRESSION.AEXPR_OP, EXPRESSION.AEXPR_IN):
        return None
    values = part.rexpr if isinstance(part.rexpr, tuple) else (part.rexpr,)
    is_constant = all(isinstance(without_casts(value), ast.A_Const) for value in values)
    return column_of(part.lexpr) if operator_name(part) == "=" and is_constant else None


def _names_a_key(parts: list[Node], table: TableFacts) -> bool:
    named = {name for part in parts if (name := _equal_to_constants(part)) is not None}
    return any(is_key(index) and named.issuperset(index.columns) for index in table.indexes)


def _few_values(parts: list[Node], table: TableFacts) -> Iterator[Values]:
    """Columns that equal what a subquery gives, or stand between two integers, with how many values those are."""
    whole = {column.name for column in table.columns if column.type_name in INTEGERS}
    below, above = dict[str, int](), dict[str, int]()
    for part in parts:
        name = column_of(getattr(part, "testexpr", None) or getattr(part, "lexpr", None))
        if name is not None and (count := _compared_with(name, part)) is not None:
            yield name, count
        elif name not in whole or not isinstance(part, ast.A_Expr):
            continue
        elif part.kind in (EXPRESSION.AEXPR_BETWEEN, EXPRESSION.AEXPR_BETWEEN_SYM):
            first, last = map(_integer, part.rexpr)
            if first is not None and last is not None:
                yield name, abs(last - first) + 1
        elif part.kind == EXPRESSION.AEXPR_OP and (bound := _integer(part.rexpr)) is not None:
            above |= {name: bound} if operator_name(part) in (">", ">=") else {}
            below |= {name: bound} if operator_name(part) in ("<", "<=") else {}
    yield from ((name, below[name] - above[name] + 1) for name in below.keys() & above.keys())


def _compared_with(name: str, part: Node) -> int | None:
    """With how many values at most, by = and IN: of a subquery by its LIMIT; None where nobody knows."""
    if isinstance(part, ast.SubLink):
        is_in = part.subLinkType == enums.SubLinkType.ANY_SUBLINK and name_parts(part.operName) in ((), ("=",))
        return _integer(part.subselect.limitCount) if is_in else None
    if not isinstance(part, ast.A_Expr) or operator_name(part) != "=":
        return None
    if isinstance(part.rexpr, ast.SubLink):
        is_one = part.rexpr.subLinkType == enums.SubLinkType.EXPR_SUBLINK
        return 1 if is_one else _integer(part.rexpr.subselect.limitCount)
    return 1 if name == "ctid" and part.kind in (EXPRESSION.AEXPR_OP, EXPRESSION.AEXPR_OP_ANY) else None


def _integer(node: Node) -> int | None:
    value = without_casts(node)
    if isinstance(value, ast.A_Expr) and value.lexpr is None and operator_name(value) == "-":
        inner = _integer(value.rexpr)
        return None if inner is None else -inner
    number = getattr(value.val, "ival", None) if isinstance(value, ast.A_Const) and not value.isnull else None
    return number if isinstance(number, int) else None
