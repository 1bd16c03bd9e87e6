"""Statistics that are behind the table.

Autovacuum analyses a table after a tenth of its rows changed. Where twice that changed since, it does not keep up, is
off, or waits for the end of a long transaction's lock; the planner knows the table as it was. To verify, look at
n_mod_since_analyze in pg_stat_user_tables.

ANALYZE the table now. For one that changes in bursts, analyse at the end of the job; for a large one, a lower
autovacuum_analyze_scale_factor. Leave it alone where the table is emptied and filled all the time.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified

check = Check(
    __name__,
    code="SC051",
    title="Statistics behind the table",
    severity=Severity.WARNING,
    rows=Threshold(10_000, "rows", "judgement: changes of fewer rows change no plan"),
    minutes=Threshold(10, "minutes", "manual: autovacuum looks each minute (autovacuum_naptime)"),
    times=Threshold(2, "times autovacuum's own limit", "judgement: at once it may be just about to come"),
)
DEFAULT_RATIO = 0.1  # the manual: autovacuum_analyze_scale_factor
SETTING = "autovacuum_analyze_scale_factor"


@check.on(TableFacts)
def analysed_long_ago(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rm" or table.rows is None:
        return
    if all(column.null_frac is None for column in table.columns):
        return  # never analysed, or not readable: told so elsewhere
    settings = context.facts.settings if context.facts is not None else {}
    own = table.storage_options.get(SETTING) or settings.get(SETTING)
    changed = table.activity.modified_since_analyze
    limit = table.rows * _number(own, DEFAULT_RATIO) * check["times"]
    if changed < check["rows"] or changed <= limit:
        return
    at = table.storage.analyzed_at if table.storage is not None else None
    now = context.facts.taken_at if context.facts is not None else None
    # a session's counters arrive when it ends: what it changed before its own ANALYZE counts as changed after it
    if at is not None and now is not None and (now - at).total_seconds() < check["minutes"] * 60:
        return
    when = f" of {at:%Y-%m-%d %H:%M}" if at is not None else ""
    on = qualified(table.schema, table.name)
    yield check.finding(
        subject=table.name,
        message=(
            f"{changed:,} rows of {table.qualified_name} changed since its last ANALYZE{when}; it had"
            f" {table.rows:,.0f} when last counted."
        ),
        hint="Analyse it now, and see why autovacuum did not.",
        evidence={"modified_since_analyze": changed, "table_rows": table.rows,
                  "changed_ratio": round(changed / table.rows, 3) if table.rows else None},
        table=table.qualified_name,
        fixes=(
            Fix("Statistics (SHARE UPDATE EXCLUSIVE: reads and writes go on)", "sql", f"ANALYZE {on};"),
            to_copy(
                "Analyse it after 2 % of its rows changed (SHARE UPDATE EXCLUSIVE, for a moment)",
                f"ALTER TABLE {on} SET ({SETTING} = 0.02);",
            ),
        ),
    )  # fmt: skip


def _number(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text is not None else otherwise
    except ValueError:
        return otherwise
