"""An Alembic revision's operations as the statements they run, read from the code of upgrade()."""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from analyzer.review.actions import Action, Kind
from analyzer.review.column_types import type_named
from analyzer.review.files.alembic_columns import column_sql, default_sql, expression, type_sql
from analyzer.review.files.migration import Migration, Remark, Step, split, steps_of_sql
from analyzer.review.files.python_values import UNREAD, argument, code_of, flag, last_name, sql_list, text, texts, value
from analyzer.schema.quoting import quote_identifier

Items = Iterator[Step | Remark]
ONE = "All statements are taken to run in one transaction, as Alembic does it, but for those in an autocommit_block()."


def read_alembic(source: str) -> Migration:
    tree = ast.parse(source)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    upgrade = functions["upgrade"]
    reader = _Reader(source)
    steps, remarks = split(reader.body(upgrade.body))
    lacking: tuple[Remark, ...] = ()
    if steps and not _does_something(functions.get("downgrade")):
        lacking = (Remark(steps[0].line, "downgrade() does nothing, so the migration cannot go back."),)
    return Migration("alembic", tuple(steps), tuple(remarks), lacking, ONE if steps else "", is_wrapped=True)


def _does_something(function: ast.FunctionDef | None) -> bool:
    if function is None:
        return False
    return any(isinstance(node, (ast.Call, ast.Raise)) for node in ast.walk(function))


@dataclass
class _Reader:
    source: str
    transaction: int = 1
    is_alone: bool = False
    batch: dict[str, tuple[str, str]] = field(default_factory=dict)  # name of a batch -> table, schema

    def body(self, nodes: Sequence[ast.stmt]) -> Items:
        for node in nodes:
            if isinstance(node, ast.With):
                yield from self._with(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from self._call(node.value)
            elif isinstance(node, (ast.If, ast.For, ast.While, ast.Try)):
                yield Remark(node.lineno, f"{_word(node)} is not followed: what stands in it is taken to run once.")
                yield from self.body(node.body)
            elif any(isinstance(n, ast.Call) and _is_op(n) for n in ast.walk(node)):
                yield Remark(node.lineno, "Not reviewed: only running the code would tell what it does.")

    def _with(self, node: ast.With) -> Items:
        item = node.items[0]
        name = last_name(item.context_expr)
        if name == "autocommit_block":
            self.is_alone = True
            yield from self.body(node.body)
            self.is_alone, self.transaction = False, self.transaction + 1  # it ended the one before
        elif name == "batch_alter_table" and isinstance(item.context_expr, ast.Call):
            if isinstance(item.optional_vars, ast.Name):
                call = item.context_expr
                self.batch[item.optional_vars.id] = (text(call, "table_name", 0), text(call, "schema"))
            yield from self.body(node.body)
        else:
            yield from self.body(node.body)

    def _call(self, call: ast.Call) -> Items:
        name = last_name(call)
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        batch = self.batch.get(owner.id) if isinstance(owner, ast.Name) else None
        if not (batch or _is_op(call)):
            if name and not name.startswith("print"):
                yield Remark(call.lineno, f"{name}() is not looked into.")
            return
        read = OPERATIONS.get(name)
        found = read(call, batch) if read is not None else None
        if found is None:
            why = "it is not known here" if read is None else "not all of it is written plainly"
            yield Remark(
                call.lineno, f"op.{name}() is not reviewed: {why}; give alembic upgrade --sql's output instead."
            )
            return
        code = code_of(self.source, call)
        for sql in found:
            for step in steps_of_sql(sql, call.lineno, f"op.{name}"):
                if isinstance(step, Step):
                    step = replace(step, actions=tuple(_with_type_before(a, call) for a in step.actions))
                    number = 0 if self.is_alone else self.transaction
                    yield replace(step, source=code, transaction=number)
                else:
                    yield step


def _with_type_before(action: Action, call: ast.Call) -> Action:
    existing = argument(call, "existing_type")
    was = type_sql(existing) if action.kind is Kind.ALTER_TYPE and existing is not None else None
    return replace(action, was=type_named(was)) if was is not None else action


def _is_op(call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "op"


def _word(node: ast.stmt) -> str:
    return {ast.If: "if", ast.For: "for", ast.While: "while", ast.Try: "try"}.get(type(node), "a block")


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
    found = [f"ALTER TABLE {table} ADD COLUMN {sql}"]
    if flag(column, "index"):
        found.append(f"CREATE INDEX ON {table} ({quote_identifier(text(column, 'name', 0))})")
    return found


def _drop_column(call: ast.Call, batch: Batch) -> list[str] | None:
    table, at = _table(call, batch)
    name = text(call, "column_name", at)
    return [f"ALTER TABLE {table} DROP COLUMN {quote_identifier(name)}"] if name else None


def _alter_column(call: ast.Call, batch: Batch) -> list[str] | None:
    table, at = _table(call, batch)
    name = text(call, "column_name", at)
    if not name:
        return None
    column, found = quote_identifier(name), []
    type_node = argument(call, "type_")
    if type_node is not None:
        new = type_sql(type_node)
        if new is None:
            return None
        using = text(call, "postgresql_using")
        found.append(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {new}{f' USING {using}' if using else ''}")
    nullable = value(argument(call, "nullable"))
    if nullable is not None and nullable is not UNREAD:
        found.append(f"ALTER TABLE {table} ALTER COLUMN {column} {'DROP' if nullable else 'SET'} NOT NULL")
    default = argument(call, "server_default")
    if default is not None and value(default) is not False:
        sql = default_sql(default)
        found.append(f"ALTER TABLE {table} ALTER COLUMN {column} {f'SET DEFAULT {sql}' if sql else 'DROP DEFAULT'}")
    new_name = text(call, "new_column_name")
    if new_name:
        found.append(f"ALTER TABLE {table} RENAME COLUMN {column} TO {quote_identifier(new_name)}")
    return found or None


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
