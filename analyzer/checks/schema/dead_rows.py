"""Many dead rows.

An UPDATE or DELETE leaves the old row until VACUUM; until then scans read it and indexes point to it. Autovacuum comes
at a fifth of the table: more than that stays where it is off or slow, where it cannot remove them because a
transaction, a replication slot or a prepared transaction holds an old snapshot, or right after a large change. To
verify, VACUUM (VERBOSE) says how many rows are "dead but not yet removable".

VACUUM makes the space free for new rows and blocks neither reads nor writes. If it removes nothing, end what holds the
snapshot: SV007 names sessions that are open too long. Leave it alone right after a bulk change.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.checks.vacuum_holder import holder_words
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified
from analyzer.schema.standing import HeldBack
from analyzer.words.shares import share_words

check = Check(
    __name__,
    code="SC052",
    title="Many dead rows",
    severity=Severity.WARNING,
    dead_rows=Threshold(10_000, "rows", "judgement: fewer are read in a moment"),
    dead_ratio=Threshold(0.25, "dead / all rows", "manual: over autovacuum_vacuum_scale_factor of living rows, 0.2"),
)


@check.on(TableFacts)
def dead_rows(table: TableFacts, context: Context) -> Iterator[Finding]:
    dead, live = table.activity.dead_rows, table.activity.live_rows
    if table.kind not in "rm" or dead < check["dead_rows"] or dead < (dead + live) * check["dead_ratio"] or not dead:
        return
    at = table.storage.vacuumed_at if table.storage is not None else None
    when = f"; the last VACUUM was at {at:%Y-%m-%d %H:%M}" if at is not None else ""
    holder = _holder(context)
    on = qualified(table.schema, table.name)
    yield check.finding(
        subject=table.name,
        message=(
            f"{share_words(dead / (dead + live))} of the rows of {table.qualified_name} are dead: {dead:,}{when}."
            + (f" VACUUM is held back by {holder_words(holder)}." if holder else "")
        ),
        hint=(
            "End what holds VACUUM back first (SV012 says how): until then it removes none of the rows that died since."
            if holder
            else "VACUUM it; where that removes nothing, find the transaction or slot that holds them."
        ),
        evidence={"dead_rows": dead, "live_rows": live, "dead_ratio": round(dead / (dead + live), 3),
                  "size_bytes": table.size_bytes},
        table=table.qualified_name,
        fixes=(
            Fix("Free the space (SHARE UPDATE EXCLUSIVE: reads and writes go on)", "sql", f"VACUUM (VERBOSE) {on};"),
            to_copy(
                "Let autovacuum come after 2 % (SHARE UPDATE EXCLUSIVE, for a moment)",
                f"ALTER TABLE {on} SET (autovacuum_vacuum_scale_factor = 0.02);",
            ),
        ),
    )  # fmt: skip


def _holder(context: Context) -> HeldBack | None:
    """Where it holds back VACUUM in this database's tables."""
    held = context.vacuum_holder
    if held is None or held.kind == "catalog slot" or context.facts is None:
        return None
    return held if held.database in (None, context.facts.database) else None
