"""Foreign key without a usable index.

PostgreSQL does not index the referencing columns by itself. Each delete of a parent row, and each change of its
key, then reads the whole child table to look for children; joins from the parent to its children do too. The time is
that of the server's own look-ups where pg_stat_statements has them, else assumed from the table's rows. Tables that are
small, empty or were never analysed are left alone.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Fix, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import ForeignKeyFacts, ForeignKeyOf, SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import KeyCheckTime, foreign_key_owner, is_unindexed, unusable_indexes
from analyzer.schema.python_source import python_name, python_string
from analyzer.words.durations import DAY_S, allows_daily_rate, count_words, time_words

check = Check(
    __name__,
    code="SC001",
    title="Foreign key without a usable index",
    severity=Severity.WARNING,
    child_rows=Threshold(1_000, "rows", "judgement: a smaller child is read in well under 1 ms"),
    large_child_rows=Threshold(1_000_000, "rows", "judgement: critical above it, where no deletes were counted"),
    critical_time=Threshold(60, "s per day", "judgement: a minute of scans a day is felt by somebody"),
    row_time=Threshold(56, "ns per row", "measured: 300,000 cached rows read in 16.7 ms on PostgreSQL 15"),
)


@check.on(ForeignKeyOf)
def foreign_key_without_index(of: ForeignKeyOf, context: Context) -> Iterator[Finding]:
    table, key = of.table, of.key
    if not is_unindexed(table, key):
        return
    measured = context.key_checks.get(foreign_key_owner(table, key))
    # a table that nobody analysed may be empty: only what was seen to cost something speaks for it
    if (table.rows or 0) < check["child_rows"] and (table.rows is not None or measured is None):
        return
    yield _finding(context.facts, table, key, measured)


def _finding(
    facts: SchemaFacts | None, table: TableFacts, key: ForeignKeyFacts, measured: KeyCheckTime | None
) -> Finding:
    deletes, watched_s = (None, None) if facts is None else _deletes(facts, facts.table(key.referenced_oid))
    per_day = deletes if allows_daily_rate(watched_s) else None
    scan_ms = None if table.rows is None else table.rows * check["row_time"] / 1e6
    impact_s = assumed_s = None
    if measured is not None:
        impact_s, assumed_s, watched_s = measured.time_s_per_day, 0.0, measured.watched_s
    elif scan_ms is not None and per_day is not None:
        impact_s = assumed_s = scan_ms * per_day / 1000
    columns = ", ".join(key.columns)
    parent_name = f"{key.referenced_schema}.{key.referenced_table}"
    message = f"{table.qualified_name}({columns}) references {parent_name} and no index serves it."
    if near_misses := unusable_indexes(table, key):
        message += " " + " ".join(f"Index {index.name} does not: {why}." for index, why in near_misses)
    message += _said(measured, deletes, scan_ms, table.qualified_name, parent_name, watched_s)
    return check.finding(
        title=f"Deletes from {key.referenced_table} read all of {table.name}",
        subject=key.name,
        message=message,
        hint=f"Create an index that starts with ({columns}).",
        severity=_severity(table, impact_s, is_known=measured is not None or per_day is not None),
        evidence={
            "child_rows": table.rows,
            "child_size_bytes": table.size_bytes,
            "parent_deleted_rows_per_day": per_day,
            "checks_per_day": measured.calls_per_day if measured else None,
            "check_time_s_per_day": measured.time_s_per_day if measured else None,
            "mean_check_time_ms": measured.mean_ms if measured else None,
            "assumed_scan_time_ms": scan_ms if measured is None else None,
            "on_delete": key.on_delete,
        },
        impact_s_per_day=impact_s,
        impact_assumed_s_per_day=assumed_s or 0.0,
        watched_s=watched_s,
        table=table.qualified_name,
        fixes=_fixes(key),
    )


def _said(
    measured: KeyCheckTime | None,
    deletes: float | None,
    scan_ms: float | None,
    table_name: str,
    parent_name: str,
    watched_s: float | None,
) -> str:
    if measured is not None:
        return (
            f" The server's own look-ups for children of rows deleted from {parent_name}, as measured:"
            f" {count_words(measured.calls_per_day, watched_s)}, {time_words(measured.mean_ms)} each."
        )
    if not deletes:
        return ""
    assumed = "" if scan_ms is None else f", which is assumed to take {time_words(scan_ms)}"
    return (
        f" Rows deleted from {parent_name}: about {count_words(deletes, watched_s)};"
        f" each delete reads all of {table_name}{assumed}."
    )


def _severity(table: TableFacts, impact_s: float | None, *, is_known: bool) -> Severity:
    """By what it costs; by the child's rows alone where nothing is known of deletes."""
    is_large = not is_known and (table.rows or 0) >= check["large_child_rows"]
    is_critical = is_large or (impact_s or 0) >= check["critical_time"]
    return Severity.CRITICAL if is_critical else Severity.WARNING


def _deletes(facts: SchemaFacts, table: TableFacts | None) -> tuple[float | None, float | None]:
    """Rows deleted a day, and in how many seconds that was seen: by the last readings, else since the statistics were
    reset; None where neither is known."""
    if table is None:
        return None, None
    if table.deleted_rows_per_day is not None:
        return table.deleted_rows_per_day, table.watched_s
    reset_s = (facts.days_since_stats_reset or 0.0) * DAY_S
    if reset_s:
        return table.activity.deleted_rows * DAY_S / reset_s, reset_s
    return None, None


def _fixes(key: ForeignKeyFacts) -> tuple[Fix, ...]:
    if len(key.columns) > 1:
        quoted = ", ".join(map(python_string, key.columns))
        return (Fix("SQLAlchemy: in the table's __table_args__", "sqlalchemy", f"Index(None, {quoted})"),)
    column = key.columns[0]
    field, attribute = python_name(column.removesuffix("_id")), python_name(column)
    in_field = "" if f"{field}_id" == column else f"db_column={python_string(column)}, "
    in_attribute = "" if attribute == column else f"{python_string(column)}, "
    return (
        Fix(
            "Django: let the field have its index (the default of ForeignKey)",
            "django",
            f"{field} = models.ForeignKey(..., {in_field}db_index=True)",
        ),
        Fix(
            "SQLAlchemy",
            "sqlalchemy",
            f"{attribute} = mapped_column({in_attribute}ForeignKey(...), index=True)",
        ),
    )
