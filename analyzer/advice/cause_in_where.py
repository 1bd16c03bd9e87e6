"""What in a statement's WHERE and ON keeps an index from a table where no column is compared with a value: a condition
that is there only for some values, columns of one row compared with each other, elements looked at row by row.

A cure is named only where it asks for the same rows.
"""

import re
from collections.abc import Sequence

from pglast import ast, enums

from analyzer.advice.cause_in_elements import joined_elements, taken_apart
from analyzer.advice.cause_in_text import without_values
from analyzer.advice.where_blocks import TableBlock
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.index_expressions import unqualified
from analyzer.statements.operators import COMPARISONS, CONTAINMENT, TURNED
from analyzer.statements.tree import (
    Node,
    column_names,
    conjuncts,
    function_name,
    name_parts,
    only_element,
    operator_name,
    text_of,
    walk,
    without_casts,
)

Kind = enums.A_Expr_Kind
RANGES = {"timestamp with time zone": "tstzrange", "timestamp without time zone": "tsrange"}
WHOLE_NUMBERS = {"smallint": "int2", "integer": "int4", "bigint": "int8"}
# intervals that shift every moment by the same time: '90 minutes', '2 days 03:00'; a day of a time zone may be shorter
OF_DAYS = re.compile(r"(\s*[+-]?(\d+(\.\d+)?\s*(weeks?|days?|hours?|minutes?|seconds?)\b|\d+:\d\d(:\d\d)?))+\s*", re.I)
OF_HOURS = re.compile(r"(\s*[+-]?(\d+(\.\d+)?\s*(hours?|minutes?|seconds?)\b|\d+:\d\d(:\d\d)?))+\s*", re.I)
SHIFTS = {"timestamp without time zone": OF_DAYS, "timestamp with time zone": OF_HOURS}
SEARCHING = (Kind.AEXPR_IN, Kind.AEXPR_OP_ANY, Kind.AEXPR_BETWEEN, Kind.AEXPR_LIKE, Kind.AEXPR_ILIKE)
OF_LENGTH = frozenset({"cardinality", "array_length", "length", "char_length", "jsonb_array_length", "btrim"})
CAST_PARAMETER = re.compile(r"CAST\((\$\d+) AS [\w .\"]+(?:\([\d, ]+\))?(?:\[\])*\)")  # may be pgLoupe's own
BUILT = "In code: Django's filter() or SQLAlchemy's where(), called only when there is a value."
TRUE_OF_ITSELF = frozenset({"=", "<=", ">="})


def in_where(blocks: Sequence[TableBlock], facts: SchemaFacts, *, is_alone: bool) -> str | None:
    """``is_alone``: nothing else that the statement asks of the table could be served by an index."""
    for block in blocks:
        for condition in block.narrowing():
            reason = taken_apart(condition, block) or _of_own(condition, block, facts, is_alone)
            if reason is not None:
                return reason
    return next(filter(None, map(joined_elements, blocks)), None)


def _of_own(condition: Node, block: TableBlock, facts: SchemaFacts, is_alone: bool) -> str | None:
    own = block.own_columns(condition)
    is_own = len(own) == sum(isinstance(n, ast.ColumnRef) for n in walk(condition))
    if not own or not is_own or any(isinstance(n, ast.SubLink) for n in walk(condition)):
        return None
    reason = _optional(condition, block, facts) or _overlaps(condition, block.table)
    if reason is None and is_alone and len(set(own)) > 1:
        reason = _same_row(condition, block.table)
    return reason


def shown(condition: Node) -> str:
    if _is_overlaps(condition):
        a, b, c, d = (without_values(text_of(argument)) for argument in condition.args)
        return f"({a}, {b}) OVERLAPS ({c}, {d})"
    return CAST_PARAMETER.sub(r"\1", without_values(text_of(condition)))


def _optional(condition: Node, block: TableBlock, facts: SchemaFacts) -> str | None:
    """``n = coalesce($1, n)``, ``coalesce(n = $1, true)``, ``$1 is null or n = $1``, and CASE in their place."""
    if isinstance(condition, ast.A_Expr):
        return _with_itself(condition, block, facts)
    if (asked := _asked_alone(condition)) is not None:
        whole = f"({shown(asked)}) IS TRUE" if isinstance(condition, ast.BooleanTest) else shown(condition)
        return f"No index serves {whole}. {shown(asked)} by itself asks for the same rows, and one can serve that."
    if isinstance(condition, ast.CoalesceExpr):
        asked = condition.args[0] if len(condition.args) == 2 and _is_true(condition.args[1]) else None
        return None if asked is None else _coalesced(condition, asked, block, facts)
    if isinstance(condition, ast.CaseExpr):
        branches = _branches(condition)
        asked = [branch for branch in branches if _is_searched(branch)]
        if len(branches) != 2 or len(asked) != 1 or not any(map(_is_true, branches)):
            return None
        return (
            f"{shown(condition)} is true of every row in one of its cases. Send {shown(asked[0])} alone, and only in"
            f" the other: an index can serve that. {BUILT}"
        )
    if isinstance(condition, ast.BooleanTest) and condition.booltesttype == enums.BoolTestType.IS_NOT_FALSE:
        return _coalesced(condition, condition.arg, block, facts)
    if not isinstance(condition, ast.BoolExpr) or condition.boolop != enums.BoolExprType.OR_EXPR:
        return None
    values = [arm for arm in condition.args if _is_of_no_row(arm)]
    asked = [arm for arm in condition.args if _has_column(arm)]
    if len(values) != 1 or len(asked) != len(condition.args) - 1 or not all(map(_narrows, asked)):
        return None
    return (
        f"{shown(condition)} is true of every row where {_is_so(values[0])}. Send {' OR '.join(map(shown, asked))} only"
        f" where that is not so: an index can serve it. {BUILT}"
    )


def _asked_alone(condition: Node) -> Node | None:
    """``n = $1`` of ``(n = $1) IS TRUE`` and ``coalesce(n = $1, false)``: in WHERE and ON what is NULL is not true."""
    if isinstance(condition, ast.BooleanTest) and condition.booltesttype == enums.BoolTestType.IS_TRUE:
        asked = condition.arg
    elif isinstance(condition, ast.CoalesceExpr) and len(condition.args) == 2 and _is_boolean(condition.args[1], False):
        asked = condition.args[0]
    else:
        return None
    return asked if _is_searched(asked) else None


def _is_so(arm: Node) -> str:
    return f"{shown(arm)} is true" if isinstance(without_casts(arm), ast.ParamRef) else shown(arm)


def _is_of_no_row(arm: Node) -> bool:
    """``$1 IS NULL``, ``$1 = ''``, ``cardinality($1) = 0``: the same for all rows of one call."""
    names = {function_name(n) for n in walk(arm) if isinstance(n, ast.FuncCall)}
    has_value = any(isinstance(n, (ast.ParamRef, ast.A_Const)) for n in walk(arm))
    return has_value and names <= OF_LENGTH and not _has_column(arm) and not isinstance(arm, ast.A_Const)


def _narrows(arm: Node) -> bool:
    return any(map(_is_searched, conjuncts(arm)))


def _coalesced(condition: Node, asked: Node, block: TableBlock, facts: SchemaFacts) -> str | None:
    """``coalesce(n = $1, true)``, ``(n = $1) IS NOT FALSE``: true where n is NULL, too."""
    if not _is_searched(asked):
        return None
    is_list = asked.kind == Kind.AEXPR_OP_ANY and operator_name(asked) == "="
    if not is_list and asked.kind not in (Kind.AEXPR_OP, Kind.AEXPR_LIKE, Kind.AEXPR_ILIKE):
        return None
    if not _is_plain_value(asked.rexpr):
        return None
    (name,) = block.own_columns(asked)
    sent = shown(asked)
    if not block.is_never_null(name, facts):
        if COMPARISONS.get(operator_name(asked), "ne") == "ne":  # what serves others may not serve IS NULL
            return None
        sent = f"({sent} OR {quote_identifier(name)} IS NULL)"
    return (
        f"{shown(condition)} is true of every row where there is no {'list, or a NULL in it' if is_list else 'value'}."
        f" Send {sent} only when there is one{' without NULL' if is_list else ''}: an index can serve that. {BUILT}"
    )


def _with_itself(condition: Node, block: TableBlock, facts: SchemaFacts) -> str | None:
    if condition.kind == Kind.AEXPR_BETWEEN:
        bounds = zip((">=", "<="), condition.rexpr, strict=True)
        ends = (ast.A_Expr(Kind.AEXPR_OP, (ast.String(op),), condition.lexpr, bound) for op, bound in bounds)
        return next(filter(None, (_with_itself(end, block, facts) for end in ends)), None)
    if condition.kind == Kind.AEXPR_IN and len(condition.rexpr) == 1:
        condition = ast.A_Expr(Kind.AEXPR_OP, condition.name, condition.lexpr, condition.rexpr[0])
    operator, is_any = operator_name(condition), condition.kind == Kind.AEXPR_OP_ANY
    is_comparison = condition.kind in (Kind.AEXPR_OP, Kind.AEXPR_OP_ANY) and condition.lexpr is not None
    if not is_comparison or operator not in TRUE_OF_ITSELF:
        return None
    for side, other, seen in (
        (condition.lexpr, condition.rexpr, operator),
        *([] if is_any else [(condition.rexpr, condition.lexpr, TURNED.get(operator, operator))]),
    ):
        branches = _branches(other)
        values = [b for b in branches if not _has_column(b)]
        itself = [b for b in branches if _has_column(b)]
        compared = [only_element(b) if is_any else b for b in itself]
        is_itself = len(compared) == 1 and compared[0] is not None and text_of(compared[0]) == text_of(side)
        if not isinstance(side, ast.ColumnRef) or not values or not is_itself:
            continue
        is_case = isinstance(other, ast.CaseExpr)
        column = block.table.column(name_parts(side.fields)[-1])
        if column is None or not all(_is_of_type(v, column.type_name, is_array=is_any) for v in values):
            continue
        if not is_case and branches[-1] is not itself[0]:  # COALESCE(n, $1): the value counts where n is NULL
            continue
        name = quote_identifier(column.name)
        if all(isinstance(v, ast.A_Const) and v.isnull for v in values):
            rest = "" if block.is_never_null(column.name, facts) else f", which {name} IS NOT NULL asks as well"
            return f"{shown(condition)} compares {name} with itself{rest}. {BUILT}"
        value = shown(values[0]) if len(values) == 1 else "..."
        asked = f"{name} {seen} {f'ANY({value})' if is_any else value}"
        where = "in one of its cases" if is_case else "where there is no value"
        if not block.is_never_null(column.name, facts):
            return (
                f"{shown(condition)} compares {name} with itself {where}, which leaves out its NULLs alone. Send"
                f" {name} IS NOT NULL there and {asked} otherwise: an index on {name} serves the latter. {BUILT}"
            )
        return (
            f"{shown(condition)} compares {name} with itself {where}. Send no condition there and {asked} otherwise: an"
            f" index on {name} serves that. {BUILT}"
        )
    return None


def _branches(node: Node) -> list[Node]:
    """What a COALESCE, or a CASE whose choice is the same for all rows and always made, may come to."""
    if isinstance(node, ast.CoalesceExpr):
        return list(node.args)
    if isinstance(node, ast.CaseExpr) and node.defresult is not None:
        choices = [part for part in (node.arg, *(w.expr for w in node.args)) if part is not None]
        if not any(isinstance(n, (ast.ColumnRef, ast.FuncCall)) for choice in choices for n in walk(choice)):
            return [*(w.result for w in node.args), node.defresult]
    return []


def _has_column(node: Node | None) -> bool:
    return any(isinstance(n, ast.ColumnRef) for n in walk(node))


def _is_true(node: Node) -> bool:
    return _is_boolean(node, True)


def _is_boolean(node: Node, value: bool) -> bool:
    inner = without_casts(node)
    return isinstance(inner, ast.A_Const) and isinstance(inner.val, ast.Boolean) and bool(inner.val.boolval) == value


def _is_plain_value(node: Node) -> bool:
    return isinstance(without_casts(node), (ast.ParamRef, ast.A_Const))


def _is_of_type(value: Node, type_name: str, *, is_array: bool = False) -> bool:
    """Of a value in the place of a column: one of another type would make of the comparison another one."""
    if any(isinstance(n, ast.FuncCall) for n in walk(value)):
        return False
    casts = {text_of(n).rpartition(" AS ")[2].rstrip(")") for n in walk(value) if isinstance(n, ast.TypeCast)}
    if is_array:
        casts = {cast.removesuffix("[]") for cast in casts}
    plain = type_name.partition("(")[0]
    return all(cast.partition("(")[0] == plain or {cast, plain} <= {"text", "character varying"} for cast in casts)


def _is_searched(node: Node) -> bool:
    """A comparison of a column with a value, which does not only exclude."""
    if not isinstance(node, ast.A_Expr) or operator_name(node) in ("<>", "!=", "!~~", "!~~*"):
        return False
    is_operator = node.kind == Kind.AEXPR_OP and operator_name(node) in {*COMPARISONS, *CONTAINMENT}
    if not is_operator and node.kind not in SEARCHING:
        return False
    others = {type(n) for n in walk(node.rexpr)} & {ast.ColumnRef, ast.FuncCall}
    return isinstance(node.lexpr, ast.ColumnRef) and not others


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
    shifted = [_shifted(side, table) for side in sides]
    columns = [table.column(name) if name else None for name in shifted]
    types = {c.type_name if c is not None else "" for c in columns}
    if len(types) == 1 and types != {""} and shifted[0] != shifted[1]:
        difference = " - ".join(quote_identifier(name) for name in shifted if name)
        return f"{reason} Asked as {difference} compared with a value, it is served by an index on (({difference}))."
    return reason


def _shifted(node: Node, table: TableFacts) -> str | None:
    """The column that a side is, or to which it adds what can as well be taken from the other side."""
    shift = None
    if isinstance(node, ast.A_Expr) and node.lexpr is not None and operator_name(node) in ("+", "-"):
        node, shift = node.lexpr, node.rexpr
    name = next(column_names(node), None) if isinstance(node, ast.ColumnRef) else None
    column = table.column(name) if name is not None else None
    if column is None or (shift is not None and not _is_exact(shift, column.type_name.partition("(")[0])):
        return None
    return name


def _is_exact(shift: Node, type_name: str) -> bool:
    """Whether a + shift < b for just the rows with a - b < -shift: not for months, nor for rounded numbers."""
    inner = without_casts(shift)
    cast = name_parts(shift.typeName.names)[-1] if isinstance(shift, ast.TypeCast) else None
    if type_name in SHIFTS:
        is_text = isinstance(inner, ast.A_Const) and isinstance(inner.val, ast.String)
        is_interval = cast == "interval" and shift.arg is inner and not shift.typeName.typmods
        return is_text and is_interval and SHIFTS[type_name].fullmatch(inner.val.sval) is not None
    is_whole = isinstance(inner, ast.A_Const) and isinstance(inner.val, ast.Integer)
    is_cast_to_whole = cast in WHOLE_NUMBERS.values()
    if type_name == "date":
        return (is_whole and cast is None) or (is_cast_to_whole and _is_plain_value(shift))
    is_number = isinstance(inner, ast.ParamRef) or is_whole
    if type_name in WHOLE_NUMBERS:
        return is_number and (cast is None or is_cast_to_whole)
    return type_name == "numeric" and is_number and (cast is None or cast == "numeric" or is_cast_to_whole)


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
