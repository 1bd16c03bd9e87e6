"""Who blocks whom: sessions that wait for locks, under the one that waits for none. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from analyzer.schema.server import SessionFacts

PREPARED = 0  # what pg_blocking_pids() gives for a prepared transaction, which no process has


@dataclass(frozen=True, slots=True)
class Blocked:
    """``depth``: 1 where it waits for the root itself."""

    session: SessionFacts
    depth: int


@dataclass(frozen=True, slots=True)
class BlockingTree:
    """``root`` is None where no client session has the pid: a prepared transaction (0), autovacuum, a replica."""

    root_pid: int
    root: SessionFacts | None
    blocked: tuple[Blocked, ...]

    @property
    def longest_wait_s(self) -> float | None:
        return max((b.session.lock_wait_s for b in self.blocked if b.session.lock_wait_s is not None), default=None)


def blocking_trees(sessions: Sequence[SessionFacts]) -> list[BlockingTree]:
    """One for each that blocks and waits for nobody, the longest wait first. Who waits for several stands in each.

    Sessions in a ring, a deadlock that the server is about to end, stand in none.
    """
    by_pid = {session.pid: session for session in sessions}
    waiting: dict[int, list[SessionFacts]] = {}
    for session in sessions:
        for pid in dict.fromkeys(session.blocked_by):
            waiting.setdefault(pid, []).append(session)
    roots = [pid for pid in waiting if pid not in by_pid or not by_pid[pid].blocked_by]
    trees = [BlockingTree(pid, by_pid.get(pid), tuple(_below(pid, waiting))) for pid in roots]
    return sorted(trees, key=lambda tree: (-(tree.longest_wait_s or 0.0), -len(tree.blocked), tree.root_pid))


def _below(root: int, waiting: Mapping[int, Sequence[SessionFacts]]) -> Iterator[Blocked]:
    seen, stack = {root}, [(session, 1) for session in reversed(waiting[root])]
    while stack:
        session, depth = stack.pop()
        if session.pid not in seen:
            seen.add(session.pid)
            yield Blocked(session, depth)
            stack += [(below, depth + 1) for below in reversed(waiting.get(session.pid, ()))]
