"""Scans of a database's indexes that its physical replicas counted: each server counts its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ReplicaScans:
    """Of the replicas that are watched, by their names. ``scans``: by the index's oid, which a physical replica shares;
    an index that one of them does not know or does not count is not in it.

    ``counted_days``: for how many days each of them has been counting at least; None where one does not tell.
    ``unwatched``: replicas there are, or one of them, that nobody watches, so that what they scan is not known.
    """

    replicas: tuple[str, ...]
    scans: Mapping[int, int] = field(default_factory=dict)
    counted_days: float | None = None
    unwatched: tuple[str, ...] = ()


def of_nobody_watched(standbys: Sequence[str] | None) -> ReplicaScans | None:
    """For one who looks at the server alone; None where no standby streams from it."""
    return ReplicaScans((), unwatched=tuple(standbys)) if standbys else None
