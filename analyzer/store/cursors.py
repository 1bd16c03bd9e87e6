"""A cursor's query and the FETCHes that run it are one statement.

pg_stat_statements counts the time of a cursor's query at ``FETCH ... FROM name``, an entry for every name, and the
query at ``DECLARE name ...``. Where all that declared a name, in one database by one role, are one statement, the FETCH
entries of that name belong to it; where several did, nobody can tell whose time it was, and they stay by themselves.
"""

from collections.abc import Collection, Sequence

from django.db import connection

from analyzer.models import Server, Statement, StatementEntry

CursorKey = tuple[int, int, str]  # role, database, name


def keep_cursors(server: Server, cursors: Sequence[tuple[StatementEntry, str, bool]]) -> None:
    """Entries with the cursor that their text declares, or fetches from (True). Their statements are known."""
    if not cursors:
        return
    ids, names, fetches = [entry.pk for entry, _, _ in cursors], [n for _, n, _ in cursors], [f for _, _, f in cursors]
    with connection.cursor() as cursor:
        cursor.execute(
            "update analyzer_statemententry e set cursor = k.cursor, is_fetch = k.is_fetch, adds_calls = true"
            " from unnest(%s::bigint[], %s::text[], %s::boolean[]) as k (id, cursor, is_fetch) where e.id = k.id",
            [ids, names, fetches],
        )
    _tie_fetches(server, {(entry.role_oid, entry.database_oid, name) for entry, name, _ in cursors})


def _tie_fetches(server: Server, cursors: Collection[CursorKey]) -> None:
    """Give FETCH entries of these cursors to the statement that declared them, or back to themselves."""
    roles, databases, names = (list(part) for part in zip(*sorted(cursors), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(
            "with asked as (select * from unnest(%(roles)s::bigint[], %(databases)s::bigint[], %(names)s::text[])"
            "     as k (role_oid, database_oid, cursor)),"
            " declared as (select role_oid, database_oid, cursor, min(statement_id) as statement_id,"
            "     count(distinct statement_id) as statements"
            "   from analyzer_statemententry e join asked using (role_oid, database_oid, cursor)"
            "   where e.server_id = %(server)s and not e.is_fetch and e.statement_id is not null group by 1, 2, 3),"
            " fetches as (select e.id, e.statement_id as before, d.statement_id as after, d.statements"
            "   from analyzer_statemententry e join declared d using (role_oid, database_oid, cursor)"
            "   where e.server_id = %(server)s and e.is_fetch and e.statement_id is not null),"
            " tied as (update analyzer_statemententry e set statement_id = f.after, adds_calls = false from fetches f"
            "   where e.id = f.id and f.statements = 1 and f.before <> f.after),"
            # its text makes it a statement of its own again, at the next reading
            " untied as (update analyzer_statemententry e set adds_calls = true, is_text_due = true from fetches f"
            "   where e.id = f.id and f.statements > 1 and not e.adds_calls)"
            " select before from fetches where statements = 1 and before <> after",
            {"server": server.pk, "roles": roles, "databases": databases, "names": names},
        )
        left = [before for (before,) in cursor.fetchall()]
    Statement.objects.filter(pk__in=left, server=server, kind="utility", entries__isnull=True).delete()
