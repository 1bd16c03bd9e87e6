"""What an earlier run of `manage.py analyze` found: what is new is what it does not know. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analyzer.findings import Finding, Severity


@dataclass(frozen=True, slots=True)
class Baseline:
    """``severities``: by key, and of findings that stand for several things by code and thing.

    ``whole``: keys of findings by an older version, which did not write for what they stand.
    """

    severities: Mapping[str, Severity]
    whole: frozenset[str]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Baseline":
        """Of what ``--format json`` wrote; KeyError, TypeError or ValueError of anything else."""
        severities: dict[str, Severity] = {}
        for finding in data["findings"]:
            severity = Severity[str(finding.get("severity", "critical")).upper()]
            for key in (finding["key"], *(f"{finding['code']}:{member}" for member in finding.get("members", ()))):
                severities[key] = max(severity, severities.get(key, severity))
        return cls(severities, frozenset(f["key"] for f in data["findings"] if "members" not in f))

    def knows(self, finding: Finding) -> bool:
        """Whether it was there and was as severe; of several things each of them."""
        return all(self.severities.get(key, 0) >= finding.severity for key in self._keys(finding))

    def _keys(self, finding: Finding) -> Iterator[str]:
        if not finding.members or finding.key in self.whole:
            yield finding.key
        else:
            yield from (f"{finding.code}:{member}" for member in finding.members)


NONE = Baseline({}, frozenset())
