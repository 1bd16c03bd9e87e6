"""How often pg_stat_statements of a server was full, by the readings of the last day."""

from datetime import timedelta

from analyzer.models import Server, Snapshot
from analyzer.schema.cluster import Evictions

SEEN_FOR = timedelta(days=1)  # a day holds every hour's habits once


def evictions(server: Server) -> Evictions | None:
    """Since its last reset at most; None before 14, whose counters do not tell. Two queries."""
    snapshots = Snapshot.objects.filter(server=server, deallocations__isnull=False)
    last = snapshots.order_by("-taken_at").first()
    if last is None:
        return None
    first = (
        snapshots.filter(
            taken_at__gte=last.taken_at - SEEN_FOR,
            stats_reset_at=last.stats_reset_at,
            deallocations__lte=last.deallocations,
        )
        .order_by("taken_at")
        .first()
    ) or last
    times = (last.deallocations or 0) - (first.deallocations or 0)
    return Evictions(times, (last.taken_at - first.taken_at).total_seconds())
