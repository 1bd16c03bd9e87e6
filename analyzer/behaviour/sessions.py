"""What sampled sessions say about a pair that could be an N+1 (detection.md, a, steps 5 and 6)."""

import math
from dataclasses import dataclass

from analyzer.behaviour.workload import SessionEvidence

# Keeps the logarithm finite where something was never seen.
EPSILON = 0.01


@dataclass(frozen=True, slots=True)
class SessionVerdict:
    """``sampled`` executions of the child were seen; None ratios where there were none."""

    sampled: int
    log_likelihood_ratio: float | None  # of "the one before it was itself or its parent", summed
    longest_run: int


def judge_sessions(evidence: SessionEvidence, child: str, parent: str | None) -> SessionVerdict:
    """How strongly the sessions show ``child`` (a fingerprint) repeating itself, or following ``parent``."""
    seen = evidence.sampled.get(child, 0)
    runs = evidence.runs.get(child, ())
    if not seen:
        return SessionVerdict(0, None, max(runs, default=0))
    followed = evidence.follows.get((child, child), 0)
    if parent is not None and parent != child:
        followed += evidence.follows.get((child, parent), 0)
    after_itself = followed / seen
    everywhere = seen / max(1, sum(evidence.sampled.values()))
    ratio = seen * math.log((after_itself + EPSILON) / (everywhere + EPSILON))
    return SessionVerdict(seen, ratio, max(runs, default=0))


def long_runs(evidence: SessionEvidence, child: str, length: int) -> int:
    """How many runs of at least ``length`` executions were seen within one transaction."""
    return sum(1 for run in evidence.runs.get(child, ()) if run >= length)
