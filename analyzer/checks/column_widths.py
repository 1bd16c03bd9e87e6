"""How many bytes a column's value can take as a key of a B-tree, whose entries hold a third of a page.

Declared lengths bound a value; where none is declared the statistics tell, and values that ANALYZE found too wide to
keep, or that can only be the ones stored out of line, bound nothing. Compression is not counted on.
"""

import re
from collections.abc import Sequence

from analyzer.checks.threshold import Threshold
from analyzer.schema.facts import ColumnFacts, TableFacts

# pg_type.typlen and typalign of fixed-width types, by oid
FIXED_WIDTHS = {
    16: (1, 1), 18: (1, 1), 19: (64, 1), 20: (8, 8), 21: (2, 2), 23: (4, 4), 26: (4, 4), 28: (4, 4), 29: (4, 4),
    600: (16, 8), 603: (32, 8), 700: (4, 4), 701: (8, 8), 718: (24, 8), 774: (8, 4), 790: (8, 8), 829: (6, 4),
    1082: (4, 4), 1083: (8, 8), 1114: (8, 8), 1184: (8, 8), 1186: (16, 8), 1266: (12, 8), 2950: (16, 1),
    3220: (8, 8), 5069: (8, 8),
}  # fmt: skip
LIMITS = {
    "btree_entry": Threshold(2704, "bytes", "nbtree.h, BTMaxItemSize: a third of a page of 8 kB; a row above it fails"),
    "widest_beside_mean": Threshold(
        16, "bytes / bytes", "judgement: of a million texts whose lengths spread as names, codes and addresses do"
    ),
    "can_go_out_of_line": Threshold(500, "bytes", "a fourth of 2 kB, TOAST_TUPLE_TARGET: below it others go first"),
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
# types of any length; of others that are not known here the statistics alone tell
WITHOUT_LENGTH = frozenset(
    {"text", "character varying", "bpchar", "citext", "bytea", "bit varying", "json", "jsonb", "hstore", "xml"}
)
NO_BTREE = ("json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "aclitem", "txid_snapshot",
            "tsvector", "tsquery", "hstore", "ltree[]", "vector")  # fmt: skip
# no operator class for hash indexes (ltree has since 17), nor has json, a prefix of jsonb, which has
NO_HASH = ("bit", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle", "txid_snapshot", "pg_snapshot",
           "tsvector", "tsquery", "money", "ltree", "vector", "halfvec", "sparsevec", "cube", "geography")  # fmt: skip


def declared(column: ColumnFacts) -> str:
    """The type with its length, below any domain."""
    return column.declared_type or column.type_name


def has_btree(column: ColumnFacts) -> bool:
    """Whether it is of a type that a B-tree is made for; documents and arrays have an order, and no length."""
    name = declared(column)
    return not name.startswith(NO_BTREE) and not name.endswith("[]")


def has_hash_class(column: ColumnFacts) -> bool:
    """Whether it is of a type that a hash index is made for, as texts, bytea, jsonb, hstore and arrays are."""
    name = declared(column).rpartition(".")[2].strip('"')
    return name.removesuffix("[]") != "json" and not name.startswith(NO_HASH)


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


def is_in_btree(name: str, table: TableFacts) -> bool:
    """Every value of it is in a B-tree already: of the table, or of the one that it references."""
    return any(name in key.columns for key in table.foreign_keys) or any(
        i.is_usable and i.method == "btree" and i.predicate is None and name in (*i.columns, *i.include)
        for i in table.indexes
    )


def fits_btree(table: TableFacts, names: Sequence[str]) -> bool:
    """Whether a B-tree on these columns takes any row."""
    columns = [column for name in names if (column := table.column(name)) is not None and has_btree(column)]
    if len(columns) < len(names):
        return False
    bytes_ = [
        min(column_bytes(c, table), WIDEST_KEY_BYTES if is_in_btree(c.name, table) else NO_BOUND) for c in columns
    ]
    return ENTRY_HEADER_BYTES + sum(bytes_) <= BTREE_ENTRY_BYTES
