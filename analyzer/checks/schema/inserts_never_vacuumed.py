"""Table that only grows, never vacuumed.

VACUUM sets the marks (visibility map) by which an index-only scan may leave the table alone, and freezes rows in small
steps. From 13 on autovacuum comes for inserts too, at a fifth of the table; a very large table waits long, and with the
threshold at -1 it never comes: then the first one has to freeze it all at once. To verify, look at last_autovacuum
and n_ins_since_vacuum in pg_stat_user_tables.

VACUUM it once, and lower autovacuum_vacuum_insert_scale_factor for it. Leave it alone right after a load.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="SC056",
    title="Grows and was never vacuumed",
    severity=Severity.INFO,
    inserted_rows=Threshold(1_000_000, "rows", "judgement: fewer are vacuumed in a moment"),
    changed_ratio=Threshold(
        0.01, "updated and deleted / inserted rows", "judgement: above it dead rows call autovacuum"
    ),
)


@check.on(TableFacts)
def inserts_never_vacuumed(table: TableFacts) -> Iterator[Finding]:
    activity = table.activity
    changed = activity.updated_rows + activity.deleted_rows
    if table.kind != "r" or activity.inserted_rows < check["inserted_rows"]:
        return
    if changed > activity.inserted_rows * check["changed_ratio"]:
        return
    if table.storage is None or table.storage.inserted_since_vacuum is None:
        raise NotRun("needs the tables' sizes and ages")
    inserted = table.storage.inserted_since_vacuum
    if table.storage.vacuumed_at is not None or inserted < check["inserted_rows"]:
        return
    on = qualified(table.schema, table.name)
    yield check.finding(
        subject=table.name,
        message=(
            f"{inserted:,} rows were inserted into {table.qualified_name} and no VACUUM has been there since its"
            " statistics began."
        ),
        hint="VACUUM it once, and let autovacuum come after a smaller share of new rows.",
        evidence={"inserted_since_vacuum": inserted, "changed_rows": changed, "table_rows": table.rows},
        table=table.qualified_name,
        fixes=(
            Fix("Vacuum (SHARE UPDATE EXCLUSIVE: reads and writes go on)", "sql", f"VACUUM (ANALYZE) {on};"),
            to_copy(
                "Let autovacuum come after 2 % new rows (SHARE UPDATE EXCLUSIVE, for a moment)",
                f"ALTER TABLE {on} SET (autovacuum_vacuum_insert_scale_factor = 0.02);",
            ),
        ),
    )
