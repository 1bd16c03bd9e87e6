"""An empty B-tree of a given height, as pages: what the planner reads of an index besides the size of its file.

The cost of a descent uses the level in the metapage, and merge joins look at the ends of the index. Source: nbtree.h
and bufpage.h; unchanged since version 4 of the B-tree (PostgreSQL 12).
"""

import struct

from analyzer.schema.page_layout import PAGE_BYTES, PAGE_HEADER_BYTES

SPECIAL_AT = 8176
# bufpage.h: lsn, checksum, flags, lower, upper, special, size and layout version, prune xid
_HEADER = struct.Struct("<QHHHHHHI")
LAYOUT_VERSION = 4
# BTPageOpaqueData: previous and next page, level, flags, cycle id
_SPECIAL = struct.Struct("<IIIHH")
LEAF, ROOT = 1, 2
# BTMetaPageData: magic, version, root, level, fastroot, fastlevel
_META = struct.Struct("<IIIIII")
MAGIC = 0x053162
# IndexTupleData of a "minus infinity" downlink: block (high, low), offset number = no attributes, size and flag
_PIVOT = struct.Struct("<HHHH")
PIVOT_BYTES = 8
ALT_TID = 0x2000
NORMAL = 1  # itemid.h: LP_NORMAL


def with_level(metapage: bytes, level: int) -> bytes:
    """The metapage with a root at block 1 of that level; ValueError when it is none."""
    magic, version, *_ = _META.unpack_from(metapage, PAGE_HEADER_BYTES)
    if magic != MAGIC or len(metapage) != PAGE_BYTES:
        raise ValueError("not the metapage of a B-tree")
    page = bytearray(metapage)
    _META.pack_into(page, PAGE_HEADER_BYTES, magic, version, 1, level, 1, level)
    return bytes(page)


def empty_tree(level: int) -> bytes:
    """Blocks 1 to level + 1: inner pages with one downlink each to the next block, and an empty leaf."""
    inner = [_inner(block=number, level=level + 1 - number, is_root=number == 1) for number in range(1, level + 1)]
    return b"".join([*inner, _page(b"", 0, LEAF | (0 if level else ROOT))])


def _inner(block: int, level: int, is_root: bool) -> bytes:
    child = block + 1
    downlink = _PIVOT.pack(child >> 16, child & 0xFFFF, 0, PIVOT_BYTES | ALT_TID)
    return _page(downlink, level, ROOT if is_root else 0)


def _page(item: bytes, level: int, flags: int) -> bytes:
    upper = SPECIAL_AT - len(item)
    pointer = struct.pack("<I", upper | NORMAL << 15 | len(item) << 17) if item else b""
    lower = PAGE_HEADER_BYTES + len(pointer)
    header = _HEADER.pack(0, 0, 0, lower, upper, SPECIAL_AT, PAGE_BYTES | LAYOUT_VERSION, 0)
    special = _SPECIAL.pack(0, 0, level, flags, 0)
    return (header + pointer).ljust(upper, b"\0") + item + special
