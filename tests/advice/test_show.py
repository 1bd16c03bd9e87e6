"""What is said of advice that two planners gave."""

from dataclasses import replace

from analyzer.advice.advise import completed_by
from analyzer.advice.ddl import create_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.gain import MeasuredTimes
from analyzer.advice.planned import planned_suggestions
from analyzer.advice.planner import HypotheticalIndex
from analyzer.advice.proved import CurvePoint, ProposedIndex, ProvedAdvice, StatementEffect
from analyzer.advice.rules.suggest import Advice, WorkloadStatement, suggest_indexes
from analyzer.advice.selection.result import AtRisk, ChosenIndex, Selection, SlowerQuery
from analyzer.advice.show import advice_as_json, advice_as_sql, advice_as_text, curve_as_json
from analyzer.plans.compare import PlanChange
from tests.advice.builders import facts, table
from tests.advice.table_planner import TablePlanner

ORDERS = table("orders", ("id|bigint|-1", "a|text|-1", "b|text|-1"))
FACTS = facts(ORDERS)


def selection(**more):
    nothing = dict.fromkeys(("chosen", "dropped", "queries", "hurt", "at_risk"), ())
    figures = dict.fromkeys(("cost_before", "cost_after", "size_bytes", "write_cost_per_day", "plans_made"), 0)
    return Selection(**{"bound_ratio": None, **nothing, **figures, **more})


def test_who_loses_by_hypopgs_advice_is_said_as_by_the_twins():
    second = ProvedAdvice(
        selection(hurt=(SlowerQuery("s", "s", 10.0, 20.0),), at_risk=(AtRisk("r", "r", (1,), "It guesses."),)), (), (),
        planner="HypoPG",
    )  # fmt: skip
    both = ProvedAdvice(selection(hurt=(SlowerQuery("t", "t", 1.0, 2.0),)), (), (), second=second)
    text = advice_as_text(both)
    assert "Dearer than before:\n   t: cost 1" in text
    assert "\n   s: cost 10" in text
    assert "May run slower although the planner expects less:\n   r: It guesses.\n" in text
    shown = advice_as_json(both)
    assert [h["statement"] for h in shown["hurt"]] == ["t", "s"]
    assert shown["at_risk"] == [{"statement": "r", "reason": "It guesses."}]


def proposal(column, id_, *statements, risk=None):
    definition = IndexDefinition(ORDERS, (IndexColumn(column),))
    chosen = ChosenIndex(HypotheticalIndex(id_, definition, 8192), 5.0, 0.0, statements)
    effects = tuple(StatementEffect(s, 1.0, 10.0, 5.0, (id_,)) for s in statements)
    at_risk = () if risk is None else (AtRisk(statements[0], statements[0], (id_,), risk),)
    return ProposedIndex(chosen, create_index(definition, FACTS), effects, at_risk)


def advice_of(*proposals, **more):
    at_risk = tuple(r for p in proposals for r in p.at_risk)
    return ProvedAdvice(selection(at_risk=at_risk), proposals, tuple(e for p in proposals for e in p.effects), **more)


def evidence_of(advice):
    known = planned_suggestions(advice, Advice([], {}), [], FACTS, [])[1]
    return {
        key.rpartition(" ")[2]: (
            [s.fingerprint for s in evidence.statements],
            [r.reason for r in evidence.at_risk],
            list(evidence.together_with),
        )
        for key, evidence in known.items()
    }


def test_a_risk_is_said_of_its_own_planners_index():
    """Each numbers its indexes from the same number on."""
    second = advice_of(proposal("b", 1, "s", risk="It guesses."), planner="HypoPG")
    both = advice_of(proposal("a", 1, "t"), second=second)
    assert evidence_of(both) == {"(a)": (["t"], [], []), "(b)": (["s"], ["It guesses."], [])}
    of_a, of_b = advice_as_sql(both).split("\n\n")[1:]
    assert ("(a)" in of_a, "It guesses" in of_a) == (True, False)
    assert ("(b)" in of_b, "May run slower: s: It guesses." in of_b) == (True, True)


def test_the_sql_says_what_the_text_does_and_no_name_ends_a_comment():
    risky = proposal("a", 1, "t", risk="It guesses\nDROP TABLE orders; --")
    risky = replace(
        risky, ddl=replace(risky.ddl, notes=("Of every index.", "Of this one."), cautions=("Be\rcareful.",))
    )
    hurt = (SlowerQuery("x\ny", "x\ny", 10.0, 20.0),)
    advice = ProvedAdvice(
        selection(hurt=hurt), (risky,), risky.effects, assumed={"t\nu": "$1 is of type\nint"}
    )  # fmt: skip
    script = advice_as_sql(advice)
    assert script.partition("\n\n")[2] == (
        "-- Dearer than before: x y: cost 10.0 becomes 20.0, 2.0x dearer (planned)\n"
        "-- Assumed: t u: $1 is of type int.\n"
        "\n"
        "-- 8 kB, helps 1 statement\n"
        "-- Of this one.\n"
        "-- Be careful.\n"
        "-- May run slower: t: It guesses DROP TABLE orders; --\n"
        f"{risky.ddl.statements[0]};\n"
    )


def test_a_budget_is_said_in_the_unit_of_sizes():
    advice = ProvedAdvice(selection(budget_bytes=500 << 20, size_bytes=1), (proposal("a", 1, "t"),), ())
    assert advice_as_text(advice).partition("\n")[0].endswith(", within the budget of 500 MB.")


def test_an_index_that_both_planners_want_has_the_statements_of_both():
    second = advice_of(proposal("a", 2, "s", risk="It guesses."), planner="HypoPG")
    both = advice_of(proposal("b", 2, "u"), proposal("a", 1, "t", risk="It fetches."), second=second)
    assert evidence_of(both) == {"(b)": (["u"], [], []), "(a)": (["t", "s"], ["It fetches.", "It guesses."], [])}
    shown = [(i["planner"], i["helps"], i["worth_per_day"]) for i in advice_as_json(both)["indexes"]]
    assert shown == [("twin", ["u"], 5.0), ("twin", ["t", "s"], 10.0)]


def by_twin_and_hypopg(sql="select b from orders where a like 'x%'", wanted="(a text_pattern_ops)"):
    """The twin wants (a); HypoPG what a statement needs that the twin cannot plan."""
    of_twin = proposal("a", 1, "t")
    costs = {"cost_before": 100.0, "cost_after": 10.0, "size_bytes": 8192, "chosen": (of_twin.chosen,)}
    first = CurvePoint(None, selection(**costs), ((of_twin.chosen, of_twin.ddl),), of_twin.effects)
    advice = ProvedAdvice(
        first.selection, first.proposals, first.effects, {"s": "The twin lacks it."}, 1, curve=(first,)
    )
    planner = TablePlanner({"s": [(1000.0, ()), (10.0, (wanted,))]}, {})
    workload = [WorkloadStatement("s", sql, 10.0, 5.0, 500.0)]
    return completed_by(planner, advice, workload, FACTS), workload


def test_an_index_of_hypopgs_has_a_name_that_none_of_the_twins_has():
    both, workload = by_twin_and_hypopg()
    assert [p.ddl.name for _, p in both.all_proposals] == ["ix_orders_a", "ix_orders_a_2"]
    kept, _ = planned_suggestions(both, Advice([], {}), workload, FACTS, [])
    assert sorted(s.name for s in kept.suggestions) == ["ix_orders_a", "ix_orders_a_2"]


def test_a_rules_index_has_a_name_that_no_proved_one_has():
    rules = suggest_indexes([WorkloadStatement("r", "select b from orders where a = $1", 10.0, 5.0, 500.0)], FACTS, [])
    (rule,) = rules.suggestions
    proved = replace(proposal("a", 1, "t"), ddl=create_index(rule.definition, FACTS))
    proved = replace(proved, ddl=replace(proved.ddl, name=rule.name))
    others = [replace(rule, key="another", definition=replace(rule.definition, include=("id",)))]
    kept, _ = planned_suggestions(
        replace(advice_of(proved), not_planned={"r": "why"}), Advice(others, {}), [], FACTS, []
    )
    assert sorted(s.name for s in kept.suggestions) == [rule.name, f"{rule.name}_2"]
    assert f"{rule.name}_2 ON" in next(s.ddl for s in kept.suggestions if s.name.endswith("_2"))


def test_the_curve_ends_with_what_hypopg_adds():
    both, _ = by_twin_and_hypopg()
    curve = curve_as_json(both, MeasuredTimes({"t": 10.0, "s": 50.0}, 100.0))
    assert [[i["name"] for i in point["indexes"]] for point in curve] == [
        ["ix_orders_a"],
        ["ix_orders_a", "ix_orders_a_2"],
    ]
    assert [(p["budget_bytes"], p["size_bytes"]) for p in curve] == [(8192, 8192), (None, both.size_bytes)]
    assert [p["time"]["then_s_per_day"] for p in curve] == [95.0, 45.5]
    assert curve[-1]["cost_ratio"] == both.cost_ratio == (10.0 + 100.0) / (100.0 + 10_000.0)


def test_what_both_want_is_named_once_and_adds_no_step():
    both, _ = by_twin_and_hypopg(sql="select id, b from orders where a = $1", wanted="(a)")
    assert [p.ddl.name for source in both.by_planner for p in source.proposals] == ["ix_orders_a", "ix_orders_a"]
    (point,) = curve_as_json(both, MeasuredTimes({}))
    (index,) = point["indexes"]
    assert (index["helps"], index["worth_per_day"]) == (["t", "s"], 5.0 + 9_900.0)


def test_indexes_that_serve_a_statement_together_name_each_other():
    one, other = proposal("a", 1, "t"), proposal("b", 2, "t")
    together = StatementEffect("t", 1.0, 10.0, 5.0, (1, 2))
    both = advice_of(*(ProposedIndex(p.chosen, p.ddl, (together,)) for p in (one, other)))
    assert evidence_of(both) == {"(a)": (["t"], [], ["ix_orders_b"]), "(b)": (["t"], [], ["ix_orders_a"])}


def test_an_index_is_shown_with_a_plan_that_uses_it():
    """Another index serves the values that gain most; this one some others."""
    first, second = proposal("a", 1), proposal("b", 2)
    most, others = PlanChange(("x became y",), 9.0, 1.0), PlanChange(("x became z",), 9.0, 5.0)
    effect = StatementEffect("s", 1.0, 9.0, 2.0, (1, 2), change=most, changes={2: others})
    made = tuple((p.chosen, p.ddl) for p in (first, second))
    shown = CurvePoint(None, selection(), made, (effect,)).proposals
    assert [[e.change for e in p.effects] for p in shown] == [[most], [others]]
    together = planned_suggestions(advice_of(*shown), Advice([], {}), [], FACTS, [])[1]
    assert [evidence.together_with for evidence in together.values()] == [(second.ddl.name,), (first.ddl.name,)]


def test_who_loses_is_said_with_the_values_it_loses_with():
    advice = ProvedAdvice(selection(hurt=(SlowerQuery("t:rare", "t", 1.0, 2.0),)), (), ())
    said = "t: cost 1.00 becomes 2.00, 2.0x dearer with a rare value (planned)\n"
    assert said in advice_as_text(advice)
    assert f"-- Dearer than before: {said}" in advice_as_sql(advice)
    assert advice_as_json(advice)["hurt"] == [
        {"statement": "t", "cost_before": 1.0, "cost_after": 2.0, "values": "rare"}
    ]
