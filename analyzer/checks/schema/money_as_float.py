"""Amounts of money in floating point.

real and double precision hold binary fractions: 0.1 is not among them. Sums drift by cents, and depend on the order of
the rows; equality fails. To verify, compare sum(col) with sum(col::numeric).

Use numeric with a scale, or integers of the smallest unit. Changing the type rewrites the table under an ACCESS
EXCLUSIVE lock. Leave it alone where the name means something else: prices of a model, costs of a planner, statistics.
An amount or a balance in a unit (amount_kg) is not listed.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context
from analyzer.checks.columns import retyped, to_retype, type_of, words_of
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.words.lists import some_of

check = Check(
    __name__, code="SC021", title="Money in floating point", severity=Severity.INFO, together=Severity.CRITICAL
)
FLOATS = {"real", "double precision"}
MONEY = {
    "price", "amount", "balance", "fee", "fees", "salary", "wage", "revenue", "payment", "refund", "vat", "subtotal",
    "invoice", "deposit", "payout", "commission", "premium", "usd", "eur", "gbp",
}  # fmt: skip
# of money, and no money
NO_MONEY = {"ratio", "factor", "percent", "pct", "rate", "score", "count", "change", "weight", "avg", "stddev"}

# of money, unless a unit ends the name: amount_kg, but not price_kg
OF_ANYTHING = {"amount", "balance", "deposit"}
UNITS = {
    "mg", "kg", "ton", "tons", "lb", "lbs", "oz", "mm", "cm", "km", "miles", "ft", "ml", "cl", "liter", "liters",
    "litre", "litres", "m2", "m3", "ns", "ms", "sec", "secs", "seconds", "minutes", "hours", "days", "kw", "mw", "wh",
    "kwh", "mwh", "hz", "bytes", "kb", "mb", "gb", "tb", "bps", "units", "pieces", "pcs",
}  # fmt: skip


@check.on(TableFacts)
def money_as_float(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rp" or table.parent_oid is not None:
        return
    names, columns = [], []
    for column in table.columns:
        if type_of(column) in FLOATS and _is_money(words_of(column.name)):
            names.append(f"{column.name} ({type_of(column)})")
            columns.append(column.name)
    if names:
        yield check.finding(
            subject=table.name,
            message=(
                f"By name, {some_of(names)} of {table.qualified_name} {'is' if len(names) == 1 else 'are'} money;"
                " floating point cannot hold it exactly."
            ),
            hint="Use numeric, or integers of the smallest unit.",
            evidence={"columns": listed(names), "table_rows": table.rows},
            table=table.qualified_name,
            fixes=to_retype(
                [retyped(table, ((column, "numeric", "{}::numeric") for column in columns), context.facts)]
            ),
        )


def _is_money(words: list[str]) -> bool:
    of_money = set(words) & MONEY
    is_counted_in_unit = bool(words) and words[-1] in UNITS and "per" not in words and of_money <= OF_ANYTHING
    return bool(of_money) and not set(words) & NO_MONEY and not is_counted_in_unit
