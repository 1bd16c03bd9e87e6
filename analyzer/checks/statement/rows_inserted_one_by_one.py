"""Single-row INSERTs at a high rate.

Each INSERT is a round trip, a parse, a plan and often a commit of its own; what the row itself takes is the smaller
part. COPY, or INSERT with many rows in VALUES or from unnest() of arrays, writes thousands in the time of a few.
Drivers' "executemany" sends single ones, too, unless told otherwise. Verify whether the rows come from one place: a
loop over a list, a queue's consumer, a log. Leave it alone where each comes from another request of another person.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.words.durations import count_words, rate_words

check = Check(
    __name__,
    code="ST025",
    title="Rows are inserted one by one",
    severity=Severity.INFO,
    rate=Threshold(20, "calls per second", "judgement: on average of the whole day; people do not cause so many"),
    rows=Threshold(1.05, "rows per call", "judgement: above it they come in batches"),
)


@check.on(StatementFacts)
def rows_inserted_one_by_one(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind != "insert" or statement.calls_per_s < check["rate"]:
        return
    rows = statement.rows_per_call
    if rows is None or rows > check["rows"]:
        return
    node = statement.tree
    if not isinstance(node, ast.InsertStmt) or node.selectStmt is None or len(node.selectStmt.valuesLists or ()) != 1:
        return
    name = statement.table.qualified_name if statement.table else node.relation.relname
    yield check.finding(
        subject=f"INSERT {name}",
        table=statement.table.qualified_name if statement.table else None,
        message=(
            f"Single rows are inserted into {name}, {count_words(statement.calls_per_day or 0.0, statement.watched_s)}"
            f" ({statement.calls_per_s:,.0f} a second on average);"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)} of the server."
        ),
        hint="Where they come from one place, collect them: COPY, or one INSERT with hundreds of rows.",
        evidence={"calls_per_s": round(statement.calls_per_s, 1), "rows_per_call": round(rows, 2)},
        fixes=(
            Fix("Many at once", "django", "Model.objects.bulk_create(objects, batch_size=1000)"),
            Fix(
                "Many at once, one text whatever their number",
                "sql",
                "INSERT INTO ... SELECT * FROM unnest($1::bigint[], $2::text[]) -- one array a column",
            ),
        ),
        **statement.load,
    )
