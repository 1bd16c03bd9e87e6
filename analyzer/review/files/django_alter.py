"""AlterField as the statements it runs, told by what the server's column is now and what the field asks for."""

from analyzer.review.column_types import type_named
from analyzer.review.files.django_fields import Field
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import quote_identifier


def altered(field: Field, table: TableFacts, table_sql: str) -> list[str] | None:
    """None where the column is not there, or its type cannot be read; empty where nothing changes in the database."""
    column, old = quote_identifier(field.column), table.column(field.column)
    if old is None:
        return None
    was, becomes = type_named(old.declared_type or old.type_name), type_named(field.type_name)
    if was is None or becomes is None:
        return None
    alter = f"ALTER TABLE {table_sql} ALTER COLUMN {column}"
    commands = [f"{alter} TYPE {field.type_name} USING {column}::{field.type_name}"] if was != becomes else []
    if old.not_null != field.is_not_null:
        commands.append(f"{alter} {'SET' if field.is_not_null else 'DROP'} NOT NULL")
    if field.is_unique and (field.column,) not in table.unique_keys and table.primary_key != (field.column,):
        commands.append(f"ALTER TABLE {table_sql} ADD UNIQUE ({column})")
    if field.index_column and not any(i.columns[:1] == (field.column,) for i in table.indexes):
        commands.append(f"CREATE INDEX ON {table_sql} ({column})")
    return commands
