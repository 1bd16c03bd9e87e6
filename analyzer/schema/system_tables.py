"""Which tables are the server's own."""


def is_system_table(schema: str | None, name: str) -> bool:
    """Of the catalog, or a TOAST table. Without a schema the search path decides, which begins with pg_catalog."""
    if schema:
        return schema in ("pg_catalog", "information_schema") or schema.startswith("pg_toast")
    return name.startswith("pg_")
