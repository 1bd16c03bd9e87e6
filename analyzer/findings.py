"""What checks emit."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

Quantity = float | int | str | bool | None


class Severity(enum.IntEnum):
    """Sorts: the worst is the greatest."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


class EvidenceLevel(enum.StrEnum):
    """How far a finding or suggestion has been proved, weakest first."""

    RULE = "rule"  # catalog or statistics only
    PLANNED = "planned"  # the twin's planner chose it
    EXECUTED = "executed"  # seen in an EXPLAIN ANALYZE
    REALISED = "realised"  # measured in production after the change


@dataclass(frozen=True, slots=True)
class Fix:
    """One thing to copy: ``language`` is ``sql``, ``django``, ``sqlalchemy`` or ``text``."""

    title: str
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem, on one thing.

    ``about`` is the fingerprint or the object (``schema.table.constraint``) it concerns and ``subject`` the
    node or detail inside it; with the code they make the key, the same on every run.
    ``evidence`` holds numbers with their unit in the name (``rows_read``, ``time_lost_s_per_day``);
    ``impact_s_per_day`` is None where it cannot be said.
    """

    code: str
    title: str
    severity: Severity
    subject: str
    message: str
    hint: str
    evidence: Mapping[str, Quantity]
    about: str = ""
    level: EvidenceLevel = EvidenceLevel.RULE
    impact_s_per_day: float | None = None
    fixes: tuple[Fix, ...] = ()
    table: str | None = None  # schema.table it concerns, unquoted, where there is one
    related_fingerprints: tuple[str, ...] = field(default=())

    @property
    def key(self) -> str:
        return f"{self.code}:{self.about}:{self.subject}"

    def concerning(self, about: str) -> "Finding":
        return replace(self, about=about)
