"""What two plans of one statement do differently besides how tables are read and joined, in words, the dearest first.

Nothing here decides whether two plans are the same: ``compare`` does. Figures are compared where both plans have them.
Nodes are paired by what they do with which tables; where one plan has several such nodes, none of them is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from analyzer.plans.cut_short import Comparable, comparable
from analyzer.plans.labels import node_name
from analyzer.plans.moved_conditions import moved_conditions
from analyzer.plans.node import Plan, PlanNode
from analyzer.plans.node_changes import MOST_NODES
from analyzer.plans.payers import GATHERS
from analyzer.words.lists import counted, some_of
from analyzer.words.sizes import size_words

MOST_SENTENCES = 5  # judgement: with those of compare.py and the times more than anyone reads
MANY = 10  # times as many rows, or as wrong an estimate; judgement
LEAST_ROWS = 1_000  # judgement: fewer cost nothing
LEAST_BATCHES_FACTOR = 4  # judgement
LEAST_TEMP_BLOCKS = 128  # 1 MB; judgement: less costs under a millisecond
KINDS = {
    "Hash": "Hash", "Sort": "Sort", "Incremental Sort": "Sort", "Aggregate": "Grouping", "Unique": "Grouping",
    "Nested Loop": "Join", "Hash Join": "Join", "Merge Join": "Join",
}  # fmt: skip
KEPT_ROWS = ("Memoize", "Materialize")
MOST_TABLES = 3  # named in a sentence


@dataclass(frozen=True, slots=True)
class _Difference:
    words: str
    time_ms: float  # of the nodes it is about, in the slower of the plans; 0 where it is not known


@dataclass(frozen=True, slots=True)
class _Pair:
    """A node of each plan; ``tables``: those it works on, as the statement names them."""

    before: PlanNode
    after: PlanNode
    kind: str
    tables: frozenset[str]

    @property
    def of(self) -> str:
        return f" of {_named(self.tables)}" if self.tables else ""

    @property
    def were_executed(self) -> bool:
        return bool(self.before.loops and self.after.loops)


def differences(before: Plan, after: Plan) -> tuple[str, ...]:
    """Sentences without a full stop, a few; empty for plans too large to pair."""
    if len(before.nodes) + len(after.nodes) > MOST_NODES:
        return ()
    pairs = _pairs(before, after)
    spills = list(_spills(pairs))
    every = chain(
        spills,
        _hash_sides(pairs),
        _workers(before, after),
        _conditions(pairs),
        _groupings(pairs),
        _kept_rows(before, after),
        _rows(pairs),
        _estimates(pairs, comparable(before), comparable(after)) if before.is_analyzed and after.is_analyzed else (),
        _heap_fetches(pairs),
        () if spills else _temporary_files(before, after),
    )
    dearest = sorted(every, key=lambda each: -each.time_ms)
    return tuple(each.words for each in dearest[:MOST_SENTENCES])


def table_of(node: PlanNode) -> str:
    """With its alias where that differs."""
    if node.alias and node.alias != node.relation_name:
        return f"{node.relation_name} {node.alias}"
    return str(node.relation_name)


def _named(tables: Iterable[str]) -> str:
    return some_of(sorted(tables), MOST_TABLES)


def _pairs(before: Plan, after: Plan) -> list[_Pair]:
    old, new = _by_work(before), _by_work(after)
    return [
        _Pair(old[key][0], new[key][0], key[0], key[2]) for key in old
        if len(old[key]) == 1 and len(new.get(key, ())) == 1
    ]  # fmt: skip


def _by_work(plan: Plan) -> dict[tuple[str, str, frozenset[str]], list[PlanNode]]:
    """Nodes by kind, part of a parallel grouping, and tables."""
    works: dict[tuple[str, str, frozenset[str]], list[PlanNode]] = {}
    tables = _tables(plan)
    for node in plan:
        kind = KINDS.get(node.node_type) or ("Scan" if node.relation_name and node.node_type != "ModifyTable" else "")
        if kind:
            key = (kind, str(node.raw.get("Partial Mode", "Simple")), tables[node])
            works.setdefault(key, []).append(node)
    return works


def _tables(plan: Plan) -> dict[PlanNode, frozenset[str]]:
    tables: dict[PlanNode, frozenset[str]] = {}
    for node in reversed(plan.nodes):
        own = [table_of(node)] if node.relation_name else []
        tables[node] = frozenset(chain(own, *(tables[child] for child in node.inputs)))
    return tables


def _time_ms(*nodes: PlanNode | None) -> float:
    """The longest of them takes itself."""
    return max((max(0.0, node.exclusive_time_ms or 0.0) for node in nodes if node is not None), default=0.0)


def _spills(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    for pair in pairs:
        if not pair.were_executed:
            continue
        words = None
        if pair.kind == "Hash":
            words = _batches(pair)
        elif pair.kind == "Sort":
            words = _on_disk(pair, *(_sort_on_disk(node) for node in (pair.before, pair.after)))
        elif pair.before.hash_aggregates and pair.after.hash_aggregates:
            words = _on_disk(pair, *(_groups_on_disk(node) for node in (pair.before, pair.after)))
        if words:
            yield _Difference(
                words, _time_ms(pair.before, pair.after) + _time_ms(pair.before.parent, pair.after.parent)
            )


def _batches(pair: _Pair) -> str | None:
    old, new = pair.before.hash_table, pair.after.hash_table
    if old is None or new is None or old.batches == new.batches:
        return None
    fewer, more = sorted((old.batches, new.batches))
    if fewer > 1 and more < fewer * LEAST_BATCHES_FACTOR:
        return None
    where = ", so it stays in memory" if new.batches == 1 else ", so it spills to temporary files" if fewer == 1 else ""
    batches = f"{new.batches:,} batch{'' if new.batches == 1 else 'es'}"
    return f"the Hash{pair.of} takes {batches} instead of {old.batches:,}{where}"


def _on_disk(pair: _Pair, old: int | None, new: int | None) -> str | None:
    """Bytes on disk, 0 in memory, None where it is not known."""
    if old is None or new is None or bool(old) == bool(new):
        return None
    name = node_name(pair.after.raw)
    if new:
        return f"the {name}{pair.of} goes to disk ({size_words(new)}) instead of staying in memory"
    return f"the {name}{pair.of} stays in memory instead of going to disk ({size_words(old)})"


def _sort_on_disk(node: PlanNode) -> int | None:
    spaces = node.sorts
    return sum(space.space_bytes or 0 for space in spaces if space.is_on_disk) if spaces else None


def _groups_on_disk(node: PlanNode) -> int | None:
    return sum(each.disk_bytes for each in node.hash_aggregates)


def _hash_sides(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    for pair in pairs:
        old, new = _sides(pair.before), _sides(pair.after)
        if old and new and old == new[::-1] and old[0] != old[1]:
            words = f"the hash table is built of {_named(new[1])} instead of {_named(old[1])}"
            yield _Difference(words, _time_ms(pair.before, pair.after))


def _sides(join: PlanNode) -> tuple[frozenset[str], frozenset[str]] | None:
    """The tables of the outer side of a Hash Join, and of the hashed one."""
    if join.node_type != "Hash Join" or len(join.inputs) != 2:
        return None
    sides = [frozenset(table_of(n) for n in side.walk() if n.relation_name) for side in join.inputs]
    return (sides[0], sides[1]) if all(sides) else None


def _workers(before: Plan, after: Plan) -> Iterator[_Difference]:
    gathers = [[node for node in plan if node.node_type in GATHERS] for plan in (before, after)]
    is_run = before.is_analyzed and after.is_analyzed
    for name in ("Workers Launched", "Workers Planned") if is_run else ("Workers Planned",):
        old, new = (sum(node.count(name) or 0 for node in some if node.loops != 0) for some in gathers)
        if old != new:
            workers = f"{counted(int(new), 'worker') if new else 'no workers'} {name.removeprefix('Workers ').lower()}"
            time_ms = max((node.total_time_ms or 0.0 for some in gathers for node in some), default=0.0)
            yield _Difference(f"{workers} instead of {old:,.0f}", time_ms)
            return


def _conditions(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    for pair in pairs:
        if pair.kind == "Scan":
            time_ms = _time_ms(pair.before, pair.after)
            table = table_of(pair.after)
            for text in moved_conditions(pair.before, pair.after):
                yield _Difference(f"{text} on {table} is a Filter and no Index Cond any more", time_ms)
            for text in moved_conditions(pair.after, pair.before):
                yield _Difference(f"{text} on {table} is an Index Cond and no Filter any more", time_ms)


def _groupings(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    for pair in pairs:
        old, new = node_name(pair.before.raw), node_name(pair.after.raw)
        if pair.kind == "Grouping" and old != new:
            yield _Difference(f"{old} became {new}", _time_ms(pair.before, pair.after))


def _kept_rows(before: Plan, after: Plan) -> Iterator[_Difference]:
    for kind in KEPT_ROWS:
        old, new = ([node for node in plan if node.node_type == kind] for plan in (before, after))
        time_ms = _time_ms(*(node.parent for node in (*old, *new)))
        if lost := len(old) - len(new):
            number = f"{abs(lost)} {kind} nodes" if abs(lost) > 1 else f"a {kind}"
            is_, was = ("are", "were") if abs(lost) > 1 else ("is", "was")
            yield _Difference(f"{number} {f'{is_} gone' if lost > 0 else f'{was} added'}", time_ms)


def _rows(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    """Of the step on the fewest tables that gives so many more or fewer: those above follow."""
    best: tuple[int, float, _Pair, float, float] | None = None
    for pair in pairs:
        old, new = pair.before.total_actual_rows, pair.after.total_actual_rows
        if pair.kind not in ("Scan", "Join") or old is None or new is None or not pair.were_executed:
            continue
        factor = max(old, new) / max(1.0, min(old, new))
        if max(old, new) >= LEAST_ROWS and factor >= MANY:
            ranked = (len(pair.tables), -factor, pair, old, new)
            best = ranked if best is None or ranked[:2] < best[:2] else best
    if best is not None:
        *_, pair, old, new = best
        words = f"{pair.after.label} gives {new:,.0f} rows instead of {old:,.0f}"
        yield _Difference(words, _time_ms(pair.before, pair.after))


def _estimates(pairs: Iterable[_Pair], before: Comparable, after: Comparable) -> Iterator[_Difference]:
    """The one that got worse most."""
    worst: tuple[float, _Pair, float, float] | None = None
    for pair in pairs:
        old, new = _wrong_by(pair.before, before), _wrong_by(pair.after, after)
        rows = pair.after.total_actual_rows or 0.0
        is_large = max(rows, pair.after.plan_rows or 0.0) >= LEAST_ROWS
        if old and new and is_large and new >= old * MANY and (worst is None or new / old > worst[0]):
            worst = (new / old, pair, old, new)
    if worst is not None:
        _, pair, old, new = worst
        node = pair.after
        figures = f"{node.plan_rows:,.0f} rows a loop planned, {node.actual_rows:,.0f} came"
        words = f"the estimate of {node.label} is wrong by {new:,.0f}x ({figures}) instead of {old:,.1f}x"
        yield _Difference(words, _time_ms(pair.before, pair.after))


def _wrong_by(node: PlanNode, known: Comparable) -> float | None:
    factor, direction = node.estimate_factor, node.estimate_direction
    if factor is None or direction is None:
        return factor
    may_be = known.may_be_under(node) if direction == "under" else known.may_be_over(node)
    return factor if may_be else None


def _heap_fetches(pairs: Iterable[_Pair]) -> Iterator[_Difference]:
    for pair in pairs:
        old, new = pair.before.count("Heap Fetches"), pair.after.count("Heap Fetches")
        if old is None or new is None or not pair.were_executed or max(old, new) < LEAST_ROWS:
            continue
        if max(old, new) >= MANY * max(1.0, min(old, new)):
            words = f"{pair.after.label} fetches {new:,.0f} rows from its table instead of {old:,.0f}"
            yield _Difference(words, _time_ms(pair.before, pair.after))


def _temporary_files(before: Plan, after: Plan) -> Iterator[_Difference]:
    old, new = (plan.root.buffers.temp_written_blocks if plan.root.buffers else None for plan in (before, after))
    if old is None or new is None or max(old, new) < LEAST_TEMP_BLOCKS or max(old, new) < 2 * min(old, new):
        return
    words = f"{f'{new:,}' if new else 'no'} blocks of temporary files are written instead of {old:,}"
    yield _Difference(words, max(plan.root.total_time_ms or 0.0 for plan in (before, after)) / 2)
