"""Roles log in by passwords that are kept as MD5 hashes.

Whoever reads such a hash can log in with it, without knowing the password, and finds most passwords from it. A later
version will not take them. Set ``password_encryption`` to scram-sha-256 (SV036 says where it is not), then each of
these passwords again: the hash cannot be turned into the other. The same password may be set, by who knows it. Which
roles have one superusers and members of pg_read_all_data may see; the hashes themselves are not read.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.words.lists import some_of
from analyzer.words.visible import visible_line

check = Check(
    __name__,
    code="SV047",
    title="Passwords are kept as MD5",
    severity=Severity.WARNING,
)
MOST_NAMED = 20


@check.on(ClusterFacts)
def roles_with_md5_passwords(facts: ClusterFacts) -> Iterator[Finding]:
    roles = facts.weak_passwords
    if roles is None:
        needed = "needs SELECT on pg_authid to see which roles have one"
        raise NotRun(facts.parts_not_read.get("weak_passwords", needed))
    if not roles:
        return
    have = "have passwords that are" if len(roles) > 1 else "has a password that is"
    anew = "\n".join(f"\\password {quote_identifier(visible_line(role))}" for role in roles[:MOST_NAMED])
    yield check.finding(
        subject="roles",
        message=f"{some_of(roles)} {have} kept as an MD5 hash: with that alone one can log in.",
        hint="Set password_encryption to scram-sha-256, then set the password of each of these roles again.",
        evidence={"roles": len(roles)},
        members=tuple(roles),
        fixes=(Fix("In psql, for each: asks for the password and sends its hash", "text", anew),),
    )
