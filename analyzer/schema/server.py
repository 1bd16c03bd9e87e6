"""A server at one moment: settings and sessions. Pure data; nothing of it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analyzer.schema.standing import Standing


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """One backend. Ages are seconds at ``ServerFacts.taken_at``; ``None``: it has none, or it is not to be seen.

    ``statement``, ``route``: its current or last statement without values, in a line, and what code sent it; "" where
    that is not to be seen, and of sessions that hold nobody up.
    """

    pid: int
    state: str | None  # as pg_stat_activity has it: "active", "idle in transaction", ...
    transaction_s: float | None = None
    statement_s: float | None = None  # since its last statement began
    in_state_s: float | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    role: str | None = None
    database: str | None = None
    application_name: str = ""
    fingerprint: str | None = None  # of its current or last statement
    blocked_by: tuple[int, ...] = ()
    lock_wait_s: float | None = None  # for how long it has waited for a lock
    statement: str = ""
    route: str = ""


@dataclass(frozen=True, slots=True)
class SessionsAtWork:
    """How many were at work at once, on average of a minute: in 99 of 100 minutes no more than ``usual_most``."""

    usual_most: float
    watched_days: float


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """``sessions``: those that do something or hold a transaction; our own and idle ones are left out.

    ``standing``: what was read in the last minute. ``active_average``: sessions at work, over the last minutes; None
    where too few looks were taken. ``cores``: as an operator said. ``read_at_work``: brings what it was for days, when
    a check asks for it.
    """

    taken_at: datetime
    sessions: tuple[SessionFacts, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    is_replica: bool = False
    standing: Standing | None = None
    active_average: float | None = None
    cores: int | None = None
    read_at_work: Callable[[], SessionsAtWork | None] = field(default=lambda: None, repr=False, compare=False)
