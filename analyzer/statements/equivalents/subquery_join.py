"""``SELECT (SELECT count(*) FROM b WHERE b.a_id = a.id) FROM a`` as a LEFT JOIN of the grouped subquery.

In the output, in ORDER BY and in WHERE. An aggregate of no row is NULL, as the join gives where nothing matches;
a count is 0, for which coalesce stands, unless the subquery is grouped itself. One that takes the first of an order is
DISTINCT ON; one without an aggregate is joined as it is where a key lets it give one row at most. The correlation has
to be an equality of plain columns of one type; NULL equals nothing in both.
"""

from copy import deepcopy

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, column, integer, operation, sorted_by, target
from analyzer.statements.equivalents.calls import own_name
from analyzer.statements.equivalents.correlated import Correlated, correlated, is_of_any_order
from analyzer.statements.equivalents.count_exists import asked_for_a_row
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.output import note_ties, output_of
from analyzer.statements.equivalents.scopes import Tables, asks_outside, own_nodes, replaced, tables_of
from analyzer.statements.output_names import output_name
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, column_names, flat

LINK = enums.SubLinkType
# EXISTS and IN are made joins by the planner, or written otherwise by other kinds
LINKS = (LINK.EXPR_SUBLINK, LINK.ARRAY_SUBLINK, LINK.ALL_SUBLINK)
MOST_JOINS = 20  # judgement: the planner no longer looks for the best order of so many
CHANGING = (ast.UpdateStmt, ast.DeleteStmt)


def subquery_to_join(statement: Node, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its output, ORDER BY and WHERE, in whatever expression; whether there was one."""
    tables = _tables(statement, facts)
    links = [link for link in _links(statement) if asks_outside(link.subselect, tables, facts)]
    if isinstance(statement, ast.SelectStmt) and links:
        by_exists = asked_for_a_row(statement, facts)
        links = [link for link in links if id(link) not in by_exists]
    if not links:
        return False
    if len(links) > MOST_JOINS:
        return notes.refuse(f"it has more than {MOST_JOINS} subqueries, each of which would be a join")
    if not isinstance(statement, ast.SelectStmt):
        return notes.refuse("the subquery is of an UPDATE or a DELETE, which would have to read its table twice")
    reason = "the query around the subquery reads something else than plain tables"
    if tables is None or (reason := _obstacle(statement, tables, links)):
        return notes.refuse(reason)
    if notes.locks_rows:
        return notes.refuse("the query around the subquery is part of a statement that locks rows: the join's, too")
    output = output_of(statement, tables)
    if output is None:
        return notes.refuse("the output holds what cannot be written out")
    joined: dict[int, Node] = {}
    source = _one_source(statement)
    for number, link in enumerate(links, 1):
        asked = correlated(link, statement, tables, facts, notes)
        if asked is not None:
            joined[id(link)], join = _join(asked, _FreeNames(statement, tables, number))
            join.larg, source = source, join
    if not joined:
        return False
    note_ties(statement, facts, notes)
    statement.targetList = tuple(
        target(replaced(value, joined), name or "?column?")
        if any(id(node) in joined for node in own_nodes(value))
        else _kept(name, value)
        for name, value in output
    )
    for item in statement.sortClause or ():
        item.node = replaced(item.node, joined)
    statement.whereClause, statement.fromClause = replaced(statement.whereClause, joined), (source,)
    return True


def _tables(statement: Node, facts: SchemaFacts) -> Tables | None:
    if isinstance(statement, ast.SelectStmt):
        return tables_of(statement, facts, outer_joins=True)
    return tables_of(ast.SelectStmt(fromClause=(statement.relation,)), facts)


def _kept(name: str | None, value: Node) -> ast.ResTarget:
    return target(value, None if name == output_name(value) else name)


def _links(statement: Node) -> list[ast.SubLink]:
    """Subqueries of values anywhere in the statement, but for those in other subqueries."""
    if isinstance(statement, ast.SelectStmt):
        roots = flat((statement.targetList, statement.sortClause, statement.whereClause, *_settled(statement)))
    elif isinstance(statement, CHANGING):
        roots = flat((getattr(statement, "targetList", None), statement.whereClause))
    else:
        return []
    links = (node for root in roots for node in own_nodes(root) if isinstance(node, ast.SubLink))
    return [link for link in links if link.subLinkType in LINKS]


def _settled(select: ast.SelectStmt) -> tuple[object, ...]:
    """Where a join's column cannot stand for the subquery."""
    return select.groupClause, select.havingClause, select.fromClause


def _obstacle(select: ast.SelectStmt, tables: Tables, links: list[ast.SubLink]) -> str:
    """Why a join more, of one row at most for each of its rows, would change something else, too; "" for nothing."""
    if select.lockingClause or select.intoClause or select.larg or select.valuesLists:
        return "the query around the subquery locks rows, or is no single one"
    if (select.limitCount or select.limitOffset) and not select.sortClause:
        return "the query around the subquery has LIMIT without ORDER BY, which takes any rows"
    asking = {id(link) for link in links}
    if _holds(_settled(select), asking):
        return "the subquery stands in GROUP BY, in HAVING or in the condition of a join"
    shown = select.targetList, select.sortClause, select.havingClause
    calls = [n for root in flat(shown) for n in own_nodes(root) if isinstance(n, ast.FuncCall)]
    if select.windowClause or any(call.over for call in calls):
        return "the query around the subquery has window functions, which go by the order of its rows"
    aggregates = [call for call in calls if is_aggregate(call)]
    if (aggregates or select.groupClause) and _holds(shown, asking):
        return "the query around the subquery is grouped, and it stands behind that"
    if not all(is_of_any_order(call, tables) for call in aggregates):
        return "the query around the subquery has an aggregate that goes by the order of its rows"
    if select.distinctClause and any(isinstance(n, ast.SubLink) for s in select.sortClause or () for n in own_nodes(s)):
        return "the query around the subquery is sorted by a subquery that DISTINCT wants in its output"
    return ""


def _holds(roots: tuple[object, ...], asking: set[int]) -> bool:
    return any(id(node) in asking for root in flat(roots) for node in own_nodes(root))


def _one_source(select: ast.SelectStmt) -> Node:
    """FROM with its commas as CROSS JOIN, so that a join behind it may name each table."""
    source, *others = select.fromClause
    for item in others:
        source = ast.JoinExpr(jointype=enums.JoinType.JOIN_INNER, larg=source, rarg=item)
    return source


def _join(asked: Correlated, names: "_FreeNames") -> tuple[Node, ast.JoinExpr]:
    """What stands for the subquery, and the join without its left side."""
    name = names.free("joined")
    keys = tuple(names.free(pair.inner[1]) for pair in asked.pairs)
    inner_keys = [column(*pair.inner) for pair in asked.pairs]
    is_outside = asked.aggregates and not asked.is_grouped
    values = asked.aggregates if is_outside else (asked.value,)
    given = [names.free("value" if number == 1 else f"value_{number}") for number in range(1, len(values) + 1)]
    query = deepcopy(asked.select)
    query.targetList = (*map(target, inner_keys, keys), *map(target, deepcopy(values), given))
    query.whereClause, query.limitCount, query.sortClause = deepcopy(all_of(asked.rest)), None, None
    query.limitOption, query.groupClause = enums.LimitOption.LIMIT_OPTION_DEFAULT, None
    if asked.aggregates or asked.is_grouped:
        query.groupClause = tuple(deepcopy(inner_keys))
    if asked.sorts is not None:
        query.distinctClause = tuple(deepcopy(inner_keys))
        query.sortClause = (*map(sorted_by, deepcopy(inner_keys)), *deepcopy(asked.sorts))
    on = all_of(
        operation("=", column(name, key), column(*pair.outer)) for key, pair in zip(keys, asked.pairs, strict=True)
    )
    join = ast.JoinExpr(
        jointype=enums.JoinType.JOIN_LEFT,
        rarg=ast.RangeSubselect(subquery=query, alias=ast.Alias(aliasname=name)),
        quals=on,
    )
    if not is_outside:
        return column(name, given[0]), join
    places = {id(call): _of_group(call, column(name, value)) for call, value in zip(values, given, strict=True)}
    return replaced(asked.value, places), join


def _of_group(call: ast.FuncCall, value: Node) -> Node:
    return ast.CoalesceExpr(args=(value, integer(0))) if own_name(call) == "count" else value


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
