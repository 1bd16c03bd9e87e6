"""How many bytes a key can take in an index entry: what a B-tree refuses makes INSERT and UPDATE fail.

A B-tree entry, INCLUDE columns with it, holds a third of a page. Declared lengths bound a value; where none is declared
the statistics tell, and values that ANALYZE found too wide to keep bound nothing. Compression is not counted on.

No statistic tells the widest value of a text without declared length: ANALYZE counts one that is stored out of line as
the 18 bytes of its pointer. So a B-tree on one is a caution (``undeclared_width``), and where its values are no short
ones and equality is all that is asked, a hash index serves, which takes any (``better_hashed``).
"""

from collections.abc import Callable, Iterable

from pglast import ast, enums

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.checks import Threshold
from analyzer.checks.column_widths import (
    BTREE_ENTRY_BYTES,
    CHARACTER_BYTES,
    ENTRY_HEADER_BYTES,
    NO_BOUND,
    NUMERIC_BYTES,
    VALUE_HEADER_BYTES,
    WIDEST_KEY_BYTES,
    column_bytes,
    declared,
    declared_bytes,
    has_btree,
    has_hash_class,
    is_in_btree,
)
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.tree import (
    Node,
    Unparsable,
    children,
    column_names,
    function_name,
    name_parts,
    operator_name,
    parse,
    without_casts,
)
from analyzer.words.lists import and_list

LIMITS = {
    "short_mean": Threshold(60, "bytes", "judgement: names, codes and addresses are shorter, URLs and tokens longer"),
    "all_kept": Threshold(0.99, "of all rows", "judgement: words of the application, all of them known"),
}
CAST_BYTES = {
    "int2": 2, "int4": 4, "int8": 8, "integer": 4, "bigint": 8, "smallint": 2, "float4": 4, "float8": 8, "bool": 1,
    "boolean": 1, "date": 4, "timestamp": 8, "timestamptz": 8, "time": 8, "timetz": 12, "interval": 16, "uuid": 16,
    "money": 8, "oid": 4, "inet": 24, "cidr": 24, "macaddr": 8, "numeric": NUMERIC_BYTES, "name": 64, "tsquery": 64,
}  # fmt: skip
# functions whose result does not grow with what they are given
RESULT_BYTES = {
    "md5": 36, "sha224": 32, "sha256": 36, "sha384": 52, "sha512": 68, "length": 4, "char_length": 4, "octet_length": 4,
    "bit_length": 4, "extract": 16, "date_part": 8, "date_trunc": 8, "date_bin": 8, "timezone": 8, "date": 4, "age": 16,
    "to_timestamp": 8, "to_date": 4, "to_number": NUMERIC_BYTES, "hashtext": 4, "hashtextextended": 8,
    "abs": 16, "mod": 16, "round": 32, "floor": 16, "ceil": 16, "ceiling": 16, "trunc": 16, "sign": 16,
    "jsonb_array_length": 4, "json_array_length": 4, "cardinality": 4,
    "array_length": 4, "strpos": 4, "position": 4, "ascii": 4, "jsonb_typeof": 12, "host": 48, "int4": 4, "int8": 8,
    "numeric": NUMERIC_BYTES, "int2": 2, "float8": 8, "starts_with": 1, "regexp_like": 1, "jsonb_exists": 1,
    "jsonb_path_exists": 1, "jsonb_path_match": 1, "similarity": 4, "bit_count": 8, "array_position": 4,
}  # fmt: skip
# operators whose result is true or false
COMPARES = frozenset({
    "=", "<>", "!=", "<", ">", "<=", ">=", "~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*", "^@", "?", "?|", "?&",
    "@>", "<@", "&&", "@@", "@?", "<%", "%>", "<<%", "%>>", "~<~", "~>~", "~<=~", "~>=~",
})  # fmt: skip
TAKES_LENGTH = {"left": 1, "right": 1, "substr": 2, "substring": 2, "lpad": 1, "rpad": 1}  # place of the length
DOCUMENTS = ("json", "hstore", "xml")
WidthOf = Callable[[ColumnFacts, TableFacts], float]  # bytes of a column's widest value, or what stands for it


def key_bytes(key: IndexColumn, table: TableFacts, width_of: WidthOf | None = None) -> float:
    """Of a column's or an expression's widest value; ``width_of``: of a column's, where not ``column_bytes``."""
    width_of = width_of or column_bytes
    if not key.is_expression:
        column = table.column(key.name)
        if column is None or declared(column).startswith("json") or declared(column).endswith("[]"):
            return NO_BOUND
        return _of_column(column, table, width_of)
    statements = parse(f"SELECT {key.name}")
    if isinstance(statements, Unparsable):
        return NO_BOUND
    return _node_bytes(statements[0].stmt.targetList[0].val, table, width_of)


def better_hashed(key: IndexColumn, table: TableFacts) -> bool:
    """Whether it has no declared length and its values are no short ones: for equality a hash index takes any."""

    def mean_of(column: ColumnFacts, _: TableFacts) -> float:
        is_text = declared_bytes(column) == NO_BOUND and not declared(column).startswith(DOCUMENTS)
        return float(column.avg_width_bytes or 0) if is_text else 0.0

    is_long = LIMITS["short_mean"].value < key_bytes(key, table, mean_of) < NO_BOUND
    return is_long and _has_no_bound(key, table) and has_hash(key, table)


def has_hash(key: IndexColumn, table: TableFacts) -> bool:
    """Whether its type has a default operator class for hash indexes; of an expression, as far as its columns tell."""
    if not key.is_expression:
        column = table.column(key.name)
        return column is not None and has_hash_class(column)
    statements = parse(f"SELECT {key.name}")
    if isinstance(statements, Unparsable):
        return False
    node = statements[0].stmt.targetList[0].val
    if isinstance(node, ast.TypeCast):
        return True
    columns = (column for name in column_names(node) if (column := table.column(name)) is not None)
    return all(has_hash_class(c) or declared(c) in ("json", "xml") for c in columns)  # those two cannot be compared


def _has_no_bound(key: IndexColumn, table: TableFacts) -> bool:
    """Whether its declaration allows a value of any length, and nothing shows that there are only short ones."""

    def allowed(column: ColumnFacts, _: TableFacts) -> float:
        bytes_declared = declared_bytes(column)
        return NO_BOUND if bytes_declared == NO_BOUND and not _is_word_list(column) else 0.0

    return key_bytes(key, table, allowed) == NO_BOUND


def _is_word_list(column: ColumnFacts) -> bool:
    common = sum(column.most_common_freqs or ())
    return common > 0 and common + (column.null_frac or 0.0) >= LIMITS["all_kept"].value


def undeclared_width(definition: IndexDefinition) -> tuple[str, ...]:
    """Of a B-tree on texts without declared length: that a long one could not be written, in a sentence."""
    if definition.method != "btree":
        return ()
    keys = (*definition.columns, *map(IndexColumn, definition.include))
    names = [key.name for key in keys if _has_no_bound(key, definition.table)]
    if not names:
        return ()
    return (
        f"{and_list(names)} {'has' if len(names) == 1 else 'have'} no declared length: with this index an INSERT of a"
        f" value above {BTREE_ENTRY_BYTES:,.0f} bytes (compressed) would fail, and its build where"
        " one is there.",
    )


def _of_column(column: ColumnFacts, table: TableFacts, width_of: WidthOf) -> float:
    return min(width_of(column, table), WIDEST_KEY_BYTES if is_in_btree(column.name, table) else NO_BOUND)


def fits_btree(key: IndexColumn, table: TableFacts) -> bool:
    """Whether a B-tree can hold any value of it, by itself."""
    if not key.is_expression:
        column = table.column(key.name)
        if column is None or not has_btree(column):
            return False
    return entry_bytes(table, [key]) <= BTREE_ENTRY_BYTES


def entry_bytes(table: TableFacts, keys: Iterable[IndexColumn], include: Iterable[str] = ()) -> float:
    """Of the widest entry of a B-tree."""
    included = (IndexColumn(name) for name in include)
    return ENTRY_HEADER_BYTES + sum(key_bytes(key, table) for key in (*keys, *included))


def may_refuse_rows(definition: IndexDefinition) -> bool:
    """Whether a row may come that the index cannot hold."""
    table, columns = definition.table, definition.columns
    match definition.method:
        case "btree":
            return entry_bytes(table, columns, definition.include) > BTREE_ENTRY_BYTES
        case "brin":  # a summary holds the least and the greatest value; brin.h: BrinMaxItemSize is a page
            return 2 * entry_bytes(table, columns) > 2 * BTREE_ENTRY_BYTES
        case "gin":  # ginblock.h, GinMaxItemSize: an element of an array is an entry as it is
            return any(_element_bytes(c, table) > BTREE_ENTRY_BYTES - ENTRY_HEADER_BYTES for c in columns)
    return False


def too_wide(key: IndexColumn, table: TableFacts) -> str:
    """Why no B-tree can be made on it, in a sentence."""
    name = key.name
    column = table.column(name)
    most = key_bytes(key, table)
    if column is not None and declared(column).endswith("[]"):
        size = f"{name} is an array, whose length nothing bounds"
    elif column is not None and declared(column).startswith("json"):
        size = f"{name} holds documents, whose length nothing bounds"
    elif column is not None and column.most_characters is not None:
        size = f"{name} is a {declared(column)} and can take {most - VALUE_HEADER_BYTES:,.0f} bytes"
    else:
        size = f"{name} has no declared length and holds wide values"
    return (
        f"{size}; a B-tree entry holds {BTREE_ENTRY_BYTES:,.0f}, and with an index on it a row that is wider could not"
        " be written any more"
    )


def too_wide_entry(definition: IndexDefinition) -> str:
    """What a B-tree or another index that ``may_refuse_rows`` does to writes, in a sentence."""
    table = definition.table
    keys = [*definition.columns, *map(IndexColumn, definition.include)]
    widest = max(keys, key=lambda key: key_bytes(key, table))
    if definition.method == "btree" and key_bytes(widest, table) > WIDEST_KEY_BYTES:
        return f"{too_wide(widest, table)}."
    names = ", ".join(key.name for key in keys)
    return (
        f"{names} can together be wider than the {BTREE_ENTRY_BYTES:,.0f} bytes that an entry holds: with this index"
        " such a row could not be written any more."
    )


def _element_bytes(key: IndexColumn, table: TableFacts) -> float:
    column = table.column(key.name)
    if key.is_expression or column is None or not declared(column).endswith("[]"):
        return 0.0  # documents' long keys and texts' words are shortened by the index itself
    return VALUE_HEADER_BYTES + (column.most_characters or 0) * CHARACTER_BYTES


def _node_bytes(node: Node, table: TableFacts, width_of: WidthOf) -> float:
    match node:
        case ast.TypeCast():
            name = name_parts(node.typeName.names)[-1]
            if name in CAST_BYTES:
                return float(CAST_BYTES[name])
            lengths = [m.val.ival for m in node.typeName.typmods or () if isinstance(m, ast.A_Const)]
            if lengths and name in ("varchar", "bpchar"):
                return float(VALUE_HEADER_BYTES + lengths[0] * CHARACTER_BYTES)
            return max(_node_bytes(node.arg, table, width_of), CAST_BYTES["interval"])
        case ast.ColumnRef():
            column = table.column(getattr(node.fields[-1], "sval", ""))
            return NO_BOUND if column is None else _of_column(column, table, width_of)
        case ast.A_Const():
            return float(len(getattr(node.val, "sval", "") or "")) + VALUE_HEADER_BYTES
        case ast.NullTest() | ast.BooleanTest() | ast.BoolExpr():
            return float(CAST_BYTES["bool"])
        case ast.A_Expr(kind=enums.A_Expr_Kind.AEXPR_NULLIF):
            return _node_bytes(node.lexpr, table, width_of)
        case ast.A_Expr() if node.kind != enums.A_Expr_Kind.AEXPR_OP:  # IN, LIKE, BETWEEN, DISTINCT FROM, = ANY
            return float(CAST_BYTES["bool"])
        case ast.A_Expr() if node.lexpr is not None and operator_name(node) in COMPARES:
            return float(CAST_BYTES["bool"])
        case ast.CaseExpr():
            results = [*(when.result for when in node.args), *([node.defresult] if node.defresult else [])]
            return max(_node_bytes(result, table, width_of) for result in results)
        case ast.FuncCall() if (name := function_name(node)) in RESULT_BYTES:
            return float(RESULT_BYTES[name])
        case ast.FuncCall() if (place := TAKES_LENGTH.get(function_name(node))) and len(node.args or ()) > place:
            length = without_casts(node.args[place])
            if isinstance(length, ast.A_Const) and isinstance(length.val, ast.Integer):
                return float(VALUE_HEADER_BYTES + length.val.ival * CHARACTER_BYTES)
        case ast.A_Expr() if operator_name(node) in ("->", "->>", "#>", "#>>"):
            return _node_bytes(node.lexpr, table, width_of)
        case ast.A_Indirection():
            return _node_bytes(node.arg, table, width_of)
        case ast.CoalesceExpr() | ast.MinMaxExpr():
            return max(_node_bytes(argument, table, width_of) for argument in node.args)
    parts = (child for child in children(node) if not isinstance(child, (ast.TypeName, ast.String)))
    return sum(_node_bytes(part, table, width_of) for part in parts)
