"""Sessions blocked by another one.

Each waits for a lock that one session at the root holds until its transaction ends: the others queue behind it, and
whoever needs a lock on the same table next behind them. The root is named here, with what it does: "idle in
transaction" means that the application has to commit; a statement at work, that it has to be quicker or to run at
another time. An ALTER TABLE that waits for a long query blocks every later query of the table: run it with a
``lock_timeout`` of some seconds and try again.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Fix, Threshold
from analyzer.checks.session_words import statement_words
from analyzer.findings import Finding, Severity
from analyzer.schema.blocking import PREPARED, BlockingTree, blocking_trees
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.server import ServerFacts
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="SV008",
    title="Sessions wait for a lock that another one holds",
    severity=Severity.WARNING,
    waiting=Threshold(10, "s", "judgement: ten times deadlock_timeout; people notice"),
    critical_waiting=Threshold(60, "s", "judgement: requests have timed out, and connections pile up"),
)


@check.on(ServerFacts)
def sessions_blocked(server: ServerFacts) -> Iterator[Finding]:
    told = set()
    for tree in blocking_trees(server.sessions):
        finding = _finding(tree)
        if finding is not None and finding.about not in told:  # the longest of each comes first
            told.add(finding.about)
            yield finding


def _finding(tree: BlockingTree) -> Finding | None:
    late = [b.session for b in tree.blocked if (b.session.lock_wait_s or 0.0) >= check["waiting"]]
    wait_s = tree.longest_wait_s
    if not late or wait_s is None:
        return None
    n, root = len(tree.blocked), tree.root
    fingerprints = [root.fingerprint if root else None, *(session.fingerprint for session in late)]
    return check.finding(
        about=_who(tree),
        subject="blocked sessions",
        severity=Severity.CRITICAL if wait_s >= check["critical_waiting"] else Severity.WARNING,
        message=(
            f"{n} session{'s' if n > 1 else ''} {'wait' if n > 1 else 'waits'}, the longest for"
            f" {time_words(wait_s * 1000)}, for a lock that {_named(tree)} holds{_doing(tree)}."
            f"{statement_words(root) if root else ''}"
        ),
        hint=_hint(tree),
        evidence={
            "sessions_blocked": n,
            "longest_wait_s": round(wait_s, 1),
            "root_pid": tree.root_pid or None,
            "root_state": root.state if root else None,
            "root_transaction_s": round(root.transaction_s, 1) if root and root.transaction_s is not None else None,
            "application_name": root.application_name if root else None,
            "route": (root.route or None) if root else None,
        },
        fixes=_fixes(tree),
        related_fingerprints=tuple(dict.fromkeys(f for f in fingerprints if f))[:5],
    )


def _who(tree: BlockingTree) -> str:
    """The same at each look, as long as the same code blocks."""
    if tree.root is None:
        return "prepared transaction" if tree.root_pid == PREPARED else "no client session"
    return f"{tree.root.role or '?'}@{tree.root.database or '?'} {tree.root.application_name}".strip()


def _named(tree: BlockingTree) -> str:
    if tree.root is None:
        return "a prepared transaction" if tree.root_pid == PREPARED else f"process {tree.root_pid}, no client session,"
    root = tree.root
    application = f", application {root.application_name!r}," if root.application_name else ""
    return f"process {root.pid} of role {root.role or '?'} in database {root.database or '?'}{application}"


def _doing(tree: BlockingTree) -> str:
    root = tree.root
    if root is None:
        return ""
    if _is_idle(tree):
        since = "" if root.in_state_s is None else f", for {time_words(root.in_state_s * 1000)}"
        return f" while it is idle in a transaction{since}"
    since = "" if root.statement_s is None else f" for {time_words(root.statement_s * 1000)}"
    return f" while its statement runs{since}" if root.state == "active" else ""


def _is_idle(tree: BlockingTree) -> bool:
    return tree.root is not None and (tree.root.state or "").startswith("idle in transaction")


def _hint(tree: BlockingTree) -> str:
    if tree.root is None and tree.root_pid == PREPARED:
        return "Commit it or roll it back: COMMIT PREPARED or ROLLBACK PREPARED; the page of sessions names it."
    if tree.root is None:
        return "See on the page of sessions what it is: autovacuum that freezes rows, or a worker."
    if _is_idle(tree):
        return "Find the code that waits inside a transaction after this statement: it has to commit first."
    return "See whether the statement can be quicker or touch fewer rows; let DDL give up early by a lock_timeout."


def _fixes(tree: BlockingTree) -> tuple[Fix, ...]:
    root = tree.root
    if root is None or not root.role or not _is_idle(tree):
        return ()
    sql = f"ALTER ROLE {quote_identifier(root.role)} SET idle_in_transaction_session_timeout = '60s';"
    return (Fix("Let the server end what is forgotten (new sessions of this role)", "sql", sql),)
