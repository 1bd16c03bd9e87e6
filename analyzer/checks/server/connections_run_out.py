"""Connections run out, or more sessions work at once than the machine can serve.

Each session is a process; when all are taken, the next login fails: "sorry, too many clients already". What is reserved
for superusers and for pg_use_reserved_connections is no help to an application. More sessions at work than a few for
each core do not make anything faster: they wait for each other. A pooler in transaction mode (PgBouncer) with a pool of
two to three connections a core helps against both; a larger ``max_connections`` helps against the first alone, and
costs memory. How many cores there are is known only where an operator entered it in the server's settings; without, the
second is not looked at.
"""

from collections.abc import Callable, Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.checks.pool_size import pool_evidence, pool_words
from analyzer.findings import Finding, Severity
from analyzer.schema.server import ServerFacts, SessionsAtWork
from analyzer.schema.standing import ConnectionLimits
from analyzer.words.lists import counted

check = Check(
    __name__,
    code="SV009",
    title="Connections run out",
    severity=Severity.WARNING,
    taken=Threshold(0.8, "of max_connections without the reserved", "judgement: a restart of a few workers fills it"),
    critical_taken=Threshold(0.95, "of max_connections without the reserved", "judgement: logins fail any moment"),
    active_per_core=Threshold(4, "sessions at work per core", "judgement: poolers' advice is 2 to 3, I/O included"),
)


@check.on(ServerFacts)
def connections_run_out(server: ServerFacts) -> Iterator[Finding]:
    at_work = _too_many_at_work(server.active_average, server.cores)
    limits = server.standing.limits if server.standing else None
    if limits is None:
        raise NotRun("needs max_connections and the number of sessions, which were not read")
    if limits.client_sessions is None and not at_work:
        raise NotRun("needs pg_read_all_stats: other roles' sessions are not visible to this login")
    yield from at_work
    if limits.client_sessions is not None:
        yield from _few_left(limits, limits.client_sessions, server.read_at_work)


def _few_left(
    limits: ConnectionLimits, sessions: int, read_at_work: Callable[[], SessionsAtWork | None]
) -> Iterator[Finding]:
    usable = limits.max_connections - limits.reserved_connections
    if usable <= 0 or sessions < usable * check["taken"]:
        return
    at_work = read_at_work()
    yield check.finding(
        about="connections",
        subject="connections",
        severity=Severity.CRITICAL if sessions >= usable * check["critical_taken"] else Severity.WARNING,
        message=(
            f"{sessions:,} of {usable:,} connections that an ordinary role can take are taken"
            f" (max_connections is {limits.max_connections:,}, of which {limits.reserved_connections:,} are reserved)."
        ),
        hint=(
            "See on the page of sessions whose are idle: a pool that is too large or not given back. A pooler in"
            f" transaction mode shares few connections among many clients.{pool_words(at_work)}"
        ),
        evidence={
            "sessions": sessions,
            "usable_connections": usable,
            "max_connections": limits.max_connections,
            "reserved_connections": limits.reserved_connections,
            "taken_ratio": round(sessions / usable, 3),
            **pool_evidence(at_work),
        },
    )


def _too_many_at_work(average: float | None, cores: int | None) -> list[Finding]:
    if average is None or not cores or average <= cores * check["active_per_core"]:
        return []
    return [
        check.finding(
            about="sessions at work",
            subject="sessions at work",
            title="More sessions at work than the machine serves",
            message=(
                f"{average:.0f} sessions were at work at once on average in the last minutes, on"
                f" {counted(cores, 'core')}."
            ),
            hint=(
                "See in the load by wait what they wait for. If it is the processor or the disk, fewer at once would"
                " be done sooner: a pooler makes the others wait outside."
            ),
            evidence={"active_sessions": round(average, 1), "cores": cores},
        )
    ]
