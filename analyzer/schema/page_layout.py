"""Sizes in a page of a table or an index, as PostgreSQL's packages are built (the manual, "Database Page Layout")."""

PAGE_BYTES = 8192  # BLCKSZ
PAGE_HEADER_BYTES = 24
LINE_POINTER_BYTES = 4
BTREE_PAGE_BYTES = PAGE_BYTES - PAGE_HEADER_BYTES - 16  # without its special space
INDEX_TUPLE_HEADER_BYTES = 8
