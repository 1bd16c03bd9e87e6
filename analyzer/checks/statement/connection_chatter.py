"""A large part of all calls does nothing: SELECT 1, SET, BEGIN and COMMIT around single statements.

Pools ask ``SELECT 1`` at each checkout, frameworks SET the time zone and the encoding at each connection (or request,
where connections are not kept), and every statement in a transaction of its own needs BEGIN and COMMIT. Each takes
the server microseconds, and the application a round trip. Figures are counted by pg_stat_statements (track_utility
on); what the round trips take is assumed and said so.

Validate connections only after they were idle, keep them open, set roles' defaults on the server (ALTER ROLE ...
SET), and send single statements without BEGIN (autocommit). Leave it alone where the network is a socket on the same
machine.
"""

from collections.abc import Callable, Iterator

from pglast import ast

from analyzer.behaviour.workload import ObservedWorkload, StatementSeries
from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.findings import Finding, Severity
from analyzer.statements.tree import Node, Unparsable, single_statement
from analyzer.words.durations import DAY_S, count_words

check = Check(
    __name__,
    code="ST035",
    title="Many calls do nothing",
    severity=Severity.INFO,
    intervals=Threshold(20, "intervals", "judgement: fewer may hold a start of the application and nothing else"),
    rate=Threshold(20, "calls per second", "judgement: on average; at 0.5 ms ten of a thousand seconds"),
    call_ratio=Threshold(0.2, "of all calls", "judgement: one in five"),
    transaction_ratio=Threshold(0.8, "transactions / other statements", "judgement: nearly each has one of its own"),
)

SETS = (ast.VariableSetStmt, ast.VariableShowStmt, ast.DiscardStmt)


def _is_check(node: Node) -> bool:
    """SELECT of constants, from nowhere."""
    if not isinstance(node, ast.SelectStmt) or node.fromClause or not node.targetList or node.whereClause:
        return False
    return all(isinstance(target.val, (ast.ParamRef, ast.A_Const)) for target in node.targetList)


def _is_set(node: Node) -> bool:
    return isinstance(node, SETS)


def _is_begin(node: Node) -> bool:
    return isinstance(node, ast.TransactionStmt) and node.kind.name in ("TRANS_STMT_BEGIN", "TRANS_STMT_START")


def _is_transaction(node: Node) -> bool:
    return isinstance(node, ast.TransactionStmt)


KINDS: tuple[tuple[str, Callable[[Node], bool], str, str, Fix], ...] = (
    (
        "SELECT of a constant",
        _is_check,
        "look whether the connection lives (SELECT 1)",
        "Let the pool validate connections only after they were idle for a while.",
        Fix("For a pool of SQLAlchemy: by age instead of at each checkout", "sqlalchemy",
            "create_engine(url, pool_pre_ping=False, pool_recycle=300)"),
    ),
    (
        "SET and SHOW",
        _is_set,
        "set or show settings of the session",
        "Keep connections open, and give the role its settings on the server.",
        Fix("Settings that every session of the role begins with", "sql", "ALTER ROLE ... SET timezone = 'UTC';"),
    ),
)  # fmt: skip


@check.on(ObservedWorkload)
def connection_chatter(workload: ObservedWorkload) -> Iterator[Finding]:
    if workload.intervals < check["intervals"]:
        raise NotRun(f"needs {check['intervals']:.0f} intervals without a gap, there are {workload.intervals}")
    top = [(series, _node(series)) for series in workload.series if series.toplevel]
    total = sum(float(series.calls.sum()) for series, _ in top)
    for subject, belongs, does, hint, fix in KINDS:
        some = [series for series, node in top if belongs(node)]
        calls = sum(float(series.calls.sum()) for series in some)
        if _is_much(workload, calls) and calls >= total * check["call_ratio"]:
            yield _finding(workload, subject, some, f"{calls / total:.0%} of all calls {does}", calls, hint, (fix,))
    begins = [series for series, node in top if _is_begin(node)]
    begun = sum(float(series.calls.sum()) for series in begins)
    work = sum(
        float(s.calls.sum()) for s, node in top if not (_is_transaction(node) or _is_set(node) or _is_check(node))
    )
    if _is_much(workload, begun) and begun >= work * check["transaction_ratio"]:
        said = f"{begun:,.0f} transactions were begun for {work:,.0f} statements, nearly one for each,"
        hint = "Send single statements without BEGIN (autocommit); put those that belong together into one transaction."
        fix = Fix("One transaction a view only where it needs one", "django",
                  'DATABASES["default"]["ATOMIC_REQUESTS"] = False')  # fmt: skip
        yield _finding(workload, "BEGIN and COMMIT", begins, said, 2 * begun, hint, (fix,))


def _node(series: StatementSeries) -> Node | None:
    node = single_statement(series.normalized_sql)
    return None if isinstance(node, Unparsable) else node


def _is_much(workload: ObservedWorkload, calls: float) -> bool:
    return bool(calls) and calls / workload.window_s >= check["rate"]


def _finding(
    workload: ObservedWorkload,
    subject: str,
    some: list[StatementSeries],
    message: str,
    calls: float,
    hint: str,
    fixes: tuple[Fix, ...],
) -> Finding:
    per_day = calls * DAY_S / workload.window_s
    waiting_s = per_day * workload.round_trip_ms / 1000
    running_s = sum(float(series.exec_time_ms.sum()) for series in some) / 1000 * DAY_S / workload.window_s
    return check.finding(
        about=subject,
        subject=subject,
        message=(
            f"{message}, {count_words(per_day, workload.window_s)}: the application waits for as many round trips"
            f" ({workload.round_trip_ms:g} ms each, assumed)."
        ),
        hint=hint,
        evidence={"calls_per_s": round(calls / workload.window_s, 1), "assumed_round_trip_ms": workload.round_trip_ms},
        fixes=fixes,
        impact_s_per_day=running_s + waiting_s,
        impact_assumed_s_per_day=waiting_s,
        watched_s=workload.window_s,
        related_fingerprints=tuple(series.fingerprint for series in some[:5]),
    )
