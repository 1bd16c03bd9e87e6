"""``SELECT (SELECT count(*) FROM b WHERE b.a_id = a.id) FROM a`` as a LEFT JOIN of the grouped subquery.

An aggregate of no row is NULL, as the join gives where nothing matches; a count is 0, for which coalesce stands. A
subquery without an aggregate is joined as it is where a key lets it give one row at most. The correlation has to be an
equality of plain columns of one type; NULL equals nothing in both.
"""

from copy import deepcopy
from dataclasses import dataclass

from pglast import ast, enums

from analyzer.schema.facts import ColumnFacts, SchemaFacts
from analyzer.statements.equivalents import moments
from analyzer.statements.equivalents.build import all_of, column, integer, operation, target
from analyzer.statements.equivalents.calls import own_name, parameters, unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.output import output_name, output_of
from analyzer.statements.equivalents.scopes import Tables, is_plain, key_among, own_nodes, owner, replaced, tables_of
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, column_names, conjuncts, flat, operator_name, walk

# the order of their rows does not matter; NULL of no row, but for count
ONE_VALUE = frozenset({"count", "sum", "min", "max", "avg", "bool_and", "bool_or", "every"})


# types by their oids: integers, numeric, boolean, text, varchar, char(n), date, the timestamps, uuid
EXACT = frozenset({20, 21, 23, 1700})
GROUPED = EXACT | {16, 25, 1042, 1043, 1082, 1114, 1184, 2950}
COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">=", "BETWEEN", "NOT BETWEEN"})
COMPARING = frozenset({
    enums.A_Expr_Kind.AEXPR_OP, enums.A_Expr_Kind.AEXPR_IN, enums.A_Expr_Kind.AEXPR_BETWEEN,
    enums.A_Expr_Kind.AEXPR_NOT_BETWEEN, enums.A_Expr_Kind.AEXPR_DISTINCT, enums.A_Expr_Kind.AEXPR_NOT_DISTINCT,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Pair:
    """``inner = outer``, by which the subquery is correlated."""

    inner: tuple[str, str]
    outer: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Subquery:
    select: ast.SelectStmt
    pairs: tuple[_Pair, ...]
    rest: tuple[Node, ...]
    is_count: bool
    is_grouped: bool


def subquery_to_join(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its output, in whatever expression; whether there was one."""
    if not any(_scalars(target.val) for target in select.targetList or ()):
        return False
    tables = tables_of(select, facts, outer_joins=True)
    if tables is None or not _is_open(select):
        return notes.refuse("the query around the subquery is grouped, locks rows or reads something else than tables")
    output = output_of(select, tables)
    if output is None:
        return notes.refuse("the output holds what cannot be written out")
    links = [link for _, value in output for link in _scalars(value)]
    joined: dict[int, tuple[Node, ast.JoinExpr]] = {}
    for number, link in enumerate(links, 1):
        found = _read(link.subselect, select, tables, facts, notes)
        if found is not None:
            joined[id(link)] = _join(found, _FreeNames(select, tables, number))
    if not joined:
        return False
    values = {link: value for link, (value, _) in joined.items()}
    select.targetList = tuple(
        target(replaced(value, values), name or "?column?")
        if any(id(link) in joined for link in _scalars(value))
        else _kept(name, value)
        for name, value in output
    )
    source = select.fromClause[0]
    for _, join in joined.values():
        join.larg, source = source, join
    select.fromClause = (source,)
    return True


def _kept(name: str | None, value: Node) -> ast.ResTarget:
    return target(value, None if name == output_name(value) else name)


def _scalars(value: Node) -> list[ast.SubLink]:
    """Subqueries of one value in an expression, but for those in other subqueries."""
    links = (node for node in own_nodes(value) if isinstance(node, ast.SubLink))
    return [link for link in links if link.subLinkType == enums.SubLinkType.EXPR_SUBLINK]


def _is_open(select: ast.SelectStmt) -> bool:
    """Whether a join more, of one row at most for each of its rows, changes nothing else."""
    others = (
        select.groupClause, select.havingClause, select.windowClause, select.lockingClause, select.intoClause,
        select.larg, select.valuesLists,
    )  # fmt: skip
    if any(others) or len(select.fromClause or ()) != 1:
        return False
    if any(isinstance(node, ast.SubLink) for item in select.sortClause or () for node in walk(item.node)):
        return False  # with DISTINCT it has to be the output's
    calls = (n for t in select.targetList for n in own_nodes(t.val) if isinstance(n, ast.FuncCall))
    return not any(call.over or is_aggregate(call) for call in calls)


def _read(
    inner: ast.SelectStmt, around: ast.SelectStmt, outside: Tables, facts: SchemaFacts, notes: Notes
) -> _Subquery | None:
    """What the subquery asks; None, with the reason, where it may give more than one row, or something else joined."""
    if not is_plain(inner) or inner.distinctClause or len(inner.targetList or ()) != 1 or inner.sortClause:
        notes.refuse("the subquery is sorted, limited, grouped or made distinct itself")
        return None
    inside = tables_of(inner, facts)
    if inside is None or set(inside) & set(outside):
        notes.refuse("the subquery reads something else than plain tables, or one by a name used outside")
        return None
    if (name := unsteady_call((*inner.targetList, *inner.fromClause, inner.whereClause), facts)) is not None:
        notes.refuse(f"the subquery calls {name}(), which may give something else each time")
        return None
    pairs, rest = _correlation(inner, inside, outside, facts)
    value = inner.targetList[0].val
    if not pairs or _reaches_out((*rest, value, *inner.fromClause), inside, outside):
        notes.refuse("the subquery asks for outer columns by more than equality of plain columns of one type")
        return None
    is_grouped = isinstance(value, ast.FuncCall) and own_name(value) in ONE_VALUE
    if is_grouped and (value.agg_within_group or value.over or not _adds_exactly(value, inside)):
        notes.refuse("the subquery's value depends on the order of its rows")
        return None
    given = (value.args, value.agg_filter) if is_grouped else (value,)
    if not all(_never_raises(node) for node in flat((given, *rest, *_join_conditions(inner)))):
        notes.refuse("the subquery computes what may fail for rows that only the join reads")
        return None
    if _shared_parameter(inner, around):
        notes.refuse("a parameter stands both in the subquery and beside it: its type may become another one")
        return None
    if not is_grouped and not _gives_one(inside, pairs, value, facts):
        notes.refuse("no unique key lets the subquery give one row at most")
        return None
    return _Subquery(inner, pairs, rest, is_grouped and own_name(value) == "count", is_grouped)


def _correlation(
    inner: ast.SelectStmt, inside: Tables, outside: Tables, facts: SchemaFacts
) -> tuple[tuple[_Pair, ...], tuple[Node, ...]]:
    pairs, rest = [], []
    for condition in conjuncts(inner.whereClause):
        pair = _pair(condition, inside, outside)
        if pair is not None and _groups_alike(pair, inside, outside):
            pairs.append(pair)
        else:
            rest.append(condition)
    return tuple(pairs), tuple(rest)


def _pair(condition: Node, inside: Tables, outside: Tables) -> _Pair | None:
    if not isinstance(condition, ast.A_Expr) or condition.kind != enums.A_Expr_Kind.AEXPR_OP:
        return None
    if operator_name(condition) != "=" or len(condition.name) != 1:
        return None
    for left, right in ((condition.lexpr, condition.rexpr), (condition.rexpr, condition.lexpr)):
        mine, other = owner(left, inside), owner(right, inside)
        theirs = owner(right, outside)
        if mine is not None and other is None and theirs is not None:
            return _Pair(mine, theirs)
    return None


def _groups_alike(pair: _Pair, inside: Tables, outside: Tables) -> bool:
    """Both of one type, whose ``=`` is also what GROUP BY goes by."""
    mine, theirs = _column(pair.inner, inside), _column(pair.outer, outside)
    if mine is None or theirs is None or mine.type_oid != theirs.type_oid:
        return False
    return mine.type_oid in GROUPED or mine.type_kind == "e"


def _column(owned: tuple[str, str] | None, tables: Tables) -> ColumnFacts | None:
    return None if owned is None else tables[owned[0]].column(owned[1])


def _adds_exactly(call: ast.FuncCall, inside: Tables) -> bool:
    """Whether the order of the rows does not change what it gives: the sum of floating-point numbers it does."""
    if own_name(call) not in ("sum", "avg"):
        return True
    added = _column(owner(call.args[0], inside), inside) if len(call.args or ()) == 1 else None
    return added is not None and added.type_oid in EXACT


def _join_conditions(inner: ast.SelectStmt) -> list[Node]:
    return [node.quals for node in walk(inner.fromClause) if isinstance(node, ast.JoinExpr) and node.quals]


def _never_raises(node: Node) -> bool:
    """Columns, constants, comparisons of them and what joins those; the original never computes it of some rows."""
    if moments.is_steady(node) and moments.type_of(node) is not None:
        return True
    if isinstance(node, ast.TypeCast):
        return isinstance(node.arg, (ast.A_Const, ast.ParamRef))
    if isinstance(node, ast.A_Expr):
        if node.kind not in COMPARING or not {operator_name(node)} <= COMPARISONS or len(node.name) != 1:
            return False
        return all(_never_raises(part) for part in flat((node.lexpr, node.rexpr)))
    if isinstance(node, (ast.BoolExpr, ast.CoalesceExpr)):
        return all(_never_raises(part) for part in node.args)
    if isinstance(node, (ast.NullTest, ast.BooleanTest)):
        return _never_raises(node.arg)
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


def _gives_one(inside: Tables, pairs: tuple[_Pair, ...], value: Node, facts: SchemaFacts) -> bool:
    if len(inside) != 1 or any(isinstance(node, ast.FuncCall) and is_aggregate(node) for node in walk(value)):
        return False
    ((name, table),) = inside.items()
    return key_among([pair.inner[1] for pair in pairs if pair.inner[0] == name], table, facts) is not None


def _join(found: _Subquery, names: "_FreeNames") -> tuple[Node, ast.JoinExpr]:
    """The output's value and the join, without its left side."""
    name, given = names.free("joined"), names.free("value")
    keys = tuple(names.free(pair.inner[1]) for pair in found.pairs)
    query = deepcopy(found.select)
    inner_keys = [column(*pair.inner) for pair in found.pairs]
    query.targetList = (*map(target, inner_keys, keys), target(query.targetList[0].val, given))
    query.whereClause = deepcopy(all_of(found.rest))
    if found.is_grouped:
        query.groupClause = tuple(deepcopy(inner_keys))
    on = all_of(
        operation("=", column(name, key), column(*pair.outer)) for key, pair in zip(keys, found.pairs, strict=True)
    )
    join = ast.JoinExpr(
        jointype=enums.JoinType.JOIN_LEFT,
        rarg=ast.RangeSubselect(subquery=query, alias=ast.Alias(aliasname=name)),
        quals=on,
    )
    value: Node = column(name, given)
    return (ast.CoalesceExpr(args=(value, integer(0))) if found.is_count else value), join


class _FreeNames:
    """Names that nothing in the query has: one would hide a column, or make its name ambiguous."""

    def __init__(self, select: ast.SelectStmt, tables: Tables, number: int) -> None:
        columns = {known.name for table in tables.values() for known in table.columns}
        self.taken = {*tables, *columns, *column_names(select)}
        self.number = number

    def free(self, name: str) -> str:
        found = f"{name}_{self.number}"
        while found in self.taken:
            found += "_"
        self.taken.add(found)
        return found
