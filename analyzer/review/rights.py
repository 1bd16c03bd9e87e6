"""REVOKE and DROP OWNED as actions, and the rights that a statement needs."""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, walk

OBJECT = enums.ObjectType
ROLES = {
    enums.RoleSpecType.ROLESPEC_PUBLIC: "PUBLIC", enums.RoleSpecType.ROLESPEC_CURRENT_USER: "CURRENT_USER",
    enums.RoleSpecType.ROLESPEC_CURRENT_ROLE: "CURRENT_ROLE", enums.RoleSpecType.ROLESPEC_SESSION_USER: "SESSION_USER",
}  # fmt: skip

OF_CLAUSES = {
    enums.CmdType.CMD_INSERT: "INSERT", enums.CmdType.CMD_UPDATE: "UPDATE", enums.CmdType.CMD_DELETE: "DELETE",
}  # fmt: skip


def revoke(statement: Node) -> Iterator[Action]:
    """Of whole tables and schemas: ``columns`` the rights, none where it is all of them; ``name`` whose."""
    rights = statement.privileges or ()
    if statement.is_grant or statement.grant_option or any(right.cols for right in rights):
        return
    names = tuple((right.priv_name or "").upper() for right in rights)
    roles = ", ".join(role_names(statement.grantees))
    for each in statement.objects or ():
        if isinstance(each, ast.RangeVar) and statement.objtype == OBJECT.OBJECT_TABLE:
            yield Action(Kind.REVOKE, relation_name(each), name=roles, columns=names, statement=statement)
        elif isinstance(each, ast.String) and statement.objtype in (OBJECT.OBJECT_TABLE, OBJECT.OBJECT_SCHEMA):
            yield Action(Kind.REVOKE, name=roles, column=each.sval, columns=names, statement=statement)


def drop_owned(statement: Node) -> Iterator[Action]:
    yield Action(
        Kind.DROP_OWNED,
        name=", ".join(role_names(statement.roles)),
        is_cascade=statement.behavior == enums.DropBehavior.DROP_CASCADE,
        statement=statement,
    )


def role_names(roles: tuple[Node, ...]) -> list[str]:
    return [role.rolename or ROLES.get(role.roletype, "") for role in roles]


def rights_on_targets(statement: Node) -> Iterator[tuple[TableName, str]]:
    """On tables that it writes, or whose rows it locks; SELECT where it reads their columns (the manual on GRANT)."""
    for node in walk(statement):
        if isinstance(node, ast.SelectStmt) and node.lockingClause:
            yield from ((relation_name(table), "UPDATE") for table in _locked(node))
        elif isinstance(node, (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
            yield from ((relation_name(node.relation), right) for right in _on_target(node))


def _on_target(node: Node) -> Iterator[str]:
    if isinstance(node, ast.InsertStmt):
        yield "INSERT"
        conflict = node.onConflictClause
        if conflict is not None and conflict.targetList:
            yield "UPDATE"
        if (conflict is not None and conflict.infer is not None) or node.returningClause is not None:
            yield "SELECT"
        return
    if isinstance(node, ast.MergeStmt):
        yield from (OF_CLAUSES[w.commandType] for w in node.mergeWhenClauses or () if w.commandType in OF_CLAUSES)
    else:
        yield "UPDATE" if isinstance(node, ast.UpdateStmt) else "DELETE"
    if any(isinstance(inner, ast.ColumnRef) for inner in walk(node)):
        yield "SELECT"


def _locked(select: Node) -> Iterator[Node]:
    """FOR UPDATE and FOR SHARE: of all tables, or of those named."""
    names = {table.relname for clause in select.lockingClause for table in clause.lockedRels or ()}
    for node in walk(select.fromClause):
        if isinstance(node, ast.RangeVar) and (not names or _called(node) in names):
            yield node


def _called(table: Node) -> str:
    return str(table.alias.aliasname if table.alias is not None else table.relname)
