"""What sampled sessions say about a pair that could be an N+1 (detection.md, a, steps 5 and 6)."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analyzer.behaviour.workload import SessionEvidence

# Keeps the logarithm finite where something was never seen.
EPSILON = 0.01
FOLLOWS_WITHIN_S = 1.0  # detection.md (a) 5


@dataclass(frozen=True, slots=True)
class Execution:
    """A statement that a session was seen running, or to have run last; ``session`` tells it from others."""

    session: str
    began_s: float
    transaction_s: float | None  # when its transaction began; None outside of one
    fingerprint: str
    route: str = ""
    application: str = ""
    file: str = ""


def session_evidence(executions: Iterable[Execution]) -> SessionEvidence:
    """What distinct executions show of single sessions; sorted by session, then by when they began."""
    sampled: Counter[str] = Counter()
    follows: Counter[tuple[str, str]] = Counter()
    runs: dict[str, list[int]] = defaultdict(list)
    routes: dict[str, Counter[str]] = defaultdict(Counter)
    applications: dict[str, Counter[str]] = defaultdict(Counter)
    files: dict[str, Counter[str]] = defaultdict(Counter)
    before: Execution | None = None
    length = 0
    for now in executions:
        sampled[now.fingerprint] += 1
        routes[now.fingerprint][now.route] += 1
        applications[now.fingerprint][now.application] += 1
        files[now.fingerprint][now.file] += 1
        same_session = before is not None and before.session == now.session
        soon = before is not None and same_session and now.began_s - before.began_s <= FOLLOWS_WITHIN_S
        in_transaction = (
            before is not None and same_session and now.transaction_s is not None
            and now.transaction_s == before.transaction_s
        )  # fmt: skip
        if before is not None and soon:
            follows[before.fingerprint, now.fingerprint] += 1
        if before is not None and before.fingerprint == now.fingerprint and (soon or in_transaction):
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
        routes=_named(routes),
        applications=_named(applications),
        files=_named(files),
    )


def _named(seen: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Without what named nothing."""
    return {found: named for found, names in seen.items() if (named := {k: n for k, n in names.items() if k})}


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
