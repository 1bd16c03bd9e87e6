"""A chosen set in figures: what each index is worth, what each query gains, who is hurt, at risk or gets nothing."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from analyzer.advice.planner import Refused, has_open_limit
from analyzer.advice.selection.bits import bits
from analyzer.advice.selection.costs import SAME
from analyzer.advice.selection.pruning import worth
from analyzer.advice.selection.result import AtRisk, ChosenIndex, DroppedIndex, QueryOutcome, Selection, SlowerQuery
from analyzer.advice.selection.risk import slower
from analyzer.advice.selection.task import KEEPING_COST, Task
from analyzer.advice.why_none import cause_of, why_none
from analyzer.checks import Threshold
from analyzer.errors import costing_only
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import size_words

LIMITS = {"hurt": Threshold(0.10, "cost / cost", "judgement: below it the planner's own errors are larger")}
HURT = LIMITS["hurt"].value
LEAST_SAID = 0.005  # of the cost: less is no per cent


def selection(
    task: Task,
    chosen: int,
    dropped: Sequence[DroppedIndex],
    bound_ratio: float | None,
    budget_bytes: int | None,
) -> Selection:
    """Each query is planned once more with the whole set, whatever was concluded before. What no plan uses then is left
    out: under a LIMIT the planner's own cost may prefer another of them to the one that costs least to the end.
    """
    book, search = task.book, task.search
    gone = frozenset(d.index.oid for d in dropped) - book.without
    then = {q: book.ask(q, chosen, gone) for q in range(len(task.queries)) if gone}  # without the dropped
    in_use = (book.plan_unscreened(q, chosen).used for q in range(len(task.queries)) if chosen)
    in_use_then = (book.mask(getattr(answer, "used", ())) for answer in then.values())
    chosen &= reduce(or_, (*in_use, *in_use_then), 0)
    outcomes: list[QueryOutcome] = []
    users: dict[int, list[str]] = {n: [] for n in bits(chosen)}
    hurt, at_risk = [], []
    for q, query in enumerate(task.queries):
        if q in book.refused and not search.alternatives[q].base:
            task_reason = book.refused[q]
            outcomes.append(QueryOutcome(query.key, query.statement, query.weight, 0.0, 0.0, why_not=task_reason))
            continue
        before = search.alternatives[q].base
        after, used = before, 0
        if chosen:
            entry = book.plan_unscreened(q, chosen)
            after, used = entry.cost, entry.used & chosen
        if gone:
            after = getattr(then[q], "total_cost", after)
        for n in bits(used):
            users[n].append(query.statement)
        if (
            used
            and not has_open_limit(query)
            and (reason := _slower(task, q, chosen, after / before if before else 1.0))
        ):
            ids = tuple(task.indexes[n].id for n in bits(used))
            at_risk.append(AtRisk(query.key, query.statement, ids, reason))
        if after > before * (1 + HURT):
            hurt.append(SlowerQuery(query.key, query.statement, before, after))
        outcomes.append(
            QueryOutcome(
                query.key,
                query.statement,
                query.weight,
                before,
                after,
                tuple(task.indexes[n].id for n in bits(used)),
                None if used else _why_not_in_words(task, q, chosen, budget_bytes),
            )
        )
    indexes = [
        ChosenIndex(
            task.indexes[n],
            worth(search, chosen, n),
            task.writes.added_by(n, chosen),
            tuple(dict.fromkeys(users[n])),
        )
        for n in bits(chosen)
    ]
    indexes.sort(key=lambda c: (-c.worth, c.index.size_bytes, c.index.id))
    refused_queries = [(task.queries[q].key, reason) for q, reason in sorted(book.refused.items())]
    return Selection(
        tuple(indexes),
        tuple(dropped),
        sum(o.weight * o.before for o in outcomes),
        sum(o.weight * o.after for o in outcomes),
        tuple(outcomes),
        search.size(chosen),
        task.writes.cost(chosen),
        bound_ratio,
        tuple(_worst_of_each(hurt)),
        tuple({r.statement: r for r in reversed(at_risk)}.values()),
        task.planner.plans_made - task.plans_before,
        (*task.refused, *refused_queries),
        budget_bytes,
        tuple(verdict.without for verdict in task.drop_verdicts),
    )


def _slower(task: Task, q: int, chosen: int, cost_ratio: float) -> str | None:
    """Why the query takes longer in memory with the set; None where it does not, as far as the planner tells."""
    before, after = task.book.ask(q, 0), task.book.ask(q, chosen)
    if isinstance(before, Refused) or isinstance(after, Refused) or before.work is None or after.work is None:
        return None
    return slower(before.work, after.work, task.book.weights, cost_ratio)


def _worst_of_each(hurt: Sequence[SlowerQuery]) -> list[SlowerQuery]:
    """A statement is planned with several values: the one that loses most stands for it."""
    worst: dict[str, SlowerQuery] = {}
    for one in hurt:
        other = worst.get(one.statement)
        if other is None or one.after * other.before > other.after * one.before:
            worst[one.statement] = one
    return sorted(worst.values(), key=lambda h: (-h.after / max(h.before, 1e-9), h.statement))


def _why_not_in_words(task: Task, q: int, chosen: int, budget_bytes: int | None) -> str:
    statement, fault = task.queries[q].statement, dict[str, str]()
    with costing_only(statement, fault):
        return _why_not(task, q, chosen, budget_bytes)
    return fault[statement]


def _why_not(task: Task, q: int, chosen: int, budget_bytes: int | None) -> str:
    """Why no new index serves the query: the reason that would still hold if the others did not."""
    book, alternatives = task.book, task.search.alternatives[q]
    options = [o for o in alternatives.plans() if o.needed and o.cost < alternatives.base * (1 - SAME)]
    gains = [task.weights[q] * (alternatives.base - o.cost) for o in options]
    sql, explained, refused = task.queries[q].sql, task.explained(q), dict(task.refused)
    if not gains or max(gains) < task.least_gain:
        if all(o.cost > alternatives.base * (1 - LEAST_SAID) for o in options):
            tried = [task.indexes[n].definition for n in bits(book.usable[q])]
            return why_none(sql, task.facts, explained, refused, tried)
        if cause := cause_of(sql, task.facts, explained, refused):
            return cause
    best = min(options, key=lambda o: (o.cost, o.needed))
    gain = task.weights[q] * (alternatives.base - best.cost)
    names = "an index" if best.needed.bit_count() == 1 else f"{best.needed.bit_count()} indexes"
    saves = f"{1 - best.cost / alternatives.base:.0%} of its cost"
    added = task.writes.cost(chosen | best.needed) - task.writes.cost(chosen)
    if added > gain:
        return f"With {names} it would save {saves}, less than the writes to them would cost."
    if gain < task.least_gain:
        return f"With {names} it would save {saves}, too little of the whole workload to be worth an index."
    if budget_bytes is not None and not any(task.fits(o.needed, budget_bytes) for o in options):
        it = "it" if best.needed.bit_count() == 1 else "they"
        most, room = size_words(task.most_bytes(best.needed)), size_words(task.room(budget_bytes))
        return f"With {names} it would save {saves}; built, {it} may take up to {most}, more than the budget of {room}."
    if not task.fits(chosen | best.needed, budget_bytes):
        return f"With {names} it would save {saves}; within the budget other indexes save more."
    if cause := cause_of(sql, task.facts, explained, refused):
        return cause
    size_bytes = sum(task.sizes[n] for n in bits(best.needed))
    is_given_up = task.search.objective(chosen | best.needed) < task.search.objective(chosen)  # thrift.py
    if is_given_up or gain < task.least_gain + size_bytes / PAGE_BYTES * KEEPING_COST:
        room = f"the {size_words(size_bytes)} that {'it' if best.needed.bit_count() == 1 else 'they'} would take"
        return f"With {names} it would save {saves}, too little of the whole workload for {room}."
    return f"With {names} it would save {saves}, less than each of them has to earn."
