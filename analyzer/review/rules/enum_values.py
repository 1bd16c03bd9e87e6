"""A new value of an enum, used before the transaction that adds it has ended.

Source: check_safe_enum_use() in enum.c. From 17 on a type that the same transaction makes is left alone.
"""

from collections.abc import Iterable, Iterator, Sequence

from pglast import ast, enums

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.alter_table import relation_name
from analyzer.review.column_types import type_of
from analyzer.review.facts_at_statement import NEW_RELATIONS, FactsAtStatement
from analyzer.review.files.migration import MigrationStep
from analyzer.review.known_checks import column_of
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, Unparsable, flat, name_parts, parse, walk

ENUM_USED = Rule("MG017", "New enum value used in the transaction that adds it")
OWN_TYPES_SINCE = 170_000
WRITERS = (ast.InsertStmt, ast.UpdateStmt, ast.MergeStmt)
CHANGE_COLUMNS = {*NEW_RELATIONS, Kind.ADD_COLUMN, Kind.ALTER_TYPE, Kind.RENAME_COLUMN, Kind.RENAME_TABLE}


def new_value_used(at: StepContext) -> Findings:
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


def _uses(step: MigrationStep, enum: str, value: str, known: FactsAtStatement) -> Iterator[bool]:
    """Each place where the statement makes the value of the text: True where it is surely of the enum, False where the
    column's type is not known.
    """
    if _literal(value) not in step.sql:
        return
    for statement in {id(action.statement): action.statement for action in step.actions}.values():
        if isinstance(statement, (ast.DoStmt, ast.CreateFunctionStmt)):
            yield from _uses_in_body(statement, enum, value, known)
        for of_enum, constants in _typed(statement, enum, known):
            if of_enum is not False and any(_is_text(each, value) for each in constants):
                yield of_enum is True


def _uses_in_body(statement: Node, enum: str, value: str, known: FactsAtStatement) -> Iterator[bool]:
    """Of DO, which runs, and of a function in SQL, whose text the server reads when it is made; never for certain."""
    language, text = _body(statement)
    if isinstance(statement, ast.DoStmt):
        yield from (False for _ in range(_literal(value) in text))
    elif language == "sql" and not isinstance(inside := parse(text), Unparsable):
        for raw in inside:
            for of_enum, constants in _typed(raw.stmt, enum, known):
                if of_enum is not False and any(_is_text(each, value) for each in constants):
                    yield False


def _typed(statement: Node, enum: str, known: FactsAtStatement) -> Iterator[tuple[bool | None, list[Node]]]:
    """Expressions with whether the enum is their type; None where it is not known."""
    tables = [(node, relation_name(node)) for node in walk(statement) if isinstance(node, ast.RangeVar)]

    def is_of(node: Node) -> bool | None:
        """Of an expression that is a column, whatever stands before its name."""
        column, alias = column_of(node), _alias(node)
        named = [name for of, name in tables if alias in ("", of.alias.aliasname if of.alias else of.relname)]
        if column is None or named:
            return None if column is None else _is_enum(column, named, enum, known)
        return _is_enum(column, [name for _, name in tables], enum, known) and None  # of a subquery

    for node in walk(statement):
        if isinstance(node, ast.TypeCast):
            yield type_of(node.typeName).name == enum, _elements(node.arg)
        elif isinstance(node, ast.ColumnDef) and node.typeName is not None:
            yield type_of(node.typeName).name == enum, [c.raw_expr for c in node.constraints or () if c.raw_expr]
        elif isinstance(node, ast.AlterTableCmd) and node.subtype == enums.AlterTableType.AT_ColumnDefault:
            yield _is_enum(node.name, [relation_name(statement.relation)], enum, known), [node.def_]
        elif isinstance(node, WRITERS):
            yield from _written(node, enum, known)
        elif isinstance(node, ast.CaseExpr) and node.arg is not None:
            yield is_of(node.arg), [when.expr for when in node.args]
        elif isinstance(node, (ast.CoalesceExpr, ast.MinMaxExpr)):
            yield from ((is_of(each), list(node.args)) for each in node.args if isinstance(each, ast.ColumnRef))
        elif isinstance(node, ast.A_Expr):
            for one, other in _compared(node):
                yield is_of(one), _elements(other)


def _compared(node: Node) -> Iterator[tuple[Node, Node]]:
    """The columns of a comparison, each with what it is compared with; of (a, b) = (1, 2) one by one."""
    sides = [(node.lexpr, node.rexpr)]
    if isinstance(node.lexpr, ast.RowExpr) and isinstance(node.rexpr, ast.RowExpr):
        sides = [*zip(node.lexpr.args or (), node.rexpr.args or (), strict=False)]
    for left, right in sides:
        yield from ((a, b) for a, b in ((left, right), (right, left)) if isinstance(a, ast.ColumnRef))


def _alias(node: Node) -> str:
    """Of o.state: "o"."""
    return node.fields[-2].sval if isinstance(node, ast.ColumnRef) and len(node.fields) > 1 else ""


def _written(node: Node, enum: str, known: FactsAtStatement) -> Iterator[tuple[bool | None, list[Node]]]:
    """What INSERT, UPDATE and MERGE give to columns of their own table."""
    relation = relation_name(node.relation)
    if isinstance(node, ast.InsertStmt):
        rows = _rows(node.selectStmt)
        yield from _inserted(relation, [c.name for c in node.cols or ()], rows, enum, known)
        targets = getattr(node.onConflictClause, "targetList", None) or ()
    elif isinstance(node, ast.MergeStmt):
        clauses = node.mergeWhenClauses or ()
        for clause in clauses:
            names = [target.name for target in clause.targetList or ()]
            yield from _inserted(relation, names, [clause.values or ()], enum, known)
        targets = [t for clause in clauses if not clause.values for t in clause.targetList or ()]
    else:
        targets = node.targetList or ()
    for target in targets:
        yield _is_enum(target.name, [relation], enum, known), _results(_assigned(target.val))


def _assigned(value: Node) -> Node:
    """Of (a, b) = (1, 2) the column's own."""
    if not isinstance(value, ast.MultiAssignRef):
        return value
    source, at = value.source, value.colno - 1
    if isinstance(source, ast.SubLink):
        given = [target.val for target in source.subselect.targetList or ()]
    else:
        given = list(getattr(source, "args", None) or ())
    return given[at] if at < len(given) else None


def _inserted(
    relation: TableName, names: list[str], rows: Iterable[Sequence[Node]], enum: str, known: FactsAtStatement
) -> Iterator[tuple[bool | None, list[Node]]]:
    table, key = known.table(relation), known.key(relation)
    there = [c.name for c in table.columns] if table else [name for of, name in known.columns if of == key]
    columns = names or there
    for row in rows:
        for number, value in enumerate(row):
            column = columns[number] if number < len(columns) else None
            yield (None if column is None else _is_enum(column, [relation], enum, known)), _results(value)


def _rows(select: Node) -> Iterator[Sequence[Node]]:
    """Of VALUES, and of SELECT with each branch of its UNION."""
    if select is None:
        return
    if select.larg is not None:
        yield from (*_rows(select.larg), *_rows(select.rarg))
    else:
        yield from select.valuesLists or [[target.val for target in select.targetList or ()]]


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


def _is_enum(column: str, tables: list[TableName], enum: str, known: FactsAtStatement) -> bool | None:
    """None where it is not known which of the tables the column is of, and not all say the same."""
    types = [known.column(table, column).type for table in tables if known.has_column(table, column) is not False]
    kinds = {None if of is None else of.name == enum for of in types}
    return kinds.pop() if len(kinds) == 1 else None


def _body(statement: Node) -> tuple[str, str]:
    """Of DO and of CREATE FUNCTION: its language and its text."""
    given = statement.args if isinstance(statement, ast.DoStmt) else statement.options
    options = {option.defname: option.arg for option in given or ()}
    text = options.get("as")
    texts = name_parts(text) if isinstance(text, tuple) else (getattr(text, "sval", ""),)
    return getattr(options.get("language"), "sval", "plpgsql").lower(), texts[0] if texts else ""


def _is_text(node: Node, value: str) -> bool:
    return isinstance(node, ast.A_Const) and getattr(node.val, "sval", None) == value


RULES = (new_value_used,)
