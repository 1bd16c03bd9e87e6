"""REVOKE and DROP OWNED as actions."""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.statements.tree import Node

OBJECT = enums.ObjectType
ROLES = {
    enums.RoleSpecType.ROLESPEC_PUBLIC: "PUBLIC", enums.RoleSpecType.ROLESPEC_CURRENT_USER: "CURRENT_USER",
    enums.RoleSpecType.ROLESPEC_CURRENT_ROLE: "CURRENT_ROLE", enums.RoleSpecType.ROLESPEC_SESSION_USER: "SESSION_USER",
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
