"""Alembic's operations as SQL; None of what is not written plainly. A batch's know their table from its block."""

import ast
from collections.abc import Callable

from analyzer.review.files.alembic_columns import column_sql, default_sql, expression, type_sql
from analyzer.review.files.python_values import UNREAD, argument, flag, last_name, sql_list, text, texts, value
from analyzer.schema.quoting import quote_identifier

Batch = tuple[str, str] | None
Read = Callable[[ast.Call, Batch], "list[str] | None"]


def _table(call: ast.Call, batch: Batch, name: str = "table_name", position: int = 0) -> tuple[str, int]:
    """Quoted; and how many positional arguments stand before those after it."""
    if batch is not None:
        table, schema = batch
        return _qualified(table, schema), 0
    return _qualified(text(call, name, position), text(call, "schema")), 1


def _qualified(table: str, schema: str) -> str:
    return f"{quote_identifier(schema)}.{quote_identifier(table)}" if schema else quote_identifier(table)


def _add_column(call: ast.Call, batch: Batch) -> list[str] | None:
    table, at = _table(call, batch)
    column = argument(call, "column", at)
    sql = column_sql(column) if isinstance(column, ast.Call) else None
    if sql is None or not isinstance(column, ast.Call):
        return None
    commands = [f"ALTER TABLE {table} ADD COLUMN {sql}"]
    if flag(column, "index"):
        commands.append(f"CREATE INDEX ON {table} ({quote_identifier(text(column, 'name', 0))})")
    return commands


def _drop_column(call: ast.Call, batch: Batch) -> list[str] | None:
    table, at = _table(call, batch)
    name = text(call, "column_name", at)
    return [f"ALTER TABLE {table} DROP COLUMN {quote_identifier(name)}"] if name else None


def _alter_column(call: ast.Call, batch: Batch) -> list[str] | None:
    table, at = _table(call, batch)
    name = text(call, "column_name", at)
    if not name:
        return None
    column, commands = quote_identifier(name), []
    type_node = argument(call, "type_")
    if type_node is not None:
        new = type_sql(type_node)
        if new is None:
            return None
        using = text(call, "postgresql_using")
        commands.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {new}{f' USING {using}' if using else ''}")
    nullable = value(argument(call, "nullable"))
    if nullable is not None and nullable is not UNREAD:
        commands.append(f"ALTER TABLE {table} ALTER COLUMN {column} {'DROP' if nullable else 'SET'} NOT NULL")
    default = argument(call, "server_default")
    if default is not None and value(default) is not False:
        sql = default_sql(default)
        commands.append(f"ALTER TABLE {table} ALTER COLUMN {column} {f'SET DEFAULT {sql}' if sql else 'DROP DEFAULT'}")
    new_name = text(call, "new_column_name")
    if new_name:
        commands.append(f"ALTER TABLE {table} RENAME COLUMN {column} TO {quote_identifier(new_name)}")
    return commands or None


def _create_index(call: ast.Call, batch: Batch) -> list[str] | None:
    name = text(call, "index_name", 0)
    table = _table(call, batch)[0] if batch else _qualified(text(call, "table_name", 1), text(call, "schema"))
    columns = _index_columns(argument(call, "columns", 1 if batch else 2))
    if columns is None:
        return None
    unique = "UNIQUE " if flag(call, "unique") else ""
    how = "CONCURRENTLY " if flag(call, "postgresql_concurrently") else ""
    exists = "IF NOT EXISTS " if flag(call, "if_not_exists") else ""
    using = text(call, "postgresql_using")
    where = expression(argument(call, "postgresql_where"))
    sql = f"CREATE {unique}INDEX {how}{exists}{quote_identifier(name)} ON {table}"
    return [f"{sql}{f' USING {using}' if using else ''} ({columns}){f' WHERE {where}' if where else ''}"]


def _index_columns(node: ast.expr | None) -> str | None:
    if not isinstance(node, (ast.List, ast.Tuple)):
        return None
    parts = [quote_identifier(v) if isinstance(v := value(e), str) else expression(e) for e in node.elts]
    return ", ".join(p for p in parts if p) if all(parts) else None


def _drop_index(call: ast.Call, batch: Batch) -> list[str] | None:
    name = text(call, "index_name", 0)
    how = "CONCURRENTLY " if flag(call, "postgresql_concurrently") else ""
    exists = "IF EXISTS " if flag(call, "if_exists") else ""
    return [f"DROP INDEX {how}{exists}{_qualified(name, text(call, 'schema'))}"] if name else None


def _create_foreign_key(call: ast.Call, batch: Batch) -> list[str] | None:
    if batch:
        table, at = _qualified(*batch), 1
    else:
        table, at = _qualified(text(call, "source_table", 1), text(call, "source_schema")), 2
    referent = _qualified(text(call, "referent_table", at), text(call, "referent_schema"))
    local, remote = texts(call, "local_cols", at + 1), texts(call, "remote_cols", at + 2)
    if not local or not remote:
        return None
    deletes = text(call, "ondelete")
    on_delete = f" ON DELETE {deletes}" if deletes in ("CASCADE", "SET NULL", "RESTRICT", "SET DEFAULT") else ""
    later = " NOT VALID" if flag(call, "postgresql_not_valid") else ""
    head = f"ALTER TABLE {table} ADD {_named(call)}FOREIGN KEY ({sql_list(local)})"
    return [f"{head} REFERENCES {referent} ({sql_list(remote)}){on_delete}{later}"]


def _named(call: ast.Call) -> str:
    name = text(call, "constraint_name", 0)
    return f"CONSTRAINT {quote_identifier(name)} " if name else ""


def _constraint_of_columns(kind: str) -> Read:
    def read(call: ast.Call, batch: Batch) -> list[str] | None:
        table = _qualified(*batch) if batch else _qualified(text(call, "table_name", 1), text(call, "schema"))
        columns = texts(call, "columns", 1 if batch else 2)
        return [f"ALTER TABLE {table} ADD {_named(call)}{kind} ({sql_list(columns)})"] if columns else None

    return read


def _create_check(call: ast.Call, batch: Batch) -> list[str] | None:
    table = _qualified(*batch) if batch else _qualified(text(call, "table_name", 1), text(call, "schema"))
    condition = expression(argument(call, "condition", 1 if batch else 2))
    later = " NOT VALID" if flag(call, "postgresql_not_valid") else ""
    return [f"ALTER TABLE {table} ADD {_named(call)}CHECK ({condition}){later}"] if condition else None


def _drop_constraint(call: ast.Call, batch: Batch) -> list[str] | None:
    table = _qualified(*batch) if batch else _qualified(text(call, "table_name", 1), text(call, "schema"))
    name = text(call, "constraint_name", 0)
    return [f"ALTER TABLE {table} DROP CONSTRAINT {quote_identifier(name)}"] if name else None


def _create_table(call: ast.Call, batch: Batch) -> list[str] | None:
    table = _qualified(text(call, "table_name", 0), text(call, "schema"))
    parts: list[str] = []
    indexes: list[str] = []
    for node in call.args[1:]:
        kind = last_name(node)
        if not isinstance(node, ast.Call):
            return None
        if kind == "Column":
            sql = column_sql(node)
            if sql is None:
                return None
            parts.append(sql)
            if flag(node, "index"):
                indexes.append(f"CREATE INDEX ON {table} ({quote_identifier(text(node, 'name', 0))})")
        elif kind in ("PrimaryKeyConstraint", "UniqueConstraint"):
            names = [v for a in node.args if isinstance(v := value(a), str)]
            if names:
                parts.append(f"{'PRIMARY KEY' if kind.startswith('P') else 'UNIQUE'} ({sql_list(names)})")
        elif kind == "ForeignKeyConstraint":
            local, remote = texts(node, "columns", 0), texts(node, "refcolumns", 1)
            if local and remote:
                other, _, _ = remote[0].rpartition(".")
                there = sql_list([r.rpartition(".")[2] for r in remote])
                parts.append(f"FOREIGN KEY ({sql_list(local)}) REFERENCES {_dotted(other)} ({there})")
    return [f"CREATE TABLE {table} ({', '.join(parts)})", *indexes]


def _dotted(name: str) -> str:
    return ".".join(quote_identifier(part) for part in name.split("."))


def _execute(call: ast.Call, batch: Batch) -> list[str] | None:
    sql = expression(argument(call, "sqltext", 0))
    return [sql] if sql else None


def _drop_table(call: ast.Call, batch: Batch) -> list[str] | None:
    exists = "IF EXISTS " if flag(call, "if_exists") else ""
    return [f"DROP TABLE {exists}{_table(call, None)[0]}"]


def _rename_table(call: ast.Call, batch: Batch) -> list[str] | None:
    old, new = text(call, "old_table_name", 0), text(call, "new_table_name", 1)
    return [f"ALTER TABLE {_qualified(old, text(call, 'schema'))} RENAME TO {quote_identifier(new)}"] if new else None


def _bulk_insert(call: ast.Call, batch: Batch) -> list[str] | None:
    return []


OPERATIONS: dict[str, Read] = {
    "add_column": _add_column, "drop_column": _drop_column, "alter_column": _alter_column,
    "create_index": _create_index, "drop_index": _drop_index, "create_foreign_key": _create_foreign_key,
    "create_unique_constraint": _constraint_of_columns("UNIQUE"),
    "create_primary_key": _constraint_of_columns("PRIMARY KEY"), "create_check_constraint": _create_check,
    "drop_constraint": _drop_constraint, "create_table": _create_table, "drop_table": _drop_table,
    "rename_table": _rename_table, "execute": _execute, "bulk_insert": _bulk_insert,
}  # fmt: skip
