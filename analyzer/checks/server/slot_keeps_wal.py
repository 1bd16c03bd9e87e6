"""Replication slot that nobody reads keeps WAL, or has lost it.

A slot keeps all WAL since its reader's last position, without limit where ``max_slot_wal_keep_size`` is -1: a reader
that is gone fills the disk, and then the server stops. A slot whose ``wal_status`` is "unreserved" loses its WAL at one
of the next checkpoints; one that is "lost" cannot be read any more: its standby or subscriber has to be made anew.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.schema.quoting import quote_literal
from analyzer.schema.server import ServerFacts
from analyzer.schema.standing import ConnectionLimits, Slot
from analyzer.words.durations import time_words
from analyzer.words.sizes import size_words

GB = 1 << 30
check = Check(
    __name__,
    code="SV011",
    title="Replication slot keeps WAL",
    severity=Severity.WARNING,
    inactive_bytes=Threshold(1, "GB", "judgement: a reader that restarts is back before that"),
    retained_bytes=Threshold(10, "GB", "judgement: disks for WAL are of some ten GB"),
    inactive_for=Threshold(86_400, "s", "judgement: a slot unread for a day is forgotten (17 and newer tell)"),
)


@check.on(ServerFacts)
def slot_keeps_wal(server: ServerFacts) -> Iterator[Finding]:
    if server.standing is None or server.standing.slots is None:
        raise NotRun("needs pg_replication_slots, which was not read")
    for slot in server.standing.slots:
        if (severity := _severity(slot)) is not None:
            yield _finding(slot, severity, server.standing.limits)


def _severity(slot: Slot) -> Severity | None:
    kept = (slot.retained_bytes or 0) / GB
    if slot.wal_status in ("unreserved", "lost"):
        return Severity.CRITICAL
    if not slot.is_active and kept >= check["retained_bytes"]:
        return Severity.CRITICAL
    is_forgotten = not slot.is_active and slot.inactive_s is not None and slot.inactive_s >= check["inactive_for"]
    if (not slot.is_active and kept >= check["inactive_bytes"]) or kept >= check["retained_bytes"] or is_forgotten:
        return Severity.WARNING
    return None


def _finding(slot: Slot, severity: Severity, limits: ConnectionLimits | None) -> Finding:
    since = "" if slot.inactive_s is None else f" since {time_words(slot.inactive_s * 1000)}"
    reader = "is read" if slot.is_active else f"has no reader{since}"
    kept = "" if slot.retained_bytes is None else f" and keeps {size_words(slot.retained_bytes)} of WAL"
    said = {
        "unreserved": "; it loses that at one of the next checkpoints",
        "lost": "; what its reader needs is removed",
    }.get(slot.wal_status or "", "")
    is_limited = limits is None or limits.max_slot_wal_keep_bytes is not None
    unlimited = "" if is_limited or slot.wal_status == "lost" else " Nothing limits it: max_slot_wal_keep_size is -1."
    return check.finding(
        about=slot.name,
        subject="replication slot",
        severity=severity,
        message=f"The {slot.slot_type} slot {slot.name} {reader}{kept}{said}.{unlimited}",
        hint=_hint(slot),
        evidence={
            "slot": slot.name,
            "slot_type": slot.slot_type,
            "is_active": slot.is_active,
            "wal_status": slot.wal_status,
            "retained_bytes": slot.retained_bytes,
            "inactive_s": None if slot.inactive_s is None or slot.is_active else round(slot.inactive_s, 1),
        },
        fixes=()
        if slot.is_active
        else (
            Fix(
                "Drop it, if its standby or subscriber is gone for good",
                "sql",
                f"SELECT pg_drop_replication_slot({quote_literal(slot.name)});",
            ),
        ),
    )


def _hint(slot: Slot) -> str:
    if slot.wal_status == "lost":
        return "Make its standby or subscriber anew, and drop the slot."
    if slot.is_active:
        return "See why its reader is slow: a standby that replays slowly, or a subscriber that waits for locks."
    return "Start its reader again, or drop the slot; WAL is removed at the next checkpoint."
