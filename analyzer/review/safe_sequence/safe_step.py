"""One statement of a safe sequence, and how such are made of a migration's own parse trees."""

from dataclasses import dataclass
from typing import Any

from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node


@dataclass(frozen=True, slots=True)
class SafeStep:
    """``is_alone``: it cannot run inside a transaction. ``is_brief``: it takes a strong lock for a moment, so that it
    should give up soon where that is not to be had.
    """

    sql: str
    is_alone: bool = False
    is_brief: bool = False


def brief(sql: str) -> SafeStep:
    return SafeStep(sql, is_brief=True)


def relation_sql(name: TableName) -> str:
    return (
        f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}" if name.schema else quote_identifier(name.name)
    )


def with_changes(node: Node, **changes: Any) -> Node:
    """A copy of the node; what is below it is shared and must not be changed."""
    values = {name: getattr(node, name) for name in node.__slots__}
    return type(node)(**(values | changes))
