"""The planner was told not to use one of its methods.

``enable_seqscan = off`` and its siblings are for tests: they do not forbid a method but make it look very dear, so
all other choices of the session are bent, too. Where nothing else is possible it is used all the same: 18 marks such
nodes as Disabled, up to 17 their cost has 10,000,000,000 added. To verify, look for the setting in pg_settings
(source says where it comes from) and in pg_db_role_setting. Take it away, and mend what it was to avoid: statistics,
costs (random_page_cost), an index. Leave it alone where it was set for this one statement on purpose, best with SET
LOCAL.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.node import run_time_ms
from analyzer.findings import EvidenceLevel, Finding, Fix, Quantity, Severity
from analyzer.plans import Plan, PlanNode
from analyzer.words.lists import and_list

DISABLE_COST = 1.0e10  # costsize.c, up to 17
MOST_NAMED = 3

check = Check(
    __name__,
    code="PL076",
    title="Planner methods are switched off",
    severity=Severity.WARNING,
)


@check.on(Plan)
def planner_method_switched_off(plan: Plan) -> Iterator[Finding]:
    off = sorted(name for name, value in plan.settings.items() if name.startswith("enable_") and value == "off")
    disabled = [node for node in plan if _is_disabled(node)]
    if not off and not disabled:
        return
    names = list(dict.fromkeys(node.label for node in disabled))
    said = [f"{and_list(off)} {'is' if len(off) == 1 else 'are'} off"] if off else []
    if names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        listed = f"{', '.join(names[:MOST_NAMED])}{more}" if more else and_list(names)
        verb = "was used though switched off" if len(names) == 1 else "were used though switched off"
        said.append(f"{listed} {verb}, as nothing else was possible")
    evidence: dict[str, Quantity] = {"settings_off": ", ".join(off) or None, "disabled_nodes": len(disabled) or None}
    yield check.finding(
        subject="Settings",
        message=f"The plan was made under a constraint: {'; '.join(said)}.",
        hint="Take the setting away; where it was to avoid a bad plan, mend statistics, costs or indexes instead.",
        evidence=evidence,
        level=EvidenceLevel.EXECUTED if plan.is_analyzed else EvidenceLevel.PLANNED,
        run_time_ms=run_time_ms(plan.root),
        fixes=tuple(Fix(f"{name} as it is by default", "sql", f"RESET {name};") for name in off),
    )


def _is_disabled(node: PlanNode) -> bool:
    """Itself, not what it reads; up to 17 by what was added to the cost of its first row."""
    if "Disabled" in node.raw:
        return node.raw["Disabled"] is True
    if node.startup_cost is None or node.startup_cost < DISABLE_COST:
        return False
    return all((child.total_cost or 0.0) < DISABLE_COST for child in node.children)
