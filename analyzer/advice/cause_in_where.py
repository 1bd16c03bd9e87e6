"""What in a statement's WHERE and ON keeps an index from a table where no column is compared with a value: a condition
that is there only for some values, columns of one row compared with each other, elements looked at row by row."""

from collections.abc import Collection, Iterator, Sequence

from pglast import ast, enums

from analyzer.advice.cause_in_text import without_values
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.index_expressions import unqualified
from analyzer.statements.operators import COMPARISONS, CONTAINMENT, TURNED
from analyzer.statements.tree import (
    Node,
    Unparsable,
    column_names,
    conjuncts,
    function_name,
    name_parts,
    operator_name,
    single_statement,
    text_of,
    walk,
    walk_block,
    without_casts,
)

Kind = enums.A_Expr_Kind
RANGES = {"timestamp with time zone": "tstzrange", "timestamp without time zone": "tsrange"}
SUBTRACTED = frozenset({
    *RANGES, "date", "smallint", "integer", "bigint", "numeric", "real", "double precision",
})  # fmt: skip
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
SEARCHING = (Kind.AEXPR_IN, Kind.AEXPR_OP_ANY, Kind.AEXPR_BETWEEN, Kind.AEXPR_LIKE, Kind.AEXPR_ILIKE)


def conditions_on(sql: str, table: TableFacts, aliases: Collection[str]) -> list[Node]:
    """The parts of each WHERE, ON and HAVING that name a column of the table."""
    clauses = (
        getattr(node, name, None)
        for node in _nodes(sql)
        for name in ("whereClause", "quals", "joinCondition", "havingClause")
    )
    return [part for clause in clauses for part in conjuncts(clause) if any(_own(part, table, aliases))]


def in_where(sql: str, table: TableFacts, aliases: Collection[str], *, is_alone: bool) -> str | None:
    """``is_alone``: nothing else that the statement asks of the table could be served by an index."""
    for condition in conditions_on(sql, table, aliases):
        reason = _taken_apart(condition, table, aliases)
        own = list(_own(condition, table, aliases))
        is_own = len(own) == sum(isinstance(n, ast.ColumnRef) for n in walk(condition))
        if reason is None and is_own and not any(isinstance(n, ast.SubLink) for n in walk(condition)):
            reason = _optional(condition) or _overlaps(condition, table)
            if reason is None and is_alone and len(set(own)) > 1:
                reason = _same_row(condition, table)
        if reason is not None:
            return reason
    return _joined_elements(sql, table, aliases)


def _nodes(sql: str) -> Iterator[Node]:
    statement = single_statement(sql)
    return iter(()) if isinstance(statement, Unparsable) else walk(statement)


def shown(condition: Node) -> str:
    if _is_overlaps(condition):
        a, b, c, d = (without_values(text_of(argument)) for argument in condition.args)
        return f"({a}, {b}) OVERLAPS ({c}, {d})"
    return without_values(text_of(condition))


def _own(node: Node, table: TableFacts, aliases: Collection[str]) -> Iterator[str]:
    for part in walk(node):
        if isinstance(part, ast.ColumnRef):
            *qualifiers, name = name_parts(part.fields) or ("",)
            if table.column(name) is not None and (not qualifiers or qualifiers[-1] in aliases):
                yield name


def _optional(condition: Node) -> str | None:
    """``n = coalesce($1, n)``, ``coalesce(n = $1, true)``, ``$1 is null or n = $1``, and CASE in their place."""
    if isinstance(condition, ast.A_Expr):
        return _with_itself(condition)
    is_or = isinstance(condition, ast.BoolExpr) and condition.boolop == enums.BoolExprType.OR_EXPR
    arms = list(condition.args) if is_or else _branches(condition)
    free = [arm for arm in arms if not _has_column(arm) and (_is_of_parameters(arm) if is_or else _is_true(arm))]
    others = [arm for arm in arms if _has_column(arm)]
    if not free or not others or not all(map(_is_searched, others)):
        return None
    sent = " or ".join(map(shown, others))
    if isinstance(condition, ast.CaseExpr):
        return (
            f"{shown(condition)} is true of every row in one of its cases. Send {sent} alone, and only in the other: an"
            " index can serve that."
        )
    return (
        f"{shown(condition)} is true of every row where there is no value. Send {sent} only when there is one: an index"
        " can serve that."
    )


def _with_itself(condition: Node) -> str | None:
    operator = operator_name(condition)
    if condition.kind != Kind.AEXPR_OP or condition.lexpr is None or COMPARISONS.get(operator, "ne") == "ne":
        return None
    for side, other, seen in (
        (condition.lexpr, condition.rexpr, operator),
        (condition.rexpr, condition.lexpr, TURNED.get(operator, operator)),
    ):
        branches = _branches(without_casts(other))
        column = text_of(without_casts(side))
        values = [b for b in branches if not _has_column(b)]
        comes_first = not isinstance(without_casts(other), ast.CoalesceExpr) or branches[0] in values
        if not values or not comes_first or column not in [text_of(without_casts(b)) for b in branches]:
            continue
        name = unqualified(column)
        asked = f"{name} {seen} {without_values(text_of(values[0])) if len(values) == 1 else '...'}"
        return (
            f"{shown(condition)} compares {name} with itself where there is no value. Send the condition only when"
            f" there is one, as {asked}, and an index on {name} serves it."
        )
    return None


def _branches(node: Node) -> list[Node]:
    """What a COALESCE or CASE whose choice does not depend on the row may come to."""
    if isinstance(node, ast.CoalesceExpr):
        return list(node.args)
    if isinstance(node, ast.CaseExpr) and not any(map(_has_column, (node.arg, *(w.expr for w in node.args)))):
        return [*(w.result for w in node.args), *([node.defresult] if node.defresult is not None else [])]
    return []


def _has_column(node: Node | None) -> bool:
    return any(isinstance(n, ast.ColumnRef) for n in walk(node))


def _is_true(node: Node) -> bool:
    inner = without_casts(node)
    return isinstance(inner, ast.A_Const) and isinstance(inner.val, ast.Boolean) and bool(inner.val.boolval)


def _is_of_parameters(node: Node) -> bool:
    kinds = {type(n) for n in walk(node)}
    return ast.ParamRef in kinds and ast.FuncCall not in kinds


def _is_searched(node: Node) -> bool:
    """A comparison of a column with a value, which does not only exclude."""
    if not isinstance(node, ast.A_Expr) or operator_name(node) in ("<>", "!=", "!~~", "!~~*"):
        return False
    is_operator = node.kind == Kind.AEXPR_OP and operator_name(node) in {*COMPARISONS, *CONTAINMENT}
    if not is_operator and node.kind not in SEARCHING:
        return False
    return isinstance(without_casts(node.lexpr), ast.ColumnRef) and not _has_column(node.rexpr)


def _same_row(condition: Node, table: TableFacts) -> str | None:
    if not isinstance(condition, ast.A_Expr) or condition.kind != Kind.AEXPR_OP or condition.lexpr is None:
        return None
    sides = (condition.lexpr, condition.rexpr)
    if COMPARISONS.get(operator_name(condition), "ne") == "ne" or not all(map(_has_column, sides)):
        return None
    reason = f"{shown(condition)} compares columns of the same row, of which an index on either tells nothing."
    columns = [table.column(unqualified(text_of(side))) for side in sides]
    if all(isinstance(side, ast.ColumnRef) for side in sides):
        a, b = columns
        if a is not None and b is not None and a.type_oid == b.type_oid:
            return f"{reason} A partial index with WHERE {shown(condition)} holds just the rows that it asks for."
        return reason
    shifted = [_shifted(side) for side in sides]
    columns = [table.column(name) if name else None for name in shifted]
    types = {c.type_name if c is not None else "" for c in columns}
    if len(types) == 1 and types.pop().partition("(")[0] in SUBTRACTED and shifted[0] != shifted[1]:
        difference = " - ".join(quote_identifier(name) for name in shifted if name)
        return f"{reason} Asked as {difference} compared with a value, it is served by an index on (({difference}))."
    return reason


def _shifted(node: Node) -> str | None:
    """The column that a side is, or that it adds a value to."""
    if isinstance(node, ast.A_Expr) and operator_name(node) in ("+", "-") and not _has_column(node.rexpr):
        node = node.lexpr
    return next(column_names(node), None) if isinstance(node, ast.ColumnRef) else None


def _is_overlaps(node: Node) -> bool:
    return isinstance(node, ast.FuncCall) and function_name(node) == "overlaps" and len(node.args or ()) == 4


def _overlaps(condition: Node, table: TableFacts) -> str | None:
    if not _is_overlaps(condition):
        return None
    pairs = [condition.args[:2], condition.args[2:]]
    own = next((pair for pair in pairs if all(isinstance(end, ast.ColumnRef) for end in pair)), None)
    reason = "OVERLAPS is a function to PostgreSQL, and no index serves it."
    columns = [table.column(unqualified(text_of(end))) for end in own or ()]
    kinds = {RANGES.get(c.type_name) if c is not None else None for c in columns}
    made = kinds.pop() if len(kinds) == 1 else None
    if own is None or made is None:
        return reason
    start, end = (unqualified(text_of(each)) for each in own)
    return (
        f"{reason} {made}({start}, {end}) && {made}(...) asks the same where each {start} is before its {end}, and a"
        f" GiST index on (({made}({start}, {end}))) serves that."
    )


def _taken_apart(condition: Node, table: TableFacts, aliases: Collection[str]) -> str | None:
    """EXISTS or IN over the elements of an array or a document of the row."""
    query = condition.subselect if isinstance(condition, ast.SubLink) else None
    if not isinstance(query, ast.SelectStmt):
        return None
    if condition.subLinkType == enums.SubLinkType.ANY_SUBLINK:
        is_equal = condition.operName is None or name_parts(condition.operName)[-1] == "="
        is_plain = is_equal and query.whereClause is None and not _has_column(condition.testexpr)
        return _elements([t.val for t in query.targetList or ()], table, aliases, 0 if is_plain else None)
    if condition.subLinkType == enums.SubLinkType.EXISTS_SUBLINK and len(query.fromClause or ()) == 1:
        return _elements(_calls(query.fromClause), table, aliases, _asked_for(list(conjuncts(query.whereClause))))
    return None


def _joined_elements(sql: str, table: TableFacts, aliases: Collection[str]) -> str | None:
    """``FROM t, unnest(t.tags) AS tag WHERE tag = 'x'``."""
    for query in _nodes(sql):
        for item in walk_block(getattr(query, "fromClause", None)):
            if not isinstance(item, ast.RangeFunction) or item.alias is None:
                continue
            names = {item.alias.aliasname, *(n.sval for n in item.alias.colnames or ())}
            parts = [p for p in conjuncts(query.whereClause) if names & {*_words(p)}]
            reason = _elements(_calls([item]), table, aliases, _asked_for(parts))
            if parts and reason is not None:
                return reason
    return None


def _words(condition: Node) -> Iterator[str]:
    return (word for n in walk(condition) if isinstance(n, ast.ColumnRef) for word in name_parts(n.fields))


def _calls(items: Sequence[Node]) -> list[Node]:
    return [item.functions[0][0] for item in items if isinstance(item, ast.RangeFunction)]


def _elements(calls: Sequence[Node], table: TableFacts, aliases: Collection[str], asked_for: int | None) -> str | None:
    for call in calls:
        name = function_name(call) if isinstance(call, ast.FuncCall) else ""
        if name not in TAKING_APART or not any(_own(call, table, aliases)):
            continue
        argument = call.args[0]
        document = unqualified(text_of(argument))
        reason = f"{name}({document}) takes {document} apart for each row, and no index knows what comes of it."
        *operators, opclass = TAKING_APART[name]
        cure = "" if asked_for is None else operators[asked_for]
        if not cure:
            return reason
        key = document if isinstance(argument, ast.ColumnRef) else f"(({document}))"
        return (
            f"{reason} {document} {cure} asks for the rows that hold such an element, and a GIN index on {key}{opclass}"
            " serves that."
        )
    return None


def _asked_for(conditions: Sequence[Node]) -> int | None:
    """0: elements equal to a value; 1: to any of several; None: anything else."""
    if not conditions:
        return None
    for node in conditions:
        kinds = (Kind.AEXPR_OP, Kind.AEXPR_IN, Kind.AEXPR_OP_ANY)
        if not isinstance(node, ast.A_Expr) or node.kind not in kinds or operator_name(node) != "=":
            return None
        sides = [side if isinstance(side, tuple) else (side,) for side in (node.lexpr, node.rexpr)]
        elements = [all(map(_is_element, side)) for side in sides]
        values = [not any(map(_has_column, side)) for side in sides]
        if sum(values) != 1 or not any(e and v for e, v in zip(elements, reversed(values), strict=True)):
            return None
    return 1 if any(node.kind != Kind.AEXPR_OP for node in conditions) else 0


def _is_element(node: Node) -> bool:
    """What was taken apart, or a member of it: ``e``, ``e ->> 'a'``."""
    inner = without_casts(node)
    if isinstance(inner, ast.A_Expr) and operator_name(inner) in ("->", "->>"):
        return _is_element(inner.lexpr) and not _has_column(inner.rexpr)
    return isinstance(inner, ast.ColumnRef)
