"""New and worse: statements that cost and were not there before, and those slower than their own past."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from analyzer.models import FindingRecord, Server
from analyzer.store.new_statements import LEARNT_IN, NewStatement, new_statements, news_of
from analyzer.store.series.windows import DEFAULT_SPAN, Window
from dashboard.servers.rows import COSTLIEST_FIRST, SLOWER, open_findings
from dashboard.windows import in_address

SHOWN = 5


@dataclass(frozen=True, slots=True)
class NewRow:
    """``server``: where several are shown, else None."""

    statement: NewStatement
    url: str
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class MoreNew:
    """``server``: where several are shown, else None."""

    number: int
    url: str
    server: Server | None = None


@dataclass(frozen=True, slots=True)
class NewAndWorse:
    """At most five each; ``more_new`` leads to all new ones of each server that has more.

    ``is_learning``: everything would be new, of a server watched for less than a day.
    """

    new: Sequence[NewRow]
    more_new: Sequence[MoreNew]
    slower: Sequence[FindingRecord]
    more_slower: int
    is_learning: bool = False

    def __bool__(self) -> bool:
        return bool(self.new or self.slower)


def of_server(server: Server, window: Window) -> NewAndWorse:
    """Four queries; twenty of another span than the one that is kept."""
    if window.key == DEFAULT_SPAN:
        found = [new for _, new in news_of([server], window.end)[0]]
    else:
        found = new_statements(server, window)
    query = in_address(window)
    rows = [NewRow(new, _url(server, new, query)) for new in found[:SHOWN]]
    more = [MoreNew(len(found) - SHOWN, _all_url(server, query))] if len(found) > SHOWN else []
    slower = _slower().filter(server=server)
    is_learning = server.created_at + LEARNT_IN > window.end
    return NewAndWorse(rows, more, *_first(slower), is_learning)


def of_all(servers: Sequence[Server], now: datetime | None = None) -> NewAndWorse:
    """Since yesterday, as the checks found it last. Four queries."""
    now = now or timezone.now()
    found, counts = news_of(servers, now)
    query = in_address(Window(now - timedelta(days=1), now, "24h"))
    is_one = len(servers) == 1
    rows = [NewRow(new, _url(server, new, query), None if is_one else server) for server, new in found[:SHOWN]]
    left = counts - Counter(server for server, _ in found[:SHOWN])
    more = [
        MoreNew(number, _all_url(server, query), None if is_one else server) for server, number in left.most_common()
    ]
    return NewAndWorse(rows, more, *_first(_slower()))


def _all_url(server: Server, query: str) -> str:
    return f"{reverse('statements', args=[server.slug])}?{query}&new=1"


def _url(server: Server, new: NewStatement, query: str) -> str:
    return f"{reverse('statement', args=[server.slug, new.fingerprint])}?{query}"


def _slower() -> QuerySet[FindingRecord]:
    return open_findings().filter(code__in=SLOWER).select_related("server", "statement").order_by(*COSTLIEST_FIRST)


def _first(slower: QuerySet[FindingRecord]) -> tuple[list[FindingRecord], int]:
    found = list(slower[:SHOWN])
    return found, slower.count() - len(found) if len(found) == SHOWN else 0
