"""Columns that every table has of the server itself: no index can be on them, and ANALYZE passes over them."""

SYSTEM_COLUMNS = frozenset({"tableoid", "ctid", "xmin", "cmin", "xmax", "cmax"})
