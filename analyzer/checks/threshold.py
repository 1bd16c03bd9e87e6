"""A limit of a check, with its unit and its source; and limits that many checks share."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit with its unit and where it comes from: the manual (chapter), measured (what, version) or judgement."""

    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class SharedThresholds:
    """Limits that many checks share. A server's rules know them by ``code``, as a check's own."""

    code: str
    title: str
    doc: str
    thresholds: Mapping[str, Threshold]
