"""Standby or subscriber lags behind.

What was committed here is not there yet: reads on it are old, and after a fail-over of an asynchronous standby what it
had not received is lost. A standby that replays slowly waits for its disk, for a conflict with a long query
(``max_standby_streaming_delay``), or was paused (``pg_wal_replay_pause()``); a subscriber applies one transaction after
the other. Of a standby that is watched itself, two readings a minute apart tell whether it replays what it receives.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import ConnectionLimits, Replica
from analyzer.words.durations import time_words
from analyzer.words.sizes import size_words

GB = 1 << 30
check = Check(
    __name__,
    code="SV013",
    title="Replica lags behind",
    severity=Severity.WARNING,
    lag=Threshold(60, "s", "judgement: no reader of a replica expects so old a state"),
    lag_bytes=Threshold(1, "GB", "judgement: some minutes of replay on most machines"),
)


@check.on(ServerFacts)
def replica_lags(server: ServerFacts) -> Iterator[Finding]:
    standing = server.standing
    if standing is None or standing.limits is None or standing.replicas is None:
        raise NotRun("needs pg_stat_replication, which was not read")
    findings = [_of_this_server(standing.limits), *map(_of, standing.replicas)]
    late = {finding.about: finding for finding in findings if finding is not None}
    if not late and any(replica.state is None for replica in standing.replicas):
        raise NotRun("needs pg_read_all_stats: how far standbys are behind is not visible to this login")
    yield from late.values()


def _of_this_server(limits: ConnectionLimits) -> Finding | None:
    late_s = limits.unreplayed_s
    if late_s is None or late_s < check["lag"]:
        return None
    behind = (limits.received_bytes or 0) - (limits.replayed_bytes or 0)
    return check.finding(
        about="this standby",
        subject="replication",
        message=(
            f"This standby has not replayed WAL that it had received {time_words(late_s * 1000)} ago:"
            f" {size_words(behind)} are received and not replayed."
        ),
        hint="See whether a long query here holds up the replay, or whether it was paused: pg_is_wal_replay_paused().",
        evidence={"unreplayed_s": round(late_s, 1), "unreplayed_bytes": behind},
    )


def _of(replica: Replica) -> Finding | None:
    """A base backup only streams: it replays nothing."""
    lag_s, lag_bytes = replica.replay_lag_s or 0.0, replica.lag_bytes or 0
    if replica.state == "backup" or (lag_s < check["lag"] and lag_bytes < check["lag_bytes"] * GB):
        return None
    name = replica.application_name or f"process {replica.pid}"
    late = f"{size_words(lag_bytes)} of WAL behind"
    if replica.replay_lag_s is not None:
        late += f"; at its last answer it was {time_words(replica.replay_lag_s * 1000)} late"
    return check.finding(
        about=f"replica {name}",
        subject="replication",
        message=f"Replica {name} ({replica.sync_state or '?'}, {replica.state or '?'}) is {late}.",
        hint="See on the replica what holds up its replay: a long query, a lock, its disk, or a pause.",
        evidence={
            "replica": name,
            "state": replica.state,
            "lag_bytes": lag_bytes,
            "replay_lag_s": None if replica.replay_lag_s is None else round(replica.replay_lag_s, 1),
        },
    )
