"""Statements of a dump in plainer words: what a planner needs of a table, a domain or an index, and no more. Pure."""

from collections.abc import Sequence

from pglast import ast, enums

from analyzer.statements.tree import Node

# of ALTER TABLE beside a CREATE TABLE: what a plan may depend on
KEPT_COMMANDS = frozenset({
    enums.AlterTableType.AT_AddIdentity, enums.AlterTableType.AT_AddConstraint, enums.AlterTableType.AT_SetStatistics,
    enums.AlterTableType.AT_SetNotNull, enums.AlterTableType.AT_ColumnDefault,
})  # fmt: skip


def without_storage(statement: Node) -> Node | None:
    """The statement with what makes a table or index, and nothing of how it is kept; None for others."""
    if isinstance(statement, ast.CreateForeignTableStmt):
        statement = statement.base
    if isinstance(statement, ast.CreateStmt):
        statement.options = statement.accessMethod = statement.tablespacename = None
        for column in statement.tableElts or ():
            if isinstance(column, ast.ColumnDef):
                column.fdwoptions = column.storage_name = column.compression = None
        return statement
    if isinstance(statement, ast.CreateDomainStmt):
        checks = enums.ConstrType.CONSTR_CHECK
        statement.constraints = tuple(c for c in statement.constraints or () if c.contype != checks) or None
        return statement
    if isinstance(statement, ast.IndexStmt):
        statement.options = statement.tableSpace = None
        return statement
    if isinstance(statement, ast.CreateTableAsStmt):
        statement.into.options = statement.into.accessMethod = statement.into.tableSpaceName = None
        return statement
    if isinstance(statement, ast.AlterTableStmt):
        kept = tuple(command for command in statement.cmds if command.subtype in KEPT_COMMANDS)
        statement.cmds = kept
        return statement if kept and statement.objtype != enums.ObjectType.OBJECT_FOREIGN_TABLE else None
    return None


def without_checks_and_defaults(statements: Sequence[Node]) -> list[Node]:
    """CREATE TABLE without checks, defaults and ways to generate a column: no plan is other for want of them, but one
    of tables that inherit, whose checks may exclude them."""
    unneeded = (
        enums.ConstrType.CONSTR_CHECK, enums.ConstrType.CONSTR_DEFAULT, enums.ConstrType.CONSTR_GENERATED,
        enums.ConstrType.CONSTR_EXCLUSION,
    )  # fmt: skip
    for statement in statements:
        if not isinstance(statement, ast.CreateStmt):
            continue
        kept = []
        for element in statement.tableElts or ():
            if isinstance(element, ast.ColumnDef):
                constraints = tuple(c for c in element.constraints or () if c.contype not in unneeded)
                element.constraints = constraints or None
            if not isinstance(element, ast.Constraint) or element.contype not in unneeded:
                kept.append(element)
        statement.tableElts = tuple(kept)
    return list(statements)
