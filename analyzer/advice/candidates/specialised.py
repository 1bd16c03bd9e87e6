"""Conditions that a plain B-tree cannot serve and another kind of index can: text search, contents, ranges, distances.

PostgreSQL's operator classes (the manual, 11.10 and the chapters of GIN, GiST and pg_trgm) say which method knows which
operator of which type.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pglast import ast

from analyzer.advice.candidates.immutable import is_surely_immutable
from analyzer.advice.definition import IndexColumn
from analyzer.advice.rules.coverage import Need
from analyzer.checks.column_widths import declared
from analyzer.schema.facts import ColumnFacts, IndexFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.blocks import PATTERNS, Predicate
from analyzer.statements.index_expressions import can_be_key, unqualified
from analyzer.statements.tree import Node, Unparsable, function_name, name_parts, operator_name, parse

TRIGRAMS = "pg_trgm"
SIMILAR = frozenset({"%", "<%", "%>", "<<%", "%>>"})
ARRAY_OPERATORS = frozenset({"@>", "<@", "&&"})
RANGE_OPERATORS = frozenset({"@>", "<@", "&&", "-|-", "<<", ">>", "&<", "&>"})
PLANE_OPERATORS = frozenset({"@>", "<@", "&&", "<<", ">>", "&<", "&>", "~=", "<<|", "|>>", "&<|", "|&>", "<^", ">^"})
NETWORK_OPERATORS = frozenset({"<<", "<<=", ">>", ">>=", "&&"})
PLANE = ("point", "box", "circle", "polygon")
PREFIX_CLASSES = {"character": "bpchar_pattern_ops", "bpchar": "bpchar_pattern_ops"}
RESULTS = {
    "to_tsvector": "tsvector", "setweight": "tsvector", "strip": "tsvector", "string_to_array": "array",
    "regexp_split_to_array": "array", "tstzrange": "range", "tsrange": "range", "daterange": "range",
    "int4range": "range", "int8range": "range", "numrange": "range", "point": "plane", "box": "plane",
    "lower": "text", "upper": "text", "btrim": "text", "ltrim": "text", "rtrim": "text", "unaccent": "text",
    "replace": "text", "concat_ws": "text", "substring": "text", "left": "text", "split_part": "text",
}  # fmt: skip
KINDS = {
    "text": "text", "character varying": "text", "varchar": "text", "jsonb": "jsonb", "tsvector": "tsvector",
    "hstore": "hstore", "ltree": "ltree", "inet": "network", "cidr": "network", "citext": "citext",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Special:
    """An index of one key that knows the condition's operator."""

    method: str
    key: IndexColumn


@dataclass(frozen=True, slots=True)
class Specialised:
    """``reason``: what it is for, in a sentence."""

    need: Need
    reason: str


def special_indexes(table: TableFacts, predicate: Predicate, extensions: Collection[str]) -> list[Special]:
    """Every kind that serves the condition; where the type of an expression is not known, those it may be.

    ``extensions``: that the database has.
    """
    column = table.column(predicate.column)
    key = key_of(predicate)
    if column is None or key is None:
        return []
    kind = kind_of(key, column)
    text = predicate.text
    if kind == "ltree":
        return [Special("gist", key)] if text in ("@>", "<@", "~", "?", "@") else []
    is_pattern = predicate.operator in PATTERNS or (predicate.operator == "like_prefix" and text.startswith("~~"))
    if is_pattern or text in SIMILAR:
        return [_with("gin", key, "gin_trgm_ops")] if kind in ("text", "") else []
    if predicate.operator not in ("contains", "other"):
        return []
    specials: list[Special] = []
    if kind in ("array", "") and text in ARRAY_OPERATORS:
        specials.append(Special("gin", key))
    is_intarray = "intarray" in extensions and kind == "array" and declared(column) == "integer[]"
    if is_intarray and text in (*ARRAY_OPERATORS, "@@"):  # its own operators, where its schema is searched first
        specials.append(_with("gin", key, "gin__int_ops"))
    if kind == "jsonb" and text in ("@>", "@?", "@@"):
        specials.append(_with("gin", key, "jsonb_path_ops"))
    elif kind == "jsonb" and text in ("?", "?|", "?&"):
        specials.append(Special("gin", key))
    if kind in ("tsvector", "") and text == "@@":
        specials.append(Special("gin", key))
    if kind == "hstore" and text in ("@>", "?", "?|", "?&"):
        specials.append(Special("gin", key))
    if kind == "network" and text in ("<<", "<<="):
        specials.append(Special("btree", key))
    if kind == "network" and text in NETWORK_OPERATORS:
        specials.append(_with("gist", key, "inet_ops"))
    if kind in ("range", "") and text in RANGE_OPERATORS:
        specials.append(Special("gist", key))
    if kind == "plane" and text in PLANE_OPERATORS:
        specials.append(Special("gist", key))
    return specials


def prefix_indexes(table: TableFacts, column: str) -> Iterator[IndexFacts]:
    """Those in use that know what begins with a text, whatever the collation."""
    return (
        i for i in table.indexes
        if i.is_usable and i.scans and i.columns[0] == column and i.opclasses[:1] and "pattern_ops" in i.opclasses[0]
    )  # fmt: skip


def key_of(predicate: Predicate) -> IndexColumn | None:
    """What an index would be on; None where a constant in it is not known, or it is no row's own."""
    if predicate.expression is None:
        return IndexColumn(predicate.column)
    if not can_be_key(predicate.expression):
        return None
    return IndexColumn(unqualified(predicate.expression), is_expression=True)


def kind_of(key: IndexColumn, column: ColumnFacts) -> str:
    """Of type: text, jsonb, array, tsvector, range, plane, network, hstore, ltree, citext, other; "" for not known."""
    if not key.is_expression:
        return _kind_named(declared(column))
    statements = parse(f"SELECT {key.name}")
    return "" if isinstance(statements, Unparsable) else _kind(statements[0].stmt.targetList[0].val, column)


def prefix_class(key: IndexColumn, column: ColumnFacts) -> str | None:
    """The operator class that compares bytes, as LIKE 'x%' needs; None where the collation does so itself."""
    if column.compares_bytes and not key.is_expression:
        return None
    plain = "" if key.is_expression else declared(column).partition("(")[0]
    return PREFIX_CLASSES.get(plain, "text_pattern_ops")


def _kind(node: Node, column: ColumnFacts) -> str:
    match node:
        case ast.ColumnRef():
            return _kind_named(declared(column))
        case ast.TypeCast():
            name = name_parts(node.typeName.names)[-1]
            return "array" if node.typeName.arrayBounds else _kind_named(name)
        case ast.CollateClause():
            return "text"
        case ast.FuncCall():
            return RESULTS.get(function_name(node), "")
        case ast.A_Indirection():
            return "jsonb" if _kind(node.arg, column) == "jsonb" else ""
        case ast.A_Expr() if operator_name(node) in ("->>", "#>>"):
            return "text"
        case ast.A_Expr() if operator_name(node) in ("->", "#>"):
            return "jsonb" if _kind(node.lexpr, column) == "jsonb" else "other"
        case ast.A_Expr() if operator_name(node) == "||":
            kinds = {_kind(node.lexpr, column), _kind(node.rexpr, column)}
            return "tsvector" if "tsvector" in kinds else "text" if "text" in kinds else ""
        case ast.CoalesceExpr():
            return _kind(node.args[0], column)
    return ""


def _kind_named(type_name: str) -> str:
    if type_name.endswith("[]"):
        return "array"
    if type_name.endswith(("range",)):
        return "range"
    plain = type_name.partition("(")[0].rpartition(".")[2]
    return "plane" if plain in PLANE else KINDS.get(plain, "other")


def _with(method: str, key: IndexColumn, opclass: str) -> Special:
    return Special(method, IndexColumn(key.name, opclass=opclass, is_expression=key.is_expression))


# what a rule makes of it, without a planner that judges


def specialised_need(
    table: TableFacts, predicates: Sequence[Predicate], extensions: Collection[str]
) -> Specialised | None:
    """The first condition in the block that another kind of index serves."""
    for predicate in predicates:
        if predicate.is_in_or or predicate.joined is not None or predicate.operator == "like_prefix":
            continue
        need = _one(table, predicate, extensions)
        if need is not None:
            return need
    return None


def _one(table: TableFacts, predicate: Predicate, extensions: Collection[str]) -> Specialised | None:
    key = key_of(predicate)
    if key is None or (key.is_expression and not is_surely_immutable(key.name, table)):
        return None
    specials = special_indexes(table, predicate, extensions)
    if len(specials) == 1:
        special = specials[0]
        purpose = "text" if special.key.opclass == "gin_trgm_ops" else "contents"
        need = Need(table, frozenset(), (special.key,), purpose, method=special.method)
        return Specialised(need, _said(special, predicate))
    if predicate.operator in ("eq", "in", "any") and key.is_expression:
        need = Need(table, frozenset(), (key,), "expression")
        return Specialised(need, f"It compares {key.name}, which an index on that expression serves.")
    return None


def _said(special: Special, predicate: Predicate) -> str:
    name = special.key.name if special.key.is_expression else quote_identifier(special.key.name)
    if special.key.opclass == "gin_trgm_ops":
        may = "a pattern that may start with a wildcard"
        return f"It searches {name} for {may if predicate.operator == 'like' else 'a pattern inside the text'}."
    return f"It searches inside {name} with {predicate.text}."
