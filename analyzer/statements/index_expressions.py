"""Expressions over columns, as index definitions write them."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pglast import ast, enums

from analyzer.statements.built_in_functions import BUILT_IN_FUNCTIONS
from analyzer.statements.shaping import STEPS, constants, shapes
from analyzer.statements.sides import TEXT_TYPES
from analyzer.statements.tree import (
    Node,
    Unparsable,
    fresh_parse,
    function_name,
    name_parts,
    operator_name,
    parse,
    walk,
    without_casts,
    written,
)

# texts that stand for a moment: read when the index is made, and again, otherwise, in each statement
MOMENTS = frozenset({"now", "today", "tomorrow", "yesterday"})
# functions that compare with a text looked for: another one the next time
SEARCHING = frozenset({
    "similarity", "word_similarity", "strict_word_similarity", "levenshtein", "levenshtein_less_equal", "ts_rank",
    "ts_rank_cd", "ts_headline", "strpos", "position", "st_distance", "distance",
})  # fmt: skip
# functions by another name: the grammar's own, and what a cast calls
SAME_FUNCTIONS = {"int4": "int4", "int8": "int8", "date": "date", "text": "text", "numeric": "numeric"}


@lru_cache(maxsize=1024)
def comparable(expression: str) -> str:
    """Without casts that change nothing, and table names.

    The same for ``upper((email)::text)`` and ``UPPER(u."email"::text)``, for ``status IN ('a', 'b')`` and pg_get_expr's
    ``(status = ANY (ARRAY['a'::text, ...]))``, for ``CAST(x AS int)``, ``x::pg_catalog.int4`` and ``int4(x)``.
    """
    return _written(expression, casts=False)


def are_same(one: str, other: str) -> bool:
    """Whether two expressions compare as one; a function or a type without a schema may be that of any."""
    if comparable(one) != comparable(other) or not _schemas_agree(_own_types(one), _own_types(other)):
        return False
    mine, theirs = _own_calls(one), _own_calls(other)
    return len(mine) == len(theirs) and all(
        name == its_name and (schema == its_schema or not (schema and its_schema))
        for (name, schema), (its_name, its_schema) in zip(mine, theirs, strict=True)
    )


def _schemas_agree(mine: Mapping[str, set[str]], theirs: Mapping[str, set[str]]) -> bool:
    """Of the names that both have with a schema; which casts are written differs."""
    return all(mine[name] == theirs[name] for name in mine.keys() & theirs.keys())


@lru_cache(maxsize=1024)
def _own_types(expression: str) -> Mapping[str, set[str]]:
    """Schemas of what it casts to, by name; without those that name none."""
    statements = parse(f"SELECT {expression}")
    casts = () if isinstance(statements, Unparsable) else (n for n in walk(statements) if isinstance(n, ast.TypeCast))
    schemas: dict[str, set[str]] = {}
    for cast in casts:
        *schema, name = name_parts(cast.typeName.names)
        if schema:
            schemas.setdefault(name, set()).add(schema[-1])
    return schemas


@lru_cache(maxsize=1024)
def _own_calls(expression: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names and schemas of functions that are not PostgreSQL's."""
    statements = parse(f"SELECT {expression}")
    calls = () if isinstance(statements, Unparsable) else (n for n in walk(statements) if isinstance(n, ast.FuncCall))
    return tuple(
        (function_name(call), name_parts(call.funcname)[:-1])
        for call in calls
        if function_name(call) not in BUILT_IN_FUNCTIONS
    )


@lru_cache(maxsize=1024)
def unqualified(expression: str) -> str:
    """The expression with bare column names, as CREATE INDEX wants it."""
    return _written(expression, casts=True)


@lru_cache(maxsize=4096)
def can_be_key(expression: str) -> bool:
    """Whether an index may be on it, as far as the text tells: it lasts, and its constants shape it. Those of
    ``abs(price - 100)`` are values, others the next time.

    Whether it is immutable only PostgreSQL knows.
    """
    return lasts(expression) and all(
        shapes(constant, place) for constant, place in constants(parse(f"SELECT {expression}"))
    )


@lru_cache(maxsize=4096)
def lasts(expression: str) -> bool:
    """Whether it is computed of columns of a row and constants alone, and can be written."""
    statements = parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return False
    has_column = False
    for node in walk(statements):
        if isinstance(node, (ast.ParamRef, ast.SubLink, ast.SQLValueFunction)):
            return False
        if isinstance(node, ast.FuncCall) and (node.over or node.agg_star or node.agg_distinct or node.agg_filter):
            return False
        if isinstance(node, ast.FuncCall) and function_name(node) in SEARCHING:
            return False
        if isinstance(node, ast.A_Const) and isinstance(node.val, ast.String) and node.val.sval.lower() in MOMENTS:
            return False
        has_column = has_column or isinstance(node, ast.ColumnRef)
    return has_column and written(statements) is not None


def _written(expression: str, *, casts: bool) -> str:
    """The expression as it is where it cannot be read, or not be written anew."""
    statements = fresh_parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return expression
    for node in walk(statements):
        if isinstance(node, ast.ColumnRef):
            node.fields = node.fields[-1:]
        elif not casts and isinstance(node, ast.FuncCall) and node.args:
            node.args = tuple(without_casts(a) if _is_text_cast(a) else a for a in node.args)
    target: Node = statements[0].stmt.targetList[0].val
    text = written(target if casts else _plain(_without_text_casts(target)))
    return expression if text is None else text


def _without_text_casts(node: Node) -> Node:
    while isinstance(node, ast.CollateClause) or (isinstance(node, ast.TypeCast) and _changes_nothing(node)):
        node = node.arg
    return node


def _is_text_cast(node: Node) -> bool:
    return isinstance(node, ast.CollateClause) or (
        isinstance(node, ast.TypeCast) and name_parts(node.typeName.names)[-1] in TEXT_TYPES
    )


def _plain(node: Any) -> Any:
    """The tree with constants and text uncast, and ``= ANY (ARRAY[...])`` as the IN it was written as."""
    if isinstance(node, tuple):
        return tuple(_plain(item) for item in node)
    if not isinstance(node, ast.Node):
        return node
    if isinstance(node, ast.TypeCast) and _changes_nothing(node):
        return _plain(node.arg)
    if isinstance(node, ast.A_Expr) and _finds_its_operator(node):
        node.name = node.name[-1:]
    for name in node:
        value = getattr(node, name)
        if isinstance(value, (ast.Node, tuple)):
            setattr(node, name, _plain(value))
    if isinstance(node, ast.TypeCast):
        node.typeName.names = node.typeName.names[-1:]
    if isinstance(node, ast.FuncCall):
        return _plain_call(node)
    is_list = isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_OP_ANY
    if is_list and name_parts(node.name) == ("=",):  # IN has no schema
        elements = node.rexpr.elements if isinstance(node.rexpr, ast.A_ArrayExpr) else None
        if elements:
            return ast.A_Expr(enums.A_Expr_Kind.AEXPR_IN, node.name, node.lexpr, elements)
    return node


def _finds_its_operator(operation: Any) -> bool:
    """Whether its types do without a schema: of an extension's type, the extension's operators; ``attrs -> 'a'`` of
    hstore is no other operator where it is written with its schema."""
    schemas = set(name_parts(operation.name)[:-1])
    casts = [n for n in walk((operation.lexpr, operation.rexpr)) if isinstance(n, ast.TypeCast)]
    known = {"pg_catalog", *(schema for cast in casts for schema in name_parts(cast.typeName.names)[:-1])}
    return schemas <= known or operator_name(operation) in STEPS


def _plain_call(call: Any) -> Any:
    """``pg_catalog.timezone('UTC', x)`` for ``x AT TIME ZONE 'UTC'``; ``date(x)`` as the cast it is; an own function
    without the schema with which the catalog names it, and a statement does not."""
    call.funcformat = enums.CoercionForm.COERCE_EXPLICIT_CALL
    name = function_name(call)
    if name_parts(call.funcname)[0] == "pg_catalog" or name not in BUILT_IN_FUNCTIONS:
        call.funcname = call.funcname[-1:]
    if name in SAME_FUNCTIONS and len(call.funcname) == len(call.args or ()) == 1:
        return ast.TypeCast(arg=call.args[0], typeName=ast.TypeName(names=(ast.String(sval=name),), typemod=-1))
    return call


def _changes_nothing(cast: Any) -> bool:
    if isinstance(cast.arg, (ast.A_Const, ast.A_ArrayExpr)):
        return True
    inner = without_casts(cast.arg)
    return name_parts(cast.typeName.names)[-1] in TEXT_TYPES and isinstance(inner, (ast.ColumnRef, ast.A_ArrayExpr))
