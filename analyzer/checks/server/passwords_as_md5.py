"""New passwords are kept as MD5 hashes.

Whoever reads such a hash can log in with it, without knowing the password, and finds most passwords from it. SCRAM
(``password_encryption = scram-sha-256``, the default from 14 on) has neither fault; 18 warns of MD5 passwords and a
later version will not take them. The setting is for new passwords: set each role's password again afterwards, then
ask for scram-sha-256 in pg_hba.conf. All drivers of the last years know SCRAM; PgBouncer does from 1.11 on. Leave it
alone as long as an older client needs MD5.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts

check = Check(
    __name__,
    code="SV036",
    title="New passwords are kept as MD5",
    severity=Severity.WARNING,
)


@check.on(ClusterFacts)
def passwords_as_md5(facts: ClusterFacts) -> Iterator[Finding]:
    setting = for_everybody(facts, "password_encryption")
    if setting is None or setting.value not in ("md5", "on"):
        return
    default = ", the default of this version" if not setting.is_changed else ""
    yield check.finding(
        subject="password_encryption",
        message=f"password_encryption is {setting.value}{default}: passwords that are set now are kept as MD5 hashes.",
        hint="Set it to scram-sha-256, set each role's password again, then ask for scram-sha-256 in pg_hba.conf.",
        evidence={"setting": "password_encryption", "value": setting.value},
        fixes=(setting_fix(facts, "password_encryption", "scram-sha-256"),),
    )
