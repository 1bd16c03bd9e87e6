"""UNION as UNION ALL, where no arm gives a row twice and no two arms can give the same.

An arm that reads one table and gives a key of it gives no row twice, as long as the key's columns are of one type in
all arms: UNION compares them as the type that they have in common. A column that is another constant in each arm keeps
them apart, if it is of one kind in all. Of parameters only who gives them knows whether they differ.
"""

import re
from dataclasses import dataclass, replace
from itertools import combinations, compress

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.equivalents.comparisons import readings
from analyzer.statements.equivalents.notes import DETERMINISTIC, Notes
from analyzer.statements.equivalents.output import output_of
from analyzer.statements.equivalents.scopes import Tables, is_plain, key_among, owner, tables_of
from analyzer.statements.tree import Node, conjuncts

UNION = enums.SetOperation.SETOP_UNION
TEXT = re.compile(r"text|character varying(\(\d+\))?")
INTEGERS = ("integer", "bigint", "smallint")


@dataclass(frozen=True, slots=True)
class _Pinned:
    """What a column always is: a constant, or a parameter's number; of the type of the column that it is compared with.

    ``collated``: that column, where its collation may hold different strings for equal.
    """

    kind: str
    value: object
    type_oid: int | None = None
    collated: str | None = None


@dataclass(frozen=True, slots=True)
class _Arm:
    """Of each column of its output the constant that it is and its type, None where not known; which make its key."""

    pinned: tuple[_Pinned | None, ...]
    types: tuple[int | None, ...]
    key: frozenset[int]


def union_to_all(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes the outermost of the UNIONs and those below it; whether they are such."""
    arms = _arms(select)
    if arms is None:
        return False
    read = [_read(arm, facts) for arm in arms]
    known = [each for each in read if each is not None]
    if len(known) < len(read):
        return notes.refuse("an arm may give a row twice: it holds no unique key of the one table it reads")
    if len({len(each.pinned) for each in known}) > 1:
        return False
    if any(len({each.types[at] for each in known}) > 1 for at in {at for each in known for at in each.key}):
        return notes.refuse("a column of an arm's key has another type in another arm: as that, it may be no key")
    comparable = [_comparable([each.pinned[at] for each in known]) for at in range(len(known[0].pinned))]
    for one, other in combinations(known, 2):
        if not _differ(list(compress(zip(one.pinned, other.pinned, strict=True), comparable)), notes):
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


def _read(arm: ast.SelectStmt, facts: SchemaFacts) -> _Arm | None:
    """None where the arm may give a row twice."""
    tables = tables_of(arm, facts)
    if tables is None or len(tables) != 1 or not is_plain(arm) or arm.distinctClause or arm.sortClause:
        return None
    ((_, table),) = tables.items()
    output = output_of(arm, tables)
    if output is None:
        return None
    owned = [owner(value, tables) for _, value in output]
    key = key_among([column[1] for column in owned if column is not None], table, facts)
    if key is None:
        return None
    columns = [None if column is None else table.column(column[1]) for column in owned]
    return _Arm(
        tuple(_constant(value) or _asked_for(value, arm, tables) for _, value in output),
        tuple(None if column is None else column.type_oid for column in columns),
        frozenset(at for at, column in enumerate(owned) if column is not None and column[1] in key),
    )


def _constant(node: Node) -> _Pinned | None:
    if isinstance(node, ast.ParamRef):
        return _Pinned("parameter", node.number)
    if isinstance(node, ast.A_Const) and not node.isnull:
        if isinstance(node.val, ast.String):
            return _Pinned("string", node.val.sval)
        if isinstance(node.val, ast.Integer):
            return _Pinned("integer", node.val.ival or 0)
    return None


def _asked_for(value: Node, arm: ast.SelectStmt, tables: Tables) -> _Pinned | None:
    """``kind`` where WHERE says ``kind = 1``."""
    owned = owner(value, tables)
    known = None if owned is None else tables[owned[0]].column(owned[1])
    if owned is None or known is None:
        return None
    for condition in conjuncts(arm.whereClause):
        for compared in readings(condition):
            if compared.operator != "=" or owner(compared.left, tables) != owned:
                continue
            pinned = _constant(compared.value)
            if pinned is not None and _fits(pinned, known.type_name):
                is_open = TEXT.fullmatch(known.type_name) is not None and not known.compares_bytes
                name = ".".join(map(quote_identifier, owned))
                return replace(pinned, type_oid=known.type_oid, collated=name if is_open else None)
    return None


def _fits(pinned: _Pinned, type_name: str) -> bool:
    """Whether values of the type are equal only where they are written alike."""
    is_text = TEXT.fullmatch(type_name) is not None
    if pinned.kind == "string":
        return is_text
    return type_name in INTEGERS or (pinned.kind == "parameter" and is_text)


def _comparable(pinned: list[_Pinned | None]) -> bool:
    """Whether the column is a constant of one kind and type in all arms: UNION makes it no other then."""
    return None not in pinned and len({(each.kind, each.type_oid) for each in pinned if each is not None}) == 1


def _differ(pairs: list[tuple[_Pinned | None, _Pinned | None]], notes: Notes) -> bool:
    differing = [(a, b) for a, b in pairs if a is not None and b is not None and a.value != b.value]
    # what is known before what its giver has to know
    for a, b in sorted(differing, key=lambda pair: (pair[0].kind == "parameter", pair[0].collated is not None)):
        if a.kind == "parameter":
            notes.need(f"${a.value} and ${b.value} differ, and neither is NULL")
        for name in (a.collated, b.collated):
            if name is not None:
                notes.need(DETERMINISTIC.format(name))
        return True
    return False
