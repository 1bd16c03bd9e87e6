"""Elements of an array or a document that a statement looks at row by row, and what asks for the same rows."""

from pglast import ast, enums

from analyzer.advice.where_blocks import TableBlock
from analyzer.statements.index_expressions import unqualified
from analyzer.statements.tree import (
    Node,
    column_names,
    conjuncts,
    function_name,
    name_parts,
    operator_name,
    text_of,
    walk,
    walk_block,
    without_casts,
)

Kind = enums.A_Expr_Kind
# of functions that take a value apart into rows: what asks for the rows with one element, with any of several, and
# which operator class of GIN serves it
TAKING_APART: dict[str, tuple[str, str, str]] = {
    "unnest": ("@> ARRAY[...]", "&& ARRAY[...]", ""),
    "string_to_table": ("", "", ""),
    "regexp_split_to_table": ("", "", ""),
    "jsonb_array_elements": ("@> '[...]'", "", " (jsonb_path_ops)"),
    "jsonb_array_elements_text": ("@> '[...]'", "", " (jsonb_path_ops)"),
    "jsonb_each": ("", "", ""),
    "jsonb_each_text": ("", "", ""),
    "jsonb_object_keys": ("? '...'", "?| ARRAY[...]", ""),
    "json_array_elements": ("", "", ""),
    "json_array_elements_text": ("", "", ""),
}
OF_VALUE = frozenset({"jsonb_array_elements", "jsonb_array_elements_text"})  # their column is called value
BEHIND_WHERE = ("groupClause", "havingClause", "limitCount", "limitOffset", "withClause", "larg", "valuesLists")


def taken_apart(condition: Node, block: TableBlock) -> str | None:
    """EXISTS or IN over the elements, as one of the conditions that must all hold."""
    query = condition.subselect if isinstance(condition, ast.SubLink) else None
    if not isinstance(query, ast.SelectStmt) or any(getattr(query, name) for name in BEHIND_WHERE):
        return None
    items: tuple[Node, ...] = query.fromClause or ()
    targets: tuple[Node, ...] = query.targetList or ()
    if condition.subLinkType == enums.SubLinkType.ANY_SUBLINK and not items and len(targets) == 1:
        is_equal = condition.operName is None or name_parts(condition.operName)[-1] == "="
        is_plain = is_equal and query.whereClause is None and _is_value(condition.testexpr)
        is_plain = is_plain and _called(targets[0].val) != "jsonb_array_elements"  # @> takes larger elements, too
        return _elements(targets[0].val, block, 0 if is_plain else None)
    if condition.subLinkType == enums.SubLinkType.EXISTS_SUBLINK and len(items) == 1:
        return _of_item(items[0], list(conjuncts(query.whereClause)), block)
    return None


def joined_elements(block: TableBlock) -> str | None:
    """``FROM t, unnest(t.tags) AS tag WHERE tag = 'x'``."""
    for item in walk_block(block.sources):
        if not isinstance(item, ast.RangeFunction) or item.alias is None:
            continue
        names = {item.alias.aliasname, *(n.sval for n in item.alias.colnames or ())}
        conditions = [c for c in conjuncts(getattr(block.node, "whereClause", None)) if names & _words(c)]
        reason = _of_item(item, conditions, block) if conditions else None
        if reason is not None:
            return reason
    return None


def _of_item(item: Node, conditions: list[Node], block: TableBlock) -> str | None:
    if not isinstance(item, ast.RangeFunction) or len(item.functions) != 1:
        return None
    return _elements(item.functions[0][0], block, _asked_for(conditions, item, block))


def _words(condition: Node) -> set[str]:
    return {word for n in walk(condition) if isinstance(n, ast.ColumnRef) for word in name_parts(n.fields)}


def _called(call: Node) -> str:
    return function_name(call) if isinstance(call, ast.FuncCall) else ""


def _elements(call: Node, block: TableBlock, asked_for: int | None) -> str | None:
    name = _called(call)
    if name not in TAKING_APART or not block.own_columns(call):
        return None
    argument = call.args[0]
    document = unqualified(text_of(argument))
    reason = f"{name}({document}) takes {document} apart for each row, and no index knows what comes of it."
    *operators, opclass = TAKING_APART[name]
    cure = "" if asked_for is None or not _is_searchable(call, block) else operators[asked_for]
    if not cure:
        return reason
    key = document if isinstance(argument, ast.ColumnRef) else f"(({document}))"
    return (
        f"{reason} {document} {cure} asks for the rows that hold such an element, and a GIN index on {key}{opclass}"
        " serves that."
    )


def _is_searchable(call: Node, block: TableBlock) -> bool:
    """Not what only a value makes one, nor what unnest() takes besides arrays: multiranges and tsvectors."""
    if len(call.args) != 1 or any(isinstance(n, ast.ParamRef) for n in walk(call)):
        return False
    if _called(call) != "unnest":
        return True
    column = block.table.column(name_parts(call.args[0].fields)[-1]) if _is_column(call.args[0]) else None
    return column is not None and (column.declared_type or column.type_name).endswith("[]")


def _asked_for(conditions: list[Node], item: Node, block: TableBlock) -> int | None:
    """0: elements equal to a value; 1: to any of several; None: anything else."""
    node = conditions[0] if len(conditions) == 1 else None
    if not isinstance(node, ast.A_Expr) or operator_name(node) != "=":
        return None
    if node.kind in (Kind.AEXPR_IN, Kind.AEXPR_OP_ANY):
        values = node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)
        return 1 if _is_element(node.lexpr, item, block) and all(map(_is_value, values)) else None
    sides = ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr))
    is_asked = node.kind == Kind.AEXPR_OP and any(_is_element(a, item, block) and _is_value(b) for a, b in sides)
    return 0 if is_asked else None


def _is_value(node: Node) -> bool:
    """The same for every row."""
    return not any(column_names(node)) and not any(isinstance(n, (ast.FuncCall, ast.SubLink)) for n in walk(node))


def _is_column(node: Node) -> bool:
    return isinstance(node, ast.ColumnRef)


def _is_element(node: Node, item: Node, block: TableBlock) -> bool:
    """What was taken apart, or a member's text, which no larger element has otherwise: ``e``, ``e ->> 'a'``."""
    inner = without_casts(node)
    is_document = _called(item.functions[0][0]) == "jsonb_array_elements"
    if is_document:
        if not isinstance(inner, ast.A_Expr) or operator_name(inner) != "->>" or not _is_value(inner.rexpr):
            return False
        inner = inner.lexpr
        while isinstance(inner, ast.A_Expr) and operator_name(inner) == "->" and _is_value(inner.rexpr):
            inner = inner.lexpr
    return _is_column(inner) and name_parts(inner.fields) in _names_of(item, block)


def _names_of(item: Node, block: TableBlock) -> set[tuple[str, ...]]:
    """Of the element: its column's, or that of the whole row where it has one column."""
    name = _called(item.functions[0][0])
    alias = item.alias.aliasname if item.alias else name
    if item.alias and item.alias.colnames:
        first = item.alias.colnames[0].sval
        return {(first,), (alias, first)}
    if name not in OF_VALUE:
        return {(alias,), (alias, alias)}
    is_whole_row = not item.ordinality and block.table.column(alias) is None
    return {("value",), (alias, "value"), *([(alias,)] if is_whole_row else [])}
