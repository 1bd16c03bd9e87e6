"""A safe sequence as code of the framework that the migration is written in."""

from collections.abc import Iterator, Sequence

from analyzer.advice.code.change import python_call, python_list
from analyzer.advice.code.sqlalchemy import text_source
from analyzer.advice.ddl import LOCK_TIMEOUT_S
from analyzer.review.files.migration import Framework
from analyzer.review.safe_sequence.safe_step import SafeStep
from analyzer.schema.python_source import python_string

OUTSIDE = "-- Each statement by itself, outside a transaction. One that times out can be run again.\n"


def rendered(steps: Sequence[SafeStep], undo: Sequence[str], framework: Framework, operation: str = "") -> str:
    """``operation``: source of Django's own, which goes on telling its state."""
    statements = list(with_timeouts(steps))
    if framework == "django":
        return _django(statements, undo, operation)
    if framework == "alembic":
        return _alembic(statements)
    return OUTSIDE + "".join(f"{sql};\n" for sql in statements)


def with_timeouts(steps: Sequence[SafeStep]) -> Iterator[str]:
    """Brief locks give up soon, for others queue behind them; what is built or checked beside the traffic may wait."""
    current = ""
    if any(not step.is_brief for step in steps):
        yield "SET statement_timeout = 0"
    for step in steps:
        wanted = "0" if step.is_alone else f"'{LOCK_TIMEOUT_S}s'"
        if wanted != current:
            yield f"SET lock_timeout = {wanted}"
            current = wanted
        yield step.sql
    yield "RESET lock_timeout"
    if any(not step.is_brief for step in steps):
        yield "RESET statement_timeout"


def _django(statements: Sequence[str], undo: Sequence[str], operation: str) -> str:
    lists = [python_list([python_string(s) for s in each], 16) for each in (statements, undo)]
    back = lists[1] if undo else "migrations.RunSQL.noop"
    run = python_call("migrations.RunSQL", [f"sql={lists[0]}", f"reverse_sql={back}"], 12)
    if not operation:
        return f"atomic = False  # in the migration's class\n\n        {run},\n"
    state = operation.replace("\n", "\n        ")
    return (
        "atomic = False  # in the migration's class\n\n"
        "migrations.SeparateDatabaseAndState(\n"
        f"    database_operations=[\n        {_dedent(run)},\n    ],\n"
        f"    state_operations=[\n        {state},\n    ],\n),\n"
    )


def _dedent(text: str) -> str:
    return text.replace("\n    ", "\n")


def _alembic(statements: Sequence[str]) -> str:
    calls = [python_call("op.execute", [python_string(text_source(s))], 4) for s in statements]
    return "with op.get_context().autocommit_block():\n" + "".join(f"    {call}\n" for call in calls)
