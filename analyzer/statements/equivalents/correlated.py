"""What a correlated subquery of one value asks, where a join can ask it once for all rows."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pglast import ast, enums

from analyzer.schema.facts import ColumnFacts, SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents import moments
from analyzer.statements.equivalents.build import integer_constant, sorted_by
from analyzer.statements.equivalents.calls import own_name, parameters, unsteady_call
from analyzer.statements.equivalents.notes import DETERMINISTIC, NO_TIES, Notes
from analyzer.statements.equivalents.scopes import Tables, holds_key, key_among, own_nodes, owner, tables_of
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, children, conjuncts, flat, name_parts, operator_name, walk

# the order of their rows does not matter; NULL of no row, but for count
ONE_VALUE = frozenset({"count", "sum", "min", "max", "avg", "bool_and", "bool_or", "every"})
# types by their oids: integers, numeric, boolean, text, varchar, char(n), date, the timestamps, uuid
EXACT = frozenset({20, 21, 23, 1700})
TEXTS = frozenset({25, 1042, 1043})
EXACT_NAMES = frozenset({"int2", "int4", "int8", "numeric"})
POWERS = frozenset({"^", "|/", "||/"})
GROUPED = EXACT | {16, 25, 1042, 1043, 1082, 1114, 1184, 2950}
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "BETWEEN", "NOT BETWEEN"})
COMPARING = frozenset({
    enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_IN, enums.A_Expr_Kind.AEXPR_BETWEEN,
    enums.A_Expr_Kind.AEXPR_NOT_BETWEEN, enums.A_Expr_Kind.AEXPR_DISTINCT, enums.A_Expr_Kind.AEXPR_NOT_DISTINCT,
})  # fmt: skip
LINK = enums.SubLinkType
NO_VALUE = {
    LINK.ARRAY_SUBLINK: "the subquery makes an array of rows in their order",
    LINK.ALL_SUBLINK: "whether the list that ALL compares with holds a NULL a join does not tell",
}
BARE = (ast.ColumnRef, ast.SubLink)


@dataclass(frozen=True, slots=True)
class Pair:
    """``inner = outer``, by which the subquery is correlated."""

    inner: tuple[str, str]
    outer: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Correlated:
    """``aggregates``: those of its value, of all rows with the same ``pairs``.

    ``is_grouped``: by the pairs, as it says itself: of no rows its whole value is NULL, a count's, too.
    ``sorts``: of a subquery that takes the first row; None of one that has one at most.
    """

    select: ast.SelectStmt
    pairs: tuple[Pair, ...]
    rest: tuple[Node, ...]
    aggregates: tuple[ast.FuncCall, ...] = ()
    is_grouped: bool = False
    sorts: tuple[ast.SortBy, ...] | None = None

    @property
    def value(self) -> Node:
        return self.select.targetList[0].val


def correlated(
    link: ast.SubLink, around: ast.SelectStmt, outside: Tables, facts: SchemaFacts, notes: Notes
) -> Correlated | None:
    """None, with the reason, where it may give more than one row, or something else joined."""
    inner = link.subselect
    asked, reason = None, NO_VALUE.get(link.subLinkType, "") or _of_its_form(inner)
    inside = None if reason else tables_of(inner, facts)
    if inside is not None and not set(inside) & set(outside):
        asked, reason = _asked(inner, inside, outside, facts)
    if asked is not None and inside is not None and not _shared_parameter(inner, around):
        if asked.sorts is not None and not _has_no_ties(asked, inside, facts):
            notes.need(NO_TIES)
        if isinstance(inner.limitCount, ast.ParamRef):
            notes.need(f"the statement's ${inner.limitCount.number} is 1")
        for pair in asked.pairs:
            if _may_tell_less_apart(pair, outside):
                notes.need(DETERMINISTIC.format(".".join(map(quote_identifier, pair.outer))))
        return asked
    if asked is not None:
        reason = "a parameter stands both in the subquery and beside it: its type may become another one"
    notes.refuse(reason or "the subquery reads something else than plain tables, or one by a name used outside")
    return None


def _of_its_form(inner: ast.SelectStmt) -> str:
    others = (
        inner.havingClause, inner.windowClause, inner.limitOffset, inner.lockingClause, inner.valuesLists, inner.larg,
        inner.intoClause, inner.withClause, inner.distinctClause,
    )  # fmt: skip
    if any(others) or not inner.fromClause or len(inner.targetList or ()) != 1:
        return "the subquery has DISTINCT, HAVING, OFFSET, UNION or WITH, or gives several columns"
    if inner.limitCount is None:
        return ""
    is_first = isinstance(inner.limitCount, ast.ParamRef) or integer_constant(inner.limitCount) == 1
    return "" if is_first and "TIES" not in inner.limitOption.name else "the subquery takes other rows than the first"


def _asked(inner: ast.SelectStmt, inside: Tables, outside: Tables, facts: SchemaFacts) -> tuple[Correlated | None, str]:
    value, sorts = inner.targetList[0].val, tuple(inner.sortClause or ())
    calls = [node for node in own_nodes(value) if isinstance(node, ast.FuncCall)]
    aggregates = tuple(call for call in calls if is_aggregate(call) and not call.over)
    if any(call.over for call in calls) or not all(is_of_any_order(call, inside) for call in aggregates):
        return None, "the subquery's value depends on the order of its rows"
    sorted_by_calls = [node for item in sorts for node in own_nodes(item) if isinstance(node, ast.FuncCall)]
    if not (aggregates or inner.groupClause) and any(map(is_aggregate, sorted_by_calls)):
        return None, "the subquery is sorted by an aggregate, which makes one row of all"
    if (name := unsteady_call((value, *inner.fromClause, inner.whereClause, *sorts), facts)) is not None:
        return None, f"the subquery calls {name}(), which may give something else each time"
    pairs, rest = _correlation(inner, inside, outside)
    if not pairs or _reaches_out((*rest, value, *inner.fromClause), inside, outside):
        return None, "the subquery asks for outer columns by more than equality of plain columns of one type"
    asked = Correlated(inner, pairs, rest, aggregates, bool(inner.groupClause))
    if asked.is_grouped and not {owner(by, inside) for by in inner.groupClause} <= {pair.inner for pair in pairs}:
        return None, "the subquery is grouped by more than the columns that it is correlated by"
    leaves = {id(call) for call in aggregates}
    if aggregates and any(isinstance(node, BARE) for node in _beside(value, leaves)):
        return None, "the subquery's value holds more than aggregates and constants"
    computed = flat((*rest, *_join_conditions(inner), *((call.args, call.agg_filter) for call in aggregates)))
    is_outside = aggregates and not asked.is_grouped  # its value is computed where the subquery stood
    if not all(map(_never_raises, computed)) or not (is_outside or _never_raises(value, leaves)):
        return None, "the subquery computes what may fail for rows that only the join reads"
    if aggregates or asked.is_grouped or _gives_one(inside, pairs, facts):
        return asked, ""
    if inner.limitCount is None:
        return None, "no unique key lets the subquery give one row at most"
    return _first(asked, sorts, inside)


def _first(asked: Correlated, sorts: tuple[ast.SortBy, ...], inside: Tables) -> tuple[Correlated | None, str]:
    """ORDER BY with what a number or the output's name in it stands for."""
    target = asked.select.targetList[0]
    written = []
    for item in sorts:
        named = isinstance(item.node, ast.ColumnRef) and [f.sval for f in item.node.fields] == [target.name]
        node = target.val if named or integer_constant(item.node) == 1 else item.node
        if item.useOp or isinstance(node, ast.A_Const) or _reaches_out((node,), inside, {}):
            return None, "the subquery is sorted by more than columns of its tables"
        if not _never_raises(node):
            return None, "the subquery computes what may fail for rows that only the join reads"
        written.append(sorted_by(node, item))
    return Correlated(asked.select, asked.pairs, asked.rest, sorts=tuple(written)), ""


def _has_no_ties(asked: Correlated, inside: Tables, facts: SchemaFacts) -> bool:
    sorted_columns = [owned for item in asked.sorts or () if (owned := owner(item.node, inside)) is not None]
    return holds_key([*sorted_columns, *(pair.inner for pair in asked.pairs)], inside, facts)


def _correlation(inner: ast.SelectStmt, inside: Tables, outside: Tables) -> tuple[tuple[Pair, ...], tuple[Node, ...]]:
    pairs, rest = [], []
    for condition in conjuncts(inner.whereClause):
        pair = _pair(condition, inside, outside)
        if pair is not None and _groups_alike(pair, inside, outside):
            pairs.append(pair)
        else:
            rest.append(condition)
    return tuple(pairs), tuple(rest)


def _pair(condition: Node, inside: Tables, outside: Tables) -> Pair | None:
    if not isinstance(condition, ast.A_Expr) or condition.kind != enums.A_Expr_Kind.AEXPR_OP:
        return None
    if operator_name(condition) != "=" or len(condition.name) != 1:
        return None
    for left, right in ((condition.lexpr, condition.rexpr), (condition.rexpr, condition.lexpr)):
        mine, other = owner(left, inside), owner(right, inside)
        theirs = owner(right, outside)
        if mine is not None and other is None and theirs is not None:
            return Pair(mine, theirs)
    return None


def _groups_alike(pair: Pair, inside: Tables, outside: Tables) -> bool:
    """Both of one type, whose ``=`` is also what GROUP BY goes by."""
    mine, theirs = _column(pair.inner, inside), _column(pair.outer, outside)
    if mine is None or theirs is None or mine.type_oid != theirs.type_oid:
        return False
    return mine.type_oid in GROUPED or mine.type_kind == "e"


def _may_tell_less_apart(pair: Pair, outside: Tables) -> bool:
    """Whether the outer text's collation may, which ``=`` goes by where the inner one's, GROUP BY's, is the default."""
    theirs = _column(pair.outer, outside)
    return theirs is not None and theirs.type_oid in TEXTS and not theirs.compares_bytes


def _column(owned: tuple[str, str] | None, tables: Tables) -> ColumnFacts | None:
    return None if owned is None else tables[owned[0]].column(owned[1])


def is_of_any_order(call: ast.FuncCall, inside: Tables) -> bool:
    """Whether the order of the rows does not change what it gives: the sum of floating-point numbers it does."""
    name = own_name(call)
    if name not in ONE_VALUE or call.agg_within_group or call.agg_order:
        return False
    if name not in ("sum", "avg"):
        return True
    return len(call.args or ()) == 1 and all(_is_exact(node, inside) for node in walk(call.args))


def _is_exact(node: Node, inside: Tables) -> bool:
    """Whether it makes no floating-point number of what is none: functions may, and a power of integers is one."""
    if isinstance(node, ast.ColumnRef):
        column = _column(owner(node, inside), inside)
        return column is not None and column.type_oid in EXACT
    if isinstance(node, ast.TypeCast):
        return name_parts(node.typeName.names)[-1] in EXACT_NAMES
    if isinstance(node, ast.A_Expr):
        return operator_name(node) not in POWERS
    return not isinstance(node, ast.FuncCall)


def _beside(value: Node, leaves: set[int]) -> Iterator[Node]:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if id(node) not in leaves:
            yield node
            waiting += children(node)


def _join_conditions(inner: ast.SelectStmt) -> list[Node]:
    return [node.quals for node in walk(inner.fromClause) if isinstance(node, ast.JoinExpr) and node.quals]


def _never_raises(node: Node, leaves: Collection[int] = ()) -> bool:
    """Columns, constants, comparisons of them and what joins those; the original never computes it of some rows."""
    if id(node) in leaves or (moments.is_steady(node) and moments.type_of(node) is not None):
        return True
    if isinstance(node, ast.TypeCast):
        return isinstance(node.arg, (ast.A_Const, ast.ParamRef))
    if isinstance(node, ast.A_Expr):
        if node.kind not in COMPARING or not {operator_name(node)} <= COMPARISONS or len(node.name) != 1:
            return False
        return all(_never_raises(part, leaves) for part in flat((node.lexpr, node.rexpr)))
    if isinstance(node, (ast.BoolExpr, ast.CoalesceExpr)):
        return all(_never_raises(part, leaves) for part in node.args)
    if isinstance(node, (ast.NullTest, ast.BooleanTest)):
        return _never_raises(node.arg, leaves)
    return isinstance(node, (ast.ColumnRef, ast.A_Const, ast.ParamRef))


def _shared_parameter(inner: ast.SelectStmt, around: ast.SelectStmt) -> bool:
    """Whether one of the subquery's is also outside of it: FROM, where it goes, is read first."""
    inside, everywhere = parameters(inner), parameters(around)
    return any(everywhere.count(number) > inside.count(number) for number in inside)


def _reaches_out(nodes: tuple[Node, ...], inside: Tables, outside: Tables) -> bool:
    """Whether some column below is not surely the subquery's own."""
    for node in walk(nodes):
        if isinstance(node, ast.SubLink):
            return True
        if isinstance(node, ast.ColumnRef) and owner(node, inside) is None:
            return True
    return False


def _gives_one(inside: Tables, pairs: tuple[Pair, ...], facts: SchemaFacts) -> bool:
    if len(inside) != 1:
        return False
    ((name, table),) = inside.items()
    return key_among([pair.inner[1] for pair in pairs if pair.inner[0] == name], table, facts) is not None
