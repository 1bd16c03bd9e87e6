"""A database is old: its oldest rows are many transactions behind, and at 2 billion the server takes no more writes.

VACUUM freezes old rows; autovacuum does it by itself at autovacuum_freeze_max_age (200 million), so an age far above
means that it fails or is held back: by a long transaction, a prepared one, a replication slot, a damaged table, or
because it is too slow. Three million transactions before the end (on 13: one million) the server refuses writes
(manual, 25.1.5). Multixacts (rows locked by several transactions) have the same limit.

Look for what holds it back first, then vacuum the oldest tables of that database. Leave it alone where somebody
raised autovacuum_freeze_max_age on purpose: the threshold moves with it.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.settings import for_everybody
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, DatabaseFacts
from analyzer.schema.quoting import comment
from analyzer.words.shares import share_words

check = Check(
    __name__,
    code="SV040",
    title="Transaction ids run out",
    severity=Severity.WARNING,
    age=Threshold(500e6, "transactions", "judgement: two and a half times the age at which autovacuum freezes"),
    over_ratio=Threshold(1.5, "age / the age at which autovacuum freezes", "judgement: it should be done long since"),
    critical_age=Threshold(1e9, "transactions", "judgement: half of what there is"),
)
ALL = 2_147_483_648  # 2^31: half of the numbers are ahead
OLDEST = """SELECT c.oid::regclass, {age}({column}) FROM pg_class AS c
WHERE c.relkind IN ('r', 'm', 't') ORDER BY 2 DESC LIMIT 10;
VACUUM (FREEZE, VERBOSE) ...; -- the oldest of them"""


@check.on(ClusterFacts)
def transaction_ids_run_out(facts: ClusterFacts) -> Iterator[Finding]:
    for database in facts.databases or ():
        kinds = (
            ("transactions", database.frozen_xid_age, "autovacuum_freeze_max_age", "age", "relfrozenxid"),
            ("multixacts", database.multixact_age, "autovacuum_multixact_freeze_max_age", "mxid_age", "relminmxid"),
        )
        for what, age, setting, function, column in kinds:
            if age >= _limit(facts, setting):
                yield _finding(database, what, age, OLDEST.format(age=function, column=column))


def _limit(facts: ClusterFacts, name: str) -> float:
    setting = for_everybody(facts, name) if facts.settings else None
    freezes_at = float(setting.value) if setting is not None and setting.value.isdigit() else 0.0
    return min(max(check["age"], freezes_at * check["over_ratio"]), max(check["critical_age"], freezes_at * 1.1))


def _finding(database: DatabaseFacts, what: str, age: int, oldest: str) -> Finding:
    return check.finding(
        subject=f"{database.name} {what}",
        severity=Severity.CRITICAL if age >= check["critical_age"] else Severity.WARNING,
        message=(
            f"The oldest rows of database {database.name} are {age / 1e6:,.0f} million {what} old,"
            f" {share_words(age / ALL)} of what there is; then the server takes no more writes."
        ),
        hint="See what holds VACUUM back (long transactions, prepared ones, slots), then vacuum the oldest tables.",
        evidence={f"{what}_age": age, "used_ratio": round(age / ALL, 3)},
        fixes=(
            Fix("The oldest tables, in that database", "sql", f"{comment(f'in database {database.name}')}{oldest}"),
        ),
    )
