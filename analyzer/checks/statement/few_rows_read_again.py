"""A few rows are looked up by their key over and over.

A table of settings, currencies or permissions with a handful of rows that is asked a million times a day gives each of
them out thousands of times: each is fast, together they are round trips, planning and connections. Since there are no
more rows than the table has, they must be the same. Keep them in the application's memory for some seconds or minutes,
or read them once a request. Leave it alone where a row may change at any moment and an old one is not allowed; a table
whose rows are changed about as often as read is not reported.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.words.durations import allows_daily_rate, count_words, rate_words, seen_of

check = Check(
    __name__,
    code="ST032",
    title="The same few rows are looked up again and again",
    severity=Severity.INFO,
    rows=Threshold(100, "rows", "judgement: more are customers and goods rather than what hardly changes"),
    rate=Threshold(10, "calls per second", "judgement: on average; fewer are not worth a cache"),
    each=Threshold(10_000, "times a day each row", "judgement: one every nine seconds, on average"),
    change_ratio=Threshold(0.01, "changes / calls", "judgement: above it a cache would often be wrong"),
)


@check.on(StatementFacts)
def few_rows_read_again(statement: StatementFacts) -> Iterator[Finding]:
    table, calls = statement.table, statement.calls_per_day or 0.0
    if statement.kind != "select" or table is None or not table.rows or statement.calls_per_s < check["rate"]:
        return
    rows = max(table.rows, table.activity.live_rows)  # the former is as of the last VACUUM or ANALYZE
    if rows > check["rows"] or calls < rows * check["each"]:
        return
    if (table.changed_rows_per_day or 0.0) > calls * check["change_ratio"] or (statement.rows_per_call or 0.0) > 1.0:
        return
    block = statement.blocks[0] if len(statement.blocks) == 1 else None
    if block is None or len(block.tables) != 1 or block.is_locking or block.has_other_sources:
        return
    fixed = {p.column for p in block.tables[0].predicates if p.operator == "eq" and p.is_bare and p.joined is None}
    if not any(fixed.issuperset(key) for key in (table.primary_key, *table.unique_keys) if key):
        return
    each, _ = seen_of(calls / rows, statement.watched_s)
    yield check.finding(
        subject=table.qualified_name,
        table=table.qualified_name,
        message=(
            f"{table.qualified_name} has about {rows:,.0f} row{'s' if rows != 1 else ''}; they are looked"
            " up by"
            f" key {count_words(calls, statement.watched_s)}, each some {each:,.0f} times. It takes"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)} of the server, and as many round"
            " trips."
        ),
        hint="Keep them in the application's memory for a while, or read them once a request.",
        evidence={
            "estimated_rows": round(rows),
            "calls_per_s": round(statement.calls_per_s, 1),
            "calls_per_row_and_day": round(calls / rows) if allows_daily_rate(statement.watched_s) else None,
        },
        fixes=(
            Fix(
                "Read at most once a minute by each process",
                "django",
                'cache.get_or_set(f"currency:{pk}", lambda: Currency.objects.get(pk=pk), timeout=60)',
            ),
        ),
        **statement.load,
    )
