"""Work under a lock that others wait for: rewrites, reads of the whole table, builds of indexes."""

from collections.abc import Iterator

from analyzer.findings import Severity
from analyzer.review.actions import Kind
from analyzer.review.estimate import seconds_words, total_seconds, work_words
from analyzer.review.lock_modes import Lock
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.review.traffic import calls_per_day, traffic, waiting_words
from analyzer.words.durations import DAY_S
from analyzer.words.lists import and_list

REWRITE = Rule("MG001", "Table rewritten while others wait")
SCAN = Rule("MG002", "Whole table read while others wait")
INDEX = Rule("MG003", "Index built while others wait")
NOT_CONCURRENTLY = Rule("MG004", "Readers locked out where CONCURRENTLY would not")

# judgement: a shorter wait is one of many; a minute is an outage
BRIEF_S, LONG_S = 1.0, 60.0
BUSY_CALLS_S = 1.0  # judgement: with less, hardly anybody stands in a queue for a moment

HINTS = {
    Kind.VACUUM_FULL: "Use pg_repack or pg_squeeze, which hold such a lock for a moment only; VACUUM frees for reuse.",
    Kind.CLUSTER: "Use pg_repack --order-by, which holds such a lock for a moment only.",
    Kind.SET_TABLESPACE: "Use pg_repack --tablespace, which holds such a lock for a moment only, or do it at rest.",
    Kind.SET_LOGGED: "Do it while nobody needs the table.",
    Kind.SET_UNLOGGED: "Do it while nobody needs the table. An unlogged table is empty after a crash, and on replicas.",
    Kind.SET_ACCESS_METHOD: "Do it while nobody needs the table.",
    Kind.REFRESH: "REFRESH MATERIALIZED VIEW CONCURRENTLY lets it be read meanwhile; it needs a unique index.",
    Kind.ADD_EXCLUDE: "PostgreSQL has no way to build it beside the traffic: do it while nobody needs the table.",
    Kind.INDEX_TABLESPACE: "Use pg_repack --moveidx, or build the index anew in the other tablespace CONCURRENTLY.",
}
SAFE = "Run the safe sequence instead."
SAFE_TYPE = f"{SAFE} The column then stands last in the table."
AT_REST = "Do it while nobody needs the table."
GENERATED = (
    "A plain column that a trigger keeps up to date can be filled in batches; from 18 on a virtual generated column is"
    " computed when it is read."
)
TIME_ZONE = "If its values are in UTC, SET TimeZone = 'UTC' before it: then nothing is rewritten."
HINTS_WITHOUT = {
    Kind.ALTER_TYPE: "Add a column of the new type, keep it up to date by a trigger, fill it in batches, and swap the"
    " names in one transaction.",
    Kind.ADD_COLUMN: "Add the column without a value, fill it in batches, and set its default and constraints after.",
}


def work_under_lock(at: StepContext) -> Findings:
    """Each relation once, by the worst that is done while it is locked."""
    works = [w for w in at.effect.work if not at.known.is_new(w.relation)]
    if not works:
        return
    seconds = total_seconds(works, at.known)
    is_certain = any(w.is_certain for w in works)
    locks = _locks_waited_for(at, seconds, is_certain)
    if not locks:
        return
    lock = locks[0]
    severity = _severity(at, lock, seconds, is_certain)
    if severity is None:
        return
    kind = next(k for k in ("rewrite", "index", "scan") if any(w.kind == k for w in works))
    rule = {"rewrite": REWRITE, "index": INDEX, "scan": SCAN}[kind]
    told = [w for w in works if w.is_certain] or works
    on = "" if lock.relation in [w.relation for w in told] else f" on {at.known.key(lock.relation)}"
    if lock.is_index:
        on = " on its indexes" if len(at.effect.locks) > 2 else " on the index"
    sentences = [
        f"{at.action.kind.value} {and_list([work_words(w, at.known) for w in told])} under {lock.mode.title}{on}, which"
        f" {lock.mode.blocks}: {seconds_words(seconds)}.",
        f"Why: {and_list(list(dict.fromkeys(w.why for w in told)))}.",
        *_waiting(at, locks, seconds),
    ]
    planned = None if seconds is None else round(seconds, 1)
    hint = SAFE_TYPE if at.action.kind is Kind.ALTER_TYPE else SAFE
    if not at.has_safe:
        hint = HINTS.get(at.action.kind) or _hint_without(at)
    yield rule.finding(
        at, severity, " ".join(s for s in sentences if s), hint, lock=lock.mode.title, planned_time_s=planned
    )


def _hint_without(at: StepContext) -> str:
    new, becomes = at.action.new, at.action.type
    if new is not None and new.generated:
        return GENERATED
    is_time = becomes is not None and becomes.name in ("timestamp", "timestamptz")
    if is_time and at.effect.work and not any(w.is_certain for w in at.effect.work if w.kind == "rewrite"):
        return TIME_ZONE
    return HINTS_WITHOUT.get(at.action.kind, AT_REST)


def _locks_waited_for(at: StepContext, seconds: float | None, is_certain: bool) -> list[Lock]:
    """The one first that matters most, by who waits for it; an index's counts for its table's readers."""
    locks = [lock for lock in at.effect.locks if lock.mode.blocks_writes and not at.known.is_new(lock.relation)]
    worked_on = {at.known.key(w.relation) for w in at.effect.work}

    def weight(lock: Lock) -> tuple[float, ...]:
        severity = _severity(at, lock, seconds, is_certain)
        is_worked_on = at.known.key(lock.table or lock.relation) in worked_on
        return (
            -1 if severity is None else severity,
            is_worked_on,
            lock.mode,
            waiting_calls(at, lock),
            not lock.is_index,
        )

    return sorted(locks, key=weight, reverse=True)


def waiting_calls(at: StepContext, lock: Lock) -> float:
    """Recorded calls of a day that would wait for it; 0 where nothing is recorded."""
    using = traffic(at.known, lock.table or lock.relation)
    return calls_per_day(using.waiting(lock.mode)) if using is not None else 0.0


def _waiting(at: StepContext, locks: list[Lock], seconds: float | None) -> Iterator[str]:
    """Who waits for the first lock, and who else for the others; a partition's are its table's."""
    tables = list(dict.fromkeys(at.known.key(lock.table or lock.relation) for lock in locks))
    counted: set[str] = set()
    for lock in locks:
        name, relation = at.known.key(lock.table or lock.relation), lock.table or lock.relation
        words = waiting_words(at.known, relation, lock.mode, seconds, name if len(tables) > 1 else "it")
        using, table = traffic(at.known, relation), at.known.table(relation)
        waiting = {s.fingerprint for s in using.waiting(lock.mode)} if using is not None else {name}
        is_part = table is not None and (table.parent_oid is not None or bool(table.inherits))
        if lock is locks[0]:
            yield words
        elif words and not is_part and not waiting <= counted:
            yield f"{lock.mode.title} on {name}: {words}"
        counted |= waiting | {name}


def _severity(at: StepContext, lock: Lock, seconds: float | None, is_certain: bool) -> Severity | None:
    if seconds is not None and seconds < BRIEF_S:
        return None
    using = traffic(at.known, lock.table or lock.relation)
    if using is not None and not using.waiting(lock.mode):
        return Severity.INFO
    is_long = seconds is not None and seconds >= LONG_S
    return Severity.CRITICAL if is_long and is_certain else Severity.WARNING


def not_concurrently(at: StepContext) -> Findings:
    """DROP INDEX and DETACH PARTITION, which are brief, but wait for everybody and let everybody wait."""
    kinds = (Kind.DROP_INDEX, Kind.DETACH_PARTITION)
    if at.action.kind not in kinds or at.action.is_concurrent or not at.has_safe:
        return
    lock = next(iter(at.effect.locks), None)
    if lock is not None and (at.known.is_new(lock.relation) or at.known.is_empty(lock.relation)):
        return
    using = traffic(at.known, lock.relation) if lock is not None else None
    is_quiet = using is not None and calls_per_day(using.statements) < DAY_S * BUSY_CALLS_S
    table = at.known.key(lock.relation) if lock is not None else "its table"
    waiting = waiting_words(at.known, lock.relation, lock.mode, None) if lock is not None else ""
    yield NOT_CONCURRENTLY.finding(
        at, Severity.INFO if is_quiet else Severity.WARNING,
        f"{at.action.kind.value} waits for every transaction that uses {table}, and whoever comes later waits behind"
        f" it; with CONCURRENTLY nobody does. {waiting}".rstrip(),
        SAFE, subject=at.action.name or table,
    )  # fmt: skip


RULES = (work_under_lock, not_concurrently)
