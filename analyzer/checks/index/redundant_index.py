"""Indexes that another one of their table makes needless.

A B-tree whose columns lead another's answers nothing that the longer one does not; two equal ones answer the same.
Both are kept up with each write, and take memory. Compared are the columns in their order, operator classes,
collations, directions, expressions, predicates and INCLUDE columns; GIN, GiST, SP-GiST and hash indexes only where
they are equal.

To verify, look at both in psql's \\d and at their scans in pg_stat_user_indexes. Dropping one locks the table for a
moment. Leave a shorter one alone where it is much smaller and used much: reading it is cheaper, so such ones are not
listed, nor those that a recorded statement gets dearer without, where the planner twin was asked. Unique ones are kept
unless another one is unique on the very same, as is what backs a constraint, the replica identity, the order of
CLUSTER, or a part of a partitioned index.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.dropping import DroppableIndexes, drop_indexes, judged
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.index_shapes import IndexShape, is_for_speed_alone, shape_of_index
from analyzer.words.lists import some_of
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="IX003",
    title="Redundant indexes",
    severity=Severity.WARNING,
    together=Severity.INFO,
    size=Threshold(2**20, "bytes", "judgement: smaller ones cost next to nothing"),
    small_ratio=Threshold(1 / 3, "bytes / bytes", "judgement: a third of the pages is a cheaper index to read"),
    warning=Threshold(100 * 2**20, "bytes", "judgement: memory that something else could use"),
    written_rows=Threshold(1_000_000, "rows", "judgement: so many writes kept them up for nothing"),
)


@check.on(TableFacts)
def redundant_index(table: TableFacts, context: Context) -> Iterator[Finding]:
    redundant, judgement = redundant_to_drop(table, context)
    if redundant:
        yield _finding(table, redundant, judgement)


def redundant_to_drop(
    table: TableFacts, context: Context
) -> tuple[list[tuple[IndexFacts, IndexFacts]], DroppableIndexes]:
    """Those that this check says to drop, each with the one that does its work from then on."""
    redundant = [
        (index, keeper) for index, keeper in redundant_of(table, context) if (index.size_bytes or 0) >= check["size"]
    ]
    judgement = judged([index for index, _ in redundant], context)
    going = {index.oid for index in judgement.indexes}
    return [(index, keeper) for index, keeper in redundant if index.oid in going], judgement


def keepers_in_use(redundant: Sequence[tuple[IndexFacts, IndexFacts]], idle: Sequence[IndexFacts]) -> set[int]:
    """Oids of those to which the scans of a redundant one go over: they are needed, whatever their own scans."""
    unscanned = {index.oid for index in idle}
    return {keeper.oid for index, keeper in redundant if index.oid not in unscanned}


def redundant_of(table: TableFacts, context: Context) -> list[tuple[IndexFacts, IndexFacts]]:
    """Each index of the table that could go, with one that stays and does its work."""
    if table.kind not in "rpm":
        return []
    keepers: dict[int, IndexFacts] = {}
    redundant = []
    comparable = [(index, shape_of_index(index)) for index in table.indexes if index.is_usable and index.is_readable]
    for index, shape in sorted(comparable, key=lambda c: (len(c[0].columns), -c[0].oid)):
        if is_for_speed_alone(index) or _is_bare_unique(index):
            others = [c for c in comparable if c[0].oid != index.oid and c[0].oid not in keepers]
            keeper = next((other for other, theirs in others if _replaces(other, theirs, index, shape)), None)
            if keeper is not None and not is_referenced(table, index, context):
                keepers[index.oid] = keeper
                redundant.append(index)
    return [(index, _last(keepers, index)) for index in redundant]


def _last(keepers: dict[int, IndexFacts], index: IndexFacts) -> IndexFacts:
    while index.oid in keepers:
        index = keepers[index.oid]
    return index


def _replaces(other: IndexFacts, theirs: IndexShape, index: IndexFacts, mine: IndexShape) -> bool:
    if index.is_unique:
        return other.is_unique and mine == theirs and other.nulls_not_distinct == index.nulls_not_distinct
    return mine.is_replaced_by(theirs) and (mine.keys == theirs.keys or not _is_small_and_hot(index, other))


def _is_bare_unique(index: IndexFacts) -> bool:
    """Unique, and nothing that would have to be taken from the table first."""
    return index.is_unique and is_for_speed_alone(replace(index, is_unique=False))


def is_referenced(table: TableFacts, index: IndexFacts, context: Context) -> bool:
    """Whether a foreign key may rest on it: it does on one of the unique indexes on its columns."""
    if not index.is_unique:
        return False
    if context.facts is None:
        return True
    keys = (key for other in context.facts for key in other.foreign_keys if key.referenced_oid == table.oid)
    return any(set(key.referenced_columns) == set(index.columns) for key in keys)


def _is_small_and_hot(index: IndexFacts, other: IndexFacts) -> bool:
    if index.size_bytes is None or other.size_bytes is None or index.scans is None or other.scans is None:
        return False
    return index.size_bytes < other.size_bytes * check["small_ratio"] and index.scans > other.scans


def _how(index: IndexFacts, keeper: IndexFacts) -> str:
    return "the same as" if shape_of_index(index) == shape_of_index(keeper) else "covered by"


def _finding(table: TableFacts, redundant: list[tuple[IndexFacts, IndexFacts]], judgement: DroppableIndexes) -> Finding:
    sizes = [index.size_bytes for index, _ in redundant if index.size_bytes is not None]
    total = sum(sizes) if sizes else None
    written = table.activity.inserted_rows + table.activity.updated_rows - table.activity.hot_updated_rows
    matters = (total or 0) >= check["warning"] or written >= check["written_rows"]
    said = [f"{index.name} is {_how(index, keeper)} {keeper.name}" for index, keeper in redundant]
    count = len(redundant)
    size = f", {size_words(total)}{' together' if count > 1 else ''}," if total else ""
    return check.finding(
        subject=table.name,
        message=(
            f"{count} index{'es' if count > 1 else ''} of {table.qualified_name}{size} could go: {some_of(said)}."
            f"{f' {judgement.verdict}' if judgement.statements is not None else ''}"
        ),
        hint="Drop them; the others do their work. Where an ORM made them, in a migration (Django: db_index=False).",
        severity=Severity.WARNING if matters else Severity.INFO,
        evidence={
            "indexes": listed([index.name for index, _ in redundant]),
            "kept": listed([keeper.name for _, keeper in redundant]),
            "redundant_bytes": total,
            "scans": sum(index.scans or 0 for index, _ in redundant),
            "written_rows": written,
            "statements_planned": judgement.statements,
        },
        table=table.qualified_name,
        fixes=(drop_indexes([index for index, _ in redundant], table),),
    )
