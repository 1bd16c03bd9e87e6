"""Row security policy that calls a function for each row.

A condition such as tenant = current_setting('app.tenant')::int or owner = auth.uid() is part of every query of the
table; where a scan has to test it, the function runs for each row, with the same result. Written as a sub-select,
(SELECT auth.uid()), it runs once, before the scan. To verify, EXPLAIN (ANALYZE) a query as the application's role,
with the function in the filter and then with the sub-select, which shows as InitPlan.

ALTER POLICY with the call in parentheses behind SELECT. Leave it alone where each query finds its rows by an index on
that very column.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun, Threshold
from analyzer.checks.grouping import listed
from analyzer.checks.policies import functions_per_row
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SC035",
    title="Policy calls a function for each row",
    severity=Severity.INFO,
    rows=Threshold(10_000, "rows", "judgement: so many calls take some milliseconds"),
    warning_rows=Threshold(1_000_000, "rows", "judgement: so many calls take a second"),
)


@check.on(TableFacts)
def policy_calls_function_per_row(table: TableFacts, context: Context) -> Iterator[Finding]:
    if not table.has_row_security or context.facts is None or table.kind not in "rp":
        return
    if table.policies is None:
        raise NotRun("needs the row security policies")
    if table.rows is None and table.size_bytes != 0:
        raise NotRun("needs ANALYZE of the table")
    if (table.rows or 0) < check["rows"]:
        return
    called = {policy.name: functions_per_row(policy, context.facts) for policy in table.policies}
    policies = [name for name, functions in called.items() if functions]
    if not policies:
        return
    functions = list(dict.fromkeys(f for names in called.values() for f in names))
    is_one = len(policies) == 1
    yield check.finding(
        subject=table.name,
        message=(
            f"{'Policy' if is_one else 'Policies'} {some_of(policies)} of {table.qualified_name}"
            f" ({table.rows or 0:,.0f} rows) call{'s' if is_one else ''} {some_of(functions)} for each row that a scan"
            " tests, not once."
        ),
        hint=f"Write (SELECT {functions[0]}(...)) in the place of the call.",
        severity=Severity.WARNING if (table.rows or 0) >= check["warning_rows"] else Severity.INFO,
        evidence={"policies": listed(policies), "functions": listed(functions), "table_rows": table.rows},
        table=table.qualified_name,
    )
