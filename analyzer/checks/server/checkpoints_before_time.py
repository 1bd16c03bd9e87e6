"""Checkpoints are forced by WAL, before checkpoint_timeout has gone by.

``max_wal_size`` is too small for what is written: a checkpoint starts whenever it fills. After each one the first
change of a page logs the whole page (full_page_writes), so frequent checkpoints make more WAL, and more checkpoints.
The value here is what would have let checkpoints wait for their time: the present one times checkpoint_timeout over
the mean time between two. It takes that much more disk in pg_wal, and recovery after a crash takes longer.

Verify with log_checkpoints = on: "checkpoint starting: wal". CHECKPOINT commands and base backups count as requested,
too, which is why a few are no finding. Leave it alone after a bulk load that does not come again. Of Neon and AlloyDB
nothing is said: their storage makes pages out of WAL, and a checkpoint writes none.
"""

import math
from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.counters import checkpoints_then, watched, watched_words
from analyzer.checks.settings import for_everybody, setting_fix
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of
from analyzer.words.durations import span_words
from analyzer.words.sizes import GB, memory_setting, size_words

check = Check(
    __name__,
    code="SV029",
    title="Checkpoints are forced by WAL",
    severity=Severity.WARNING,
    requested=Threshold(20, "a day", "judgement: base backups and CHECKPOINT commands are fewer"),
    requested_ratio=Threshold(0.5, "requested / all", "judgement: most should come by time (manual, 28.5)"),
    watched=Threshold(6, "hours between the readings", "judgement: less may hold one load and nothing else"),
)
MOST = 64 * GB  # judgement: more WAL between two checkpoints makes a recovery of many minutes
MORE = 1.2  # judgement: the hours of most writing are above the mean


@check.on(ClusterFacts)
def checkpoints_before_time(facts: ClusterFacts) -> Iterator[Finding]:
    host = host_of(facts)
    if facts.is_replica or (host is not None and not host.checkpoints_write):
        return  # a replica's restartpoints follow the primary's checkpoints
    now, then = checkpoints_then(facts)
    span_s = watched(facts)
    requested, timed = now.requested - then.requested, now.timed - then.timed
    if span_s < check["watched"] * 3600 or not requested:
        return
    if requested * 86_400 / span_s < check["requested"] or requested < (requested + timed) * check["requested_ratio"]:
        return
    wal, timeout = for_everybody(facts, "max_wal_size"), for_everybody(facts, "checkpoint_timeout")
    if wal is None or timeout is None or wal.in_bytes is None or timeout.in_ms is None:
        raise NotRun("needs max_wal_size and checkpoint_timeout")
    between_s = span_s / (requested + timed)
    if between_s * 1000 >= timeout.in_ms:
        return  # asked for by commands; those by WAL come earlier than by time
    wanted = wal.in_bytes * timeout.in_ms / 1000 / between_s * MORE
    suggested = min(max(wal.in_bytes, MOST), math.ceil(wanted / GB) * GB)
    yield check.finding(
        subject="max_wal_size",
        message=(
            f"In {watched_words(facts)} {requested:,} of {requested + timed:,} checkpoints were forced, one every"
            f" {span_words(between_s)} on average instead of {span_words(timeout.in_ms / 1000)}; max_wal_size is"
            f" {size_words(wal.in_bytes)}."
        ),
        hint=f"Raise max_wal_size to about {size_words(suggested)}, if pg_wal's disk has it.",
        evidence={
            "requested": requested,
            "timed": timed,
            "mean_time_between_s": round(between_s, 1),
            "max_wal_size_bytes": wal.in_bytes,
            "suggested_bytes": suggested,
        },
        fixes=(setting_fix(facts, "max_wal_size", memory_setting(suggested)),) if suggested > wal.in_bytes else (),
    )
