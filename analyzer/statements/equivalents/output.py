"""What a SELECT gives: its columns with the names they have outside."""

from pglast import ast

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import column, integer_constant, sorted_by
from analyzer.statements.equivalents.notes import ANY_ROWS, NO_TIES, NO_TIES_AT_LIMIT, Notes
from analyzer.statements.equivalents.scopes import Tables, holds_key, owner, qualified, tables_of
from analyzer.statements.output_names import is_name_known, output_name
from analyzer.statements.tree import Node, name_parts

Output = list[tuple[str | None, Node]]  # None: a name that PostgreSQL makes up


def output_of(select: ast.SelectStmt, tables: Tables) -> Output | None:
    """Names and expressions, stars written out; None where a star is not of plain tables."""
    found: Output = []
    for target in select.targetList or ():
        value = target.val
        if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
            qualifier = name_parts(value.fields)
            if len(qualifier) > 1 or any(name not in tables for name in qualifier):
                return None
            for name in qualifier or tables:
                columns = sorted(tables[name].columns, key=lambda known: known.number)
                found += [(known.name, qualified((name, known.name))) for known in columns]
        elif not is_name_known(value):
            return None
        else:
            found.append((target.name or output_name(value), value))
    return found


def numbered(node: Node, output: Output) -> Node | None:
    """The column of the output that ``ORDER BY 2`` names; None where an item is no such number."""
    number = integer_constant(node)
    return output[number - 1][1] if number is not None and 1 <= number <= len(output) else None


def has_no_ties(select: ast.SelectStmt, facts: SchemaFacts) -> bool:
    """Whether ORDER BY tells all rows apart."""
    tables = tables_of(select, facts, outer_joins=True) or {}
    output = output_of(select, tables) or []
    sorts = [item.node for item in select.sortClause or ()]
    values = [numbered(node, output) or _named(node, output) or node for node in sorts]
    return bool(tables) and holds_key(
        [owned for value in values if (owned := owner(value, tables)) is not None], tables, facts
    )


def note_ties(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> None:
    """What has to hold where another plan may bring the rows in another order: which of several that tie are taken."""
    if any(select.distinctClause or ()):
        notes.need(NO_TIES)
    if (select.limitCount or select.limitOffset) and not has_no_ties(select, facts):
        notes.need(NO_TIES_AT_LIMIT if select.sortClause else ANY_ROWS)


def _named(node: Node, output: Output) -> Node | None:
    """What a name alone stands for in ORDER BY: the output's goes before a table's."""
    if not isinstance(node, ast.ColumnRef) or len(node.fields) != 1:
        return None
    return next((value for name, value in output if name == output_name(node)), None)


def sorted_by_output(select: ast.SelectStmt, facts: SchemaFacts) -> tuple[ast.SortBy, ...] | None:
    """ORDER BY as names or numbers of the output, all that a UNION can be sorted by; None where it needs more.

    () without.
    """
    tables = tables_of(select, facts, outer_joins=True) or {}
    output = output_of(select, tables)
    found = []
    for item in select.sortClause or ():
        if output is not None and not item.useOp and numbered(item.node, output) is not None:
            found.append(sorted_by(item.node, item))
            continue
        name = _sorted_name(item.node, output or [], tables)
        if output is None or item.useOp or name is None or [n for n, _ in output].count(name) != 1:
            return None
        found.append(sorted_by(column(name), item))
    return tuple(found)


def _sorted_name(node: Node, output: Output, tables: Tables) -> str | None:
    if not isinstance(node, ast.ColumnRef):
        return None
    if len(node.fields) == 1 and any(name == output_name(node) for name, _ in output):
        return output_name(node)  # the output's name goes before the table's
    mine = owner(node, tables)
    if mine is None:
        return None
    return next((name for name, value in output if owner(value, tables) == mine), None)
