"""A limit of a check, with its unit and its source."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """A limit with its unit and where it comes from: the manual (chapter), measured (what, version) or judgement."""

    value: float
    unit: str
    source: str
