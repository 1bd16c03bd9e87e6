"""Predicates and expressions of an index in Django's words, where those come out as the same index.

Only what Django compiles to the same pg_get_indexdef is translated, as tests show on real servers; for the rest the
caller writes SQL. ``<>`` is left out on purpose: Django's ``~Q(a=1)`` adds IS NOT NULL.
"""

from collections.abc import Callable
from datetime import date

from pglast import ast, enums

from analyzer.schema.facts import TableFacts
from analyzer.schema.python_source import python_string
from analyzer.statements.tree import (
    Node,
    Unparsable,
    function_name,
    name_parts,
    operator_name,
    single_statement,
    without_casts,
)

LOOKUPS = {"=": "", "<": "__lt", "<=": "__lte", ">": "__gt", ">=": "__gte"}
STRINGS = ("text", "character varying")
INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
# casts in pg_get_indexdef that only say the constant's own type
CASTS = {"text": ("text",), "character varying": ("text", "varchar"), "date": ("date",)}
FUNCTIONS = {"lower": "Lower", "upper": "Upper", "length": "Length", "abs": "Abs", "md5": "MD5"}
KEY_TRANSFORMS = {"->>": "KeyTextTransform", "->": "KeyTransform"}

FieldOf = Callable[[str], str | None]


def condition(predicate: str, table: TableFacts, field_of: FieldOf) -> str | None:
    """``models.Q(status="new") & models.Q(done__isnull=True)``; None where SQL has to say it."""
    node = single_statement(f"SELECT WHERE {predicate}")
    if isinstance(node, Unparsable) or not isinstance(node, ast.SelectStmt):
        return None
    return _q(node.whereClause, table, field_of)


def _q(node: Node, table: TableFacts, field_of: FieldOf) -> str | None:
    if isinstance(node, ast.BoolExpr):
        return _boolean(node, table, field_of)
    if isinstance(node, ast.ColumnRef):
        return _flag(node, table, field_of, value=True)
    if isinstance(node, ast.NullTest):
        field = _field(node.arg, table, field_of)
        is_null = node.nulltesttype == enums.NullTestType.IS_NULL
        return f"models.Q({field[0]}__isnull={is_null})" if field else None
    if isinstance(node, ast.A_Expr):
        return _comparison(node, table, field_of)
    return None


def _boolean(node: Node, table: TableFacts, field_of: FieldOf) -> str | None:
    if node.boolop == enums.BoolExprType.NOT_EXPR:
        return _flag(node.args[0], table, field_of, value=False)
    is_and = node.boolop == enums.BoolExprType.AND_EXPR
    parts = [_q(argument, table, field_of) for argument in node.args]
    if any(part is None for part in parts):
        return None
    # a mixture keeps its brackets; keyword arguments of one Q would be sorted by name
    inner = [
        f"({part})" if isinstance(argument, ast.BoolExpr) and (" & " in part or " | " in part) else part
        for part, argument in zip((p or "" for p in parts), node.args, strict=True)
    ]
    return (" & " if is_and else " | ").join(inner)


def _flag(node: Node, table: TableFacts, field_of: FieldOf, *, value: bool) -> str | None:
    field = _field(node, table, field_of)
    return f"models.Q({field[0]}={value})" if field and field[1] == "boolean" else None


def _comparison(node: Node, table: TableFacts, field_of: FieldOf) -> str | None:
    field = _field(node.lexpr, table, field_of)
    if field is None:
        return None
    name, type_name = field
    listed = _listed(node)
    if listed is not None and operator_name(node) == "=":
        values = [_constant(v, type_name) for v in listed]
        # Django drops what repeats
        if any(v is None for v in values) or len(set(values)) < len(values):
            return None
        return f"models.Q({name}__in=[{', '.join(v or '' for v in values)}])"
    if node.kind != enums.A_Expr_Kind.AEXPR_OP or operator_name(node) not in LOOKUPS:
        return None
    value = _constant(node.rexpr, type_name)
    return f"models.Q({name}{LOOKUPS[operator_name(node)]}={value})" if value is not None else None


def _listed(node: Node) -> tuple[Node, ...] | None:
    """What IN lists; an existing index has it as ``= ANY (ARRAY[...])``."""
    if node.kind == enums.A_Expr_Kind.AEXPR_IN and isinstance(node.rexpr, tuple):
        return node.rexpr
    array = without_casts(node.rexpr) if node.kind == enums.A_Expr_Kind.AEXPR_OP_ANY else None
    return tuple(array.elements or ()) if isinstance(array, ast.A_ArrayExpr) else None


def _field(node: Node, table: TableFacts, field_of: FieldOf) -> tuple[str, str] | None:
    """Field and type of a bare column, or of a string column cast to text, as pg_get_indexdef writes it."""
    if isinstance(node, ast.TypeCast) and name_parts(node.typeName.names)[-1:] == ("text",):
        inner = _field(node.arg, table, field_of)
        return inner if inner and _base(inner[1]) in STRINGS else None
    if not isinstance(node, ast.ColumnRef) or not isinstance(node.fields[-1], ast.String):
        return None
    column = table.column(node.fields[-1].sval)
    field = field_of(column.name) if column else None
    return (field, column.type_name) if column and field else None


def _base(type_name: str) -> str:
    return type_name.partition("(")[0].strip()


def _constant(node: Node, type_name: str) -> str | None:
    """As Python source; None for a type whose Django field may write the value in another way."""
    base = _base(type_name)
    while isinstance(node, ast.TypeCast):
        if name_parts(node.typeName.names)[-1] not in CASTS.get(base, ()):
            return None
        node = node.arg
    if not isinstance(node, ast.A_Const) or node.isnull:
        return None
    value = node.val
    if isinstance(value, ast.String) and base in STRINGS:
        # Django doubles a percent sign in DDL
        return None if "%" in value.sval else python_string(value.sval)
    if isinstance(value, ast.String) and base == "date":
        try:
            day = date.fromisoformat(value.sval)
        except ValueError:
            return None
        return f"datetime.date({day.year}, {day.month}, {day.day})" if value.sval == day.isoformat() else None
    if isinstance(value, ast.Integer) and base in INTEGERS:
        return str(value.ival)
    return None


def expression(sql: str, table: TableFacts, field_of: FieldOf) -> tuple[str, str] | None:
    """Source and import line of ``lower(email)`` or ``data ->> 'key'``; None where SQL has to say it."""
    node = single_statement(f"SELECT {sql}")
    if isinstance(node, Unparsable) or not isinstance(node, ast.SelectStmt) or len(node.targetList or ()) != 1:
        return None
    node = node.targetList[0].val
    if isinstance(node, ast.FuncCall):
        return _call(node, table, field_of)
    if isinstance(node, ast.A_Expr) and operator_name(node) in KEY_TRANSFORMS:
        return _key(node, table, field_of)
    return None


def _call(node: Node, table: TableFacts, field_of: FieldOf) -> tuple[str, str] | None:
    name = FUNCTIONS.get(function_name(node))
    if name is None or len(name_parts(node.funcname)) > 1 or len(node.args or ()) != 1:
        return None
    field = _field(node.args[0], table, field_of)
    if field is None or (name != "Abs" and _base(field[1]) not in STRINGS):
        return None
    return f"{name}({python_string(field[0])})", f"from django.db.models.functions import {name}"


def _key(node: Node, table: TableFacts, field_of: FieldOf) -> tuple[str, str] | None:
    field, key = _field(node.lexpr, table, field_of), node.rexpr
    if isinstance(key, ast.TypeCast) and name_parts(key.typeName.names)[-1:] == ("text",):
        key = key.arg
    if field is None or field[1] != "jsonb" or not isinstance(key, ast.A_Const) or not isinstance(key.val, ast.String):
        return None
    text = key.val.sval
    try:  # Django takes it for an array's position
        int(text)
    except ValueError:
        transform = KEY_TRANSFORMS[operator_name(node)]
        source = f"{transform}({python_string(text)}, {python_string(field[0])})"
        return (source, f"from django.db.models.fields.json import {transform}") if "%" not in text else None
    return None
