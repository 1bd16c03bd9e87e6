"""Sessions from other machines are let in without a password.

A rule of pg_hba.conf with the method ``trust`` asks for nothing: whoever reaches the port is any role the rule names,
superusers among them where it says all. It is meant for a socket or for the machine itself, and those rules are no
finding here, nor is one that asks for a certificate. Ask for scram-sha-256 instead, and for hostssl where the network
is not yours alone; pg_hba_file_rules shows the file as it is, pg_reload_conf() puts it in force. Before that see that
each role has a password: a login without one is refused then. The rules can be read by superusers, and by roles that
were granted pg_hba_file_rules and its function.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.words.lists import some_of

check = Check(
    __name__,
    code="SV046",
    title="Sessions from other machines need no password",
    severity=Severity.CRITICAL,
)


@check.on(ClusterFacts)
def trusted_addresses(facts: ClusterFacts) -> Iterator[Finding]:
    if facts.trust_rules is None:
        raise NotRun(facts.parts_not_read.get("trust_rules", "needs EXECUTE on pg_hba_file_rules(), and its view"))
    if not facts.trust_rules:
        return
    who = [f"{rule.roles} from {rule.address} to {rule.databases}" for rule in facts.trust_rules]
    rules = [f"{let_in} (line {rule.line_number})" for let_in, rule in zip(who, facts.trust_rules, strict=True)]
    yield check.finding(
        subject="pg_hba.conf",
        message=f"pg_hba.conf has the method trust, which asks for no password, for {some_of(rules)}.",
        hint="Put scram-sha-256 in place of trust in these lines, once each role that comes from there has a password.",
        evidence={"rules": len(rules), "first_line": facts.trust_rules[0].line_number},
        members=tuple(who),
        fixes=(
            Fix(
                "After the lines were changed: see that they are read without error, then put them in force",
                "sql",
                "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL;\nSELECT pg_reload_conf();",
            ),
        ),
    )
