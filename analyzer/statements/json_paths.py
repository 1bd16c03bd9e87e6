"""Which keys of which column's documents a query asks for: ``meta -> 'a' ->> $1``, ``attrs -> $1``, ``prefs #>> $1``.

Each parameter becomes a use with its path: of a key the keys up to and with it, of a value that is compared with what
lies there ("member") the whole path.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pglast import ast, enums

from analyzer.statements.blocks import ParameterUse
from analyzer.statements.scope import Scope, ScopedColumn
from analyzer.statements.tree import Node, function_name, name_parts, operator_name, without_casts

Kind = enums.A_Expr_Kind
MOST_KEYS = 20  # judgement: of one path; each step of a long one is looked at, too
STEPS = {"->", "->>", "#>", "#>>"}
COMPARED = {"=": "eq", "<": "lt", "<=": "lt", ">": "gt", ">=": "gt", "<>": "ne", "~~": "like", "~~*": "ilike"}
MIRRORED = {"lt": "gt", "gt": "lt"}
FUNCTIONS = ("jsonb_extract_path", "jsonb_extract_path_text", "json_extract_path", "json_extract_path_text")
PATH_FUNCTIONS = ("jsonb_path_exists", "jsonb_path_match", "jsonb_path_query", "jsonb_path_query_array",
                  "jsonb_path_query_first")  # fmt: skip


@dataclass(frozen=True, slots=True)
class JsonPath:
    """``keys``: names, and numbers of parameters; ``("*", 3)`` where ``$3`` is the whole path, an array.

    ``type_name``: cast around it. ``is_json``: -> and #> give a document, ->> and #>> its text.
    """

    column: ScopedColumn
    keys: tuple[str | int, ...]
    type_name: str | None
    is_json: bool


def note_paths(nodes: Iterator[Node], scope: Scope, parameters: dict[int, ParameterUse]) -> None:
    """``nodes``: all of a block's expressions, parents first."""
    for node in nodes:
        match node:
            case ast.A_Expr():
                _compared(node, scope, parameters)
                _note_keys(node, scope, parameters)
            case ast.TypeCast():
                _note_keys(node, scope, parameters)
            case ast.FuncCall() if function_name(node) in FUNCTIONS:
                _note_keys(node, scope, parameters)
            case ast.FuncCall() if function_name(node) in PATH_FUNCTIONS and len(node.args or ()) > 1:
                column = scope.column(node.args[0]) if isinstance(node.args[0], ast.ColumnRef) else None
                inner = without_casts(node.args[1])
                if column is not None and isinstance(inner, ast.ParamRef):
                    parameters.setdefault(inner.number, _use(inner.number, "contains", column))


def json_path(node: Node, scope: Scope) -> JsonPath | None:
    """Where an expression is a path into a column's documents."""
    type_name = None
    while isinstance(node, (ast.TypeCast, ast.CollateClause)):
        if isinstance(node, ast.TypeCast):
            type_name = name_parts(node.typeName.names)[-1]
        node = node.arg
    keys: list[str | int] = []
    is_json, outermost, whole = True, node, None
    while len(keys) <= MOST_KEYS:
        if isinstance(node, ast.A_Expr) and node.kind == Kind.AEXPR_OP and operator_name(node) in STEPS:
            steps, left = [node.rexpr], node.lexpr
            is_whole = operator_name(node).startswith("#")
        elif isinstance(node, ast.FuncCall) and function_name(node) in FUNCTIONS and node.args:
            steps, left, is_whole = list(node.args[1:]), node.args[0], False
        else:
            break
        if node is outermost:
            name = operator_name(node) if isinstance(node, ast.A_Expr) else function_name(node)
            is_json = not name.endswith((">>", "_text"))
        for step in reversed(steps):
            inner = without_casts(step)
            if isinstance(inner, ast.ParamRef):
                keys.insert(0, inner.number)
                whole = inner.number if is_whole else whole
            elif isinstance(inner, ast.A_Const) and isinstance(inner.val, ast.String):
                text = inner.val.sval
                keys[:0] = text.strip("{}").split(",") if is_whole else [text]
            else:
                return None
        node = without_casts(left)
    if not keys or not isinstance(node, ast.ColumnRef):
        return None
    column = scope.column(node)
    if column is None:
        return None
    if whole is not None:
        keys = ["*", whole]
    return JsonPath(column, tuple(keys), type_name, is_json)


def _note_keys(node: Node, scope: Scope, parameters: dict[int, ParameterUse]) -> None:
    path = json_path(node, scope)
    if path is None:
        return
    for key in path.keys:
        if isinstance(key, int):
            use = _use(key, "key", path.column)
            parameters.setdefault(key, replace(use, path=path.keys, member_type=path.type_name))


def _compared(node: Node, scope: Scope, parameters: dict[int, ParameterUse]) -> None:
    """``meta ->> $1 = $2``, also IN and BETWEEN."""
    for side, others, is_mirrored in _sides(node):
        path = json_path(side, scope)
        if path is None:
            continue
        _note_keys(side, scope, parameters)
        for at, other in enumerate(others):
            inner = without_casts(other)
            if isinstance(inner, ast.ParamRef):
                use = replace(
                    _use(inner.number, "member", path.column), path=path.keys, member_type=path.type_name,
                    compared=_meaning(node, at, is_mirrored), is_json_member=path.is_json,
                )  # fmt: skip
                parameters.setdefault(inner.number, use)


def _sides(node: Node) -> Iterator[tuple[Node, tuple[Node, ...], bool]]:
    if node.kind in (Kind.AEXPR_IN, Kind.AEXPR_BETWEEN):
        yield node.lexpr, node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,), False
    elif node.kind == Kind.AEXPR_OP and operator_name(node) in COMPARED and node.lexpr is not None:
        yield node.lexpr, (node.rexpr,), False
        yield node.rexpr, (node.lexpr,), True


def _meaning(node: Node, at: int, is_mirrored: bool) -> str:
    if node.kind == Kind.AEXPR_IN:
        return "in"
    if node.kind == Kind.AEXPR_BETWEEN:
        return ("between_low", "between_high")[at]
    meaning = COMPARED[operator_name(node)]
    return MIRRORED.get(meaning, meaning) if is_mirrored else meaning


def _use(number: int, operator: str, column: ScopedColumn) -> ParameterUse:
    table = column.table
    return ParameterUse(number, operator, table.schema or None, table.name, column.name)
