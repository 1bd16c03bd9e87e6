"""The planner may not use one of its methods, in every statement of every session.

``enable_seqscan = off`` and its siblings are for looking at what the planner would do else. Set for a whole server
they bend the choices of all statements, also of those for which the method is the right one. Verify with ``SELECT
name, source FROM pg_settings WHERE name LIKE 'enable\\_%' AND setting = 'off'``. Take it away, and mend what it was
to avoid: statistics, random_page_cost, an index; or set it for one transaction (SET LOCAL). Leave it alone where
somebody measured the whole workload with and without.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import for_everybody, setting_fix, settings_of
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="SV024",
    title="A planner method is switched off for everybody",
    severity=Severity.WARNING,
)


@check.on(ClusterFacts)
def planner_method_off_for_all(facts: ClusterFacts) -> Iterator[Finding]:
    off = sorted(
        name
        for name in settings_of(facts).settings
        if name.startswith("enable_")
        and (setting := for_everybody(facts, name)) is not None
        and setting.value == "off"
        and setting.default == "on"  # enable_partitionwise_join and its like are off by default
    )
    if not off:
        return
    yield check.finding(
        subject="enable_*",
        message=f"{and_list(off)} {'are' if len(off) > 1 else 'is'} off for every session.",
        hint="Take it away; where it was to avoid a bad plan, mend statistics, costs or indexes instead.",
        evidence={"settings_off": ", ".join(off)},
        members=tuple(off),
        fixes=tuple(setting_fix(facts, name, "on") for name in off),
    )
