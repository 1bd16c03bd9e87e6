"""INSERT ... ON CONFLICT DO NOTHING whose rows nearly all exist.

Each row is made ready, its defaults are computed (a sequence gives away a number) and it is looked up in the unique
index, only to be left out. To verify, compare Tuples Inserted with Conflicting Tuples in EXPLAIN (ANALYZE). Leave the
rows that exist out before: NOT EXISTS in the SELECT joins them all at once, and ON CONFLICT stays for those that come
in the meantime; or remember how far the last run came. Leave it alone where the rows come one by one from a client,
and for DO UPDATE, where the conflict is the purpose. The time is the insert's own, for the share of its rows that
were left out.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Threshold
from analyzer.checks.node import own_time_ms, run_time_ms, time_evidence
from analyzer.findings import Finding, Severity
from analyzer.plans import PlanNode

check = Check(
    __name__,
    code="PL097",
    title="Nearly all rows to insert existed",
    severity=Severity.WARNING,
    conflicts=Threshold(1_000, "rows", "judgement: fewer are looked up in a few milliseconds"),
    conflicts_ratio=Threshold(0.9, "conflicts / rows", "judgement: below it looking first would be work done twice"),
)


@check.on(PlanNode, "ModifyTable")
def insert_mostly_conflicts(node: PlanNode) -> Iterator[Finding]:
    inserted, conflicts = node.count("Tuples Inserted"), node.count("Conflicting Tuples")
    if not node.loops or node.raw.get("Conflict Resolution") != "NOTHING" or inserted is None or conflicts is None:
        return
    if conflicts < check["conflicts"] or conflicts <= (inserted + conflicts) * check["conflicts_ratio"]:
        return
    own_ms = own_time_ms(node)
    indexes = node.raw.get("Conflict Arbiter Indexes")
    names = ", ".join(name for name in indexes if isinstance(name, str)) if isinstance(indexes, list) else ""
    yield check.finding(
        subject=node.label,
        message=(
            f"Of {inserted + conflicts:,.0f} rows to insert into {node.relation_name} {conflicts:,.0f} existed already"
            f"{f' ({names})' if names else ''} and were left out; {inserted:,.0f} came in."
        ),
        hint=(
            "Leave out the rows that exist before the insert (WHERE NOT EXISTS in its SELECT) and keep ON CONFLICT for"
            " those that come in the meantime. A sequence default gives away a number for each row left out."
        ),
        evidence={
            "inserted_rows": int(inserted),
            "conflicting_rows": int(conflicts),
            **time_evidence(own_ms, node),
        },
        level=EvidenceLevel.EXECUTED,
        time_ms=None if own_ms is None else own_ms * conflicts / (inserted + conflicts),
        run_time_ms=run_time_ms(node),
        table=node.table,
    )
