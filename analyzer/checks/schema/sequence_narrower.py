"""Sequence that ends before its bigint column does.

ALTER COLUMN ... TYPE bigint changes the column of a serial and leaves its sequence an integer one: at 2,147,483,647
nextval() fails, with a column that has room. To verify, psql's \\d of the sequence shows its type and maximum.

ALTER SEQUENCE ... AS bigint raises the maximum too, and is done at once. A sequence with more room than its column
does no harm: the column's own limit ends both. Leave alone a maximum that was set on purpose.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.key_space import MOST_OF_TYPE, integer_type, key_spaces
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of

check = Check(__name__, code="SC020", title="Sequence ends before its column", severity=Severity.WARNING)


@check.on(TableFacts)
def sequence_narrower(table: TableFacts, context: Context) -> Iterator[Finding]:
    if context.facts is None or table.kind not in "rp":
        return
    if context.facts.sequences is None:
        raise NotRun("needs the sequences")
    short = [
        space.sequence
        for space in key_spaces(context.facts, table)
        if integer_type(space.column) == "bigint"
        and space.sequence.type_name != "bigint"
        and space.sequence.max_value == MOST_OF_TYPE.get(space.sequence.type_name)
    ]
    if not short:
        return
    names = [sequence.qualified_name for sequence in short]
    yield check.finding(
        subject=table.name,
        message=(
            f"{some_of([s.column or '' for s in short])} of {table.qualified_name} is bigint, its sequence"
            f" {some_of(names)} {short[0].type_name}: it ends at {short[0].max_value:,}."
        ),
        hint="Make the sequence a bigint one.",
        evidence={"sequences": listed(names), "last_value": short[0].last_value, "most": short[0].max_value},
        table=table.qualified_name,
        fixes=(
            to_copy(
                "Widen it (at once; SHARE ROW EXCLUSIVE on the sequence)",
                *(f"ALTER SEQUENCE {qualified(s.schema, s.name)} AS bigint;" for s in short),
            ),
        ),
    )
