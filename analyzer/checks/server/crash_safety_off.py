"""A setting that keeps data safe in a crash, or tells of damage, is switched off.

With ``fsync`` or ``full_page_writes`` off a crash of the machine can leave the database damaged beyond repair,
without a message: the manual allows it only for data that can be made again. Without ``full_page_writes`` that takes a
page half written; a file system that never leaves one (ZFS) does without. ``zero_damaged_pages`` and
``ignore_checksum_failure`` let the server read over damage as if it were not there. ``synchronous_commit = off``
damages nothing, but the last transactions before a crash (up to three times wal_writer_delay) are lost although they
were confirmed.

Verify with SHOW. Leave it alone on a server whose data are a copy: tests, a cache, a bulk load that is started again
after a crash. For single transactions that may be lost set synchronous_commit there, not for the whole server.
Managed services store pages in their own way; of theirs only synchronous_commit is looked at.
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of

check = Check(
    __name__,
    code="SV020",
    title="The server gives up safety in a crash",
    severity=Severity.CRITICAL,
)

# setting -> the value that is safe, what the other means
UNSAFE = {
    "fsync": ("on", "nothing waits until the disk has it: a crash of the machine can damage any table"),
    "zero_damaged_pages": ("off", "damaged pages are read as empty ones, and their rows are gone"),
    "ignore_checksum_failure": ("off", "pages whose checksum is wrong are used as if they were sound"),
}

PAGE_IMAGES = "full_page_writes"
HALF_WRITTEN = "a page that a crash leaves half written cannot be restored."
HALF_WRITTEN_UNLESS = "the file system never leaves a page half written (ZFS)"
MADE_AGAIN = "all data of this server can be made again"


@check.on(ClusterFacts)
def crash_safety_off(facts: ClusterFacts) -> Iterator[Finding]:
    if host_of(facts) is None:
        for name, (safe, means) in UNSAFE.items():
            setting = for_everybody(facts, name)
            if setting is not None and setting.value in ("on", "off") and setting.value != safe:
                yield _finding(facts, name, setting.value, safe, f"{means}.", Severity.CRITICAL)
        images = for_everybody(facts, PAGE_IMAGES)
        if images is not None and images.value == "off":
            yield _finding(facts, PAGE_IMAGES, "off", "on", HALF_WRITTEN, Severity.WARNING, HALF_WRITTEN_UNLESS)
    commit = for_everybody(facts, "synchronous_commit")
    if commit is not None and commit.value == "off":
        means = "transactions confirmed in the last moments before a crash are lost; nothing is damaged."
        yield _finding(facts, "synchronous_commit", "off", "on", means, Severity.WARNING)


def _finding(
    facts: ClusterFacts, name: str, value: str, safe: str, means: str, severity: Severity, unless: str = MADE_AGAIN
) -> Finding:
    return check.finding(
        subject=name,
        severity=severity,
        message=f"{name} is {value}: {means}",
        hint=f"Set it {safe}, unless {unless}.",
        evidence={"setting": name, "value": value},
        fixes=(setting_fix(facts, name, safe),),
    )
