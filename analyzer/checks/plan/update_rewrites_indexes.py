"""An update that touches many blocks for each row: every index of the table gets a new entry.

PostgreSQL writes a changed row as a new version. If no indexed column changes and the page has room, that is all (a
HOT update, about two block accesses a row). Else each index of the table, also on columns that did not change, gets
an entry for the new version. To verify, compare n_tup_hot_upd with n_tup_upd in pg_stat_user_tables. A lower
fillfactor keeps room in the pages; an index on the changed column which nobody uses prevents HOT for nothing; an
update that sets the values a row has already can be left out with IS DISTINCT FROM. Leave it alone where the indexes
are needed and the column has to be in one. Values stored out of line (TOAST) are touched, too. The time is the
update's own, for the share of the accesses beyond a HOT update's.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Fix, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import table_facts
from analyzer.findings import Finding, Quantity, Severity
from analyzer.plans import PlanNode
from analyzer.plans.triggers import fired
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

HOT_ACCESSES = 2  # per row; measured on PostgreSQL 15 and 18

check = Check(
    __name__,
    code="PL092",
    title="Update writes to many indexes",
    severity=Severity.WARNING,
    reads_figures=True,
    rows=Threshold(1_000, "rows", "judgement: fewer are done in milliseconds, whatever the indexes"),
    accesses_per_row=Threshold(
        10, "block accesses / row", "measured: 2 for HOT, 6.5 with one index, 17 with six (PostgreSQL 15, 18)"
    ),
    own_time_ratio=Threshold(0.10, "own time / execution time", "judgement: less is not worth a change"),
    hot_ratio=Threshold(0.9, "HOT / all updates", "judgement: a table that is updated so has no trouble"),
)


@check.on(PlanNode, "ModifyTable")
def update_rewrites_indexes(node: PlanNode, context: Context) -> Iterator[Finding]:
    if not node.loops or node.raw.get("Operation") != "Update" or node.exclusive_buffers is None:
        return
    given = [child.total_actual_rows for child in node.inputs]
    rows = sum(count for count in given if count is not None)
    accesses = node.exclusive_buffers.shared_touched_blocks or 0
    if rows < check["rows"] or accesses < rows * check["accesses_per_row"]:
        return
    # what a BEFORE trigger's statements touch is counted with the update
    if node.plan is not None and any(not trigger.is_after for trigger in fired(node.plan)):
        return
    own_ms = own_time_ms(node)
    ratio = time_ratio(own_ms, node)
    if ratio is not None and ratio < check["own_time_ratio"]:
        return
    table = table_facts(node, context.facts)
    if table is not None and _is_hot(table):
        return
    per_row = accesses / rows
    evidence: dict[str, Quantity] = {
        "updated_rows": round(rows),
        "block_accesses_per_row": round(per_row, 1),
        **time_evidence(own_ms, node),
    }
    yield check.finding(
        subject=node.label,
        message=(
            f"The update of {node.relation_name} touched {per_row:.1f} blocks for each of {rows:,.0f} rows; one that"
            f" leaves the indexes alone (HOT) touches about {HOT_ACCESSES}.{_known(table)}"
        ),
        hint=(
            "See which of the table's indexes hold a changed column and whether anybody uses them; where none does,"
            " the pages are full: a lower fillfactor leaves room. Skip rows that already have the new values."
        ),
        evidence=evidence,
        level=EvidenceLevel.EXECUTED,
        time_ms=None if own_ms is None else own_ms * (1 - HOT_ACCESSES / per_row),
        run_time_ms=run_time_ms(node),
        table=node.table or (table.qualified_name if table is not None else None),
        fixes=() if table is None else _fixes(table),
    )


def _is_hot(table: TableFacts) -> bool:
    updated = table.activity.updated_rows
    return updated > 0 and table.activity.hot_updated_rows >= updated * check["hot_ratio"]


def _known(table: TableFacts | None) -> str:
    if table is None:
        return ""
    count = len(table.indexes)
    indexes = f" It has {count} index{'' if count == 1 else 'es'}"
    updated = table.activity.updated_rows
    if not updated:
        return f"{indexes}."
    ratio = table.activity.hot_updated_rows / updated
    return f"{indexes}; of all its updates {ratio:.0%}".replace("%", " %") + " were HOT."


def _fixes(table: TableFacts) -> tuple[Fix, ...]:
    if table.kind != "r":  # a partitioned table has no pages of its own
        return ()
    sql = f"ALTER TABLE {qualified(table.schema, table.name)} SET (fillfactor = 80);"
    return (Fix("Leave room in pages that are written from now on, if no changed column is indexed", "sql", sql),)
