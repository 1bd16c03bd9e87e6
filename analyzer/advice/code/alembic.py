"""An Alembic revision that creates or drops an index CONCURRENTLY, in an autocommit block.

Both timeouts are off inside: CREATE INDEX CONCURRENTLY takes no lock that anybody queues behind, and a timeout half-way
would leave an invalid index. Partitioned tables, and indexes Alembic cannot say, run as SQL.
"""

from collections.abc import Sequence

from analyzer.advice.code.change import (
    Change,
    CodeOptions,
    CodeTab,
    invalid_index_check,
    python_call,
    python_comment,
    storage_parameters,
)
from analyzer.advice.code.sqlalchemy import index_keys, index_options, text_source
from analyzer.schema.python_source import python_string

INDENT = " " * 8


def alembic_tab(change: Change, options: CodeOptions) -> CodeTab:
    create, drop = _create(change), _drop(change)
    up, down = (drop, create) if change.is_drop else (create, drop)
    notes = ["Run alembic upgrade over a direct connection, not through a transaction pooler."]
    if options.alembic_head is None:
        head = "None  # put your current head here: alembic heads"
        notes.append("Set down_revision to your current head (alembic heads) before you run it.")
    else:
        head = python_string(options.alembic_head)
    needs_sa = any("sa." in line for line in (*up, *down))
    code = (
        f"{python_comment(change.title)}"
        "from collections.abc import Sequence\n\n"
        f"{'import sqlalchemy as sa' + chr(10) if needs_sa else ''}from alembic import op\n\n"
        f"revision: str = {python_string(change.mark)}\n"
        f"down_revision: str | Sequence[str] | None = {head}\n"
        "branch_labels: str | Sequence[str] | None = None\n"
        "depends_on: str | Sequence[str] | None = None\n\n\n"
        f"{_function('upgrade', up)}\n\n{_function('downgrade', down)}"
    )
    file_name = f"{options.date:%Y_%m_%d_%H%M}_{change.mark}_{change.slug}.py"
    return CodeTab("alembic", "Alembic", file_name, "python", code, tuple(notes))


def _function(name: str, calls: Sequence[str]) -> str:
    body = "".join(f"{INDENT}{call}\n" for call in calls)
    return (
        f"def {name}() -> None:\n"
        "    # CONCURRENTLY cannot run inside a transaction; a timeout half-way would leave an invalid index\n"
        "    with op.get_context().autocommit_block():\n"
        f'{INDENT}op.execute("SET statement_timeout = 0")\n{INDENT}op.execute("SET lock_timeout = 0")\n'
        f"{body}"
        f'{INDENT}op.execute("RESET lock_timeout")\n{INDENT}op.execute("RESET statement_timeout")\n'
    )


def _create(change: Change) -> list[str]:
    definition, table = change.definition, change.table
    if definition is None or table.kind == "p" or storage_parameters(definition.storage) is None:
        return _sql(change, change.ddl.undo_statements if change.is_drop else change.ddl.statements)
    before, after = ((), ()) if change.is_drop else (change.before, change.after)
    arguments = [
        python_string(change.name),
        python_string(table.name),
        f"[{', '.join(index_keys(definition, 'sa.'))}]",
        f"schema={python_string(table.schema)}",
        *index_options(definition, "sa."),
        "if_not_exists=True",
        "postgresql_concurrently=True",
    ]
    check = [invalid_index_check(table.schema, change.name)]
    create = python_call("op.create_index", arguments, 8)
    return [*_sql(change, before), create, *_sql(change, check), *_sql(change, after)]


def _drop(change: Change) -> list[str]:
    table = change.table
    if table.kind == "p":
        return _sql(change, change.ddl.statements if change.is_drop else change.ddl.undo_statements)
    arguments = [
        python_string(change.name),
        f"table_name={python_string(table.name)}",
        f"schema={python_string(table.schema)}",
        "if_exists=True",
        "postgresql_concurrently=True",
    ]
    return [python_call("op.drop_index", arguments, 8)]


def _sql(change: Change, statements: Sequence[str]) -> list[str]:
    return [python_call("op.execute", [python_string(text_source(s))], 8) for s in statements]
