"""Statement whose time goes into writing many rows.

Each row that is inserted or updated is written in the table, in each of its indexes (but for an update that is HOT)
and in the WAL; one that is deleted is marked, and cleared out later. To verify, compare the write's own time with that
of the steps below it. To make it shorter, write less: no index that nobody uses; no row that has the new values already
(``WHERE a IS DISTINCT FROM ...``); COPY in place of INSERT, and a large load before the indexes are made; partitions
that are dropped in place of rows that are deleted. In parts of some thousand rows each, others wait less for locks and
VACUUM keeps up. Leave it alone where all has to be written. It is informational, and said only where no other check
explains the write, whose own time it is.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.joins import rounded
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence, time_ratio
from analyzer.checks.scan import table_of
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode
from analyzer.words.durations import time_words

DONE = {"Insert": "inserted", "Update": "updated", "Delete": "deleted", "Merge": "merged"}
HINTS = {
    "Insert": (
        "Each row is written in every index, too: drop those that nobody uses; load by COPY, and make the indexes of a"
        " new table behind it."
    ),
    "Update": (
        "Leave out rows that have the new values already (IS DISTINCT FROM); see which indexes hold a changed column;"
        " in parts of some thousand rows, others wait less for locks and VACUUM keeps up."
    ),
    "Delete": (
        "Where rows go by age, partitions that are dropped cost nothing; else delete in parts of some thousand rows, so"
        " that others wait less for locks and VACUUM keeps up."
    ),
    "Merge": "Leave out rows that would be written as they are; in parts of some thousand rows, others wait less.",
}

check = Check(
    __name__,
    code="PL111",
    title="Time goes into writing many rows",
    severity=Severity.INFO,
    gives_way_to=("PL090", "PL091", "PL092", "PL093", "PL095", "PL097"),
    rows=Threshold(10_000, "rows", "measured: 2 to 10 us a row with two indexes on PostgreSQL 15 and 18"),
    time=Threshold(100, "ms", "judgement: a person notices a tenth of a second"),
    time_ratio=Threshold(0.50, "time / execution time", "judgement: it is what the statement does"),
)


@check.on(PlanNode, "ModifyTable")
def write_of_many_rows(node: PlanNode, context: Context) -> Iterator[Finding]:
    operation = str(node.raw.get("Operation"))
    came = sum(child.total_actual_rows or 0.0 for child in node.inputs)
    rows = _rows_written(node, came)
    time_ms = own_time_ms(node)
    if not node.loops or operation not in DONE or rows < check["rows"] or time_ms is None or rows <= 0:
        return
    if time_ms < check["time"] or (time_ratio(time_ms, node) or 0.0) < check["time_ratio"]:
        return
    done = "inserted or updated" if node.raw.get("Conflict Resolution") == "UPDATE" else DONE[operation]
    of_all, each = (f" of {came:,.0f}", "for each that came") if rows < came else ("", "each")
    yield check.finding(
        subject=node.label,
        message=(
            f"{node.label}: {rows:,.0f}{of_all} rows were {done}, {time_words(time_ms / max(came, rows))} {each}; the"
            f" steps below took {time_words(max(0.0, (node.total_time_ms or 0.0) - time_ms))}."
        ),
        hint=HINTS[operation],
        evidence={**rounded(rows_written=rows), **time_evidence(time_ms, node)},
        level=EvidenceLevel.EXECUTED,
        at_most=Severity.INFO,
        time_ms=time_ms,
        run_time_ms=run_time_ms(node),
        table=table_of(node, context.facts),
    )


def _rows_written(node: PlanNode, came: float) -> float:
    """Those that came, less what ON CONFLICT DO NOTHING left out and MERGE had nothing to do for."""
    if node.raw.get("Conflict Resolution") == "NOTHING":
        return came - (node.count("Conflicting Tuples") or 0.0)
    merged = [node.count(f"Tuples {done}") for done in ("Inserted", "Updated", "Deleted")]
    if node.raw.get("Operation") == "Merge" and any(count is not None for count in merged):
        return sum(count or 0.0 for count in merged)
    return came
