"""How many bytes a key can take in an index entry: what a B-tree refuses makes INSERT and UPDATE fail.

A B-tree entry, INCLUDE columns with it, holds a third of a page. Declared lengths bound a value; where none is declared
the statistics tell, and values that ANALYZE found too wide to keep bound nothing. Compression is not counted on.

No statistic tells the widest value of a text without declared length: ANALYZE counts one that is stored out of line as
the 18 bytes of its pointer. So a B-tree on one is a caution (``undeclared_width``), and where its values are no short
ones and equality is all that is asked, a hash index serves, which takes any (``better_hashed``).
"""

import re
from collections.abc import Callable, Iterable

from pglast import ast

from analyzer.advice.index_definition import IndexColumn, IndexDefinition
from analyzer.advice.sizing.keys import FIXED_WIDTHS
from analyzer.checks import Threshold
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.statements.tree import (
    Node,
    Unparsable,
    children,
    function_name,
    name_parts,
    operator_name,
    parse,
    without_casts,
)
from analyzer.words.lists import and_list

LIMITS = {
    "btree_entry": Threshold(2704, "bytes", "nbtree.h, BTMaxItemSize: a third of a page of 8 kB; a row above it fails"),
    "widest_beside_mean": Threshold(
        16, "bytes / bytes", "judgement: of a million texts whose lengths spread as names, codes and addresses do"
    ),
    "short_mean": Threshold(60, "bytes", "judgement: names, codes and addresses are shorter, URLs and tokens longer"),
    "can_go_out_of_line": Threshold(500, "bytes", "a fourth of 2 kB, TOAST_TUPLE_TARGET: below it others go first"),
    "all_kept": Threshold(0.99, "of all rows", "judgement: words of the application, all of them known"),
}
BTREE_ENTRY_BYTES = LIMITS["btree_entry"].value
WIDEST_BESIDE_MEAN = LIMITS["widest_beside_mean"].value
NO_BOUND = float("inf")
ENTRY_HEADER_BYTES = 16  # itup.h: IndexTupleData, and a null bitmap with its alignment
WIDEST_KEY_BYTES = BTREE_ENTRY_BYTES - ENTRY_HEADER_BYTES
VALUE_HEADER_BYTES = 8  # of a varlena that is not short, and alignment
CHARACTER_BYTES = 4  # of UTF-8 at most
UNKNOWN_MEAN_BYTES = 32.0  # judgement: of a text that was never analysed
NUMERIC_BYTES = 64.0  # judgement: of a number without declared precision
BITS = re.compile(r"bit(?: varying)?\((\d+)\)")
NUMBER = re.compile(r"numeric\((\d+)")
# pg_type names as the parser writes them -> bytes
CAST_BYTES = {
    "int2": 2, "int4": 4, "int8": 8, "integer": 4, "bigint": 8, "smallint": 2, "float4": 4, "float8": 8, "bool": 1,
    "boolean": 1, "date": 4, "timestamp": 8, "timestamptz": 8, "time": 8, "timetz": 12, "interval": 16, "uuid": 16,
    "money": 8, "oid": 4, "inet": 24, "cidr": 24, "macaddr": 8, "numeric": NUMERIC_BYTES, "name": 64, "tsquery": 64,
}  # fmt: skip
# functions whose result does not grow with what they are given
RESULT_BYTES = {
    "md5": 36, "sha224": 32, "sha256": 36, "sha384": 52, "sha512": 68, "length": 4, "char_length": 4, "octet_length": 4,
    "bit_length": 4, "extract": 16, "date_part": 8, "date_trunc": 8, "date_bin": 8, "timezone": 8, "date": 4, "age": 16,
    "to_timestamp": 8, "hashtext": 4, "hashtextextended": 8, "abs": 16, "mod": 16, "round": 32, "floor": 16, "ceil": 16,
    "ceiling": 16, "trunc": 16, "sign": 16, "jsonb_array_length": 4, "json_array_length": 4, "cardinality": 4,
    "array_length": 4, "strpos": 4, "position": 4, "ascii": 4, "jsonb_typeof": 12, "host": 48, "int4": 4, "int8": 8,
    "numeric": NUMERIC_BYTES, "int2": 2, "float8": 8,
}  # fmt: skip
TAKES_LENGTH = {"left": 1, "right": 1, "substr": 2, "substring": 2, "lpad": 1, "rpad": 1}  # place of the length
# types of any length; of others that are not known here the statistics alone tell
WITHOUT_LENGTH = frozenset(
    {"text", "character varying", "bpchar", "citext", "bytea", "bit varying", "json", "jsonb", "hstore", "xml"}
)
DOCUMENTS = ("json", "hstore", "xml")
WidthOf = Callable[[ColumnFacts, TableFacts], float]  # bytes of a column's widest value, or what stands for it
NO_BTREE = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "aclitem", "txid_snapshot",
            "tsvector", "tsquery", "hstore", "ltree[]", "vector")  # fmt: skip


def declared(column: ColumnFacts) -> str:
    """The type with its length, below any domain."""
    return column.declared_type or column.type_name


def has_btree(column: ColumnFacts) -> bool:
    """Whether it is of a type that a B-tree is made for; documents and arrays have an order, and no length."""
    name = declared(column)
    return not name.startswith(NO_BTREE) and not name.endswith("[]")


def declared_bytes(column: ColumnFacts) -> float | None:
    """Of the widest value that its declaration allows; infinite for texts without length, None where unknown."""
    name = declared(column)
    if width := FIXED_WIDTHS.get(column.type_oid):
        return float(width[0])
    if column.length_bytes > 0:
        return float(column.length_bytes)
    if column.most_characters is not None and not name.endswith("[]"):
        return VALUE_HEADER_BYTES + column.most_characters * CHARACTER_BYTES
    if match := BITS.match(name):
        return VALUE_HEADER_BYTES + int(match[1]) / 8
    if match := NUMBER.match(name):
        return VALUE_HEADER_BYTES + int(match[1]) / 2
    if name == "numeric":
        return NUMERIC_BYTES
    if name in ("inet", "cidr"):
        return 24.0
    if name.endswith("range"):
        return 40.0
    return NO_BOUND if name.rpartition(".")[2].strip('"') in WITHOUT_LENGTH else None


def column_bytes(column: ColumnFacts, table: TableFacts) -> float:
    """Of its widest value, declared or measured; infinite where values were seen that nothing bounds."""
    bytes_declared = declared_bytes(column)
    if bytes_declared is not None and bytes_declared < NO_BOUND:
        return bytes_declared
    if column.avg_width_bytes is not None and (is_never_kept(column) or _is_out_of_line(column, table)):
        return NO_BOUND
    mean = UNKNOWN_MEAN_BYTES if column.avg_width_bytes is None else float(column.avg_width_bytes)
    return VALUE_HEADER_BYTES + mean * WIDEST_BESIDE_MEAN


def _is_out_of_line(column: ColumnFacts, table: TableFacts) -> bool:
    """Whether the values that the table stores out of line (TOAST) can only be its."""
    if table.storage is None or not table.storage.toast_bytes or declared_bytes(column) != NO_BOUND:
        return False
    can_be = LIMITS["can_go_out_of_line"].value
    others = (declared_bytes(other) for other in table.columns if other.name != column.name)
    return all(width is not None and width < can_be for width in others)


def is_never_kept(column: ColumnFacts) -> bool:
    """ANALYZE found values, and all of them wider than the 1,024 bytes (WIDTH_THRESHOLD) that it keeps."""
    is_analysed = column.n_distinct is not None and (column.null_frac or 0) < 1
    return is_analysed and column.correlation is None and column.most_common_freqs is None


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

    return _has_no_bound(key, table) and LIMITS["short_mean"].value < key_bytes(key, table, mean_of) < NO_BOUND


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
        f" value above {BTREE_ENTRY_BYTES:,.0f} bytes (compressed) would fail.",
    )


def _of_column(column: ColumnFacts, table: TableFacts, width_of: WidthOf) -> float:
    return min(width_of(column, table), WIDEST_KEY_BYTES if _is_in_btree(column.name, table) else NO_BOUND)


def _is_in_btree(name: str, table: TableFacts) -> bool:
    """Every value of it is in a B-tree already: of the table, or of the one that it references."""
    return any(name in key.columns for key in table.foreign_keys) or any(
        i.is_usable and i.method == "btree" and i.predicate is None and name in (*i.columns, *i.include)
        for i in table.indexes
    )


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
