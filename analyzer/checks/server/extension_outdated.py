"""An extension's objects are of an older version than the files on the server.

After new packages, and after pg_upgrade, an extension stays as it was until ALTER EXTENSION ... UPDATE: corrections
and new columns are missing, and some old versions do not work with a new library. Read the extension's notes first
where it keeps data of its own (PostGIS, TimescaleDB: they have steps of their own). pg_extension has the version in
use, pg_available_extensions the other.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts, ExtensionFacts
from analyzer.schema.quoting import comment, quote_identifier

check = Check(
    __name__,
    code="SV037",
    title="Extension is older than its files",
    severity=Severity.INFO,
)


@check.on(ClusterFacts)
def extension_outdated(facts: ClusterFacts) -> Iterator[Finding]:
    for extension in facts.extensions or ():
        if not _is_older(extension):
            continue
        name, there = extension.name, extension.available_version
        yield check.finding(
            subject=name,
            message=(
                f"Extension {name} in database {facts.database} is version {extension.version}; the server's files have"
                f" {there}."
            ),
            hint="Update it, after reading its notes; other databases have to be updated each by itself.",
            evidence={"version": extension.version, "available_version": there, "database": facts.database},
            fixes=(
                Fix(
                    "As its owner or a superuser, in this database",
                    "sql",
                    f"{comment(f'database {facts.database}')}ALTER EXTENSION {quote_identifier(name)} UPDATE;",
                ),
            ),
        )


def _is_older(extension: ExtensionFacts) -> bool:
    """By numbers where both are such; other names cannot be ordered."""
    numbers = [_numbers(version) for version in (extension.version, extension.available_version or "")]
    return None not in numbers and numbers[0] < numbers[1]  # type: ignore[operator]


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else None
