"""Which entries of pg_stat_statements are pgLoupe's own: counted as its cost, and in no list.

What pgLoupe sends itself carries its marker. pg_dump, which reads the schema for the twin, cannot mark its statements:
they are known by the login. As long as that runs nothing that pg_dump would not, it is ours alone, and so is all it
sent, BEGIN and SET included. A login that the application uses too is told by its first statement of another kind:
then only what reads the catalog alone is taken for ours, and what was taken before is judged anew. Entries of nested
statements say nothing of a login: EXPLAIN ANALYZE leaves them too where pg_stat_statements.track is ``all``.
"""

from django.db import connection
from pglast import ast

from analyzer.models import Server, Statement, StatementEntry
from analyzer.statements.parse import is_system_table, parse_statement, reads_catalog_only
from analyzer.statements.tree import Unparsable, single_statement, walk

# PostgreSQL's names of utilities that say nothing of who uses a login: a session of ours or pg_dump's has them too
OF_A_SESSION = frozenset({
    "VariableSetStmt", "VariableShowStmt", "TransactionStmt", "LockStmt", "PrepareStmt", "ExecuteStmt",
    "DeallocateStmt", "DiscardStmt", "ExplainStmt",
})  # fmt: skip


def our_role(server: Server) -> int | None:
    """Oid of the login; None until the roles' names have been read."""
    return server.roles.filter(name=server.user).values_list("oid", flat=True).first()


def is_shared(server: Server, role_oid: int) -> bool:
    """Whether the login is known to run statements that are not ours."""
    texts = Statement.objects.filter(
        server=server, entries__role_oid=role_oid, entries__is_own=False, entries__toplevel=True
    ).values_list("normalized_sql", flat=True)
    return any(is_application(sql) for sql in texts)


def is_application(sql: str) -> bool:
    """What pg_dump would not send: it changes something, or has tables (or, without any, functions) of its own."""
    parsed = parse_statement(sql)
    if parsed.kind == "unknown":
        return False
    if parsed.kind == "utility":
        return parsed.utility not in OF_A_SESSION
    if parsed.kind != "select" or not all(is_system_table(str(table)) for table in parsed.tables):
        return True
    return not parsed.tables and not all(_is_servers_own(call) for call in _calls(sql))


def is_ours_by_text(sql: str) -> bool:
    """What a login that is not ours alone sent for us: reads of the catalog, calls of its functions by full name."""
    if reads_catalog_only(sql):
        return True
    parsed, calls = parse_statement(sql), _calls(sql)
    if parsed.kind != "select" or parsed.tables or not calls:
        return False
    return all(len(call) == 2 and _is_servers_own(call) for call in calls)


def _calls(sql: str) -> list[tuple[str, ...]]:
    """Names of the functions called, with their schema where it is given."""
    node = single_statement(sql)
    if isinstance(node, Unparsable):
        return []
    return [tuple(part.sval for part in call.funcname) for call in walk(node) if isinstance(call, ast.FuncCall)]


def _is_servers_own(call: tuple[str, ...]) -> bool:
    return call[0] == "pg_catalog" if len(call) > 1 else call[0].startswith("pg_")


def give_back(server: Server, role_oid: int) -> None:
    """Judge all of a login's entries anew: without a statement their texts are asked for at the next reading."""
    StatementEntry.objects.filter(server=server, role_oid=role_oid, is_own=True).update(is_own=False)


def mark_own(server: Server, entry_ids: list[int]) -> None:
    """Mark as ours; what was already counted as the application's moves to our account, its statement goes."""
    if not entry_ids:
        return
    entries = StatementEntry.objects.filter(pk__in=entry_ids)
    named = list(entries.filter(statement__isnull=False).values_list("statement_id", flat=True).distinct())
    entries.update(is_own=True, statement=None)
    Statement.objects.filter(pk__in=named, server=server, entries__isnull=True).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "with ours as (delete from statement_delta where entry_id = any(%(ids)s) and server_id = %(server)s"
            "   returning taken_at, entry_id, calls, total_exec_time_us, rows),"
            " sums as (select taken_at, count(*) as n, sum(calls) filter (where e.toplevel) as calls,"
            "   sum(total_exec_time_us) filter (where e.toplevel) as time_us,"
            "   sum(rows) filter (where e.toplevel) as rows"
            "   from ours join analyzer_statemententry e on e.id = ours.entry_id group by taken_at),"
            " server as (update server_delta d set calls = coalesce(d.calls, 0) - coalesce(sums.calls, 0),"
            "   total_exec_time_us = coalesce(d.total_exec_time_us, 0) - coalesce(sums.time_us, 0),"
            "   rows = coalesce(d.rows, 0) - coalesce(sums.rows, 0)"
            "   from sums where d.server_id = %(server)s and d.taken_at = sums.taken_at)"
            " update analyzer_snapshot s set"
            "   own_exec_time_ms = s.own_exec_time_ms + coalesce(sums.time_us, 0) / 1000.0,"
            "   changed_entries = s.changed_entries - sums.n"
            " from sums where s.server_id = %(server)s and s.taken_at = sums.taken_at",
            {"ids": entry_ids, "server": server.pk},
        )


def claim(server: Server) -> None:
    """Mark what was taken for the application's before the login's name was known, or by an older version."""
    role_oid = our_role(server)
    if role_oid is not None and not is_shared(server, role_oid):
        others = StatementEntry.objects.filter(
            server=server, role_oid=role_oid, is_own=False, statement__isnull=False, statement__text_state="ok"
        )
        mark_own(server, list(others.values_list("pk", flat=True)))
