"""Which schemas and tables are the server's own."""


def is_catalog_schema(schema: str) -> bool:
    return schema in ("pg_catalog", "information_schema")


def is_toast_schema(schema: str) -> bool:
    """Of all sessions' tables, or of a session's temporary ones (pg_toast_temp_3)."""
    return schema.startswith("pg_toast")


def is_system_table(schema: str | None, name: str) -> bool:
    """Of the catalog, or a TOAST table. Without a schema the search path decides, which begins with pg_catalog."""
    if schema:
        return is_catalog_schema(schema) or is_toast_schema(schema)
    return name.startswith("pg_")
