"""Partitioned tables whose key has a type that cannot be compared here: by hash instead, of what no statement asks for.

A plan that does not filter by the key reads all partitions on the server, and so it does here; one that does is refused
with its type (uses.py). Pure.
"""

from collections.abc import Sequence

from pglast import ast, enums

from analyzer.schema.quoting import quote_identifier
from analyzer.statements.tree import Node, column_names, fresh_parse

Parent = tuple[str, str]  # schema and name


def by_hash(statements: Sequence[Node]) -> Parent | None:
    """Changes a CREATE TABLE ... PARTITION BY to one by the hash of an expression; None where there is none."""
    for statement in statements:
        if not isinstance(statement, ast.CreateStmt) or statement.partspec is None:
            continue
        keys = [key.name or next(column_names(key.expr), None) for key in statement.partspec.partParams]
        column = next((name for name in keys if name), None)
        if column is None:
            return None
        # the planner matches no clause with it: a comparison with the bare (x IS NULL) it would
        parsed = fresh_parse(f"create table t () partition by hash ((({quote_identifier(column)} is null)::int4))")
        statement.partspec = parsed[0].stmt.partspec  # type: ignore[index]
        return statement.relation.schemaname or "public", statement.relation.relname
    return None


def parent_of(statements: Sequence[Node]) -> Parent | None:
    """Of an ALTER TABLE ... ATTACH PARTITION; None for others."""
    for statement in statements:
        if isinstance(statement, ast.AlterTableStmt) and statement.cmds[0].subtype == _ATTACH:
            return statement.relation.schemaname or "public", statement.relation.relname
    return None


def attach_by_hash(statements: Sequence[Node], modulus: int, remainder: int) -> None:
    """Changes the bounds of an ATTACH PARTITION, also of a DEFAULT one: it is one of ``modulus`` partitions."""
    for statement in statements:
        if isinstance(statement, ast.AlterTableStmt) and statement.cmds[0].subtype == _ATTACH:
            statement.cmds[0].def_.bound = ast.PartitionBoundSpec(
                strategy="h", is_default=False, modulus=modulus, remainder=remainder
            )


_ATTACH = enums.AlterTableType.AT_AttachPartition
