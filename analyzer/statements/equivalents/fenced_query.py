"""``WITH q AS MATERIALIZED (...)`` as ``WITH q AS (...)``, which the planner plans together with what is around it.

The same rows where q is read once, has no effects and locks nothing. A condition from outside then reaches q's tables,
maybe before q's own conditions, so neither may fail for rows that those leave out.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.calls import own_name, unsteady_call
from analyzer.statements.equivalents.correlated import ONE_VALUE
from analyzer.statements.equivalents.notes import ANY_ORDER, Notes
from analyzer.statements.equivalents.or_union import may_raise
from analyzer.statements.equivalents.output import note_ties
from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, children, function_name, walk

CHANGING = (ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
ALWAYS = enums.CTEMaterialize.CTEMaterializeAlways


def fence_to_plain_query(statement: Node, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its WITH that say MATERIALIZED; whether there was one."""
    clause = getattr(statement, "withClause", None)
    if clause is None:
        return False
    of_steps = [query for query in clause.ctes if clause.recursive and _reads(query.ctequery)[query.ctename]]
    for name in (quote_identifier(query.ctename) for query in of_steps):
        notes.refuse(f"WITH RECURSIVE {name} makes its rows step by step, so nothing outside can be asked inside")
    fenced = [query for query in clause.ctes if query.ctematerialized == ALWAYS and query not in of_steps]
    if not fenced:
        return False
    whole = notes.whole or statement
    around = _obstacle(statement, whole, facts, notes)
    readers = _reads(statement)
    names = Counter(node.ctename for node in walk(whole) if isinstance(node, ast.CommonTableExpr))
    changed = []
    for query in fenced:
        count = readers[query.ctename]
        reason = around or _own_obstacle(query, count, facts, is_alone=names[query.ctename] == 1)
        if reason:
            notes.refuse(f"{quote_identifier(query.ctename)} {reason}")
        else:
            changed.append(query)
    for query in changed:
        query.ctematerialized = enums.CTEMaterialize.CTEMaterializeDefault
    if changed:
        _note_order(whole, facts, notes)
    return bool(changed)


def _reads(root: Node) -> Counter[str]:
    return Counter(node.relname for node in walk(root) if isinstance(node, ast.RangeVar) and not node.schemaname)


def _own_obstacle(query: ast.CommonTableExpr, readers: int, facts: SchemaFacts, *, is_alone: bool) -> str:
    inner = query.ctequery
    if not isinstance(inner, ast.SelectStmt):
        return "is part of a statement that writes, whose rows it was read before"
    if readers != 1 or not is_alone:
        return "is read at several places, at each of which it would be computed" if readers else "is not read"
    if any(isinstance(node, ast.SelectStmt) and (node.limitCount or node.limitOffset) for node in walk(inner)):
        return "ends with LIMIT, which no condition from outside may pass"
    calls = [node for node in walk(inner) if isinstance(node, ast.FuncCall)]
    if any(call.over or (is_aggregate(call) and function_name(call) not in ONE_VALUE) for call in calls):
        return "has a window function or an aggregate that goes by the order of its rows"
    if (call := unsteady_call((inner,), facts)) is not None:
        return f"calls {call}(), which may give something else each time, so that PostgreSQL keeps it apart anyway"
    return ""


def _obstacle(statement: Node, whole: Node, facts: SchemaFacts, notes: Notes) -> str:
    """Why none of its queries may be planned together with what is around them; "" for nothing."""
    nodes = list(walk(whole))
    if not isinstance(statement, ast.SelectStmt) or any(isinstance(node, CHANGING) for node in nodes):
        return "is part of a statement that writes, whose rows it was read before"
    if notes.locks_rows:
        return "is part of a statement that locks rows"
    if any(isinstance(node, ast.RangeTableSample) for node in nodes):
        return "is part of a statement that takes rows by chance"
    names = {node.ctename for node in nodes if isinstance(node, ast.CommonTableExpr)}
    if not all(_is_table(node, names, facts) for node in nodes if isinstance(node, ast.RangeVar)):
        return "is part of a statement that reads something else than plain tables, which may compute what can fail"
    if any(may_raise(node) for node in _asked_early(whole)):
        return "or a condition outside computes what may fail for rows that the other leaves out"
    return ""


def _note_order(statement: Node, facts: SchemaFacts, notes: Notes) -> None:
    """Of what depends on the order in which rows come: another plan may bring them in another one."""
    for node in walk(statement):
        if isinstance(node, ast.SelectStmt):
            note_ties(node, facts, notes)
        elif isinstance(node, ast.FuncCall) and (node.over or (is_aggregate(node) and own_name(node) not in ONE_VALUE)):
            notes.need(ANY_ORDER)


def _is_table(node: ast.RangeVar, queries: Collection[str], facts: SchemaFacts) -> bool:
    if node.relname in queries and not node.schemaname:
        return True
    table = facts.find_table(node.relname, node.schemaname)
    return table is not None and table.kind in ("r", "p", "m")


def _asked_early(statement: Node) -> Iterator[Node]:
    """What may be computed of rows that other conditions leave out: conditions, and the output of all but the whole."""
    waiting: list[Node] = []
    last = getattr(statement, "selectStmt", statement)
    for select in walk(statement):
        if isinstance(select, ast.SelectStmt):
            waiting += [part for part in (select.whereClause, select.havingClause) if part is not None]
            waiting += [join.quals for join in walk(select.fromClause) if isinstance(join, ast.JoinExpr) and join.quals]
            waiting += (select.targetList or ()) if select is not last else ()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FuncCall) and is_aggregate(node):
            continue  # of rows that are left
        yield node
        waiting += children(node)
