"""What the server refuses since it is there already, or is not there: by its catalog and what the file did before."""

from collections.abc import Iterator

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.alter_table import AT, relation_name
from analyzer.review.column_types import CASTABLE, ColumnType, is_castable, needs_using
from analyzer.review.indexable import takes_no_index
from analyzer.review.objects_dropped import is_absent, objects_dropped
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.review.work import below_domains, words
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, function_name, name_parts, walk

UNFIT = Rule("MG019", "Does not fit what is there")
APPLIED = "See whether the migration was applied here already, or one before it was not."
KINDS = {Kind.DROP_TABLE: "rp", Kind.DROP_VIEW: "v", Kind.DROP_MATVIEW: "m"}  # pg_class.relkind
SPOKEN = {"v": "view", "m": "materialized view", "f": "foreign table"}
# statements that make what they do not name
MAKE_ANY = (ast.CreateExtensionStmt, ast.ImportForeignSchemaStmt, ast.DoStmt, ast.CallStmt, ast.ExecuteStmt)
MAKE_INDEXES = (*MAKE_ANY, ast.CreateStmt, ast.AlterTableStmt, ast.IndexStmt)  # and sequences
MAKE_NOTHING = frozenset({"set_config", "setval", "nextval", "count", "now"})
TEMPORARY = "t"  # pg_class.relpersistence
NEED_COLUMN = frozenset({
    Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.SET_DEFAULT, Kind.RENAME_COLUMN,
})  # fmt: skip


def column_fits(at: StepContext) -> Findings:
    action = at.action
    if action.relation is None or action.if_exists:
        return
    is_there = at.known.has_column(action.relation, action.column)
    if action.kind is Kind.ADD_COLUMN and is_there and not _may_have_gone(at):
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {at.name} has a column {action.column} already.", APPLIED,
            subject=f"{at.name}.{action.column}",
        )  # fmt: skip
    elif action.kind in NEED_COLUMN and is_there is False:
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {at.name} has no column {action.column}.", APPLIED,
            subject=f"{at.name}.{action.column}",
        )  # fmt: skip


def _may_have_gone(at: StepContext) -> bool:
    """With a type, an extension or a schema that the file dropped with CASCADE."""
    actions = (action for step in at.earlier for action in step.actions)
    return any(action.kind in (Kind.DROP_OTHER, Kind.DROP_SCHEMA) and action.is_cascade for action in actions)


def column_takes_change(at: StepContext) -> Findings:
    """ADD COLUMN to a partition, and ADD GENERATED AS IDENTITY."""
    action, table = at.action, at.table
    if table is None or at.known.is_unclear:
        return
    column, why = table.column(action.column), ""
    if action.kind is Kind.ADD_COLUMN and table.parent_oid is not None and not at.known.is_dropped(table, ""):
        why, hint = f"{at.name} is a partition, which has the columns of its table", "Add it to that."
    elif action.kind is Kind.COLUMN_DETAIL and column is not None and action.node.subtype == AT.AT_AddIdentity:
        earlier = (a for step in (*at.earlier, at.step) for a in step.actions if a.column == column.name)
        is_changed = any(
            a.kind is Kind.SET_DEFAULT and at.known.key(a.relation or at.relation) == at.name for a in earlier
        )
        hint = f"ALTER COLUMN {quote_identifier(column.name)} SET NOT NULL"
        if at.known.column(at.relation, column.name).is_not_null is False:
            why, hint = f"{at.name}.{column.name} may be NULL", f"{hint} first."
        elif column.default is not None and not is_changed:
            why = f"{at.name}.{column.name} has a default, which an identity column has not"
            hint = (
                f"ALTER COLUMN {quote_identifier(column.name)} DROP DEFAULT first, and set the new sequence's number."
            )
    if why:
        subject = f"{at.name}.{action.column}"
        yield UNFIT.finding(at, Severity.CRITICAL, f"It fails: {why}.", hint, subject=subject)


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


def takes_index(at: StepContext) -> Findings:
    """CREATE INDEX on a view, a foreign table or a sequence."""
    is_index = at.action.kind is Kind.CREATE_INDEX and at.action.relation is not None
    what = takes_no_index(at.relation, at.known) if is_index and not at.known.is_unclear else None
    if what is not None:
        hint = "Index the tables that it reads." if what == "a view" else "See what it was meant for."
        yield UNFIT.finding(at, Severity.CRITICAL, f"It fails: {at.name} is {what}, which takes no index.", hint)


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
        and not _may_have_gone(at)
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


def dropped_is_there(at: StepContext) -> Findings:
    """Of a sequence, function or type, a table, view or index: without IF EXISTS, or of another kind."""
    action = at.action
    for name, what in () if at.known.is_unclear else _absent(at):
        if not may_be_made(name, what, at):
            message = f"It fails: there is no {what} {name}."
            yield UNFIT.finding(at, Severity.CRITICAL, message, APPLIED, subject=str(name))
    table, kinds = at.table, KINDS.get(action.kind)
    if table is not None and kinds is not None and table.kind not in kinds:
        yield UNFIT.finding(
            at, Severity.CRITICAL, f"It fails: {at.name} is a {SPOKEN.get(table.kind, 'table')}.",
            f"DROP {SPOKEN.get(table.kind, 'table').upper()} it is.",
        )  # fmt: skip


def _absent(at: StepContext) -> Iterator[tuple[TableName, str]]:
    action, known = at.action, at.known
    if action.if_exists or known.facts is None:
        return
    if action.kind is Kind.DROP_OTHER:
        each = objects_dropped(action.statement)
        yield from ((dropped.name, dropped.what) for dropped in each if is_absent(dropped, known))
    elif action.kind in KINDS and action.relation is not None and known.is_missing(action.relation):
        yield action.relation, SPOKEN.get(KINDS[action.kind][0], "table")
    elif action.kind is Kind.DROP_INDEX and known.owner_of_index(action.others[0]) is None:
        yield action.others[0], "index"


def may_be_made(name: TableName, what: str, at: StepContext) -> bool:
    """By a statement before that names it, or makes what it does not name."""
    statements = [(step.sql, step.actions[0].statement) for step in at.earlier]
    make = MAKE_INDEXES if what in ("index", "sequence") else MAKE_ANY
    return any(
        isinstance(s, make) or _calls(s) or (name.name in sql and not isinstance(s, ast.DropStmt))
        for sql, s in statements
    )


def _calls(statement: Node) -> bool:
    """Whether a SELECT calls a function that may make tables, as those of extensions and of one's own do."""
    nodes = walk(statement) if isinstance(statement, ast.SelectStmt) else ()
    return any(isinstance(node, ast.FuncCall) and function_name(node) not in MAKE_NOTHING for node in nodes)


def view_keeps_columns(at: StepContext) -> Findings:
    """CREATE OR REPLACE VIEW: those that are there first, by the same names."""
    statement = at.action.statement
    if at.action.kind is not Kind.REPLACE_VIEW or at.known.is_unclear:
        return
    name = relation_name(statement.view)
    view, columns = at.known.table(name), _columns(statement)
    if view is None or view.kind != "v" or columns is None:
        return
    old = [column.name for column in view.columns]
    if columns[: len(old)] == old:
        return
    which = next(n for n, column in enumerate(old) if column not in columns[n : n + 1])
    does = f"have {columns[which]} in place of" if which < len(columns) else "be without"
    yield UNFIT.finding(
        at, Severity.CRITICAL,
        f"It fails: {view.qualified_name} would {does} its column {old[which]}, and PostgreSQL lets a view get new"
        " columns at its end alone.",
        "Keep the columns and their order, or DROP VIEW first and make it again, with its rights, in one transaction.",
        subject=view.qualified_name,
    )  # fmt: skip


def _columns(statement: Node) -> list[str] | None:
    """None where its query does not say them all."""
    query = statement.query
    while getattr(query, "larg", None) is not None:
        query = query.larg
    columns = []
    for target in getattr(query, "targetList", None) or (None,):
        last = target.val.fields[-1] if target is not None and isinstance(target.val, ast.ColumnRef) else None
        columns.append(getattr(target, "name", None) or getattr(last, "sval", None))
    named = [name.sval for name in statement.aliases or ()]
    columns[: len(named)] = named
    return None if None in columns else [str(column) for column in columns]


def index_is_of_a_partition(at: StepContext) -> Findings:
    """ALTER INDEX ... ATTACH PARTITION."""
    if at.action.kind is not Kind.ATTACH_INDEX or at.known.is_unclear:
        return
    (above, whole), (below, part) = (_index(name, at) for name in at.action.others)
    if above is None or below is None or whole is None or part is None or part.parent_oid == whole.oid:
        return
    taken = next((i for i in below.indexes if i.parent_oid == whole.oid), None)
    if below.parent_oid != above.oid:
        why = f"{below.qualified_name} is no partition of {above.qualified_name}"
    elif taken is not None:
        why = f"{taken.name} is the part of {whole.name} on {below.qualified_name} already"
    elif (whole.columns, whole.is_unique, whole.method) != (part.columns, part.is_unique, part.method):
        why = f"{part.name} and {whole.name} are not alike in columns, method and uniqueness"
    else:
        return
    yield UNFIT.finding(at, Severity.CRITICAL, f"It fails: {why}.", APPLIED, subject=part.name)


def _index(name: TableName, at: StepContext) -> tuple[TableFacts | None, IndexFacts | None]:
    table = at.known.owner_of_index(name)
    there = table.indexes if table is not None else ()
    return table, next((i for i in there if table and at.known.name_now(table, i.name) == name.name), None)


RULES = (
    column_fits, column_takes_change, index_fits, takes_index, table_fits, type_fits, dropped_is_there,
    view_keeps_columns, index_is_of_a_partition,
)  # fmt: skip
