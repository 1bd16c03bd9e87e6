"""Index that partitions have and their table has not.

An index made on each partition by itself, or left unattached after CREATE INDEX ON ONLY, serves those partitions; a
partition made later comes without it, and statements on it read all of it. To verify, compare psql's \\d of the table
with that of its partitions.

Make the index ON ONLY the table, which is done at once, and attach the partitions' own: when the last one is attached
it becomes valid, and later partitions get theirs. Leave it alone where only the older or only the newer partitions are
meant to have it.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_shapes import IndexShape, shape_of_index
from analyzer.schema.quoting import cut_name, qualified
from analyzer.statements.index_definition import index_on
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="IX009",
    title="Partitions have an index that their table lacks",
    severity=Severity.WARNING,
    partitions=Threshold(3, "partitions", "judgement: so many of one kind were meant for all"),
    share=Threshold(0.5, "partitions with it / partitions", "judgement: fewer may be an index for some on purpose"),
)


@check.on(TableFacts)
def index_of_partitions_alone(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind != "p" or context.facts is None or not table.partitions:
        return
    parts = [part for oid in table.partitions if (part := context.facts.table(oid)) is not None]
    alone: defaultdict[IndexShape, list[tuple[TableFacts, IndexFacts]]] = defaultdict(list)
    for part in parts:
        for index in part.indexes:
            is_own = index.parent_oid is None and not (index.backs_constraint or index.is_unique)
            if is_own and index.is_usable and index.is_readable:
                alone[shape_of_index(index)].append((part, index))
    of_table = [shape_of_index(index) for index in table.indexes if index.is_usable]
    for shape, owners in alone.items():
        if any(shape.is_replaced_by(other) for other in of_table):
            continue
        if len(owners) >= check["partitions"] and len(owners) >= len(parts) * check["share"]:
            yield _finding(table, parts, owners, context.facts)


def _finding(
    table: TableFacts, parts: list[TableFacts], owners: list[tuple[TableFacts, IndexFacts]], facts: SchemaFacts
) -> Finding:
    having = {part.oid for part, _ in owners}
    lacking = [part.name for part in parts if part.oid not in having]
    index = owners[0][1]
    columns = ", ".join(column or "an expression" for column in index.columns)
    without = f" {some_of(lacking)} {'has' if len(lacking) == 1 else 'have'} none." if lacking else ""
    return check.finding(
        subject=f"{table.name} ({columns})",
        message=(
            f"{len(having)} of {len(parts)} partitions of {table.qualified_name} have an index on ({columns}), such as"
            f" {index.name}, and the table has none: a new partition comes without it.{without}"
        ),
        hint="Make the index on the table and attach the partitions' to it.",
        evidence={"partitions": len(parts), "with_index": len(having), "without": listed(lacking)},
        table=table.qualified_name,
        fixes=_fixes(table, index, [i for _, i in owners], lacking),
    )


def _fixes(table: TableFacts, index: IndexFacts, attached: list[IndexFacts], lacking: list[str]) -> tuple[Fix, ...]:
    if lacking or index.is_unique:
        return ()
    columns = "_".join(column or "expr" for column in index.columns)
    name = cut_name(f"{table.name}_{columns}", "_idx")
    made = index_on(index.definition, name=name, schema=table.schema, table=table.name, only=True)
    if made is None:
        return ()
    parent = qualified(table.schema, name)
    return (
        to_copy(
            "Each statement by itself, not in one transaction: make it on the table alone (SHARE), then attach (ACCESS"
            " EXCLUSIVE on each partition's index); each for a moment, nothing is built",
            f"{made};",
            *(f"ALTER INDEX {parent} ATTACH PARTITION {qualified(i.schema, i.name)};" for i in attached[:500]),
        ),
    )
