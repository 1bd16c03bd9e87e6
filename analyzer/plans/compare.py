"""Two plans of one statement: how far they are the same, and in words what changed between them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.plans.differences import differences, table_of
from analyzer.plans.node import Plan, PlanError
from analyzer.plans.parse import parse_plan
from analyzer.plans.shape import shape_of
from analyzer.words.durations import time_words
from analyzer.words.lists import and_list

# costs are printed with two decimals: below this share a difference is rounding
SAME_COST_RATIO = 0.001
BITMAP_PARTS = ("Bitmap Index Scan", "BitmapAnd", "BitmapOr")
JOINS = ("Nested Loop", "Hash Join", "Merge Join")
SORTS = ("Sort", "Incremental Sort")
MOST_SENTENCES = 6  # judgement: more than that nobody reads beside the two plans themselves


@dataclass(frozen=True, slots=True)
class Sameness:
    """``verdict``: "same plan", "same shape, cost within 3 %", "different: ..."; ``cost_ratio``: other / first."""

    verdict: str
    is_same_shape: bool
    cost_ratio: float | None


@dataclass(frozen=True, slots=True)
class PlanChange:
    """``sentences``: what changed, the way tables are read first; empty where only figures did."""

    sentences: tuple[str, ...]
    cost_before: float
    cost_after: float

    @property
    def what(self) -> str:
        """One line without a factor: "Seq Scan on orders became Index Scan using ix_orders_status"."""
        return "; ".join(self.sentences) if self.sentences else "The plan keeps its shape"

    def summary(self, cost_before: float, cost_after: float) -> str:
        """The same with the factor of those two costs, which stand beside it: ", 1,204x cheaper"."""
        return f"{self.what}, {cost_words(cost_before, cost_after)}"


def sameness(first: Plan, other: Plan) -> Sameness:
    """Whether two planners chose alike. Values and figures do not count for the shape; costs are told apart."""
    before, after = first.root.total_cost, other.root.total_cost
    ratio = after / before if before and after is not None else None
    if shape_of(first) != shape_of(other) and shape_of(first, in_any_order=True) != shape_of(other, in_any_order=True):
        change = _sentences(first, other)
        what = change[0] if change else "the steps stand in another order"
        return Sameness(f"different: {what[0].lower() + what[1:] if _is_word(what) else what}", False, ratio)
    if ratio is None or abs(ratio - 1) <= SAME_COST_RATIO:
        return Sameness("same plan", True, ratio)
    return Sameness(f"same shape, cost within {_percent(abs(ratio - 1))}", True, ratio)


def plan_change(before: Plan, after: Plan) -> PlanChange:
    return PlanChange(_sentences(before, after), before.root.total_cost or 0.0, after.root.total_cost or 0.0)


def differences_in_words(before: Plan, after: Plan) -> tuple[str, ...]:
    """How tables are read and joined, then what else differs: for people alone, it decides nothing."""
    return (*plan_change(before, after).sentences, *differences(before, after))


def change_in_words(before: Plan, after: Plan) -> list[str]:
    """What the other plan does differently, and how their times compare; a sentence at least."""
    said = list(differences_in_words(before, after))
    times = [plan.execution_time_ms or plan.root.total_time_ms for plan in (before, after)]
    if times[0] is not None and times[1] is not None:
        said.append(f"It took {time_words(times[1])} instead of {time_words(times[0])}")
    return said or ["Both are the same plan"]


def cost_figure(cost: float) -> str:
    """With as many digits as a factor of two such figures can be read from: "4,462", "15.6", "0.61"."""
    digits = 0 if cost >= 99.95 else 1 if cost >= 9.995 else 2
    return f"{cost:,.{digits}f}"


def faster_words(before: float, after: float) -> str:
    """Of times: "137x faster", "12 % slower", "as before"."""
    words = cost_words(before, after)
    if words == "at the same cost":
        return "as before"
    return words.replace("cheaper", "faster").replace("dearer", "slower")


def cost_words(before: float, after: float) -> str:
    """ "1,204x cheaper", "12 % cheaper", "1.4x dearer", "at the same cost"."""
    if before <= 0 or after <= 0 or abs(after / before - 1) <= SAME_COST_RATIO:
        return "at the same cost"
    cheaper = after < before
    factor = before / after if cheaper else after / before
    word = "cheaper" if cheaper else "dearer"
    if factor < 2:
        return f"{_percent(1 - after / before if cheaper else after / before - 1)} {word}"
    return f"{factor:,.0f}x {word}" if factor >= 10 else f"{factor:.1f}x {word}"


def _sentences(before: Plan, after: Plan) -> tuple[str, ...]:
    """Tables read in another way, joins made in another way, sorts that came or went."""
    old, new = _accesses(before), _accesses(after)
    sentences = []
    for key in old:
        if key in new and old[key] != new[key]:
            sentences.append(f"{old[key].words(key)} became {new[key].how(old[key])}")
    sentences += _counted(before, after, JOINS)
    gone, come = (sum(_types(plan)[kind] for kind in SORTS) for plan in (before, after))
    if come < gone:
        sentences.append("a Sort is gone" if gone - come == 1 else f"{gone - come} Sorts are gone")
    elif come > gone:
        sentences.append("a Sort was added" if come - gone == 1 else f"{come - gone} Sorts were added")
    return tuple(sentences[:MOST_SENTENCES])


@dataclass(frozen=True, slots=True)
class _Access:
    """How one table is read; several ways at once (a table's partitions) stand beside each other."""

    node_types: tuple[str, ...]
    indexes: tuple[str, ...]

    def words(self, table: str) -> str:
        used = f" using {and_list(self.indexes)}" if self.indexes else ""
        return f"{and_list(self.node_types)} on {table}{used}"

    def how(self, other: "_Access") -> str:
        if self.node_types == other.node_types and self.indexes:
            return f"one using {and_list(self.indexes)}"
        return and_list(self.node_types) + (f" using {and_list(self.indexes)}" if self.indexes else "")


def _accesses(plan: Plan) -> dict[str, _Access]:
    """Table (with its alias where that differs) -> how it is read; the same table read twice alike stands once."""
    accesses: dict[str, tuple[set[str], set[str]]] = {}
    for node in plan:
        if not node.relation_name or node.node_type in ("ModifyTable", *BITMAP_PARTS):
            continue
        types, indexes = accesses.setdefault(table_of(node), (set(), set()))
        types.add(("Parallel " if node.is_parallel_aware else "") + node.node_type)
        if node.index_name:
            indexes.add(node.index_name)
        if node.node_type == "Bitmap Heap Scan":  # its own, and none of a subquery in its condition
            parts = (below for child in node.inputs for below in child.walk())
            indexes.update(part.index_name for part in parts if part.index_name)
    return {name: _Access(tuple(sorted(t)), tuple(sorted(i))) for name, (t, i) in accesses.items()}


def _types(plan: Plan) -> Counter[str]:
    return Counter(node.node_type for node in plan)


def _counted(before: Plan, after: Plan, kinds: tuple[str, ...]) -> list[str]:
    """ "Hash Join became Nested Loop", as far as the numbers of each kind tell."""
    old, new = _types(before), _types(after)
    gone = [kind for kind in kinds for _ in range(old[kind] - new[kind])]
    come = [kind for kind in kinds for _ in range(new[kind] - old[kind])]
    changed = Counter(zip(gone, come, strict=False))
    said = [
        f"{number} {was}s became {now}s" if number > 1 else f"{was} became {now}"
        for (was, now), number in changed.items()
    ]
    rest = len(gone) - len(come)
    if rest:
        said.append(f"{abs(rest)} join{'s' if abs(rest) > 1 else ''} {'fewer' if rest > 0 else 'more'}")
    return said


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else f"{share:.1%}".replace("%", " %")


def _is_word(text: str) -> bool:
    """A sentence that starts with no name of PostgreSQL's."""
    return text.split(" ", 1)[0] not in {
        "Seq", "Index", "Bitmap", "Parallel", "Hash", "Nested", "Merge", "Tid", "Sample", "Foreign", "Custom",
    }  # fmt: skip


def explained_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> PlanChange | None:
    """Of two objects of EXPLAIN; None where one cannot be read."""
    try:
        return plan_change(parse_plan([before]), parse_plan([after]))
    except PlanError:
        return None
