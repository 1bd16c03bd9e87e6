"""The planner may not use one of its methods, in every statement of every session.

``enable_seqscan = off`` and its siblings are for looking at what the planner would do else. Set for a whole server
they bend the choices of all statements, also of those for which the method is the right one. Verify with ``SELECT
name, source FROM pg_settings WHERE name LIKE 'enable\\_%' AND setting = 'off'``. Take it away, and mend what it was
to avoid: statistics, random_page_cost, an index; or set it for one transaction (SET LOCAL). The same set for a
database or a role (ALTER DATABASE, ALTER ROLE ... SET; pg_db_role_setting) does it to all of theirs. Leave it alone
where somebody measured the whole workload with and without.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix
from analyzer.checks.settings import for_everybody, setting_fix, settings_of
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, RoleSettings
from analyzer.schema.quoting import quote_identifier
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
    yield from _of_some(facts)
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


def _of_some(facts: ClusterFacts) -> Iterator[Finding]:
    """Of single databases and roles; what holds for the database we are connected to is in our own settings."""
    for one in facts.role_settings or ():
        off = sorted(name for name, value in one.settings.items() if value == "off" and _is_on_by_default(facts, name))
        if off and (one.role or one.database not in (None, facts.database)):
            yield _of(one, off)


def _is_on_by_default(facts: ClusterFacts, name: str) -> bool:
    setting = facts.settings.get(name)
    return name.startswith("enable_") and setting is not None and setting.default == "on"


def _of(chosen: RoleSettings, off: list[str]) -> Finding:
    where = [
        f"role {chosen.role}" if chosen.role else "",
        f"database {chosen.database}" if chosen.database else "",
    ]
    names = " in ".join(part for part in where if part)
    if chosen.role:
        command = f"ALTER ROLE {quote_identifier(chosen.role)}"
        command += f" IN DATABASE {quote_identifier(chosen.database)}" if chosen.database else ""
    else:
        command = f"ALTER DATABASE {quote_identifier(chosen.database or '')}"
    reset = "\n".join(f"{command} RESET {name};" for name in off)
    return check.finding(
        subject=f"enable_* of {names}",
        title="A planner method is switched off for a database or a role",
        severity=Severity.INFO if chosen.role else Severity.WARNING,
        message=f"{and_list(off)} {'are' if len(off) > 1 else 'is'} off for every session of {names}.",
        hint="Take it away; where it was to avoid a bad plan, mend statistics, costs or indexes instead.",
        evidence={"settings_off": ", ".join(off)},
        fixes=(Fix("Take it away, for new sessions", "sql", reset),),
    )
