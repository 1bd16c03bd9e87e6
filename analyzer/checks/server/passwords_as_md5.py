"""Passwords are kept as MD5 hashes.

Whoever reads such a hash can log in with it, without knowing the password, and finds most passwords from it. SCRAM
(``password_encryption = scram-sha-256``, the default from 14 on) has neither fault; 18 warns of MD5 passwords and a
later version will not take them. The setting is for new passwords: set each role's password again afterwards, then ask
for scram-sha-256 in pg_hba.conf. Which roles have such a hash superusers and members of pg_read_all_data may see. All
drivers of the last years know SCRAM; PgBouncer does from 1.11 on. Leave it alone as long as an older client needs MD5.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, Fix, NotRun
from analyzer.checks.grouping import some_of
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, SettingFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.words.visible import visible_line

check = Check(
    __name__,
    code="SV036",
    title="New passwords are kept as MD5",
    severity=Severity.WARNING,
)
MOST_NAMED = 20


@check.on(ClusterFacts)
def passwords_as_md5(facts: ClusterFacts) -> Iterator[Finding]:
    setting = for_everybody(facts, "password_encryption")
    if setting is not None and setting.value in ("md5", "on"):
        yield _of_new_ones(facts, setting)
    if facts.weak_passwords is None:
        raise NotRun(
            facts.parts_not_read.get("weak_passwords", "needs SELECT on pg_authid to see which roles have one")
        )
    if facts.weak_passwords:
        yield _of_roles(facts.weak_passwords)


def _of_roles(roles: Sequence[str]) -> Finding:
    have = "have passwords that are" if len(roles) > 1 else "has a password that is"
    return check.finding(
        subject="roles",
        title="Passwords are kept as MD5",
        message=f"{some_of(roles)} {have} kept as an MD5 hash: with that alone one can log in.",
        hint="Set password_encryption to scram-sha-256, then set the password of each of these roles again.",
        evidence={"roles": len(roles)},
        fixes=(Fix("In psql, for each: asks for the password and sends its hash", "text", _set_anew(roles)),),
    )


def _set_anew(roles: Sequence[str]) -> str:
    return "\n".join(f"\\password {quote_identifier(visible_line(role))}" for role in roles[:MOST_NAMED])


def _of_new_ones(facts: ClusterFacts, setting: SettingFacts) -> Finding:
    default = ", the default of this version" if not setting.is_changed else ""
    return check.finding(
        subject="password_encryption",
        message=f"password_encryption is {setting.value}{default}: passwords that are set now are kept as MD5 hashes.",
        hint="Set it to scram-sha-256, set each role's password again, then ask for scram-sha-256 in pg_hba.conf.",
        evidence={"setting": "password_encryption", "value": setting.value},
        fixes=(setting_fix(facts, "password_encryption", "scram-sha-256"),),
    )
