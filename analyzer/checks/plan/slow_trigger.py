"""Triggers that take a good part of a statement that writes.

A row trigger is called once for each row, and a statement inside it is planned and run each time. EXPLAIN prints the
time beside the plan, per trigger. To verify, run the statement with the trigger disabled in a test database, or log
what it does with auto_explain.log_nested_statements. An AFTER trigger can often be made one FOR EACH STATEMENT with
transition tables, which does the work for all rows in one statement; a WHEN clause spares the calls that do nothing;
a generated column or a default needs no trigger. Leave it alone where what it does is the purpose of the write.
Foreign keys' own triggers are PL090's. The time is the trigger's, whole: what it has to do in any case remains.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Threshold
from analyzer.checks.node import run_time_ms, time_ratio
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan
from analyzer.plans.triggers import Fired, fired
from analyzer.schema.facts import SchemaFacts
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL091",
    title="Triggers take much of the time",
    severity=Severity.WARNING,
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth a change"),
)


@check.on(Plan)
def slow_trigger(plan: Plan, context: Context) -> Iterator[Finding]:
    for trigger in fired(plan):
        if not _is_written(trigger, context.facts) or trigger.time_ms is None or not trigger.calls:
            continue
        ratio = time_ratio(trigger.time_ms, trigger.node)
        if ratio is None or ratio < check["time_ratio"]:
            continue
        each_ms, run_ms = trigger.time_ms / trigger.calls, run_time_ms(trigger.node)
        calls = f"{trigger.calls:,} calls" if trigger.calls > 1 else "One call"
        on = f" on {trigger.relation}" if trigger.relation else ""
        yield check.finding(
            node=trigger.node,
            subject=f"Trigger {trigger.name}{on}",
            title=f"Trigger {trigger.name} takes much of the time",
            message=(
                f"{calls} of trigger {trigger.name}{on} took {time_words(trigger.time_ms)}"
                f"{f', {time_words(each_ms)} each' if trigger.calls > 1 else ''}: {ratio:.0%}".replace("%", " %")
                + " of the statement's time."
            ),
            hint=_hint(trigger),
            evidence={
                "trigger_calls": trigger.calls,
                "trigger_time_ms": round(trigger.time_ms, 3),
                "time_ratio": round(ratio, 3),
            },
            level=EvidenceLevel.EXECUTED,
            time_ms=trigger.time_ms if run_ms is None else min(trigger.time_ms, run_ms),
            run_time_ms=run_ms,
        )


def _is_written(trigger: Fired, facts: SchemaFacts | None) -> bool:
    """By somebody, not made for a foreign key; of a constraint's in the text format only the schema tells."""
    if trigger.is_foreign_key is None and facts is not None:
        return not any(key.name == trigger.name for table in facts for key in table.foreign_keys)
    return trigger.is_foreign_key is False


def _hint(trigger: Fired) -> str:
    if trigger.calls == 1:
        return (
            "See in its function which statement takes the time; auto_explain.log_nested_statements logs their plans."
        )
    if trigger.is_after:
        return (
            "See whether one trigger FOR EACH STATEMENT with REFERENCING NEW TABLE (OLD TABLE) can do the work for all"
            " rows at once, or whether a WHEN clause can spare most calls."
        )
    return (
        "See whether a WHEN clause can spare most calls, or a default or a generated column can do what it does; a"
        " BEFORE trigger runs inside the write and is called for every row."
    )
