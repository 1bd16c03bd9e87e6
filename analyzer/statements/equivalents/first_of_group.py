"""``WHERE rn = 1`` around ``row_number() OVER (PARTITION BY g ORDER BY o)`` as DISTINCT ON (g) ... ORDER BY g, o.

Without PARTITION BY, ``rn <= 3`` is ORDER BY o LIMIT 3; with it, LIMIT in LATERAL (rows_of_group.py). All take the
first rows of the same order; which of several that tie is open in each, unless the order holds a key. A WITH query that
is read once, in FROM alone, is such a subquery, too; but FOR UPDATE passes by a WITH query, and not by a subquery.
"""

from collections import Counter
from dataclasses import dataclass

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, cast, integer, integer_constant, sorted_by, target
from analyzer.statements.equivalents.calls import own_name, parameters, unsteady_call
from analyzer.statements.equivalents.comparisons import readings
from analyzer.statements.equivalents.notes import FIRST_FEW, FIRST_OF_GROUP, NO_TIES, Notes
from analyzer.statements.equivalents.rows_of_group import key_of_groups, limited_by_group
from analyzer.statements.equivalents.scopes import Tables, holds_key, is_plain, own_nodes, owner, qualified, tables_of
from analyzer.statements.tree import Node, conjuncts, walk

NUMBERING = ("row_number", "rank", "dense_rank")


@dataclass(frozen=True, slots=True)
class _Asked:
    """How many of the first rows: ``most`` a constant, or a parameter that its giver knows.

    ``start``: the parameter from which on BETWEEN asks for them.
    """

    condition: Node
    most: int | None
    value: Node
    is_first: bool
    start: int | None = None


def window_to_first_rows(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the subquery in FROM and drops the condition; whether there is such a one."""
    read_once = [] if notes.locks_rows else _read_once(select)
    changed = [_to_first_rows(select, facts, notes)]
    changed += [_in_place(query, reader, select, facts, notes) for query, reader in read_once]
    return any(changed)


def _read_once(select: ast.SelectStmt) -> list[tuple[ast.CommonTableExpr, ast.SelectStmt]]:
    """Its WITH queries that one FROM alone reads, each with the SELECT that does; not those that are kept apart."""
    if select.withClause is None or select.withClause.recursive:
        return []
    nodes = list(walk(select))
    names = Counter(node.ctename for node in nodes if isinstance(node, ast.CommonTableExpr))
    read = Counter(node.relname for node in nodes if _may_read_query(node))
    readers = {
        node.fromClause[0].relname: node
        for node in nodes
        if isinstance(node, ast.SelectStmt) and len(node.fromClause or ()) == 1 and _may_read_query(node.fromClause[0])
    }
    return [
        (query, readers[query.ctename])
        for query in select.withClause.ctes
        if names[query.ctename] == 1 and read[query.ctename] == 1 and query.ctename in readers
        if not _is_before(readers[query.ctename], query, select)
        if query.ctematerialized != enums.CTEMaterialize.CTEMaterializeAlways
        if not query.aliascolnames and isinstance(query.ctequery, ast.SelectStmt)
        if not _shares_parameters(query, select)
    ]


def _may_read_query(node: Node) -> bool:
    """A name with a schema is a table's."""
    return isinstance(node, ast.RangeVar) and node.schemaname is None


def _is_before(reader: ast.SelectStmt, query: ast.CommonTableExpr, select: ast.SelectStmt) -> bool:
    """Whether it stands in the WITH query itself or in one before: the name is a table's there."""
    queries = select.withClause.ctes
    return any(node is reader for each in queries[: queries.index(query) + 1] for node in walk(each))


def _shares_parameters(query: ast.CommonTableExpr, select: ast.SelectStmt) -> bool:
    """Whether one of its parameters is also beside it: read in another order, its type may become another one."""
    inside, everywhere = parameters(query), parameters(select)
    return any(everywhere.count(number) > inside.count(number) for number in inside)


def _in_place(
    query: ast.CommonTableExpr, reader: ast.SelectStmt, select: ast.SelectStmt, facts: SchemaFacts, notes: Notes
) -> bool:
    """Reads the WITH query as a subquery, where that is changed."""
    (source,) = reader.fromClause
    alias = source.alias or ast.Alias(aliasname=source.relname)
    reader.fromClause = (ast.RangeSubselect(subquery=query.ctequery, alias=alias),)
    if not _to_first_rows(reader, facts, notes):
        reader.fromClause = (source,)
        return False
    others = tuple(each for each in select.withClause.ctes if each is not query)
    select.withClause = ast.WithClause(ctes=others, recursive=False) if others else None
    return True


def _to_first_rows(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    source = select.fromClause[0] if len(select.fromClause or ()) == 1 else None
    if not isinstance(source, ast.RangeSubselect) or source.lateral or source.alias is None or source.alias.colnames:
        return False
    inner = source.subquery
    targets = tuple(inner.targetList or ())
    calls = [node for t in targets for node in own_nodes(t) if isinstance(node, ast.FuncCall) and node.over]
    numbered = [t for t in targets if isinstance(t.val, ast.FuncCall) and t.val.over and own_name(t.val) in NUMBERING]
    if len(numbered) != 1:
        return False
    numbers = numbered[0].val
    name = numbered[0].name or own_name(numbers)
    asked = _asked(select, source.alias.aliasname, name, is_grouped=bool(numbers.over.partitionClause))
    if asked is None:
        return False
    if len(calls) > 1:
        return notes.refuse("another window function in the subquery is computed over the rows that are left out")
    if own_name(numbers) != "row_number":
        return notes.refuse(f"{own_name(numbers)}() keeps all rows that tie for a place")
    tables = tables_of(inner, facts, outer_joins=True)
    if tables is None or not is_plain(inner) or inner.distinctClause or inner.sortClause:
        return notes.refuse("the subquery is sorted, limited, grouped, or reads something else than plain tables")
    if (call := unsteady_call((*targets, *inner.fromClause, inner.whereClause), facts)) is not None:
        return notes.refuse(f"the subquery calls {call}(), which may give something else each time")
    return _change(select, inner, numbered[0], asked, tables, facts, notes)


def _change(
    select: ast.SelectStmt,
    inner: ast.SelectStmt,
    numbered: ast.ResTarget,
    asked: _Asked,
    tables: Tables,
    facts: SchemaFacts,
    notes: Notes,
) -> bool:
    window = numbered.val.over
    partition, items = list(window.partitionClause or ()), list(window.orderClause or ())
    groups = [owned for node in partition if (owned := owner(node, tables)) is not None]
    ordered = [owned for item in items if (owned := owner(item.node, tables)) is not None]
    is_plainly = len(groups) == len(partition) and len(ordered) == len(items) and not any(i.useOp for i in items)
    if window.refname or not items or not is_plainly:
        return notes.refuse("the rows are numbered by something else than plain columns")
    most = asked.value if asked.most is None else integer(asked.most)
    sorts = tuple(sorted_by(qualified(owned), item) for owned, item in zip(ordered, items, strict=True))
    key = None
    if groups and not asked.is_first:
        is_inner = len(groups) == 1 and tables_of(inner, facts) is not None
        key = key_of_groups(select, groups[0], tables, facts) if is_inner else None
        if key is None:
            return notes.refuse("several rows of each group are asked for, and no foreign key names the groups")
    if not holds_key([*groups, *ordered], tables, facts):
        notes.need(NO_TIES)
    if asked.start is not None:
        notes.need(f"the statement's ${asked.start} is 1")
    if asked.most is None and groups and asked.is_first:
        notes.need(f"the statement's ${asked.value.number} is 1")
    elif asked.most is None:
        notes.need(f"${asked.value.number} is a number from 0 on")
    notes.form(FIRST_OF_GROUP if groups and key is None else FIRST_FEW)
    if key is not None:
        window.partitionClause = None
        limited_by_group(select, groups[0], most, sorts, key)
    elif groups:
        inner.distinctClause = tuple(map(qualified, groups))
        inner.sortClause = (*(sorted_by(qualified(group)) for group in groups), *sorts)
        inner.targetList = tuple(
            target(cast(integer(1), "bigint"), numbered.name or "row_number") if t is numbered else t
            for t in inner.targetList
        )
    else:
        inner.sortClause, inner.limitOption = sorts, enums.LimitOption.LIMIT_OPTION_COUNT
        inner.limitCount = most
    select.whereClause = all_of(part for part in conjuncts(select.whereClause) if part is not asked.condition)
    return True


def _asked(select: ast.SelectStmt, alias: str, name: str, *, is_grouped: bool) -> _Asked | None:
    """``rn = 1``, ``rn <= 3``, ``rn < 4``, ``rn BETWEEN 1 AND 3``, or with parameters, among what AND joins."""
    for condition in conjuncts(select.whereClause):
        for compared in readings(condition):
            if not _is_named(compared.left, alias, name):
                continue
            if compared.last is not None:
                if (asked := _between(condition, compared.value, compared.last)) is not None:
                    return asked
                continue
            number = integer_constant(compared.value)
            if isinstance(compared.value, ast.ParamRef) and compared.operator in ("=", "<="):
                is_first = compared.operator == "="
                return _Asked(condition, None, compared.value, is_first) if is_grouped or not is_first else None
            if number is None:
                continue
            if (compared.operator, number) == ("=", 1) or (compared.operator == "<=" and number >= 1):
                return _Asked(condition, number, compared.value, number == 1)
            if compared.operator == "<" and number >= 2:
                return _Asked(condition, number - 1, compared.value, number == 2)
    return None


def _between(condition: Node, first: Node, last: Node) -> _Asked | None:
    """``rn BETWEEN 1 AND 3``, or the same with parameters."""
    start = first.number if isinstance(first, ast.ParamRef) else None
    if start is None and integer_constant(first) != 1:
        return None
    number = integer_constant(last)
    if isinstance(last, ast.ParamRef):
        return _Asked(condition, None, last, is_first=False, start=start)
    return _Asked(condition, number, last, number == 1, start) if number is not None and number >= 1 else None


def _is_named(node: Node, alias: str, name: str) -> bool:
    if not isinstance(node, ast.ColumnRef) or not all(isinstance(field, ast.String) for field in node.fields):
        return False
    return [field.sval for field in node.fields] in ([name], [alias, name])
