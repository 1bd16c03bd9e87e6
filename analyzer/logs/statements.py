"""Sums per text -> statements by their fingerprint, as may be shown: without constants, comments and passwords."""

from collections.abc import Hashable
from dataclasses import dataclass

from analyzer.logs.entry import LogEntry
from analyzer.logs.events import sql_of
from analyzer.logs.totals import Logged, LogTotals
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.secrets import redact_sql

MOST_DESCRIBED = 5_000  # texts, the dearest: a fingerprint takes a millisecond
MOST_DESCRIBED_BYTES = 10_000_000  # of their texts together; judgement


@dataclass(frozen=True, slots=True)
class LoggedStatement:
    """``normalized_sql`` is None of what may hold secrets; ``fingerprint`` of what is no single statement."""

    fingerprint: str | None
    normalized_sql: str | None
    database: str | None
    logged: Logged

    @property
    def calls(self) -> int:
        """As often as the log has it, which may leave out short runs."""
        return self.logged.main.calls

    @property
    def total_ms(self) -> float:
        return self.logged.total_ms

    @property
    def slowest_ms(self) -> float:
        slowest = self.logged.main.slowest
        return slowest.duration_ms if slowest else 0.0

    @property
    def plans(self) -> list[LogEntry]:
        """The slowest of each shape, the slowest first."""
        return sorted(self.logged.plans.values(), key=lambda entry: -entry.duration_ms)

    @property
    def samples(self) -> list[LogEntry]:
        """Its slowest and its newest run, those that name parameters before plans."""
        runs = [self.logged.runs.slowest, self.logged.runs.newest]
        planned = [self.logged.planned.slowest, self.logged.planned.newest]
        return list({id(entry): entry for entry in (*runs, *planned) if entry is not None}.values())


def logged_statements(totals: LogTotals, most: int = MOST_DESCRIBED) -> list[LoggedStatement]:
    """Those that took most time first; ``most``: texts that are looked at."""
    by_key: dict[Hashable, LoggedStatement] = {}
    left = MOST_DESCRIBED_BYTES
    for number, logged in enumerate(totals.dearest()[:most]):
        sql = sql_of(logged.main.slowest) if logged.main.slowest else ""
        left -= len(sql)
        if left < 0:
            break
        statement = _described(logged, sql)
        key = (logged.database, statement.fingerprint or statement.normalized_sql or number)
        if key in by_key:
            by_key[key].logged.merge(logged)
        else:
            by_key[key] = statement
    return sorted(by_key.values(), key=lambda statement: -statement.total_ms)


def _described(logged: Logged, sql: str) -> LoggedStatement:
    database = logged.database.decode("utf-8", "replace") if logged.database else None
    return LoggedStatement(fingerprint(sql), redact_sql(sql) if sql else None, database, logged)
