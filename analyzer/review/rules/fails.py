"""What the server refuses, or will refuse for the rows that are there."""

from collections.abc import Iterator

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.column_types import loses_values
from analyzer.review.columns_of_type import columns_of_type, type_altered
from analyzer.review.rules.exists import UNFIT
from analyzer.review.rules.rule import MOST_NAMES, Findings, Rule, StepContext, is_of
from analyzer.review.statements import flag
from analyzer.review.work import words
from analyzer.schema.facts import ColumnFacts
from analyzer.statements.tree import without_casts
from analyzer.words.lists import some_of

IN_TRANSACTION = Rule("MG010", "Cannot run inside a transaction")
TOO_OLD = Rule("MG011", "This server's version does not know it")
NO_DEFAULT = Rule("MG012", "New NOT NULL column without a default")
NULLS = Rule("MG013", "Column with NULLs made NOT NULL")
DUPLICATES = Rule("MG014", "Unique constraint over duplicates")
NARROWER = Rule("MG015", "Type that takes fewer values")
CONCURRENT = Rule("MG018", "CONCURRENTLY is not possible here")

ALONE = frozenset({Kind.CREATE_INDEX, Kind.DROP_INDEX, Kind.REINDEX_INDEX, Kind.REINDEX_TABLE, Kind.DETACH_PARTITION})
ALWAYS_ALONE = frozenset({
    Kind.VACUUM, Kind.VACUUM_FULL, Kind.REINDEX_MANY, Kind.CREATE_DATABASE, Kind.DROP_DATABASE, Kind.CREATE_TABLESPACE,
    Kind.DROP_TABLESPACE, Kind.ALTER_SYSTEM, Kind.DISCARD_ALL,
})  # fmt: skip
ALL_OF_IT = {Kind.CLUSTER: "CLUSTER of all tables", Kind.CREATE_SUBSCRIPTION: "CREATE SUBSCRIPTION that makes its slot"}
OUTSIDE = {
    "sql": "Put it outside BEGIN and COMMIT, in a file of its own where the tool opens the transaction.",
    "django": "Set atomic = False in the migration's class, and let nothing else stand in that migration.",
    "alembic": "Put it into: with op.get_context().autocommit_block():",
}


def fails_in_transaction(at: StepContext) -> Findings:
    action = at.action
    if at.step.is_alone or not _runs_alone(action):
        return
    what = (
        f"{action.kind.value} CONCURRENTLY" if action.kind in ALONE else ALL_OF_IT.get(action.kind, action.kind.value)
    )
    yield IN_TRANSACTION.finding(
        at, Severity.CRITICAL, f"{what} fails inside a transaction block.", OUTSIDE[at.migration.framework]
    )


def _runs_alone(action: Action) -> bool:
    if action.kind is Kind.CLUSTER:
        return action.relation is None
    if action.kind is Kind.CREATE_SUBSCRIPTION:
        return flag(action.statement.options, "connect", True) and flag(action.statement.options, "create_slot", True)
    return action.kind in ALWAYS_ALONE or (action.kind in ALONE and action.is_concurrent)


def needs_newer_server(at: StepContext) -> Findings:
    for since, what in _since(at.action):
        if at.known.version < since:
            yield TOO_OLD.finding(
                at, Severity.CRITICAL,
                f"{what} came with PostgreSQL {since // 10_000}; this server has {at.known.version // 10_000}.",
                "Write it another way, or upgrade first.",
            )  # fmt: skip


def _since(action: Action) -> Iterator[tuple[int, str]]:
    if action.kind is Kind.DETACH_PARTITION and action.is_concurrent:
        yield 140_000, "DETACH PARTITION CONCURRENTLY"
    if action.kind is Kind.MERGE:
        yield 150_000, "MERGE"
    if action.kind is Kind.SET_ACCESS_METHOD:
        yield 150_000, "SET ACCESS METHOD"
    if action.kind is Kind.SET_EXPRESSION:
        yield 170_000, "SET EXPRESSION"
    if action.kind is Kind.ADD_NOT_NULL:
        yield 180_000, "A NOT NULL constraint with a name"
    if action.new is not None and action.new.generated == "v":
        yield 180_000, "A virtual generated column"
    if getattr(action.node, "nulls_not_distinct", False):
        yield 150_000, "NULLS NOT DISTINCT"


def lacks_default(at: StepContext) -> Findings:
    new = at.action.new
    if not is_of(at, Kind.ADD_COLUMN) or new is None or not (new.is_not_null and not new.has_value):
        return
    if at.known.is_empty(at.relation) or at.is_new:
        return
    table = at.table
    rows = table.rows if table else None
    what = f"Column {new.name} is NOT NULL and has no default"
    hint = "Give it a default, or add it without NOT NULL, fill it, and make it NOT NULL in a later migration."
    if rows:
        message = f"{what}: it fails, since {at.name} has rows (about {rows:,.0f})."
        yield NO_DEFAULT.finding(at, Severity.CRITICAL, message, hint, rows=round(rows))
    elif table is None:
        message = f"{what}: it fails if {at.name} has any row; and code that runs already inserts none of it."
        yield NO_DEFAULT.finding(at, Severity.WARNING, message, hint)


def column_has_nulls(at: StepContext) -> Findings:
    if not is_of(at, Kind.SET_NOT_NULL, Kind.ADD_NOT_NULL) or at.action.is_not_valid:
        return
    name = at.action.column or (at.action.columns[0] if at.action.columns else "")
    column = untouched_column(at, name)
    if column is None or not column.null_frac or at.known.proves_not_null(at.relation, name):
        return
    share = column.null_frac
    yield NULLS.finding(
        at, Severity.CRITICAL,
        f"It fails while {name} holds NULLs: {share:.1%} of {at.name}'s rows did when ANALYZE last looked.",
        "Fill them first, in batches, and let no code write NULL any more.", null_ratio=round(share, 4),
    )  # fmt: skip


def has_duplicates(at: StepContext) -> Findings:
    """By ANALYZE's sample; told only where a great part are duplicates."""
    action = at.action
    is_unique = action.kind in (Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY) or (
        action.kind is Kind.CREATE_INDEX and action.is_unique
    )
    if not is_unique or action.using_index or action.has_where or len(action.columns) != 1 or action.relation is None:
        return
    column = untouched_column(at, action.columns[0])
    rows = column.table_rows * (1 - (column.null_frac or 0)) if column is not None else 0
    distinct = column.distinct_values if column is not None else None
    if column is None or distinct is None or rows < 100 or distinct > rows / 2:
        return
    yield DUPLICATES.finding(
        at, Severity.CRITICAL,
        f"It fails while {column.name} holds duplicates: ANALYZE found about {distinct:,.0f} distinct values in"
        f" {rows:,.0f} rows of {at.name}.",
        "Look for them (GROUP BY the column HAVING count(*) > 1) and clear them first.",
        distinct_values=round(distinct), rows=round(rows),
    )  # fmt: skip


def one_value_for_all(at: StepContext) -> Findings:
    """A constant default of a unique column, which Django also makes of a callable."""
    new = at.action.new
    if not is_of(at, Kind.ADD_COLUMN) or new is None or not (new.is_unique or new.is_primary):
        return
    if not isinstance(without_casts(new.default), ast.A_Const) or at.is_new or at.known.is_empty(at.relation):
        return
    rows = at.table.rows if at.table else None
    if rows is not None and rows < 2:
        return
    once = " (Django calls the default once)" if at.migration.framework == "django" else ""
    yield DUPLICATES.finding(
        at, Severity.CRITICAL if rows else Severity.WARNING,
        f"Every row of {at.name} gets the same {new.name}{once}, so it fails where there are two"
        f"{f', and there are about {rows:,.0f}' if rows else ''}.",
        "Add it without UNIQUE, give each row a value of its own, and make it unique in a later migration.",
    )  # fmt: skip


def untouched_column(at: StepContext, name: str) -> ColumnFacts | None:
    """The column as the server has it, unless this file writes it, or takes rows from the table, before."""
    if any(
        action.kind in (Kind.UPDATE, Kind.DELETE, Kind.MERGE, Kind.CODE, Kind.TRUNCATE)
        and (action.relation is None or at.known.key(action.relation) == at.name)
        and not (action.kind is Kind.UPDATE and all(target.name != name for target in action.node.targetList))
        for step in at.earlier
        for action in step.actions
    ):
        return None
    return at.table.column(name) if at.table else None


def takes_fewer_values(at: StepContext) -> Findings:
    if not is_of(at, Kind.ALTER_TYPE) or at.is_new or at.known.is_empty(at.relation) or at.action.type is None:
        return
    old = at.known.type_before(at.action)
    if old is None or not loses_values(old, at.action.type):
        return
    yield NARROWER.finding(
        at, Severity.WARNING,
        f"{words(at.action.type)} does not take all that {words(old)} does: it fails, or cuts or rounds, where a value"
        f" of {at.action.column} does not fit, and the way back does not bring such values again.",
        "Look for such values first.",
    )  # fmt: skip


def not_concurrently(at: StepContext) -> Findings:
    action, live, table = at.action, at.known.live, at.table
    if not action.is_concurrent or live is None:
        return
    why = ""
    if action.kind is Kind.CREATE_INDEX and table is not None and table.kind == "p":
        why = f"{at.name} is partitioned: make the index ON ONLY it, build one per partition, and attach those."
    elif action.kind is Kind.DETACH_PARTITION and table is not None and table.oid in live.default_partitions:
        why = f"{at.name} has a default partition, with which PostgreSQL refuses DETACH PARTITION CONCURRENTLY."
    elif action.kind is Kind.REFRESH and table is not None and not any(
        i.is_unique and i.predicate is None and not i.expressions for i in table.indexes
    ):  # fmt: skip
        why = f"{at.name} has no unique index on columns, without WHERE, which CONCURRENTLY needs."
    elif action.kind is Kind.DROP_INDEX:
        owner = at.known.owner_of_index(action.others[0])
        index = next((i for i in owner.indexes if i.name == action.name), None) if owner else None
        if owner is not None and owner.kind == "p":
            why = f"{action.name} is the index of a partitioned table, which cannot be dropped CONCURRENTLY."
        elif index is not None and index.backs_constraint:
            why = f"{action.name} belongs to a constraint: drop that instead."
    if why:
        yield CONCURRENT.finding(at, Severity.CRITICAL, f"It fails: {why}", "Write it the other way.")


def domain_can_be_checked(at: StepContext) -> Findings:
    """ALTER DOMAIN whose rows it would have to look into arrays for."""
    if at.action.kind is not Kind.DOMAIN or at.known.is_unclear:
        return
    arrays = columns_of_type([type_altered(at.action.statement)], at.known, "[]")
    in_arrays = [f"{table.qualified_name}.{column.name}" for table, column in arrays if table.kind in "rmp"]
    if in_arrays:
        does = "holds" if len(in_arrays) == 1 else "hold"
        yield UNFIT.finding(
            at, Severity.CRITICAL,
            f"It fails: {some_of(in_arrays, MOST_NAMES)} {does} arrays of {at.action.name}, whose values PostgreSQL"
            " does not check.",
            "Give those columns another type first; a constraint that is NOT VALID is of new values alone.",
        )  # fmt: skip


RULES = (
    fails_in_transaction, needs_newer_server, lacks_default, column_has_nulls, has_duplicates, one_value_for_all,
    takes_fewer_values, not_concurrently, domain_can_be_checked,
)  # fmt: skip
