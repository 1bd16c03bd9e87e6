"""Plain SQL, there and back, for migration tools that run files as they are."""

from collections.abc import Sequence

from analyzer.advice.code.change import Change, CodeFile, CodeOptions, CodeTab
from analyzer.schema.quoting import comment

OUTSIDE = "-- Each statement outside a transaction: CONCURRENTLY cannot run inside one.\n"


def sql_tab(change: Change, options: CodeOptions) -> CodeTab:
    stem = f"{options.date:%Y%m%d%H%M}_{change.slug}"
    down = CodeFile(
        "Down", f"{stem}.down.sql", "sql", comment(f"Undo: {change.title}") + _script(change.ddl.undo_statements)
    )
    up = "".join(map(comment, (change.title, *change.ddl.cautions))) + _script(change.ddl.statements)
    return CodeTab("sql", "SQL", f"{stem}.up.sql", "sql", up, change.ddl.notes, (down,))


def _script(statements: Sequence[str]) -> str:
    return OUTSIDE + "".join(f"{s};\n" for s in ("SET statement_timeout = 0", *statements, "RESET statement_timeout"))
