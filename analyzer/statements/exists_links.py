"""EXISTS that the planner makes no join of, and why: where it stands, or what it holds.

Source: pull_up_sublinks() and simplify_EXISTS_query() of PostgreSQL's subselect.c and prepjointree.c, 13 to 18.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pglast import ast, enums

from analyzer.statements.select_list import is_aggregate
from analyzer.statements.tree import Node, Unparsable, conjuncts, parse, walk, walk_block

EXISTS = enums.SubLinkType.EXISTS_SUBLINK
Place = Literal["AND", "OR", "value"]  # alone or in an AND of a condition; in an OR; in the output or in an expression


@dataclass(frozen=True, slots=True)
class ExistsLink:
    """``holds``: what keeps the planner from joining it wherever it stands; "" for nothing that is known."""

    place: Place
    holds: str


@lru_cache(maxsize=512)
def unjoined_exists(sql: str) -> tuple[ExistsLink, ...] | None:
    """Of a statement whose subqueries are all EXISTS; None of any other, since a plan does not tell them apart."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return None
    links = [node for node in walk(statements) if isinstance(node, ast.SubLink)]
    if any(link.subLinkType != EXISTS for link in links):
        return None
    joined = {id(link) for node in walk(statements) for link in _alone(node)}
    in_or = {id(each) for node in walk(statements) if _is_or(node) for each in walk_block(node)}
    found = (
        ExistsLink("AND" if id(link) in joined else "OR" if id(link) in in_or else "value", _held(link.subselect))
        for link in links
    )
    return tuple(link for link in found if link.place != "AND" or link.holds)


def _alone(node: Node) -> Iterator[ast.SubLink]:
    """EXISTS and NOT EXISTS that a condition of rows is, or that AND joins there."""
    condition = node.quals if isinstance(node, ast.JoinExpr) else getattr(node, "whereClause", None)
    for part in conjuncts(condition):
        bare = part.args[0] if isinstance(part, ast.BoolExpr) and part.boolop == enums.BoolExprType.NOT_EXPR else part
        if isinstance(bare, ast.SubLink):
            yield bare


def _is_or(node: Node) -> bool:
    return isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.OR_EXPR


def _held(select: Node) -> str:
    if select.op != enums.SetOperation.SETOP_NONE:
        return "UNION, INTERSECT or EXCEPT"
    if select.withClause:
        return "WITH"
    if select.limitOffset:
        return "OFFSET"
    if select.lockingClause:
        return "FOR UPDATE or FOR SHARE"
    if select.havingClause:
        return "HAVING"
    calls = [node for node in walk_block(select.targetList) if isinstance(node, ast.FuncCall)]
    return "an aggregate" if any(is_aggregate(call) for call in calls) else ""
