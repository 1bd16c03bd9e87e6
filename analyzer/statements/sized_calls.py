"""How large the results of casts, operators and functions can become, by what they are given."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from pglast import ast, enums

from analyzer.statements.extents import (
    COLUMN_DIGITS,
    MOST_OPTIONS_BYTES,
    NUMERIC_DIGITS,
    UNKNOWN,
    Extent,
    digits_in,
    literal_number,
    longest,
    multiplied,
    product,
    scaled,
    size_of,
    total,
)
from analyzer.statements.tree import Node, function_name, name_parts, operator_name, without_casts

# Results of one size, whatever they are made of.
FIXED = {
    "md5": 32.0, "sha256": 32.0, "sha512": 64.0, "hashtext": 8.0, "length": 8.0, "char_length": 8.0,
    "octet_length": 8.0, "count": 8.0, "now": 8.0, "date_trunc": 8.0, "date_part": 8.0, "extract": 8.0, "age": 16.0,
    "cardinality": 8.0, "array_length": 8.0, "position": 8.0, "strpos": 8.0, "to_timestamp": 8.0, "to_date": 8.0,
    "similarity": 8.0, "word_similarity": 8.0, "ts_rank": 8.0, "ts_rank_cd": 8.0, "bit_length": 8.0, "ascii": 8.0,
    "row_number": 8.0, "rank": 8.0, "dense_rank": 8.0, "chr": 4.0, "timezone": 8.0, "random": 8.0, "crc32": 8.0,
    "percent_rank": 8.0, "cume_dist": 8.0, "ntile": 8.0, "sum": 100.0, "avg": 100.0, "bool_and": 1.0, "bool_or": 1.0,
    "every": 1.0, "gen_random_uuid": 16.0, "uuid_generate_v4": 16.0, "digest": 64.0, "hmac": 64.0,
}  # fmt: skip
# No longer than their longest argument.
AS_LONG_AS_ARGUMENTS = frozenset({
    "coalesce", "nullif", "greatest", "least", "max", "min", "lower", "upper", "initcap", "trim", "btrim", "ltrim",
    "rtrim", "substring", "substr", "left", "right", "split_part", "reverse", "lag", "lead", "first_value",
    "last_value", "nth_value", "unaccent", "abs", "any_value", "regexp_match", "regexp_substr",
})  # fmt: skip
# Many small parts, each with a header: {a,b,...} of two bytes a part takes eight times that.
IN_PARTS = frozenset({"string_to_array", "regexp_split_to_array", "regexp_matches", "to_tsvector", "tsvector_to_array"})
PADDED = frozenset({"char", "bpchar", "character", "bit"})
NUMERIC = frozenset({"numeric", "decimal"})
SMALL = frozenset({
    "int2", "int4", "int8", "float4", "float8", "bool", "date", "time", "timetz", "timestamp", "timestamptz", "uuid",
    "oid", "interval", "inet", "cidr", "macaddr", "money",
})  # fmt: skip
ARITHMETIC = frozenset({"+", "-", "*", "/", "%", "^", "!", "!!", "@", "|/", "||/"})
NUMBERS = frozenset({
    "power", "pow", "exp", "factorial", "round", "trunc", "sqrt", "cbrt", "ln", "log", "log10", "mod", "div", "gcd",
    "lcm", "abs", "ceil", "ceiling", "floor", "sign", "scale", "length", "date_part", "extract", "sum", "avg", "count",
})  # fmt: skip


# -- casts ------------------------------------------------------------------------------------------------


def _type_modifiers(type_name: Node) -> list[float]:
    return [number for mod in type_name.typmods or () if (number := literal_number(mod)) is not None]


def padded_extent(type_name: Node, value: Extent) -> Extent:
    name, modifiers = (name_parts(type_name.names) or ("",))[-1], _type_modifiers(type_name)
    if name not in PADDED or not modifiers:
        return value
    size = modifiers[0] / (8.0 if name == "bit" else 1.0)
    elements = max(1.0, value.bytes() / 2.0) if type_name.arrayBounds else 1.0
    return Extent(max(value.fixed_bytes, size * elements), value.per_column, value.digits, value.is_constant)


def cast_extent(cast: Node, value: Extent) -> Extent:
    type_name = cast.typeName
    name = (name_parts(type_name.names) or ("",))[-1]
    if type_name.arrayBounds:
        return padded_extent(type_name, value.times(8.0))
    if name in PADDED:
        return padded_extent(type_name, value)
    if name in NUMERIC:
        modifiers = _type_modifiers(type_name)
        if modifiers:
            return value.with_digits(min(max(value.digits, COLUMN_DIGITS), sum(map(abs, modifiers))))
        return value if _is_number(cast.arg) or not value.is_constant else value.with_digits(NUMERIC_DIGITS)
    if name in ("json", "jsonb", "jsonpath"):
        return value.with_digits(0.0)
    if name in SMALL:
        return Extent(16.0, 0.0, min(value.digits, 20.0), value.is_constant)
    # as text a number has as many characters as digits
    return Extent(value.fixed_bytes + value.digits, value.per_column, value.digits, value.is_constant)


def _is_number(node: Node) -> bool:
    """Whether its digits are known; a text that is put together may say 1e65000 in a few characters."""
    inner = without_casts(node)
    if isinstance(inner, ast.A_Expr):
        return operator_name(inner) in ARITHMETIC
    if isinstance(inner, ast.FuncCall):
        return function_name(inner) in NUMBERS
    return isinstance(inner, ast.A_Const)


# -- operators and functions ------------------------------------------------------------------------------


def operation_extent(expression: Node, known: Mapping[int, Extent], parts: list[Extent]) -> Extent:
    whole = total(parts)
    if expression.kind != enums.A_Expr_Kind.AEXPR_OP or not isinstance(expression.rexpr, ast.Node):
        return whole.of_size(8.0)
    right = known.get(id(expression.rexpr), Extent())
    left = known.get(id(expression.lexpr), Extent()) if expression.lexpr is not None else Extent()
    match operator_name(expression):
        case "@?" | "@@":  # @@ is text search, too, whose queries hold no such numbers
            sides = [side for side in (expression.lexpr, expression.rexpr) if _is_path(side)]
            return whole.of_size(1.0).with_digits(max(map(digits_in, sides), default=0.0))
        case "+" | "-" | "%":
            return whole.with_digits(max(left.digits, right.digits) + 1.0)
        case "*":
            return whole.with_digits(left.digits + right.digits)
        case "/":
            return whole.with_digits(left.digits + right.digits + 20.0)
        case "^":
            return whole.with_digits(_power_digits(expression.rexpr, left, right))
        case "!" | "!!":
            return whole.with_digits(_factorial_digits(expression.lexpr or expression.rexpr, whole))
    return (
        whole
        if operator_name(expression) in ("||", "#=", "->", "->>", "#>", "#>>", "-")
        else whole.of_size(max(8.0, whole.fixed_bytes))
    )


def _is_path(node: Node) -> bool:
    if isinstance(node, ast.TypeCast):
        return name_parts(node.typeName.names)[-1:] == ("jsonpath",)
    return isinstance(node, ast.A_Const)


def _power_digits(exponent: Node, base: Extent, power: Extent) -> float:
    number = literal_number(exponent)
    if number is not None:
        return max(base.digits, 1.0) * max(1.0, math.ceil(abs(number))) + 20.0
    return NUMERIC_DIGITS if base.is_constant and power.is_constant else COLUMN_DIGITS


def _factorial_digits(argument: Node, value: Extent) -> float:
    number = literal_number(argument)
    if number is not None:
        return max(1.0, abs(number)) * max(1.0, math.log10(max(1.0, abs(number))))
    return NUMERIC_DIGITS if value.is_constant else COLUMN_DIGITS


def _repeated(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    whole = total(args)
    count = size_of(nodes[1]) if len(nodes) > 1 else UNKNOWN
    return Extent(*scaled(args[0], count), 0.0, whole.is_constant)


def _padded_to(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    size = size_of(nodes[1]) if len(nodes) > 1 else UNKNOWN
    return Extent(4.0 * size, 0.0, 0.0, total(args).is_constant)  # a character has up to four bytes


def _replaced(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    """The last text in the place of every character of the first: \\& gives what was found once more."""
    by = args[2] if len(args) > 2 else Extent()
    longer = multiplied(args[0], Extent(max(1.0, by.fixed_bytes), by.per_column, 0.0, by.is_constant))
    return total([args[0], Extent(longer.fixed_bytes, longer.per_column, 0.0, total(args).is_constant)])


def _formatted(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    template = without_casts(nodes[0])
    whole = total(args)
    if isinstance(template, ast.ParamRef):
        return whole
    if not isinstance(template, ast.A_Const) or template.isnull:
        return Extent(UNKNOWN, 0.0, 0.0, whole.is_constant)
    text = str(getattr(template.val, "sval", ""))
    if "*" in text:  # its width is an argument
        return Extent(UNKNOWN, 0.0, 0.0, whole.is_constant)
    widths = sum(float(width) for width in re.findall(r"\d{1,15}", text))
    # every %1$s gives the argument again
    return total([whole.times(1.0 + text.count("$")), Extent(4.0 * widths)])


def _filled(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    dimensions = without_casts(nodes[1]) if len(nodes) > 1 else None
    if not isinstance(dimensions, ast.A_ArrayExpr):
        return Extent(UNKNOWN, 0.0, 0.0, total(args).is_constant)
    count = 1.0
    for dimension in dimensions.elements or ():
        count = product(count, size_of(dimension))
    element = Extent(max(8.0, args[0].fixed_bytes), args[0].per_column)
    return Extent(*scaled(element, count), 0.0, total(args).is_constant)


def _bytes_asked_for(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    return Extent(size_of(nodes[0]), 0.0, 0.0, total(args).is_constant)


def _power(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    power = args[1] if len(args) > 1 else args[0]
    return total(args).with_digits(_power_digits(nodes[-1], args[0], power))


def _exponential(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    number = literal_number(nodes[0])
    if number is None:
        return args[0].with_digits(NUMERIC_DIGITS if args[0].is_constant else COLUMN_DIGITS)
    return args[0].with_digits(max(args[0].digits, abs(number) / math.log(10.0)))


def _factorial(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    return args[0].with_digits(_factorial_digits(nodes[0], args[0]))


def _rounded(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    places = size_of(nodes[1]) if len(nodes) > 1 else 0.0
    return args[0].with_digits(args[0].digits + min(places, NUMERIC_DIGITS))


def _number_from_text(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    is_literal = all(isinstance(without_casts(node), ast.A_Const) for node in nodes)
    return total(args).with_digits(args[0].fixed_bytes if is_literal or not args[0].is_constant else NUMERIC_DIGITS)


def walked_extent(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    """What a jsonpath makes of a document: each $ in a filter and each ** goes through all of it again, and keeps it.

    A document of 10 kB and a path with a $ in its filter took 1 GB on 13 to 18.
    """
    path = without_casts(nodes[1]) if len(nodes) > 1 else None
    text = str(getattr(getattr(path, "val", None), "sval", ""))
    again = text.count("$") - 1 + max(0, text.count(".**") - 1)
    if not text and not isinstance(path, ast.ParamRef):  # a parameter's value is reckoned with when it is sent
        again = 1
    met = args[0] if args else Extent()
    for _ in range(again):
        met = multiplied(met, args[0])
    return total([met, *args], 100.0).with_digits(_path_digits(nodes, args))


def _indented(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    """Every line of a document is moved in by its depth."""
    return multiplied(args[0], args[0]).times(0.25)


def _headline(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    """Of options longer than 32 kB 13.23 crashes."""
    return total(args) if args[-1].bytes() <= MOST_OPTIONS_BYTES else args[-1].of_size(UNKNOWN)


def _cut_to(nodes: Sequence[Node], args: Sequence[Extent]) -> Extent:
    """What a cast to char(n) or bit(n) calls, by its name: the length is its second argument."""
    size = size_of(nodes[1]) if len(nodes) > 1 else 0.0
    return Extent(max(args[0].fixed_bytes, size), args[0].per_column, args[0].digits, total(args).is_constant)


def _path_digits(nodes: Sequence[Node], args: Sequence[Extent]) -> float:
    """Of the numbers that a jsonpath works with: its own, and those of a document it reckons with."""
    path = without_casts(nodes[1]) if len(nodes) > 1 else None
    text = str(getattr(getattr(path, "val", None), "sval", ""))
    digits = max((digits_in(node) for node in nodes[1:]), default=0.0)
    if text and not any(sign in text.replace("[*]", "").replace(".*", "") for sign in "*/%+-"):
        return digits
    is_built = bool(args) and args[0].is_constant and not isinstance(without_casts(nodes[0]), ast.A_Const)
    return max(digits, NUMERIC_DIGITS if is_built else digits_in(nodes[0]) if nodes else 0.0)


SIZED: Mapping[str, Callable[[Sequence[Node], Sequence[Extent]], Extent]] = {
    "repeat": _repeated, "lpad": _padded_to, "rpad": _padded_to, "replace": _replaced, "regexp_replace": _replaced,
    "format": _formatted, "array_fill": _filled, "gen_random_bytes": _bytes_asked_for, "power": _power, "pow": _power,
    "exp": _exponential, "factorial": _factorial, "round": _rounded, "trunc": _rounded, "numeric": _number_from_text,
    "to_number": _number_from_text, "translate": lambda nodes, args: total(args).times(4.0),
    "array_to_string": lambda nodes, args: total([args[0], multiplied(args[0], longest(args[1:]))]),
    "ts_headline": _headline,
    "jsonb_pretty": _indented, "bpchar": _cut_to, "bit": _cut_to, "varbit": _cut_to, "varchar": _cut_to,
    "overlay": lambda nodes, args: total(args), "encode": lambda nodes, args: args[0].times(2.0),
    "xmlelement": lambda nodes, args: total(args, 100.0), "quote_literal": lambda nodes, args: args[0].times(2.0),
}  # fmt: skip
