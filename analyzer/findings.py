"""What checks emit."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

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


class Basis(enum.StrEnum):
    """Where a figure comes from: the words by which pages, mails and commands tell them apart."""

    MEASURED = "measured"  # counted by the server (pg_stat_statements), or seen in an executed plan
    PLANNED = "planned"  # a measured figure times what the planner's cost becomes, or the planner's cost itself
    ASSUMED = "assumed"  # from a figure of ours that is said beside it: a round trip, the time to read a row


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
    ``evidence`` holds numbers with their unit in the name (``rows_read``, ``check_time_s_per_day``); what is no
    measurement says so in its name (``assumed_round_trip_ms``; see Basis).
    ``impact_s_per_day`` is None where it cannot be said; ``impact_assumed_s_per_day`` of it is assumed, the rest
    measured. Both are rates to sort by: said "a day" only where ``watched_s`` is an hour or more (words/durations.py).
    A check of plans gives ``time_ms`` and ``run_time_ms`` instead: ``checks/impact.py`` makes the impact of them.
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
    impact_assumed_s_per_day: float = 0.0
    watched_s: float | None = None  # how long that was watched; None where nobody kept it
    fixes: tuple[Fix, ...] = ()
    table: str | None = None  # schema.table it concerns, unquoted, where there is one
    related_fingerprints: tuple[str, ...] = field(default=())
    time_ms: float | None = None  # what it takes of one run of the statement
    run_time_ms: float | None = None  # the run that ``time_ms`` was measured in
    place: str | None = (
        None  # of its node in the plan's shape: "0.1" is the second input of the root's first, "" the root
    )
    also_at: tuple[str, ...] = ()  # places of other nodes that it explains, too
    at_most: Severity | None = None  # however much of the time it is
    family: str = ""  # the subject without its page, where several pages may have the same
    needs_calls_per_day: float | None = None  # rarer it matters to nobody; where calls are unknown it is informational
    group: str = ""  # of one that stands for several, or may with time: in the key in the place of ``thing``
    members: tuple[str, ...] = ()  # all that it stands for, in a group the ``thing`` of each: one more makes it worse

    BY_PAGE: ClassVar[str] = ", by statement "

    @property
    def page(self) -> str:
        """Of one of a family, the statement that tells its page."""
        return self.related_fingerprints[0] if self.related_fingerprints else ""

    @property
    def object_key(self) -> str:
        return f"{self.about}:{self.subject}"

    @property
    def key(self) -> str:
        return f"{self.code}:{self.group or self.object_key}"

    def to_json(self) -> dict[str, Any]:
        """Without what is at its default: a plan's findings are kept with it."""
        data = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        data |= {"severity": int(self.severity), "evidence": dict(self.evidence)}
        if self.fixes:
            data["fixes"] = [asdict(fix) for fix in self.fixes]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Finding":
        return cls(
            **{
                **data,
                "severity": Severity(data["severity"]),
                "level": EvidenceLevel(data.get("level", EvidenceLevel.RULE)),
                "fixes": tuple(Fix(**fix) for fix in data.get("fixes", ())),
                "related_fingerprints": tuple(data.get("related_fingerprints", ())),
                "also_at": tuple(data.get("also_at", ())),
                "members": tuple(data.get("members", ())),
                "at_most": Severity(data["at_most"]) if "at_most" in data else None,
            }
        )
