"""Findings, suggestions and sums of a window -> what a person is told about it.

``new``      opened in the window (first seen, or back after it was gone), also when gone again by its end without a
             measured gain: an incident, which an info is not
``worse``    open before, and costs at least half as much again as a day before (see LIMITS), is more severe or stands
             for more things
``fixed``    closed in the window: open before, or with a measured gain; not what nobody could look at any more
``open``     open before and still
What a person muted is left out. Each list is sorted by seconds per day, unknown ones last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from analyzer.checks import Threshold
from analyzer.findings import Severity
from analyzer.words.durations import DAY_S, allows_daily_rate

LIMITS = {
    "worse_ratio": Threshold(0.5, "of the impact before", "judgement: days of a working week differ by less"),
    "worse_s_per_day": Threshold(60.0, "s/day", "judgement: a minute a day is what a person would look at"),
    "measured_ratio": Threshold(0.5, "of a window", "judgement: less compares a day with a night"),
}


@dataclass(frozen=True, slots=True)
class IndexToCreate:
    """A suggestion. ``finding_keys`` are of its database; ``gain``: its time now and then in words, "" if not known."""

    server: str
    server_slug: str
    database_id: int
    table: str
    ddl: str
    level: str
    first_seen: datetime
    finding_keys: tuple[str, ...] = ()
    estimated_size_bytes: int | None = None
    saved_s_per_day: float | None = None  # as planned, else what its statements take: to sort by
    gain: str = ""
    name: str = ""
    sql: str = ""  # of the statement it helps most


@dataclass(frozen=True, slots=True)
class IndexOutcome:
    """What became of a suggestion that was followed. ``drop_ddl`` is "" where the index should stay."""

    server: str
    server_slug: str
    table: str
    sentence: str
    decided_at: datetime
    drop_ddl: str = ""


@dataclass(frozen=True, slots=True)
class ReportedFinding:
    """A finding as the store has it, and what is known of it a day before.

    ``was_open_before``: whether it was open when the window began; None where nobody looked.
    ``index`` is filled by the report: the index to create for it; ``is_index_listed``: with another finding above.
    ``fix_title`` and ``fix``: the first change of code that ends it; ``sql``: the statement it is about.
    """

    pk: int
    server: str
    server_slug: str
    database_id: int | None
    key: str
    title: str
    severity: int
    subject: str
    message: str
    first_seen: datetime
    reopened_at: datetime | None = None
    closed_at: datetime | None = None
    impact_s_per_day: float | None = None
    impact_before_s_per_day: float | None = None
    was_open_before: bool | None = None
    is_muted: bool = False
    impact_assumed_s_per_day: float = 0.0
    watched_s: float | None = None
    hint: str = ""
    fix_title: str = ""
    fix: str = ""
    sql: str = ""
    gone: str = ""  # of one that is closed: what its statements take since, in words
    is_gain: bool = False  # measured like for like, for a day at least
    is_mended: bool = True  # False of one that closed unseen, or because its check is off or could not judge it
    worse: str = ""  # how it got worse in the window, where the checks saw that: "it was warning"
    index: IndexToCreate | None = None
    is_index_listed: bool = False

    @property
    def is_back(self) -> bool:
        return self.reopened_at is not None

    @property
    def change_ratio(self) -> float | None:
        """0.5 costs half as much again as the day before."""
        now, before = self.impact_s_per_day, self.impact_before_s_per_day
        return None if now is None or not before else now / before - 1


@dataclass(frozen=True, slots=True)
class StatementSum:
    """One statement in one window; ``covered_s`` of it were measured."""

    statement_id: int
    fingerprint: str
    server: str
    server_slug: str
    normalized_sql: str
    calls: int
    total_exec_time_ms: float
    covered_s: float
    load_ratio: float | None = None  # share of its server's execution time

    @property
    def time_s_per_day(self) -> float | None:
        """Per day of measured time, so gaps do not thin it out; to be said only of an hour or more of it."""
        return self.total_exec_time_ms / 1000 * DAY_S / self.covered_s if self.covered_s else None


@dataclass(frozen=True, slots=True)
class StatementChange:
    """``before_s_per_day``: the day before; None where that was not measured, 0 where it did not run."""

    statement: StatementSum
    before_s_per_day: float | None

    @property
    def time_s_per_day(self) -> float | None:
        return self.statement.time_s_per_day

    @property
    def change_ratio(self) -> float | None:
        """0.5 is half as much again, -0.5 is half; None where it was not measured or did not run before."""
        now, before = self.time_s_per_day, self.before_s_per_day
        return None if now is None or not before else now / before - 1

    @property
    def is_new(self) -> bool:
        return self.before_s_per_day == 0


@dataclass(frozen=True, slots=True)
class ServerNight:
    """``trouble`` is a sentence where the server is not sampled as it should be, since ``since``."""

    name: str
    slug: str
    trouble: str = ""
    since: datetime | None = None
    is_down: bool = False
    measured_ratio: float | None = None  # of the window
    load: float | None = None  # statements at once, on average over the measured part
    load_before: float | None = None
    # all that is advised for it, in words: what to create and drop, and what that gains; of its time, as planned
    advice: str = ""
    gains: str = ""
    saved_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    start: datetime
    end: datetime
    servers: tuple[ServerNight, ...] = ()
    new: tuple[ReportedFinding, ...] = ()
    worse: tuple[ReportedFinding, ...] = ()
    fixed: tuple[ReportedFinding, ...] = ()
    open: tuple[ReportedFinding, ...] = ()
    indexes: tuple[IndexToCreate, ...] = ()  # new ones that stand with none of the findings above
    outcomes: tuple[IndexOutcome, ...] = ()  # decided in the window
    statements: tuple[StatementChange, ...] = ()
    gained: str = ""  # what findings that are gone save, in words

    @property
    def in_trouble(self) -> tuple[ServerNight, ...]:
        return tuple(server for server in self.servers if server.trouble)

    @property
    def advised(self) -> tuple[ServerNight, ...]:
        """Servers with something to create or drop, where most is saved first."""
        return tuple(sorted((s for s in self.servers if s.advice), key=lambda s: (-(s.saved_ratio or 0.0), s.name)))

    @property
    def is_quiet(self) -> bool:
        """Nothing changed and every server was sampled: one line says it."""
        return not (self.new or self.worse or self.fixed or self.indexes or self.outcomes or self.in_trouble)


@dataclass
class _Sorted:
    new: list[ReportedFinding] = field(default_factory=list)
    worse: list[ReportedFinding] = field(default_factory=list)
    fixed: list[ReportedFinding] = field(default_factory=list)
    open: list[ReportedFinding] = field(default_factory=list)


def build_report(
    start: datetime,
    end: datetime,
    *,
    servers: Sequence[ServerNight] = (),
    findings: Iterable[ReportedFinding] = (),
    indexes: Iterable[IndexToCreate] = (),
    outcomes: Iterable[IndexOutcome] = (),
    statements: Iterable[StatementSum] = (),
    statements_before: Iterable[StatementSum] = (),
    measured_before: Iterable[str] = (),
    most_statements: int = 10,
    gained: str = "",
) -> Report:
    """The window is ``start`` < time <= ``end``. ``measured_before``: slugs of servers whose day before was measured
    well enough to compare with; there a statement missing from ``statements_before`` did not run.
    """
    told = _Sorted()
    for finding in findings:
        kind = change_of(finding, start, end)
        if kind:
            getattr(told, kind).append(_as_of(finding, end))
    for group in (told.new, told.worse, told.fixed, told.open):
        group.sort(key=_costliest_first)
    left = _with_indexes(told, list(indexes))
    return Report(
        start=start,
        end=end,
        servers=tuple(servers),
        new=tuple(told.new),
        worse=tuple(told.worse),
        fixed=tuple(told.fixed),
        open=tuple(told.open),
        indexes=tuple(i for i in left if start < i.first_seen <= end),
        outcomes=tuple(sorted((o for o in outcomes if start < o.decided_at <= end), key=lambda o: o.decided_at)),
        statements=_changes(statements, statements_before, set(measured_before), most_statements),
        gained=gained,
    )


def change_of(finding: ReportedFinding, start: datetime, end: datetime) -> str:
    """``new``, ``worse``, ``fixed`` or ``open``; "" for what the window does not tell."""
    opened_at = finding.reopened_at or finding.first_seen
    is_closed = finding.closed_at is not None and finding.closed_at <= end
    if (
        finding.is_muted
        or opened_at > end
        or (is_closed and finding.closed_at is not None and finding.closed_at <= start)
    ):
        return ""
    # One that was closed and reopened within the window is no news when it was open at its beginning.
    is_new = opened_at > start and not (finding.was_open_before and finding.first_seen <= start)
    if is_new and not (is_closed and finding.is_gain):
        return "" if is_closed and finding.severity <= Severity.INFO else "new"
    if is_closed:
        return "fixed" if finding.is_mended else ""
    if finding.worse:
        return "worse"
    # a few minutes after an outage are no day to compare
    is_comparable = allows_daily_rate(finding.watched_s)
    return "worse" if is_comparable and is_worse(finding.impact_s_per_day, finding.impact_before_s_per_day) else "open"


def is_worse(impact_s_per_day: float | None, before_s_per_day: float | None) -> bool:
    """Both limits have to be reached: a small thing that doubled is none, nor is a great one that grew a little."""
    if impact_s_per_day is None or before_s_per_day is None:
        return False
    more = impact_s_per_day - before_s_per_day
    return more >= LIMITS["worse_s_per_day"].value and impact_s_per_day >= before_s_per_day * (
        1 + LIMITS["worse_ratio"].value
    )


def is_measured(covered_s: float, window_s: float) -> bool:
    """Whether enough of a window was measured to compare with it."""
    return window_s > 0 and covered_s / window_s >= LIMITS["measured_ratio"].value


def _as_of(finding: ReportedFinding, end: datetime) -> ReportedFinding:
    """What closed after the window is open in it."""
    return replace(finding, closed_at=None) if finding.closed_at is not None and finding.closed_at > end else finding


def _costliest_first(finding: ReportedFinding) -> tuple[bool, float, int, str]:
    impact = finding.impact_s_per_day
    return (impact is None, -(impact or 0.0), -finding.severity, finding.key)


def _with_indexes(findings: _Sorted, indexes: list[IndexToCreate]) -> list[IndexToCreate]:
    """Give each finding that is open the index that answers it, told whole with the first; the indexes left over."""
    by_gain = sorted(indexes, key=lambda i: (-(i.saved_s_per_day or 0.0), i.ddl))
    used: list[IndexToCreate] = []
    for group in (findings.new, findings.worse, findings.open):
        for place, finding in enumerate(group):
            if finding.closed_at is not None:
                continue
            fitting = (i for i in by_gain if i.database_id == finding.database_id and finding.key in i.finding_keys)
            mine = next(fitting, None)
            if mine is not None:
                group[place] = replace(finding, index=mine, is_index_listed=mine in used)
                used.append(mine)
    return [i for i in by_gain if i not in used]


def _changes(
    statements: Iterable[StatementSum], before: Iterable[StatementSum], measured_before: set[str], most: int
) -> tuple[StatementChange, ...]:
    earlier = {(s.server_slug, s.statement_id): s.time_s_per_day for s in before}
    top = sorted(statements, key=lambda s: (-(s.time_s_per_day or 0.0), s.server_slug, s.fingerprint))[:most]
    return tuple(
        StatementChange(
            s, earlier.get((s.server_slug, s.statement_id), 0.0) if s.server_slug in measured_before else None
        )
        for s in top
    )
