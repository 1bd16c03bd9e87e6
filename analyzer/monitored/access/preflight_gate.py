"""What in a database keeps statements from being sent to it at all: they get the planner twin's plans."""

from collections.abc import Iterator

from analyzer.monitored.access.observed_server import ObservedServer
from analyzer.monitored.failures import quoted
from analyzer.monitored.readings import PreflightItem


def namesakes(seen: ObservedServer) -> Iterator[PreflightItem]:
    """Functions and operators of users that bear the names of PostgreSQL's own."""
    with seen.conn.transaction_read_only():
        rows = seen.conn.run("preflight_overloads", action="looking for namesakes of PostgreSQL's own functions")
    if not rows:
        return
    named = ", ".join(row.what for row in rows)
    more = rows[0].number - len(rows)
    detail = (
        f"{named[:1].upper()}{named[1:]}{f' and {more:,} more' if more > 0 else ''} can be meant where a statement uses"
        " PostgreSQL's own. Statements that may mean them are planned on the planner twin and never executed."
    )
    yield PreflightItem("Namesakes of PostgreSQL's own", "warning", detail)


def owners(seen: ObservedServer) -> Iterator[PreflightItem]:
    """Several roles that own tables: each could put code on its own while they are planned."""
    with seen.conn.transaction_read_only():
        rows = seen.conn.run("preflight_owners", action="looking for the owners of tables")
    if not rows:
        return
    named = ", ".join(f"{row.owner} ({row.tables:,})" for row in rows)
    detail = (
        f"Tables and views belong to roles that are not the database's owner: {named}. Each could put code on its own"
        " while they are planned, so statements on them are planned on the planner twin and never executed."
    )
    sql = (
        "-- gives the application's role the database, and with it EXPLAIN on its tables\n"
        f"ALTER DATABASE {quoted(seen.conn.dbname)} OWNER TO {quoted(rows[0].owner)};"
    )
    yield PreflightItem("Owners of tables", "warning", detail, sql)
