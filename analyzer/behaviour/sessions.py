"""What sampled sessions say about a pair that could be an N+1."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.behaviour.workload import Origin, SessionEvidence

# Keeps the logarithm finite where something was never seen.
EPSILON = 0.01
NOT_SAID = Origin()
FOLLOWS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Execution:
    """A statement that a session was seen running, or to have run last; ``session`` tells it from others."""

    session: str
    began_s: float
    transaction_s: float | None  # when its transaction began; None outside of one
    fingerprint: str
    origin: Origin = NOT_SAID


@dataclass(frozen=True, slots=True)
class SessionVerdict:
    """``sampled`` executions of the child were seen, ``followed`` of them right after itself or its parent; a ratio of
    None where there were none."""

    sampled: int
    followed: int
    log_likelihood_ratio: float | None  # of "the one before it was itself or its parent", summed
    longest_run: int

    def is_shown(self, likelihood: float, least_followed: float) -> bool:
        """Whether it cannot be chance."""
        ratio = self.log_likelihood_ratio
        return ratio is not None and ratio >= likelihood and self.followed >= least_followed


def session_evidence(executions: Iterable[Execution]) -> SessionEvidence:
    """What distinct executions show of single sessions; sorted by session, then by when they began."""
    sampled: Counter[str] = Counter()
    follows: Counter[tuple[str, str]] = Counter()
    runs: dict[str, list[int]] = defaultdict(list)
    origins: dict[str, Counter[Origin]] = defaultdict(Counter)
    before: Execution | None = None
    length = 0
    for now in executions:
        sampled[now.fingerprint] += 1
        origins[now.fingerprint][now.origin] += 1
        if before is not None and _follows(before, now):
            follows[before.fingerprint, now.fingerprint] += 1
        if before is not None and before.fingerprint == now.fingerprint and _is_of_one_run(before, now):
            length += 1
        else:
            if before is not None:
                runs[before.fingerprint].append(length)
            length = 1
        before = now
    if before is not None:
        runs[before.fingerprint].append(length)
    return SessionEvidence(
        sampled=dict(sampled),
        follows=dict(follows),
        runs={found: tuple(sorted(lengths, reverse=True)) for found, lengths in runs.items()},
        origins={found: dict(seen) for found, seen in origins.items()},
    )


def _follows(before: Execution, now: Execution) -> bool:
    return before.session == now.session and now.began_s - before.began_s <= FOLLOWS_WITHIN_S


def _is_of_one_run(before: Execution, now: Execution) -> bool:
    if before.transaction_s is None and now.transaction_s is None:
        return _follows(before, now)
    return before.session == now.session and before.transaction_s == now.transaction_s


def judge_sessions(evidence: SessionEvidence, child: str, parent: str | None) -> SessionVerdict:
    """How strongly the sessions show ``child`` (a fingerprint) repeating itself, or following ``parent``."""
    seen = evidence.sampled.get(child, 0)
    longest = max(evidence.runs.get(child, ()), default=0)
    if not seen:
        return SessionVerdict(0, 0, None, longest)
    followed = evidence.follows.get((child, child), 0)
    if parent is not None and parent != child:
        followed += evidence.follows.get((parent, child), 0)
    after_itself = followed / seen
    everywhere = seen / max(1, sum(evidence.sampled.values()))
    ratio = seen * math.log((after_itself + EPSILON) / (everywhere + EPSILON))
    return SessionVerdict(seen, followed, ratio, longest)


def long_runs(evidence: SessionEvidence, child: str, length: int) -> int:
    """How many runs of at least ``length`` executions were seen."""
    return sum(1 for run in evidence.runs.get(child, ()) if run >= length)
