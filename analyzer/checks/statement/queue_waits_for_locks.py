"""A queue's workers wait for each other: FOR UPDATE with LIMIT, without SKIP LOCKED.

All workers ask for the first waiting rows, one gets their locks, the others stand in line behind it until it commits,
then look again and often find the rows taken. With ``SKIP LOCKED`` each takes the next free rows at once. It leaves
out rows that others have, which is right for a queue and wrong where certain rows are meant. Verify with
pg_stat_activity: sessions of the statement that wait for "transactionid" or "tuple".
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.statements.blocks import QueryBlock
from analyzer.statements.tree import walk
from analyzer.words.durations import rate_words, time_words

check = Check(
    __name__,
    code="ST028",
    title="A queue's workers wait for each other",
    severity=Severity.WARNING,
    calls=Threshold(1_000, "calls a day", "judgement: a queue is asked often"),
    mean=Threshold(5, "ms per call", "judgement: the first rows of an index take less, if nobody waits"),
    time=Threshold(60, "s/day", "judgement: a minute of a day"),
)
FOR_UPDATE = (enums.LockClauseStrength.LCS_FORUPDATE, enums.LockClauseStrength.LCS_FORNOKEYUPDATE)
SKIPS = (enums.LockWaitPolicy.LockWaitSkip, enums.LockWaitPolicy.LockWaitError)


@check.on(StatementFacts)
def queue_waits_for_locks(statement: StatementFacts) -> Iterator[Finding]:
    if "for " not in statement.normalized_sql.lower() or (statement.time_s_per_day or 0.0) < check["time"]:
        return
    if (statement.mean_exec_time_ms or 0.0) < check["mean"] or (statement.calls_per_day or 0.0) < check["calls"]:
        return
    for block in statement.blocks:
        if block.is_locking and block.has_limit and len(block.tables) == 1 and not block.has_other_sources:
            table = _table(statement, block)
            if _waits(statement) and not _is_looked_up(table, block):
                yield _finding(statement, block, table)
                return


def _waits(statement: StatementFacts) -> bool:
    """One clause FOR UPDATE that neither skips nor refuses locked rows."""
    clauses = [node for node in walk(statement.tree) if isinstance(node, ast.LockingClause)]
    return len(clauses) == 1 and clauses[0].strength in FOR_UPDATE and clauses[0].waitPolicy not in SKIPS


def _table(statement: StatementFacts, block: QueryBlock) -> TableFacts | None:
    used = block.tables[0]
    return statement.facts.find_table(used.name, used.schema or None) if statement.facts else None


def _is_looked_up(table: TableFacts | None, block: QueryBlock) -> bool:
    fixed = {p.column for p in block.tables[0].predicates if p.operator == "eq" and p.is_bare}
    return table is None or any(fixed.issuperset(key) for key in (table.primary_key, *table.unique_keys) if key)


def _finding(statement: StatementFacts, block: QueryBlock, table: TableFacts | None) -> Finding:
    name = table.qualified_name if table else block.tables[0].name
    mean_ms = statement.mean_exec_time_ms or 0.0
    return check.finding(
        subject=f"FOR UPDATE {name}",
        table=table.qualified_name if table else None,
        message=(
            f"The first free rows of {name} are taken FOR UPDATE without SKIP LOCKED: who comes second waits for the"
            f" first one's commit. A call takes {time_words(mean_ms)} on average,"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
        ),
        hint="Add SKIP LOCKED, if any free row will do.",
        evidence={"mean_exec_time_ms": round(mean_ms, 3), "calls_per_day": round(statement.calls_per_day or 0.0)},
        fixes=(
            Fix("Take the next free rows", "sql", "... ORDER BY ... LIMIT ... FOR UPDATE SKIP LOCKED"),
            Fix("Take the next free rows", "django", "queryset.select_for_update(skip_locked=True)"),
        ),
        **statement.load,
    )
