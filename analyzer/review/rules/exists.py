"""What the server refuses since it is there already, or is not there: by its catalog and what the file did before."""

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.column_types import CASTABLE, ColumnType, is_castable, needs_using
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.review.work import below_domains, words
from analyzer.schema.facts import IndexFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.tree import Node, name_parts

UNFIT = Rule("MG019", "Does not fit what is there")
APPLIED = "See whether the migration was applied here already, or one before it was not."
TEMPORARY = "t"  # pg_class.relpersistence
NEED_COLUMN = frozenset({
    Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.SET_DEFAULT, Kind.RENAME_COLUMN,
})  # fmt: skip


def column_fits(at: StepContext) -> Findings:
    action = at.action
    if action.relation is None or action.if_exists:
        return
    is_there = at.known.has_column(action.relation, action.column)
    if action.kind is Kind.ADD_COLUMN and is_there:
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {at.name} has a column {action.column} already.", APPLIED,
            subject=f"{at.name}.{action.column}",
        )  # fmt: skip
    elif action.kind in NEED_COLUMN and is_there is False:
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {at.name} has no column {action.column}.", APPLIED,
            subject=f"{at.name}.{action.column}",
        )  # fmt: skip


def index_fits(at: StepContext) -> Findings:
    action, table = at.action, at.table
    if action.kind is not Kind.CREATE_INDEX or not action.name or table is None:
        return
    same = _index_named(at, table.schema)
    if same is None:
        return
    if not same.is_usable and same.is_being_built is False:
        does = "IF NOT EXISTS keeps it" if action.if_exists else "it fails"
        yield UNFIT.finding(
            at, Severity.CRITICAL,
            f"An invalid index {action.name} is there, left by a build that broke off: {does}, and no statement uses"
            " it.",
            "DROP INDEX CONCURRENTLY it first.", subject=action.name,
        )  # fmt: skip
    elif not action.if_exists:
        message = f"It fails: schema {table.schema} has an index {action.name} already."
        yield UNFIT.finding(at, Severity.CRITICAL, message, APPLIED, subject=action.name)


def _index_named(at: StepContext, schema: str) -> IndexFacts | None:
    """By the names that the migration left them."""
    known, name = at.known, at.action.name
    for table in known.facts or ():
        for index in table.indexes:
            if index.schema == schema and known.name_now(table, index.name) == name:
                is_gone = known.is_dropped(table, index.name) or known.is_dropped(table, "")
                return None if is_gone else index
    return None


def table_fits(at: StepContext) -> Findings:
    action = at.action
    if (
        action.kind is Kind.CREATE_TABLE
        and not action.if_exists
        and at.table is not None
        and not _is_temporary(action.statement)
    ):
        table = at.table
        if action.relation is not None and (action.relation.schema or table.schema == at.known.first_schema):
            yield UNFIT.finding(at, Severity.CRITICAL, f"It fails: {at.name} is there already.", APPLIED)


def _is_temporary(statement: Node) -> bool:
    """It stands in a schema of the session's own."""
    into = getattr(statement, "into", None) or getattr(statement, "intoClause", None)
    relation = into.rel if into is not None else statement.relation
    return bool(relation.relpersistence == TEMPORARY)


def _is_other_enum(base: ColumnType, becomes: ColumnType, at: StepContext) -> bool:
    """Whether a column of the catalog's types becomes an enum, which nothing does by itself."""
    enums = {
        c.type_name.rpartition(".")[2] for table in at.known.facts or () for c in table.columns if c.type_kind == "e"
    }  # fmt: skip
    made = (action.statement for step in at.earlier for action in step.actions)
    enums |= {name_parts(statement.typeName)[-1] for statement in made if isinstance(statement, ast.CreateEnumStmt)}
    is_plain = not (base.is_array or becomes.is_array or base.schema)
    return is_plain and becomes.name in enums and base.name in CASTABLE


def type_fits(at: StepContext) -> Findings:
    action, becomes = at.action, at.action.type
    is_foreign = at.table is not None and at.table.kind not in "rp"
    if action.kind is not Kind.ALTER_TYPE or becomes is None or at.known.is_unclear or is_foreign:
        return
    was = at.known.type_before(action)
    base = below_domains(was, at.known) if was is not None else None
    casts = at.known.live.casts if at.known.live is not None else frozenset()
    has_using = action.node.def_.raw_default is not None
    if was is None or base is None or has_using or (base.name, becomes.name) in casts:
        return
    is_enum = _is_other_enum(base, becomes, at)
    if not is_enum and not needs_using(base, becomes):
        return
    written = quote_identifier(becomes.name) if is_enum else words(becomes)
    using = f"USING {quote_identifier(action.column)}::{written}"
    how = f"Say how, where each value can be converted: {using}."
    yield UNFIT.finding(
        at, Severity.CRITICAL,
        f"It fails: PostgreSQL makes no {words(becomes)} of {words(was)} by itself, not even of no row.",
        how if is_castable(base, becomes) else f"Say how (USING): no cast leads from {words(was)} there.",
        subject=f"{at.name}.{action.column}",
    )  # fmt: skip


RULES = (column_fits, index_fits, table_fits, type_fits)
