"""What a transaction holds until its COMMIT, and how long a statement waits for its lock."""

from collections.abc import Iterable
from dataclasses import replace

from pglast import ast, enums

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.all_rows import Share, share_changed
from analyzer.review.all_rows import changes_all_rows as is_of_all_rows
from analyzer.review.effects import TableWork
from analyzer.review.estimate import seconds_words, total_seconds, update_seconds
from analyzer.review.files.migration import MigrationStep
from analyzer.review.lock_modes import Lock, Mode
from analyzer.review.locks import locks_of
from analyzer.review.reads import tables_read_whole
from analyzer.review.rules.fails import untouched_column
from analyzer.review.rules.rule import Findings, Rule, StepContext
from analyzer.review.rules.under_lock import BRIEF_S, BUSY_CALLS_S, LONG_S, SAFE, waiting_calls
from analyzer.review.through_views import on_its_table
from analyzer.review.traffic import traffic, waiting_words
from analyzer.words.durations import DAY_S, span_words

KINDS = enums.TransactionStmtKind
HELD = Rule("MG030", "Lock held over further work")
NO_TIMEOUT = Rule("MG031", "No lock_timeout")
WHOLE_TABLE = Rule("MG032", "Many rows changed by one statement")
LEFT_OPEN = Rule("MG033", "Transaction without COMMIT")
NESTED = Rule("MG034", "BEGIN or COMMIT inside the tool's transaction")

OLD_TRANSACTION_S = 5.0  # as advice/rollout/psql.py: younger ones end by themselves
WRITES = frozenset({Kind.UPDATE, Kind.DELETE})
TIMEOUTS = {
    "sql": "Begin with: SET lock_timeout = '5s'; and run it again when it timed out.",
    "django": "Set lock_timeout for the session that migrates (DATABASES: OPTIONS, or ALTER ROLE), or RunSQL it first.",
    "alembic": "Set it in env.py for the session that migrates, or op.execute(\"SET lock_timeout = '5s'\") first.",
}


def held_over_work(at: StepContext) -> Findings:
    """A strong lock of an earlier statement of this transaction, while this one takes its time."""
    if at.step.is_alone:
        return
    seconds = _own_seconds(at)
    if seconds is not None and seconds < BRIEF_S:
        return
    here = {at.known.key(lock.relation): lock.mode for lock in at.effect.locks}
    for step, lock in _earlier_locks(at):
        name = at.known.key(lock.relation)
        if not lock.mode.blocks_writes or here.get(name, Mode.ROW_EXCLUSIVE) >= lock.mode:
            continue
        using = traffic(at.known, lock.relation)
        if using is not None and not using.waiting(lock.mode):
            continue
        yield HELD.finding(
            at, Severity.CRITICAL if lock.mode.blocks_reads and seconds and seconds >= 60 else Severity.WARNING,
            f"The {lock.mode.title} lock on {name} of line {step.line}, which {lock.mode.blocks}, is held until the"
            f" transaction's end, so also while {_what(at)} runs: {seconds_words(seconds)}."
            f" {waiting_words(at.known, lock.relation, lock.mode, seconds)}".rstrip(),
            "Commit before it: run the work on rows in a transaction, or a migration, of its own.",
            subject=name, lock=lock.mode.title,
        )  # fmt: skip
        return


def _what(at: StepContext) -> str:
    return at.step.origin if at.action.kind is Kind.CODE else f"this {at.action.kind.value}"


def _earlier_locks(at: StepContext) -> list[tuple[MigrationStep, Lock]]:
    """Of this transaction, the strongest first, on relations that others use."""
    locks = []
    for step in at.earlier:
        if at.same_transaction(step):
            for action in step.actions:
                locks += [(step, lock) for lock in locks_of(action, at.known) if not lock.is_index]
    locks = [(s, lock) for s, lock in locks if not at.known.is_new(lock.relation)]
    return sorted(locks, key=lambda pair: -pair[1].mode)


def _own_seconds(at: StepContext) -> float | None:
    """None: it may take long, its size is not known. 0 of what does not touch rows."""
    action = at.action
    if action.kind in WRITES:
        if at.is_new or at.known.is_empty(action.relation):
            return 0.0
        share, size = _share(at), at.known.size_bytes(action.relation)
        if share is None or not share.is_known:
            return 0.0  # nobody knows how many: nothing is said
        return None if size is None else update_seconds(size * share.most)
    if action.kind is Kind.CODE and at.step.origin == "RunPython":
        return None
    works = [w for w in at.effect.work if not at.known.is_new(w.relation)]
    works += [w for w in queries(action) if at.known.size_bytes(w.relation) is not None]
    return total_seconds(works, at.known) if works else 0.0


def queries(action: Action) -> list[TableWork]:
    return [TableWork("scan", relation, "its query reads every row") for relation in tables_read_whole(action)]


def no_lock_timeout(at: StepContext) -> Findings:
    """The first statement of the file that takes a strong lock without one, for all of them."""
    locks, live = _strong_locks(at.effect.locks, at), at.known.live
    if not locks:
        return
    *held, holds = at.timeouts[: at.number + 1]
    before = zip(at.migration.steps[: at.number], held, strict=True)
    if holds or any(not was and _takes_strong_lock(step, at) for step, was in before):
        return
    lock = max(locks, key=lambda lock: (waiting_calls(at, lock), lock.mode))
    name = at.known.key(lock.table or lock.relation)
    age_s = live.oldest_transaction_s if live is not None else None
    is_old = age_s is not None and age_s >= OLD_TRANSACTION_S
    now = f" Right now a transaction is open for {span_words(age_s)}." if is_old and age_s is not None else ""
    is_busy = waiting_calls(at, lock) / DAY_S >= BUSY_CALLS_S
    severity = Severity.WARNING if is_old or is_busy else Severity.INFO
    ended = " The one that was set before holds no longer." if any(held) else ""
    yield NO_TIMEOUT.finding(
        at, severity,
        f"{lock.mode.title} on {name} waits for every transaction that uses it, and whoever comes later waits behind"
        f" it.{now} No lock_timeout ends that.{ended}", TIMEOUTS[at.migration.framework], subject=name,
    )  # fmt: skip


def _takes_strong_lock(step: MigrationStep, at: StepContext) -> bool:
    return any(_strong_locks(locks_of(action, at.known), at) for action in step.actions)


def _strong_locks(locks: Iterable[Lock], at: StepContext) -> list[Lock]:
    """Those that others wait for."""
    return [lock for lock in locks if lock.mode.blocks_writes and not at.known.is_new(lock.relation)]


def changes_many_rows(at: StepContext) -> Findings:
    share, at = _share(at), replace(at, action=on_its_table(at.action, at.known))
    if share is None or at.is_new or at.known.is_empty(at.relation):
        return
    size, rows = at.known.size_bytes(at.relation), at.table.rows if at.table else None
    seconds = update_seconds(size * share.most) if size is not None else None
    verb = "changes" if at.action.kind is Kind.UPDATE else "deletes"
    if not share.is_known:
        if size is not None and seconds is not None and seconds >= LONG_S:
            of = f" ({rows:,.0f})" if rows else ""
            yield WHOLE_TABLE.finding(
                at, Severity.INFO,
                f"How many rows of {at.name}{of} it {verb} is not known; as many as it may would take"
                f" {seconds_words(seconds)}, each of them locked until the end.",
                "EXPLAIN it: where that plans many rows, do it in batches, each in a transaction of its own.",
            )  # fmt: skip
        return
    if seconds is not None and seconds < BRIEF_S:
        return
    if is_of_all_rows(at.action, at.known):
        what = f"all rows of {at.name}" + (f" (about {rows:,.0f})" if rows else "")
    else:
        about = f" (about {rows * share.most:,.0f} of {rows:,.0f})" if rows else ""
        what = f"{share.most:.1%} of {at.name}'s rows{about}, by the NULLs that ANALYZE last saw,"
    yield WHOLE_TABLE.finding(
        at, Severity.WARNING,
        f"It {verb} {what} in one transaction: {seconds_words(seconds)}."
        f" Each row stays locked until the end, and the table keeps a dead copy of each.",
        SAFE if at.has_safe else "Do it in batches of some thousand rows, each in a transaction of its own.",
    )  # fmt: skip


def _share(at: StepContext) -> Share | None:
    """Through a view at most that: it may show few of its table's rows."""
    on_table = on_its_table(at.action, at.known)
    share = share_changed(on_table, at.known, lambda name: untouched_column(at, name))
    return share if share is None or on_table is at.action else replace(share, is_known=share.most == 0)


def nested_transaction(at: StepContext) -> Findings:
    kinds = (Kind.BEGIN, Kind.COMMIT, Kind.ROLLBACK)
    if at.action.kind not in kinds:
        return
    opened = [a.kind for s in at.earlier for a in s.actions if a.kind in kinds]
    is_wrapped = at.migration.is_wrapped
    is_open = is_wrapped or (opened and opened[-1] is Kind.BEGIN)
    if at.action.kind is Kind.BEGIN and is_open:
        yield NESTED.finding(
            at, Severity.WARNING, "A transaction is open already: PostgreSQL warns and goes on in that.",
            "Leave it to one of them to open the transaction.",
        )  # fmt: skip
    elif at.action.kind is not Kind.BEGIN and is_wrapped and Kind.BEGIN not in opened:
        yield NESTED.finding(
            at, Severity.WARNING,
            f"{at.action.kind.value} ends the transaction that the tool opened: what follows is no part of it.",
            "Leave it to the tool to end the transaction.",
        )  # fmt: skip


def left_open(at: StepContext) -> Findings:
    if at.action.kind is not Kind.BEGIN or not at.migration.is_left_open:
        return
    if not any(a.kind is Kind.BEGIN for s in at.later for a in s.actions):
        yield LEFT_OPEN.finding(
            at, Severity.CRITICAL,
            "No COMMIT follows: at the end of the session PostgreSQL rolls everything from here on back.",
            "End the file with COMMIT.",
        )  # fmt: skip


def left_prepared(at: StepContext) -> Findings:
    """PREPARE TRANSACTION whose end the file does not hold."""
    statement = at.action.statement
    if not isinstance(statement, ast.TransactionStmt) or statement.kind != KINDS.TRANS_STMT_PREPARE:
        return
    later = [s.actions[0].statement for s in at.later]
    if not any(isinstance(s, ast.TransactionStmt) and s.gid == statement.gid for s in later):
        yield LEFT_OPEN.finding(
            at, Severity.WARNING,
            f"The locks of transaction '{statement.gid}' are held until COMMIT PREPARED or ROLLBACK PREPARED ends it,"
            " past the session and a restart of the server, and VACUUM keeps dead rows meanwhile.",
            "End the file with COMMIT PREPARED, or COMMIT in place of PREPARE TRANSACTION.", subject=statement.gid,
        )  # fmt: skip


RULES = (held_over_work, no_lock_timeout, changes_many_rows, nested_transaction, left_open, left_prepared)
