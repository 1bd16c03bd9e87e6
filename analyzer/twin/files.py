"""Files of a data directory made as large as the monitored server's: the planner takes sizes from them.

They are sparse, so a table of 1 TB takes no disk. Whoever writes here has made sure that the pages are in no cache.
"""

import math
import os
import struct
from pathlib import Path

from analyzer.monitored.catalog.planner_facts import GinPages
from analyzer.runtime.processes import SystemUser
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.twin.btree_file import empty_tree, with_level

SEGMENT_BLOCKS = 131_072  # RELSEG_SIZE: 1 GiB
# ginblock.h, GinMetaPageData: its sizes stand behind head, tail, tailFreeSize and nPendingPages
GIN_PENDING_AT, GIN_TOTAL_AT = 24 + 12, 24 + 24
_GIN_COUNTS = struct.Struct("<IIIxxxxq")  # total, entry and data pages; entries
# brin_page.h, BrinMetaPageData: magic, version, pages per range, last page of the range map
BRIN_PER_RANGE_AT, BRIN_LAST_MAP_PAGE_AT = 24 + 8, 24 + 12
BRIN_RANGES_PER_MAP_PAGE = 1360  # REVMAP_PAGE_MAXITEMS: (8192 - 24 - 8) / 6


class DataFiles:
    def __init__(self, data_dir: Path, user: SystemUser | None) -> None:
        self.data_dir, self.user = data_dir, user

    def set_blocks(self, path: str, blocks: int) -> None:
        """Make a relation (``pg_relation_filepath``) that many blocks long."""
        first = self.data_dir / path
        os.truncate(first, min(blocks, SEGMENT_BLOCKS) * PAGE_BYTES)
        for number in range(1, math.ceil(blocks / SEGMENT_BLOCKS)):
            segment = first.with_name(f"{first.name}.{number}")
            if not segment.exists():
                segment.touch(mode=0o600)
                if self.user is not None:
                    os.chown(segment, self.user.uid, self.user.gid)
            os.truncate(segment, min(SEGMENT_BLOCKS, blocks - number * SEGMENT_BLOCKS) * PAGE_BYTES)

    def shrink(self, path: str) -> None:
        """Let a table look empty: its first segment is, so nobody looks for others."""
        os.truncate(self.data_dir / path, 0)

    def grow_back(self, path: str, blocks: int) -> None:
        os.truncate(self.data_dir / path, min(blocks, SEGMENT_BLOCKS) * PAGE_BYTES)

    def make_btree(self, path: str, blocks: int, level: int) -> None:
        """An empty tree of that height. Fewer blocks than it needs: just the size (the index is really empty)."""
        if blocks >= level + 2:
            with (self.data_dir / path).open("r+b") as file:
                metapage = with_level(file.read(PAGE_BYTES), level)
                file.seek(0)
                file.write(metapage + empty_tree(level))
        self.set_blocks(path, max(blocks, 1))

    def make_gin(self, path: str, blocks: int, pages: GinPages | None) -> None:
        """``pages``: what the metapage shall say; None leaves the planner its rule of thumb."""
        if pages is not None:
            with (self.data_dir / path).open("r+b") as file:
                file.seek(GIN_PENDING_AT)
                file.write(struct.pack("<I", pages.pending))
                file.seek(GIN_TOTAL_AT)
                file.write(_GIN_COUNTS.pack(pages.total, pages.entry, pages.data, pages.entries))
        self.set_blocks(path, max(blocks, 2))

    def make_brin(self, path: str, blocks: int, table_blocks: int) -> None:
        with (self.data_dir / path).open("r+b") as file:
            page = file.read(PAGE_BYTES)
            (per_range,) = struct.unpack_from("<I", page, BRIN_PER_RANGE_AT)
            ranges = math.ceil(table_blocks / per_range) if per_range else 1
            file.seek(BRIN_LAST_MAP_PAGE_AT)
            file.write(struct.pack("<I", max(1, math.ceil(ranges / BRIN_RANGES_PER_MAP_PAGE))))
        self.set_blocks(path, max(blocks, 2))
