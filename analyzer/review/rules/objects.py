"""What goes with an object that is dropped, NULLs that code has not met, and names that PostgreSQL cuts."""

import re

from pglast import enums, parser

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.objects_dropped import is_absent, objects_dropped
from analyzer.review.rules.exists import may_be_made
from analyzer.review.rules.rule import Findings, Rule, StepContext, is_of
from analyzer.schema.quoting import MAX_NAME_BYTES
from analyzer.statements.tokens import scan

NULLABLE = Rule("MG026", "Column that may be NULL from now on")
CASCADE = Rule("MG028", "Drops what depends on it")
CUT = Rule("MG049", "Name that is cut")
OBJECT = enums.ObjectType
WITH_ROWS = {OBJECT.OBJECT_TYPE, OBJECT.OBJECT_DOMAIN, OBJECT.OBJECT_EXTENSION, OBJECT.OBJECT_COLLATION}
GOES = {
    OBJECT.OBJECT_TYPE: "columns of that type with their values, and functions that take or give it",
    OBJECT.OBJECT_DOMAIN: "columns of that domain with their values, and functions that take or give it",
    OBJECT.OBJECT_EXTENSION: "columns of its types with their values, and indexes and functions that use what it has",
    OBJECT.OBJECT_COLLATION: "columns, indexes and views of that collation",
    OBJECT.OBJECT_FOREIGN_SERVER: "its foreign tables and user mappings",
    OBJECT.OBJECT_FOREIGN_TABLE: "views that read it",
    OBJECT.OBJECT_SEQUENCE: "defaults that take its values: INSERTs that rely on them fail",
    OBJECT.OBJECT_VIEW: "views that read it",
    OBJECT.OBJECT_MATVIEW: "views that read it",
}
NAMES_THEM = "Leave CASCADE out: the server then names what depends on it, to be dropped or changed one by one."
OF_A_FUNCTION = "triggers, defaults, constraints, policies, views, and indexes on expressions that call it"


def drops_dependents(at: StepContext) -> Findings:
    """Of a table, column or constraint rests_on.py names them, of a schema design.py says it."""
    kinds = (Kind.DROP_OTHER, Kind.DROP_VIEW, Kind.DROP_MATVIEW)
    if at.action.kind not in kinds or not at.action.is_cascade or _is_made_here(at) or _is_of_nothing(at):
        return
    removed = at.action.statement.removeType
    yield CASCADE.finding(
        at, Severity.CRITICAL if removed in WITH_ROWS else Severity.WARNING,
        f"CASCADE drops with {at.action.name}, without naming them: {GOES.get(removed, OF_A_FUNCTION)}.",
        NAMES_THEM,
        subject=at.action.name,
    )  # fmt: skip


def _is_of_nothing(at: StepContext) -> bool:
    """DROP ... IF EXISTS of objects that are not there."""
    if at.action.kind is not Kind.DROP_OTHER or not at.action.if_exists:
        return False
    return all(
        is_absent(dropped, at.known) and not may_be_made(dropped.name, dropped.what, at)
        for dropped in objects_dropped(at.action.statement)
    )


def _is_made_here(at: StepContext) -> bool:
    """What the migration makes itself has no dependents of long standing."""
    name = at.action.name.rpartition(".")[2]
    made = re.compile(rf"\s*create\b[^;]*\b{re.escape(name)}\b", re.IGNORECASE)
    return (at.action.relation is not None and at.is_new) or any(made.match(step.sql) for step in at.earlier)


def allows_null(at: StepContext) -> Findings:
    if not is_of(at, Kind.DROP_NOT_NULL) or at.is_new:
        return
    yield NULLABLE.finding(
        at, Severity.INFO,
        f"Running code has never met NULL in {at.name}.{at.action.column}. The way back needs a value in every row, and"
        " reads all of them.",
        "Deploy code that bears NULL first.", subject=f"{at.name}.{at.action.column}",
    )  # fmt: skip


def cuts_name(at: StepContext) -> Findings:
    if at.action is not at.step.actions[0] or at.action.kind in (Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK, Kind.SET):
        return
    try:
        tokens = scan(at.step.sql)
    except (parser.ParseError, UnicodeEncodeError):
        return
    for token in tokens:
        text = at.step.sql[token.start : token.end + 1]
        name = text[1:-1].replace('""', '"') if text.startswith('"') else text
        if token.name == "IDENT" and len(name.encode()) > MAX_NAME_BYTES:  # which the lexer cuts, with a notice
            yield CUT.finding(
                at, Severity.WARNING,
                f"The server cuts {name} to its first {MAX_NAME_BYTES} bytes, with a notice; two that begin so are one"
                " name, and tools that compare names find another.",
                f"Name it in at most {MAX_NAME_BYTES} bytes.", subject=name[:MAX_NAME_BYTES],
            )  # fmt: skip


RULES = (drops_dependents, allows_null, cuts_name)
