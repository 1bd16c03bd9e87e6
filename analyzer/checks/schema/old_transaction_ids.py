"""Table whose oldest rows come near the end of transaction ids.

Ids are of 32 bits and go round: a row must be frozen before 2.1 billion transactions passed. Autovacuum does it from
autovacuum_freeze_max_age on (200 million; of multixacts 400 million). Far above, it cannot: an old transaction, a
replication slot or a prepared transaction holds it up, or it does not get through the table. At 3 million left (on 13:
1 million) the server refuses to write. To verify, SELECT relname, age(relfrozenxid) FROM pg_class ORDER BY 2 DESC.

End what holds it up first, then VACUUM (FREEZE) the tables with the greatest age. It reads them whole and lets reads
and writes go on.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="SC053",
    title="Transaction ids run out",
    severity=Severity.WARNING,
    together=Severity.CRITICAL,
    warning=Threshold(500e6, "transactions", "judgement: autovacuum begins at 200 million and should be through"),
    critical=Threshold(1e9, "transactions", "judgement: half of what there is"),
)
MOST = 2**31  # ids that can be told apart from the past
KINDS = (
    ("frozen_xid_age", "autovacuum_freeze_max_age", "transactions"),
    ("multixact_age", "autovacuum_multixact_freeze_max_age", "multixacts"),
)


@check.on(TableFacts)
def old_transaction_ids(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rm":
        return
    if table.storage is None:
        raise NotRun("needs the tables' sizes and ages")
    settings = context.facts.settings if context.facts is not None else {}
    for field, setting, what in KINDS:
        age = getattr(table.storage, field)
        begins = int(settings[setting]) if settings.get(setting, "").isdigit() else 0
        if age is None or age < min(max(check["warning"], begins * 1.5), max(check["critical"], begins * 1.1)):
            continue
        yield check.finding(
            subject=f"{table.name}: {what}",
            message=(
                f"The oldest {what} in {table.qualified_name} are {age:,} back;"
                f" somewhat before {MOST:,} the server stops writing."
            ),
            hint="End old transactions, unused replication slots and prepared transactions, then VACUUM (FREEZE).",
            severity=Severity.CRITICAL if age >= check["critical"] else Severity.WARNING,
            evidence={"age": age, "used_ratio": round(age / MOST, 3), "size_bytes": table.size_bytes},
            table=table.qualified_name,
            fixes=(
                Fix(
                    "Freeze (SHARE UPDATE EXCLUSIVE while it reads the table: reads and writes go on)",
                    "sql",
                    f"VACUUM (FREEZE, VERBOSE) {qualified(table.schema, table.name)};",
                ),
            ),
        )
