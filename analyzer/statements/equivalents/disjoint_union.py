"""UNION as UNION ALL, where no arm gives a row twice and no two arms can give the same.

An arm that reads one table and gives a key of it gives no row twice. A column that is another constant in each arm
keeps them apart. Of parameters only who gives them knows whether they differ.
"""

from itertools import combinations

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import conjuncts
from analyzer.statements.equivalents.comparisons import readings
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.equivalents.output import output_of
from analyzer.statements.equivalents.scopes import Tables, is_plain, key_among, owner, tables_of
from analyzer.statements.tree import Node

Pinned = tuple[str, object]  # kind of constant and its value; or "parameter" and its number
UNION = enums.SetOperation.SETOP_UNION


def union_to_all(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the outermost of the UNIONs and those below it; whether they are such."""
    arms = _arms(select)
    if arms is None:
        return False
    pinned = []
    for arm in arms:
        found = _pinned(arm, facts)
        if found is None:
            return notes.refuse("an arm may give a row twice: it holds no unique key of the one table it reads")
        pinned.append(found)
    for one, other in combinations(pinned, 2):
        if not _differ(one, other, notes):
            return notes.refuse("nothing keeps the rows of the arms apart")
    waiting = [select]
    while waiting:
        union = waiting.pop()
        if union.larg is not None:
            union.all = True
            waiting += [union.larg, union.rarg]
    return True


def _arms(select: ast.SelectStmt) -> list[ast.SelectStmt] | None:
    """None for what is no UNION, and of one with UNION ALL or others in it."""
    if select.larg is None:
        return None
    found, waiting = [], [select]
    while waiting:
        part = waiting.pop()
        if part.larg is None:
            found.append(part)
        elif part.op != UNION or part.all or (part is not select and (part.sortClause or part.limitCount)):
            return None
        else:
            waiting += [part.rarg, part.larg]
    return found


def _pinned(arm: ast.SelectStmt, facts: SchemaFacts) -> list[Pinned | None] | None:
    """For each column of the output the constant it always is; None where the arm may give a row twice."""
    tables = tables_of(arm, facts)
    if tables is None or len(tables) != 1 or not is_plain(arm) or arm.distinctClause or arm.sortClause:
        return None
    ((_, table),) = tables.items()
    output = output_of(arm, tables)
    if output is None:
        return None
    owned = [owner(value, tables) for _, value in output]
    if key_among([column[1] for column in owned if column is not None], table, facts) is None:
        return None
    return [_constant(value) or _asked_for(value, arm, tables) for _, value in output]


def _constant(node: Node) -> Pinned | None:
    if isinstance(node, ast.ParamRef):
        return "parameter", node.number
    if isinstance(node, ast.A_Const) and not node.isnull:
        if isinstance(node.val, ast.String):
            return "string", node.val.sval
        if isinstance(node.val, ast.Integer):
            return "integer", node.val.ival or 0
    return None


def _asked_for(value: Node, arm: ast.SelectStmt, tables: Tables) -> Pinned | None:
    """``kind`` where WHERE says ``kind = 1``; of strings only where the column is a text."""
    owned = owner(value, tables)
    if owned is None:
        return None
    known = tables[owned[0]].column(owned[1])
    for condition in conjuncts(arm.whereClause):
        for compared in readings(condition):
            if compared.operator != "=" or owner(compared.left, tables) != owned:
                continue
            pinned = _constant(compared.value)
            if pinned is not None and known is not None and _fits(pinned, known.type_name):
                return pinned
    return None


def _fits(pinned: Pinned, type_name: str) -> bool:
    if pinned[0] == "string":
        return type_name == "text" or type_name.startswith("character varying")
    return pinned[0] == "parameter" or type_name in ("integer", "bigint", "smallint")


def _differ(one: list[Pinned | None], other: list[Pinned | None], notes: Notes) -> bool:
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a is not None and b is not None and a != b]
    if any(a[0] == b[0] != "parameter" for a, b in pairs):
        return True
    for a, b in pairs:
        if a[0] == b[0] == "parameter":
            notes.need(f"${a[1]} and ${b[1]} differ, and neither is NULL")
            return True
    return False
