"""Statements that did not run lately: nobody looked at them, so what was found in them stays, for a week
and a day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import Q

from analyzer.models import Server

GONE_AFTER = timedelta(days=8)  # judgement: a weekly job that is late is not gone
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChecksOfServer:
    """The statements, by fingerprint, that a run of checks looked at; ``seen_from``: last seen before it, one is gone.

    ``off``: codes of checks that are switched off, whose findings close whether their statements ran or not.
    """

    fingerprints: Collection[str]
    seen_from: datetime
    off: Collection[str] = ()

    @property
    def judged(self) -> Q:
        """Of finding records."""
        is_gone = Q(statement__isnull=True) | Q(statement__last_seen__lte=self.seen_from)
        return Q(about__in=list(self.fingerprints)) | Q(code__in=list(self.off)) | is_gone


def still_seen_from(server: Server, now: datetime) -> datetime:
    """What was last seen before then is gone; time that nobody watched does not count. One query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select taken_at from (select taken_at, sum(interval_s) over (order by taken_at desc) as watched_s"
            " from server_delta where server_id = %s and taken_at <= %s) as sums where watched_s >= %s"
            " order by taken_at desc limit 1",
            [server.pk, now, GONE_AFTER.total_seconds()],
        )
        row = cursor.fetchone()
    return min(row[0], now - GONE_AFTER) if row is not None else NEVER
