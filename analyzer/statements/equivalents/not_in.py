"""``x NOT IN (SELECT y ...)`` as ``NOT EXISTS (SELECT 1 ... WHERE x = y)``, which PostgreSQL joins.

The same where neither x nor y can be NULL, by the schema or by an IS NOT NULL beside it: a NULL among the y makes NOT
IN true of no row, a NULL x is in no list of anything, while NOT EXISTS keeps both. ``NOT (x IN (...) AND x IS NOT
NULL)``, as Django writes it, keeps a NULL x as NOT EXISTS does. ``x <> ALL (SELECT y ...)`` is NOT IN in other words;
of rows, ``(x, z) NOT IN (SELECT y, w ...)``, it holds column by column. Also in WHERE of an UPDATE or a DELETE of one
table.

``x IN (SELECT y ... WHERE k = outer.k)`` as EXISTS is the same of NULLs, too, where AND alone is around it: PostgreSQL
makes a join of that, and of such an IN from 17 on alone.
"""

from collections.abc import Collection

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.build import all_of, form, negated, one, operation
from analyzer.statements.equivalents.calls import unsteady_call
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.scopes import (
    Tables,
    asks_outside,
    is_never_null,
    is_plain,
    own_nodes,
    owner,
    qualified,
    replaced,
    tables_of,
)
from analyzer.statements.tree import Node, conjuncts, name_parts

ANY, ALL = enums.SubLinkType.ANY_SUBLINK, enums.SubLinkType.ALL_SUBLINK


def not_in_to_not_exists(statement: Node, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its WHERE; whether there was one."""
    where = getattr(statement, "whereClause", None)
    links = [node for node in own_nodes(where) if isinstance(node, ast.SubLink)]
    denied = [part for node in own_nodes(where) if _is_not(node) for part in node.args]
    below_not = {id(part) for part in denied}
    guards = {id(pair[0]): (node, pair[1]) for node in denied if (pair := _guarded(node)) is not None}
    not_in = [link for link in links if _asks(link, ANY, "=") and id(link) in {*below_not, *guards}]
    differs = [link for link in links if _asks(link, ALL, "<>") and id(link) not in below_not]
    if not not_in and not differs:
        return False
    if _joins_more(statement):
        return notes.refuse("it joins other tables to the one whose rows it changes")
    outside = _outside(statement, facts)
    kept = _not_null(where, outside)
    changed = []
    for link in (*not_in, *differs):
        beside = _not_null(guards[id(link)][1], outside) if id(link) in guards else set()
        if _change(link, outside, facts, notes, not_null=kept | beside):
            changed.append(link)
    changes = {id(link): negated(link) for link in differs if link in changed}
    changes |= {id(guards[id(link)][0]): link for link in changed if id(link) in guards}
    statement.whereClause = replaced(where, changes)
    return bool(changed)


def _guarded(node: Node) -> tuple[ast.SubLink, ast.NullTest] | None:
    """``x IN (SELECT ...)`` and ``x IS NOT NULL`` of an AND of these two."""
    parts = list(node.args) if isinstance(node, ast.BoolExpr) else []
    link = next((part for part in parts if isinstance(part, ast.SubLink) and _asks(part, ANY, "=")), None)
    test = next((part for part in parts if isinstance(part, ast.NullTest)), None)
    if link is None or test is None or len(parts) != 2 or node.boolop != enums.BoolExprType.AND_EXPR:
        return None
    if test.nulltesttype != enums.NullTestType.IS_NOT_NULL:
        return None
    return (link, test) if form(link.testexpr) == form(test.arg) else None


def _not_null(condition: Node | None, tables: Tables | None) -> set[tuple[str, str] | None]:
    """Columns that are not NULL in a row of which the condition is true, as it says itself."""
    tests = [part for part in conjuncts(condition) if isinstance(part, ast.NullTest)]
    return {owner(test.arg, tables or {}) for test in tests if test.nulltesttype == enums.NullTestType.IS_NOT_NULL}


def in_to_exists(statement: Node, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the lists of its WHERE that ask for columns of the outer row; whether there was one."""
    outside = None if _joins_more(statement) else _outside(statement, facts, outer_joins=True)
    links = [
        node
        for node in conjuncts(getattr(statement, "whereClause", None))
        if isinstance(node, ast.SubLink) and _asks(node, ANY, "=") and asks_outside(node.subselect, outside, facts)
    ]
    changed = [link for link in links if _change(link, outside, facts, notes, null_is_false=True)]
    return bool(changed)


def _joins_more(statement: Node) -> bool:
    return not isinstance(statement, ast.SelectStmt) and bool(
        getattr(statement, "usingClause", None) or getattr(statement, "fromClause", None)
    )


def _is_not(node: Node) -> bool:
    return isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR


def _asks(link: ast.SubLink, kind: enums.SubLinkType, operator: str) -> bool:
    """``x = ANY (SELECT ...)``, which IN is without the operator."""
    return link.subLinkType == kind and (name_parts(link.operName) or ("=",)) == (operator,)


def _outside(statement: Node, facts: SchemaFacts, *, outer_joins: bool = False) -> Tables | None:
    if isinstance(statement, ast.SelectStmt):
        return tables_of(statement, facts, outer_joins=outer_joins)
    return tables_of(ast.SelectStmt(fromClause=(statement.relation,)), facts)


def _change(
    link: ast.SubLink,
    outside: Tables | None,
    facts: SchemaFacts,
    notes: Notes,
    *,
    not_null: Collection[tuple[str, str] | None] = (),
    null_is_false: bool = False,
) -> bool:
    inner = link.subselect
    targets: list[ast.ResTarget] = list(inner.targetList or ())
    asked = list(link.testexpr.args) if isinstance(link.testexpr, ast.RowExpr) else [link.testexpr]
    is_distinct_on = any(expression is not None for expression in inner.distinctClause or ())
    if not is_plain(inner) or is_distinct_on:
        return notes.refuse("the list is limited or grouped")
    if len(targets) != len(asked):
        return notes.refuse("a row is compared whole, or with a list whose columns are not written out")
    if (name := unsteady_call((*targets, *inner.fromClause, inner.whereClause), facts)) is not None:
        return notes.refuse(f"the list calls {name}(), which may give something else each time")
    inside = tables_of(inner, facts)
    if outside is None or inside is None:
        return notes.refuse("it reads something else than plain tables, or joins some by an outer join")
    equal = []
    for given, target in zip(asked, targets, strict=True):
        value, listed = owner(given, outside), owner(target.val, inside)
        if value is None or listed is None or value[0] in inside:
            return notes.refuse("what is compared is no plain column, or one by a name used inside")
        for column, tables, proven in (
            (value, outside, not_null),
            (listed, inside, _not_null(inner.whereClause, inside)),
        ):
            if not null_is_false and column not in proven and not is_never_null(column, tables, facts):
                return notes.refuse(f"{'.'.join(map(quote_identifier, column))} may be NULL")
        equal.append(operation("=", qualified(value), qualified(listed)))
    inner.targetList, inner.distinctClause, inner.sortClause = one(), None, None
    inner.whereClause = all_of([inner.whereClause, *equal] if inner.whereClause is not None else equal)
    link.subLinkType, link.testexpr, link.operName = enums.SubLinkType.EXISTS_SUBLINK, None, None
    return True
