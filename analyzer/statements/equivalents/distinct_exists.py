"""``SELECT DISTINCT a.id, a.v FROM a JOIN b ON ... WHERE ...`` as ``SELECT a.id, a.v FROM a WHERE EXISTS (b ...)``.

The same where the output is of one table alone and holds a key of it: each of its rows comes once, if one of the others
matches. The join then makes no rows that DISTINCT has to throw away.
"""

from collections import Counter

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, exists, one
from analyzer.statements.equivalents.calls import parameters, unsteady_call
from analyzer.statements.equivalents.notes import NO_TIES_AT_LIMIT, Notes
from analyzer.statements.equivalents.output import output_of
from analyzer.statements.equivalents.scopes import Tables, holds_key, key_among, owner, tables_of
from analyzer.statements.tree import Node, conjuncts, walk


def distinct_to_exists(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the SELECT itself; whether it is one."""
    if not select.distinctClause or any(expression is not None for expression in select.distinctClause):
        return False
    others = (select.groupClause, select.havingClause, select.windowClause, select.intoClause, select.lockingClause)
    tables = tables_of(select, facts)
    if tables is None or any(others):
        return notes.refuse("it is grouped, joined by an outer join, or reads something else than plain tables")
    if len(tables) < 2:
        return False
    output = output_of(select, tables)
    owners = [owner(value, tables) for _, value in output or ()]
    kept = {owned[0] for owned in owners if owned is not None}
    if output is None or None in owners or len(kept) != 1:
        return notes.refuse("its output is not of plain columns of one table")
    name = kept.pop()
    if key_among([owned[1] for owned in owners if owned is not None], tables[name], facts) is None:
        return notes.refuse(f"the columns of {name} in its output hold no unique key, so DISTINCT may join rows of it")
    if (call := unsteady_call((*select.fromClause, select.whereClause), facts)) is not None:
        return notes.refuse(f"it calls {call}(), which may give something else each time")
    items, conditions = _flat(select)
    if not all(_is_clear(node, tables) for node in walk((*conditions, *_sorted(select)))):
        return notes.refuse("a name in it may be of either table")
    if any(count > 1 for count in Counter(n for each in conditions for n in set(parameters(each))).values()):
        return notes.refuse("a parameter stands in several conditions: in another order its type may become another")
    if select.limitCount and not holds_key(_owners(_sorted(select), tables), {name: tables[name]}, facts):
        notes.need(NO_TIES_AT_LIMIT)
    own = [condition for condition in conditions if _tables(condition, tables) <= {name}]
    inner = ast.SelectStmt(
        targetList=one(),
        fromClause=tuple(item for item_name, item in items if item_name != name),
        whereClause=all_of(condition for condition in conditions if condition not in own),
        limitOption=enums.LimitOption.LIMIT_OPTION_DEFAULT,
        op=enums.SetOperation.SETOP_NONE,
    )
    select.fromClause = tuple(item for item_name, item in items if item_name == name)
    select.whereClause, select.distinctClause = all_of([*own, exists(inner)]), None
    return True


def _flat(select: ast.SelectStmt) -> tuple[list[tuple[str, ast.RangeVar]], list[Node]]:
    """The tables by their names, and all that joins and WHERE ask for."""
    items, conditions, waiting = [], [], list(reversed(select.fromClause))
    while waiting:
        item = waiting.pop()
        if isinstance(item, ast.JoinExpr):
            conditions += conjuncts(item.quals)
            waiting += [item.rarg, item.larg]
        else:
            items.append((item.alias.aliasname if item.alias else item.relname, item))
    return items, [*conditions, *conjuncts(select.whereClause)]


def _sorted(select: ast.SelectStmt) -> tuple[Node, ...]:
    return tuple(item.node for item in select.sortClause or ())


def _owners(nodes: tuple[Node, ...], tables: Tables) -> list[tuple[str, str]]:
    return [owned for node in nodes if (owned := owner(node, tables)) is not None]


def _is_clear(node: Node, tables: Tables) -> bool:
    """No subquery, and no column that is not surely of one of the tables."""
    if isinstance(node, ast.ColumnRef):
        return owner(node, tables) is not None
    return not isinstance(node, ast.SubLink)


def _tables(condition: Node, tables: Tables) -> set[str]:
    owners = (owner(node, tables) for node in walk(condition) if isinstance(node, ast.ColumnRef))
    return {owned[0] for owned in owners if owned is not None}
