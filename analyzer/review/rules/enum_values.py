"""A new value of an enum, used before the transaction that adds it has ended.

Source: check_safe_enum_use() in enum.c. From 17 on a type that the same transaction makes is left alone.
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.alter_table import relation_name
from analyzer.review.column_types import type_of
from analyzer.review.files.migration import MigrationStep
from analyzer.review.known import NEW_RELATIONS, Known, column_of
from analyzer.review.rules.rule import At, Findings, Rule
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, flat, name_parts, walk

ENUM_USED = Rule("MG017", "New enum value used in the transaction that adds it")
OWN_TYPES_SINCE = 170_000
CHANGE_COLUMNS = {*NEW_RELATIONS, Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.RENAME_COLUMN, Kind.RENAME_TABLE}


def new_value_used(at: At) -> Findings:
    """Since 12 the transaction may add it, but not use it."""
    action = at.action
    if action.kind is not Kind.ADD_ENUM_VALUE or at.step.is_alone or not action.column:
        return
    literal = _literal(action.column)
    if not any(literal in step.sql for step in at.later if at.same_transaction(step)):
        return
    same = [s for s in at.earlier if at.same_transaction(s)]
    if at.known.version >= OWN_TYPES_SINCE and any(_makes(step, action.name) for step in same):
        return
    known = at.known.copy()
    known.note(action)
    for step in at.later:
        if not at.same_transaction(step):
            return
        uses = list(_uses(step, action.name, action.column, known))
        if uses:
            # IF NOT EXISTS: it may be there, and then it is an old one
            is_sure = any(uses) and not action.if_exists
            if_so = "" if any(uses) else f", if that is one of {action.name}'s,"
            unless = " unless it was there before" if action.if_exists else ""
            yield ENUM_USED.finding(
                at, Severity.CRITICAL if is_sure else Severity.WARNING,
                f"Line {step.line} uses the new value '{action.column}'{if_so} in the transaction that adds it, which"
                f" PostgreSQL refuses{unless}.", "Add the value in a migration before it.",
            )  # fmt: skip
            return
        for each in step.actions:
            if each.kind in CHANGE_COLUMNS:
                known.note(each)


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _makes(step: MigrationStep, name: str) -> bool:
    statements = {id(action.statement): action.statement for action in step.actions}.values()
    return any(isinstance(s, ast.CreateEnumStmt) and name_parts(s.typeName)[-1] == name for s in statements)


def _uses(step: MigrationStep, enum: str, value: str, known: Known) -> Iterator[bool]:
    """Each place where the statement makes the value of the text: True where it is surely of the enum, False where the
    column's type is not known.
    """
    if _literal(value) not in step.sql:
        return
    for statement in {id(action.statement): action.statement for action in step.actions}.values():
        for of_enum, constants in _typed(statement, enum, known):
            if of_enum is not False and any(_is_text(each, value) for each in constants):
                yield of_enum is True


def _typed(statement: Node, enum: str, known: Known) -> Iterator[tuple[bool | None, list[Node]]]:
    """Expressions with whether the enum is their type; None where it is not known."""
    tables = [relation_name(node) for node in walk(statement) if isinstance(node, ast.RangeVar)]

    def is_of(column: str | None) -> bool | None:
        return None if column is None else _is_enum(column, tables, enum, known)

    for node in walk(statement):
        if isinstance(node, ast.TypeCast):
            yield type_of(node.typeName).name == enum, [node.arg]
        elif isinstance(node, ast.ColumnDef) and node.typeName is not None:
            yield type_of(node.typeName).name == enum, [c.raw_expr for c in node.constraints or () if c.raw_expr]
        elif isinstance(node, ast.AlterTableCmd) and node.subtype == enums.AlterTableType.AT_ColumnDefault:
            yield is_of(node.name), [node.def_]
        elif isinstance(node, ast.UpdateStmt):
            for target in node.targetList or ():
                yield is_of(target.name), _results(target.val)
        elif isinstance(node, ast.InsertStmt):
            yield from _inserted(node, enum, known)
        elif isinstance(node, ast.A_Expr):
            for column, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
                if isinstance(column, ast.ColumnRef):
                    yield is_of(column_of(column)), _elements(other)


def _inserted(insert: Node, enum: str, known: Known) -> Iterator[tuple[bool | None, list[Node]]]:
    relation, select = relation_name(insert.relation), insert.selectStmt
    table, key = known.table(relation), known.key(relation)
    there = [c.name for c in table.columns] if table else [name for of, name in known.columns if of == key]
    columns = [c.name for c in insert.cols or ()] or there
    rows = [] if select is None else select.valuesLists or [[t.val for t in select.targetList or ()]]
    for row in rows:
        for number, value in enumerate(row):
            column = columns[number] if number < len(columns) else None
            yield (None if column is None else _is_enum(column, [relation], enum, known)), _results(value)


def _elements(value: Node) -> list[Node]:
    """Of IN and of ANY (ARRAY[...])."""
    return list(value.elements or ()) if isinstance(value, ast.A_ArrayExpr) else list(flat((value,)))


def _results(value: Node) -> list[Node]:
    """What the expression may give: itself, or the branches of a CASE or COALESCE."""
    if isinstance(value, ast.CaseExpr):
        return [r for branch in (*(w.result for w in value.args), value.defresult) for r in _results(branch)]
    if isinstance(value, ast.CoalesceExpr):
        return [r for branch in value.args for r in _results(branch)]
    return [value]


def _is_enum(column: str, tables: list[TableName], enum: str, known: Known) -> bool | None:
    types = [known.column(table, column).type for table in tables]
    if any(of is not None and of.name == enum for of in types):
        return True
    return False if any(of is not None for of in types) else None


def _is_text(node: Node, value: str) -> bool:
    return isinstance(node, ast.A_Const) and getattr(node.val, "sval", None) == value


RULES = (new_value_used,)
