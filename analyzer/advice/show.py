"""Proved advice as a report for a terminal, as JSON for scripts (docs/cli.md) and as SQL to run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from analyzer.advice.ddl import drop_index, in_each_schema
from analyzer.advice.gain import Gain, MeasuredTimes, gain_as_json, gain_of, gain_words, less_words, total_gain
from analyzer.advice.kept_point import KeptDrop, KeptHurt, KeptIndex, KeptPoint, KeptRisk
from analyzer.advice.planner import values_of
from analyzer.advice.proved import ProposedIndex, ProvedAdvice, StatementEffect
from analyzer.advice.selection.result import AtRisk, DroppedIndex, Selection, SlowerQuery
from analyzer.advice.show_sql import costs_words, hurt_words, set_as_sql
from analyzer.plans.compare import faster_words
from analyzer.schema.quoting import comment
from analyzer.schema.without_index import proof_words
from analyzer.words.lists import counted
from analyzer.words.sizes import size_words
from analyzer.words.visible import visible_line

MOST_STATEMENTS = 5  # per index, in the report for a terminal
MOST_SQL = 70  # characters of a statement there
FORMAT = 1
LEAST_WRITE_RATIO = 0.001  # judgement: a thousandth of the gain is nothing anybody would weigh


def advice_as_sql(advice: ProvedAdvice, times: MeasuredTimes | None = None) -> str:
    """Runs as it is with psql -f: one statement at a time, outside a transaction."""
    measured = times or MeasuredTimes()
    summary = "".join(map(comment, _summary(advice, measured)))
    indexes = [_index(proposal, measured) for _, proposal in advice.all_proposals]
    drops = [_drop(dropped) for dropped in advice.selection.dropped]
    return f"{summary}\n{set_as_sql(indexes, drops, _hurt(advice.hurt), advice.assumed)}"


def advice_as_text(
    advice: ProvedAdvice,
    problems: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
    times: MeasuredTimes | None = None,
) -> str:
    """``texts``: SQL of statements whose names alone tell nobody what they are. ``times``: as measured; statements
    without stand with their costs."""
    measured = times or MeasuredTimes()

    def named(statement: str) -> str:
        sql = " ".join((texts or {}).get(statement, "").split())
        return f"{statement} {sql if len(sql) <= MOST_SQL else f'{sql[: MOST_SQL - 3]}...'}".rstrip()

    lines = _summary(advice, measured)
    for number, (source, proposal) in enumerate(advice.all_proposals, start=1):
        chosen = proposal.chosen
        whose = f" by {source.planner} on the server, since the twin cannot plan what it is for"
        by = "" if source is advice else whose
        lines += ["", f"{number}. {size_words(chosen.index.size_bytes)}, evidence: planned{by}"]
        lines += [f"   {said}" for said in (in_each_schema(chosen.index.definition),) if said]
        lines += [f"   {statement};" for statement in proposal.ddl.statements]
        lines += [f"   {remark}" for remark in proposal.ddl.remarks]
        for effect in proposal.effects[:MOST_STATEMENTS]:
            lines.append(f"   {named(effect.statement)}: {_effect(effect, measured)}")
        if (rest := len(proposal.effects) - MOST_STATEMENTS) > 0:
            lines.append(f"   and {counted(rest, 'more statement')}")
        if chosen.worth > 0 and (ratio := chosen.write_cost_per_day / chosen.worth) >= LEAST_WRITE_RATIO:
            lines.append(f"   Writes to it take back {ratio:.1%} of what it saves (planned).".replace("%", " %"))
    for drop in advice.selection.dropped:
        proof = [proof_words([drop.without])] if drop.without else []
        lines += ["", f"Drop {drop.index.name} ({size_words(drop.freed_bytes)}): {' '.join([drop.reason, *proof])}"]
        lines += [f"   {statement};" for statement in drop_index(drop.index, drop.table).statements]
    lines += _section("Dearer than before:", [
        f"{named(h.statement)}: {hurt_words(h)}" for h in _hurt(advice.hurt)
    ])  # fmt: skip
    lines += _section("May run slower although the planner expects less:", [
        f"{named(r.statement)}: {r.reason}" for r in advice.at_risk
    ])  # fmt: skip
    without = [e for e in advice.all_effects if not e.indexes and e.why_not]
    lines += _section("No index for:", [f"{named(e.statement)}: {e.why_not}" for e in without])
    lines += _section("Assumed:", [f"{named(key)}: {what}." for key, what in sorted(advice.assumed.items())])
    lines += _section("Not planned:", [f"{named(key)}: {why}" for key, why in sorted(advice.not_planned.items())])
    lines += _section("Left out:", list(problems))
    return "\n".join(map(visible_line, lines)) + "\n"


def advice_as_json(
    advice: ProvedAdvice, problems: Sequence[str] = (), times: MeasuredTimes | None = None
) -> dict[str, Any]:
    selection, measured = advice.selection, times or MeasuredTimes()
    return {
        "format": FORMAT,
        "cost_before": advice.cost_before,
        "cost_after": advice.cost_after,
        "cost_ratio": advice.cost_ratio,
        "size_bytes": advice.size_bytes,
        "budget_bytes": selection.budget_bytes,
        "bound_ratio": selection.bound_ratio,
        "plans_made": selection.plans_made,
        "candidates": advice.candidates,
        "time": _time_as_json(advice.all_effects, measured),
        "indexes": [
            {
                **_index_as_json(p, measured),
                "also_on": [table.qualified_name for table in p.chosen.index.definition.also],
                "write_cost_per_day": p.chosen.write_cost_per_day,
                "evidence": "planned",
                "planner": source.planner,
            }
            for source, p in advice.all_proposals
        ],
        "drops": [asdict(_drop(d)) for d in selection.dropped],
        "judged_drops": [asdict(without) for without in selection.judged_drops],
        "statements": [
            {
                "statement": e.statement,
                "weight": e.weight,
                "cost_before": e.cost_before,
                "cost_after": e.cost_after,
                "change": e.change.summary(e.cost_before, e.cost_after) if e.change else None,
                "why_not": e.why_not,
            }
            for e in advice.all_effects
        ],
        "hurt": [asdict(hurt) for hurt in _hurt(advice.hurt)],
        "at_risk": [asdict(risk) for risk in _at_risk(advice.at_risk)],
        "not_planned": dict(sorted(advice.not_planned.items())),
        "assumed": dict(sorted(advice.assumed.items())),
        "problems": list(problems),
    }


def curve_as_json(advice: ProvedAdvice, times: MeasuredTimes) -> list[dict[str, Any]]:
    """The best set for each of several budgets, the smallest first; the last one is the advice itself.

    What HypoPG adds comes with the last step, all of it: its plans are too few for sets of every size.
    """
    if not advice.curve:
        return []
    whole = advice.curve[-1]
    points = list(advice.curve[:-1])
    if any(source is not advice for source, _ in advice.all_proposals):
        points.append(replace(whole, budget_bytes=whole.selection.size_bytes))
    last = _point(
        whole.selection,
        whole.budget_bytes,
        advice.size_bytes,
        [proposal for _, proposal in advice.all_proposals],
        advice.all_effects,
        times,
    )
    kept = [
        *(_point(p.selection, p.budget_bytes, p.selection.size_bytes, p.proposals, p.effects, times) for p in points),
        replace(last, cost_ratio=advice.cost_ratio, hurt=_hurt(advice.hurt), at_risk=_at_risk(advice.at_risk)),
    ]
    return [point.to_json() for point in kept]


def _point(
    selection: Selection,
    budget_bytes: int | None,
    size_bytes: int,
    proposals: Iterable[ProposedIndex],
    effects: Iterable[StatementEffect],
    times: MeasuredTimes,
) -> KeptPoint:
    return KeptPoint(
        size_bytes,
        selection.cost_ratio,
        budget_bytes,
        selection.bound_ratio,
        _time_as_json(effects, times),
        tuple(_index(proposal, times) for proposal in proposals),
        tuple(map(_drop, selection.dropped)),
        _hurt(selection.hurt),
        _at_risk(selection.at_risk),
    )


def _index(proposal: ProposedIndex, times: MeasuredTimes) -> KeptIndex:
    chosen, ddl = proposal.chosen, proposal.ddl
    definition = chosen.index.definition
    return KeptIndex(
        key=definition.key,
        name=ddl.name,
        table=definition.table.qualified_name,
        definition=definition.body(),
        statements=tuple(ddl.statements),
        undo_statements=tuple(ddl.undo_statements),
        size_bytes=chosen.index.size_bytes,
        worth_per_day=chosen.worth,
        time=gain_as_json(gain_of(proposal.effects, times.by_statement)),
        helps=tuple(chosen.statements),
        remarks=tuple(remark for remark in (in_each_schema(definition), *ddl.remarks) if remark),
        at_risk=_at_risk(proposal.at_risk),
    )


def _index_as_json(proposal: ProposedIndex, times: MeasuredTimes) -> dict[str, Any]:
    kept = asdict(_index(proposal, times))
    return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items() if name != "key"}


def _hurt(hurt: Iterable[SlowerQuery]) -> tuple[KeptHurt, ...]:
    return tuple(KeptHurt(h.statement, h.before, h.after, values_of(h.key)) for h in hurt)


def _at_risk(at_risk: Iterable[AtRisk]) -> tuple[KeptRisk, ...]:
    return tuple(KeptRisk(r.statement, r.reason) for r in at_risk)


def _drop(dropped: DroppedIndex) -> KeptDrop:
    ddl = drop_index(dropped.index, dropped.table)
    return KeptDrop(
        index=f"{dropped.index.schema}.{dropped.index.name}",
        table=dropped.table.qualified_name,
        reason=dropped.reason,
        proof=proof_words([dropped.without]) if dropped.without else "",
        freed_bytes=dropped.freed_bytes,
        statements=tuple(ddl.statements),
        undo_statements=tuple(ddl.undo_statements),
    )


def _time_as_json(effects: Iterable[StatementEffect], times: MeasuredTimes) -> dict[str, Any]:
    return {**gain_as_json(total_gain(effects, times)), "watched_s": times.watched_s}


def _summary(advice: ProvedAdvice, times: MeasuredTimes) -> list[str]:
    selection = advice.selection
    count, drops = len(advice.all_proposals), len(selection.dropped)
    if not count and not drops:
        lines = ["No index is worth creating for this workload, and none can be dropped."]
    else:
        parts = [_many(count, "index", "indexes", "Create")] if count else []
        parts += [_many(drops, "index", "indexes", "drop" if parts else "Drop")] if drops else []
        freed_bytes = sum(d.freed_bytes for d in selection.dropped)
        sizes = [f"{size_words(advice.size_bytes)} more"] if count else []
        sizes += [f"{size_words(freed_bytes)} less"] if drops else []
        lines = [f"{', '.join(parts)}: {', '.join(sizes)}{_budget(selection.budget_bytes)}."]
    if count:
        lines.append(_gained(advice, total_gain(advice.all_effects, times), times, "it" if count == 1 else "them"))
    bound = "" if selection.bound_ratio is None or not advice.candidates else f", {bound_words(selection.bound_ratio)}"
    return [*lines, f"{counted(advice.candidates, 'candidate')}, {counted(selection.plans_made, 'plan')} made{bound}."]


def _budget(budget_bytes: int | None) -> str:
    return "" if budget_bytes is None else f", within the budget of {size_words(budget_bytes)}"


def _gained(advice: ProvedAdvice, gain: Gain | None, times: MeasuredTimes, them: str) -> str:
    """The whole set's gain, in time where the statements were measured."""
    if gain is None:
        before, after = advice.cost_before, advice.cost_after
        return f"The workload's {costs_words(before, after)} (planned)."
    return f"All statements: {gain_words(gain, times.watched_s, with_what=them)}, {less_words(gain)}."


def bound_words(ratio: float) -> str:
    """ "within 1.2 % of the best possible with these candidates"."""
    return f"within {ratio * 100:.1f} % of the best possible with these candidates"


def _effect(effect: StatementEffect, times: MeasuredTimes) -> str:
    """In time where the statement was measured, else in the planner's units; the factor is that of the two figures."""
    before, after = effect.cost_before, effect.cost_after
    gain = gain_of([effect], times.by_statement)
    if gain is None:
        said = costs_words(before, after)
    else:
        them = "it" if len(effect.indexes) < 2 else "all it uses"
        said = f"{gain_words(gain, times.watched_s, with_what=them)}, {faster_words(before, after)}"
    return f"{said}. {effect.change.what}." if effect.change else f"{said}."


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(f"   {line}" for line in lines)] if lines else []


def _many(count: int, one: str, more: str, verb: str) -> str:
    return f"{verb} {count} {one if count == 1 else more}"
