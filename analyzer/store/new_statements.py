"""Statements first seen within a span that cost: kept for the overview, made anew for a server's page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analyzer.models import Server, ServerNews, Snapshot, Statement
from analyzer.store.series.totals import StatementTotals, statement_totals
from analyzer.store.series.visibility import SHOWN
from analyzer.store.series.windows import Window
from analyzer.words.durations import DAY_S

LEARNT_IN = timedelta(days=1)  # a server's statements are known once every hour of a day was seen
TEXTS_WITHIN = timedelta(hours=6)  # judgement: texts of what became visible are read by then
LEAST_LOAD_RATIO = 0.01  # judgement: a statement below it is not what a morning is spent on; for the mail, too
LEAST_S_PER_DAY = 60.0  # judgement: a share of next to nothing is nothing
MOST_KEPT = 20
RAN_BEFORE = timedelta(days=14)
FIGURES = ("calls", "total_exec_time_us", "rows")


@dataclass(frozen=True, slots=True)
class NewStatement:
    """``load_ratio``: of the server's statement time in the span."""

    fingerprint: str
    normalized_sql: str
    first_seen: datetime
    load_ratio: float
    time_s: float
    calls: int


def first_seen_in(server: Server, window: Window) -> list[int]:
    """Ids of statements first seen in it, their text known. Two queries.

    Not in the server's first day, when everything is new to us, nor when other roles' statements became visible.
    """
    known_from = max(window.start, server.created_at + LEARNT_IN)
    if known_from >= window.end:
        return []
    shown = list(
        Snapshot.objects.filter(
            server=server, gap_reason=SHOWN, taken_at__gt=known_from - TEXTS_WITHIN, taken_at__lte=window.end
        ).values_list("taken_at", flat=True)
    )
    some = Statement.objects.filter(
        server=server, first_seen__gt=known_from, first_seen__lte=window.end, text_state=Statement.TextState.OK
    )
    return [
        pk
        for pk, at in some.values_list("pk", "first_seen")
        if not any(gap <= at <= gap + TEXTS_WITHIN for gap in shown)
    ]


def new_statements(server: Server, window: Window) -> list[NewStatement]:
    """Those of at least a hundredth of the load and a minute a day, the costliest first.

    What was counted before under another text, or none, is not new.
    """
    ids = first_seen_in(server, window)
    if not ids:
        return []
    page = statement_totals(server, window, limit=MOST_KEPT, filters={"statement_ids": ids}, columns=FIGURES)
    costly = [row for row in page.rows if _costs(row, page.covered_s)]
    if not costly:
        return []
    earlier = statement_totals(
        server, Window(window.start - RAN_BEFORE, window.start), limit=len(costly), columns=FIGURES,
        filters={"statement_ids": [row.statement_id for row in costly]},
    )  # fmt: skip
    ran_before = {row.statement_id for row in earlier.rows}
    return [
        NewStatement(
            row.fingerprint, row.normalized_sql, row.first_seen, row.load_ratio or 0.0, row.total_exec_time_ms / 1000,
            row.calls,
        )
        for row in costly
        if row.statement_id not in ran_before
    ]  # fmt: skip


def keep_news(server: Server, now: datetime) -> None:
    """Of the last day."""
    found = [
        {
            "fingerprint": new.fingerprint,
            "load_ratio": new.load_ratio,
            "time_s": new.time_s,
            "calls": new.calls,
            "first_seen": new.first_seen.isoformat(),
        }
        for new in new_statements(server, Window(now - timedelta(days=1), now))
    ]
    ServerNews.objects.update_or_create(server=server, defaults={"made_at": now, "statements": found})


def news_of(servers: Sequence[Server], now: datetime) -> tuple[list[tuple[Server, NewStatement]], Counter[Server]]:
    """What was kept for them within a day, the costliest first, at most MOST_KEPT; and how many of each there are.

    Two queries.
    """
    by_pk = {server.pk: server for server in servers}
    kept = ServerNews.objects.filter(server__in=list(by_pk), made_at__gt=now - timedelta(days=1))
    found = [(by_pk[pk], new) for pk, some in kept.values_list("server_id", "statements") for new in some]
    found.sort(key=lambda item: (-item[1]["time_s"], item[1]["fingerprint"]))
    shown = found[:MOST_KEPT]
    texts = {
        (server_id, fingerprint): sql
        for server_id, fingerprint, sql in Statement.objects.filter(
            server__in={server for server, _ in shown}, fingerprint__in={new["fingerprint"] for _, new in shown}
        ).values_list("server_id", "fingerprint", "normalized_sql")
    }
    named = [(server, _from_json(new, texts.get((server.pk, new["fingerprint"]), ""))) for server, new in shown]
    return named, Counter(server for server, _ in found)


def _costs(row: StatementTotals, covered_s: float) -> bool:
    per_day = row.total_exec_time_ms / 1000 * DAY_S / covered_s if covered_s else 0.0
    return (row.load_ratio or 0.0) >= LEAST_LOAD_RATIO and per_day >= LEAST_S_PER_DAY


def _from_json(new: Mapping[str, Any], sql: str) -> NewStatement:
    return NewStatement(
        new["fingerprint"], sql, datetime.fromisoformat(new["first_seen"]), new["load_ratio"], new["time_s"],
        new["calls"],
    )  # fmt: skip
