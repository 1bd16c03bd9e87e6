"""An index change in steps, there and back: each one statement, with what it is on and what it makes or takes away."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from analyzer.advice.code.change import Change
from analyzer.advice.ddl import equal_index
from analyzer.advice.shapes import is_same_definition
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified

StepKind = Literal["build", "drop", "brief"]


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """One statement. ``kind``: a build, a drop (both CONCURRENTLY), or what needs a strong lock for a moment.

    ``index`` is what a build makes or a drop takes away; "" for a brief step that makes no index.
    ``is_whole``: the index of a partitioned table, to be looked at when all else is done.
    """

    kind: StepKind
    what: str
    sql: str
    table: TableFacts
    index: str = ""
    size_bytes: int | None = None
    leftovers: tuple[str, ...] = ()
    is_whole: bool = False
    stays_invalid: bool = False


def steps_forward(change: Change, size_bytes: int | None) -> Iterator[RolloutStep]:
    if change.is_drop:
        yield _drop(change.table, change.name, _index(change).schema)
        return
    table, ddl = change.table, change.ddl
    whole = qualified(table.schema, change.name)
    for sql in ddl.extensions:
        yield RolloutStep("brief", "the extension that its operator class comes from", sql, table)
    for sql in ddl.only:
        yield RolloutStep("brief", f"an index of the whole of {table.qualified_name}, empty so far", sql, table)
    total = sum(b.table.size_bytes or 0 for b in ddl.builds)
    for build in ddl.builds:
        share = (build.table.size_bytes or 0) / total if total else 1 / len(ddl.builds)
        yield RolloutStep(
            "build", f"the build of {build.table.schema}.{build.name}", build.sql, build.table,
            qualified(build.table.schema, build.name), None if size_bytes is None else round(size_bytes * share),
            _leftovers(change, build.table, build.name),
        )  # fmt: skip
    for sql in ddl.attach:
        yield RolloutStep("brief", "a partition's index becoming part of the whole table's", sql, table)
    for sql in ddl.analyze:  # the manual, CREATE INDEX
        yield RolloutStep("brief", f"statistics of {table.qualified_name} for the expression", sql, table)
    if table.kind == "p":
        has_foreign = any(t.kind == "f" for t in _descendants(table, change.facts))
        yield RolloutStep("brief", "", "", table, whole, is_whole=True, stays_invalid=has_foreign)


def steps_back(change: Change) -> Iterator[RolloutStep]:
    if not change.is_drop:
        yield _drop(change.table, change.name, change.table.schema)
        for index, table in _adopted(change):
            yield _rebuild(index, table)
        return
    index = _index(change)
    if change.table.kind != "p":
        yield _rebuild(index, change.table)
        return
    parts = list(_parts(index, change.table, change.facts))
    for part, table in parts:
        if table.kind == "p":
            yield RolloutStep(
                "brief", f"an index of the whole of {table.qualified_name}, empty so far", _again(part, ""), table
            )
    for part, table in parts:
        if table.kind != "p":
            yield _rebuild(part, table)
    by_oid = {part.oid: part for part, _ in parts}
    for part, table in reversed(parts):
        parent = by_oid.get(part.parent_oid or 0)
        if parent is not None and part is not index:
            sql = (
                f"ALTER INDEX {qualified(parent.schema, parent.name)}"
                f" ATTACH PARTITION {qualified(part.schema, part.name)}"
            )
            yield RolloutStep("brief", "a partition's index becoming part of the whole table's", sql, table)
    yield RolloutStep("brief", "", "", change.table, qualified(index.schema, index.name), is_whole=True)


def _drop(table: TableFacts, name: str, schema: str) -> RolloutStep:
    index = qualified(schema, name)
    what = f"the drop of {schema}.{name}"
    if table.kind == "p":  # DROP INDEX CONCURRENTLY does not exist for it
        return RolloutStep("brief", what, f"DROP INDEX IF EXISTS {index}", table)
    return RolloutStep("drop", what, f"DROP INDEX CONCURRENTLY IF EXISTS {index}", table, index)


def _rebuild(index: IndexFacts, table: TableFacts) -> RolloutStep:
    return RolloutStep(
        "build", f"the build of {index.schema}.{index.name}", _again(index, "CONCURRENTLY "), table,
        qualified(index.schema, index.name), index.size_bytes,
    )  # fmt: skip


def _again(index: IndexFacts, how: str) -> str:
    """What made the index, as pg_get_indexdef says it: ON ONLY where the table is partitioned."""
    head, _, rest = index.definition.partition("INDEX ")
    return f"{head}INDEX {how}IF NOT EXISTS {rest}"


def _index(change: Change) -> IndexFacts:
    return next(i for i in change.table.indexes if i.name == change.name)


def _parts(index: IndexFacts, table: TableFacts, facts: SchemaFacts) -> Iterator[tuple[IndexFacts, TableFacts]]:
    """The index and what is attached to it, the whole before its parts."""
    yield index, table
    for oid in table.partitions:
        child = facts.table(oid)
        for part in child.indexes if child else ():
            if child is not None and part.parent_oid == index.oid:
                yield from _parts(part, child, facts)


def _descendants(table: TableFacts, facts: SchemaFacts) -> Iterator[TableFacts]:
    for oid in table.partitions:
        child = facts.table(oid)
        if child is not None:
            yield child
            yield from _descendants(child, facts)


def _adopted(change: Change) -> Iterator[tuple[IndexFacts, TableFacts]]:
    """Indexes of partitions that were there before and went into the new one: its drop takes them along."""
    if change.definition is None:
        return
    for table in _descendants(change.table, change.facts):
        index = equal_index(change.definition, table) if table.kind not in "pf" else None
        if index is not None:
            yield index, table


def _leftovers(change: Change, table: TableFacts, name: str) -> tuple[str, ...]:
    """Invalid indexes of this definition under other names."""
    definition = change.definition
    assert definition is not None
    return tuple(
        qualified(i.schema, i.name)
        for i in table.indexes
        if not i.is_valid and i.name != name and is_same_definition(definition, i)
    )
