"""What became of a suggested index: not there, built, of use, or of none. Figures in, a verdict out."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from analyzer.advice.ddl import drop_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.shapes import indexes_like
from analyzer.plans import Plan
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import why_unusable

IndexState = Literal["built", "realised", "not_used"]


@dataclass(frozen=True, slots=True)
class OutcomeLimits:
    # judgement: about where the mean of times that scatter by their own size is known to a fifth (1 / sqrt(30))
    calls: int = 30
    # judgement: an hour holds what a web application does; less may miss the page the index is for
    wait_s: float = 3600.0
    # judgement: smaller gains are not told from the load of the day
    gain_ratio: float = 0.10
    # judgement: what is planned with it for one value in ten is still used as it was meant to be
    scans_per_call: float = 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """One statement over a span of time; None where it did not run."""

    calls: int = 0
    mean_exec_time_ms: float | None = None
    blocks_per_call: float | None = None  # shared blocks it touched, found in the cache or read


@dataclass(frozen=True, slots=True)
class StatementOutcome:
    """``plan_change``: in words; "" where the plan before or after is not known. ``uses_index``: a plan made since has
    it."""

    fingerprint: str
    before: Measured
    after: Measured
    plan_change: str = ""
    uses_index: bool = False

    @property
    def gain_ratio(self) -> float | None:
        """Share of the mean time that is saved; negative where it became slower, None where it is not known."""
        before, after = self.before.mean_exec_time_ms, self.after.mean_exec_time_ms
        return 1 - after / before if before and after is not None else None

    def is_faster(self, limits: OutcomeLimits) -> bool:
        """By more than the load of the day, and than chance: two standard errors of times that scatter by their own
        size."""
        gain = self.gain_ratio
        if gain is None or gain < limits.gain_ratio:
            return False
        scatter = math.sqrt(1 / max(1, self.before.calls) + 1 / max(1, self.after.calls))
        return 1 / max(1 - gain, 1e-9) >= 1 + 2 * scatter


@dataclass(frozen=True, slots=True)
class ObservedIndex:
    """``scans``: of the index since it was built; None where the server does not count them."""

    since_s: float
    scans: int | None
    statements: tuple[StatementOutcome, ...]

    @property
    def calls(self) -> int:
        """Of the statements the index is for, since it was built."""
        return sum(s.after.calls for s in self.statements)


def decide(observed: ObservedIndex, limits: OutcomeLimits) -> IndexState:
    """``built`` as long as too little happened to tell.

    It is of use where the statements it was made for use it: scanned in proportion to their calls, and one of them is
    faster or has it in its plan. Scans alone tell nothing: a nested loop counts one for each row, and other statements
    scan it too. Scanned now and then it stays ``built``. One that no statement names (it serves a foreign key) is of
    use as soon as it is scanned, and never useless: parents may be deleted once a year.
    """
    has_waited = observed.since_s >= limits.wait_s
    has_enough_calls = observed.calls >= limits.calls
    is_used = None if observed.scans is None else is_used_for(observed.scans, observed.calls, limits)
    is_shown = any(s.uses_index or s.is_faster(limits) for s in observed.statements)
    if is_used is not False and (is_shown if observed.statements else is_used):
        enough = observed.calls if observed.statements else observed.scans or 0
        return "realised" if enough >= limits.calls or (has_waited and enough) else "built"
    return "not_used" if observed.scans == 0 and has_enough_calls and has_waited else "built"


def is_used_for(scans: int, calls: int, limits: OutcomeLimits) -> bool:
    """Whether it is scanned as often as the calls it was made for lead to expect: a scan now and then is no use."""
    return scans > 0 and scans >= limits.scans_per_call * calls


def built_index(definition: IndexDefinition) -> IndexFacts | None:
    """The usable index of just this definition on its table, whatever its name; the oldest of several."""
    return min(indexes_like(definition, definition.table), key=lambda i: i.oid, default=None)


def built_indexes(definition: IndexDefinition, facts: SchemaFacts) -> list[tuple[TableFacts, IndexFacts | None]]:
    """As ``built_index``, of its table and of each of those in other schemas."""
    return [(table, built_index(definition.on(table, facts))) for table in (definition.table, *definition.also)]


def index_scans(index: IndexFacts, table: TableFacts, facts: SchemaFacts) -> int | None:
    """Scans of the index, with those of its partitions; None where the server does not say."""
    if table.kind != "p":
        return index.scans
    parts = [(i, t) for oid in table.partitions if (t := facts.table(oid)) for i in t.indexes]
    counts = [index_scans(i, t, facts) for i, t in parts if i.parent_oid == index.oid]
    known = [c for c in counts if c is not None]
    return sum(known) if known else None


def index_names(index: IndexFacts, table: TableFacts, facts: SchemaFacts) -> set[tuple[str, str]]:
    """What plans may call it: by its own schema and name, or by those of its partitions."""
    parts = [t for oid in table.partitions if (t := facts.table(oid))]
    below = [index_names(i, t, facts) for t in parts for i in t.indexes if i.parent_oid == index.oid]
    return {(table.schema, index.name)}.union(*below)


def has_index(plan: Plan, names: Collection[tuple[str, str]]) -> bool:
    """Whether a step of it scans one of these (schema, name); a plan without schemas is taken at the name."""
    bare = {name for _, name in names}
    return any(name in bare and (schema is None or (schema, name) in names) for schema, name in _scanned(plan))


def _scanned(plan: Plan) -> Iterator[tuple[str | None, str]]:
    for node in plan:
        if node.index_name is None:
            continue
        is_bitmap = node.node_type == "Bitmap Index Scan"  # has its table in the heap scan above
        heap = next((a for a in node.ancestors() if a.node_type == "Bitmap Heap Scan"), node) if is_bitmap else node
        yield heap.schema, node.index_name


def scans_since(earlier: int | None, last: int | None, now: int | None) -> int | None:
    """``earlier`` scans counted by the time the counter stood at ``last``; a counter that fell began anew."""
    if now is None:
        return earlier
    if last is None:
        return (earlier or 0) + now
    return (earlier or 0) + (now - last if now >= last else now)


def kept_for(index: IndexFacts, table: TableFacts) -> str:
    """Why an index that nothing reads must stay all the same, in one sentence; "" where it can go."""
    if index.backs_constraint or index.is_unique:
        return "It is unique: the table's rows are checked by it."
    if index.is_replica_identity:
        return "Logical replication finds the table's rows by it."
    for key in table.foreign_keys:
        if key.is_enforced and why_unusable(index, key) is None:
            return f"Deleting or changing a row that {key.name} references reads it."
    return ""


def drop_ddl(index: IndexFacts, table: TableFacts) -> str:
    return drop_index(index, table).text


def headline(statements: Sequence[StatementOutcome]) -> StatementOutcome | None:
    """The statement to show first: measured before and after, the one whose time changed most in all."""
    known = [s for s in statements if s.gain_ratio is not None]
    return max(known, key=_saved_ms, default=None)


def slower(statements: Sequence[StatementOutcome], limits: OutcomeLimits) -> list[StatementOutcome]:
    """Those that take longer than before by more than the load of the day explains, the costliest first."""
    outcomes = [
        s for s in statements
        if s.gain_ratio is not None and s.gain_ratio <= -limits.gain_ratio and s.after.calls >= limits.calls
    ]  # fmt: skip
    return sorted(outcomes, key=_saved_ms)


def _saved_ms(outcome: StatementOutcome) -> float:
    before, after = outcome.before.mean_exec_time_ms or 0.0, outcome.after.mean_exec_time_ms or 0.0
    return (before - after) * outcome.after.calls


def definition_to_json(definition: IndexDefinition) -> dict[str, Any]:
    """A definition by names, to be found again in later readings of the schema."""
    return {
        "schema": definition.table.schema,
        "table": definition.table.name,
        "columns": [asdict(column) for column in definition.columns],
        "method": definition.method,
        "include": list(definition.include),
        "predicate": definition.predicate,
        "is_unique": definition.is_unique,
        "storage": definition.storage,
        "also": [[table.schema, table.name] for table in definition.also],
    }


def definition_from_json(data: Mapping[str, Any], facts: SchemaFacts) -> IndexDefinition | None:
    """None where the table is gone."""
    table = facts.find_table(data["table"], data["schema"])
    if table is None:
        return None
    return IndexDefinition(
        table,
        tuple(IndexColumn(**column) for column in data["columns"]),
        data["method"],
        tuple(data["include"]),
        data["predicate"],
        data["is_unique"],
        data["storage"],
        tuple(t for schema, name in data.get("also", ()) if (t := facts.find_table(name, schema)) is not None),
    )


def statement_to_json(outcome: StatementOutcome) -> dict[str, Any]:
    return asdict(outcome)


def statement_from_json(data: Mapping[str, Any]) -> StatementOutcome:
    return StatementOutcome(
        data["fingerprint"],
        Measured(**data["before"]),
        Measured(**data["after"]),
        data["plan_change"],
        data.get("uses_index", False),
    )
