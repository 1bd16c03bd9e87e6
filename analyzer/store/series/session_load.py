"""Sessions at work by what they waited for, who they were and what they ran: summed by minute and by hour.

A look at a server's sessions is one or more samples. What is kept of it is the number of sessions at work, divided by
``Part``, on average over its samples; so the sum of a span divided by its number of looks is the average number of
active sessions (AAS). ``session_look`` has the number of looks, so that a look that saw nobody counts too.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from analyzer.store.series.partitions import ensure_partition, floor_to

AT_WORK = frozenset({"active", "fastpath function call"})  # PostgreSQL's states of a session that runs something
CPU = "CPU"  # no wait event of PostgreSQL's: it computes, or waits for what PostgreSQL does not name
MOST_PARTS = 500  # of a look; judgement: more is thousands of sessions at work, of which nobody reads the smallest
TABLES = {"session_load": "minute", "session_load_hour": "hour"}


class SessionTraits(NamedTuple):
    """What sessions at work have in common; 0 and "" where that is not known."""

    wait_event_type: str
    wait_event: str
    statement_id: int
    role_oid: int
    database_oid: int
    application_name: str
    route: str


Look = Mapping[SessionTraits, float]


def ensure_load_partitions(at: datetime) -> None:
    for table in ("session_look", *TABLES):
        ensure_partition(table, at)


def keep_look(server_id: int, at: datetime, look: Look) -> None:
    """Add a look to its minute and its hour. Within the caller's transaction, after ``ensure_load_partitions``."""
    active = sum(look.values())
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into session_look as l (starts_at, server_id, looks, active, active_squared)"
            " values (%s, %s, 1, %s, %s) on conflict (server_id, starts_at) do update set looks = l.looks + 1,"
            " active = l.active + excluded.active, active_squared = l.active_squared + excluded.active_squared",
            [_start(at, "minute"), server_id, active, active**2],
        )
        if not look:
            return
        parts = sorted(_largest(look).items())  # in one order, so that two writers cannot wait for each other
        columns = ", ".join(SessionTraits._fields)
        for table, step in TABLES.items():
            cursor.execute(
                f"insert into {table} as l (starts_at, server_id, {columns}, active)"
                " select %s, %s, * from unnest(%s::text[], %s::text[], %s::int8[], %s::int8[], %s::int8[], %s::text[],"
                " %s::text[], %s::float8[])"
                f" on conflict (server_id, starts_at, {columns}) do update set active = l.active + excluded.active",
                [
                    _start(at, step),
                    server_id,
                    *(list(column) for column in zip(*(part for part, _ in parts), strict=True)),
                    [seen for _, seen in parts],
                ],
            )


def _start(at: datetime, step: str) -> datetime:
    return at.replace(second=0, microsecond=0) if step == "minute" else floor_to(at, step)


def _largest(look: Look) -> Mapping[SessionTraits, float]:
    """The largest parts; the others keep their wait and are not told apart."""
    if len(look) <= MOST_PARTS:
        return look
    kept: Counter[SessionTraits] = Counter()
    for i, (part, seen) in enumerate(sorted(look.items(), key=lambda item: (-item[1], item[0]))):
        kept[part if i < MOST_PARTS else SessionTraits(part.wait_event_type, "", 0, 0, 0, "", "")] += seen  # type: ignore[assignment]
    return kept
