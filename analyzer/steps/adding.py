"""Adds what somebody names to what is watched: a server, or one more database of a server that is watched already."""

import time
from dataclasses import dataclass

from django.utils import timezone

from analyzer.errors import MonitoredServerError, PgLoupeError
from analyzer.models import Server
from analyzer.monitored.access.identity import ServerIdentity, read_identity
from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.schema.quoting import quote_identifier
from analyzer.steps import schedule
from analyzer.steps.connecting import connect_in
from analyzer.store.same_server import (
    last_seen_as,
    left_out_by,
    look_into,
    may_have_restarted,
    never_reached,
    reached_there,
)
from analyzer.store.servers import add_server_from_dsn, server_at, settings_of_command
from analyzer.words.visible import visible_line

PATIENCE_S = 3  # judgement: of a connection; somebody waits for a command to start, or for a page
PATIENCE_WITH_ALL_S = 5  # judgement: with all servers that may be the one that answers

# of the server's mode, what is done with the statements of a database that joins it
EXPLAINED = {
    Server.ExplainMode.ANALYZE: "Its statements are run with EXPLAIN ANALYZE where the gate allows it",
    Server.ExplainMode.PLAIN: "Its statements are planned (EXPLAIN), none is run",
    Server.ExplainMode.OFF: "Its statements are left alone (no EXPLAIN)",
}


@dataclass(frozen=True, slots=True)
class Joined:
    """A database that is looked into with the others of ``server``. ``sentence`` says so, and what it takes."""

    server: Server
    sentence: str


def add_from_dsn(dsn: str) -> str:
    """What a command was given: a server of its own, or one more database of a server. In a sentence where that is
    not what was asked for, else "". Raises BadInput.
    """
    given = settings_of_command(dsn)
    if server_at(given) is not None or not Server.objects.exists():
        add_server_from_dsn(dsn)
        return ""
    try:
        with connect(given, connect_timeout_s=PATIENCE_S) as conn:
            identity = read_identity(conn)
    except MonitoredServerError:
        if reached_there(given) is not None:  # so that a start while it is down makes no second server of a database
            return ""
        if (starting := never_reached(given)) is not None:
            name = visible_line(quote_identifier(given.dbname))
            return (
                f"{starting.name} does not answer yet, so {name} is taken as a database of it: it is looked into"
                " there once it has load, or once this command is given again."
            )
        add_server_from_dsn(dsn)
        return ""
    known = same_server(identity, given)
    if known is None:
        add_server_from_dsn(dsn)
        return ""
    if known.dbname != identity.database:
        Server.objects.filter(pk=known.pk).update(is_active=True)
        known.is_active = True
        return join(known, identity).sentence
    before = f"{known.user} at {known.host}:{known.port}"
    add_server_from_dsn(dsn, known=known)
    return (
        f"{known.name} watches database {quote_identifier(known.dbname)} of that server already: it is reached as"
        f" {given.user} at {given.host}:{given.port} from now on, no longer as {before}."
    )


def same_server(identity: ServerIdentity, given: ConnectionSettings) -> Server | None:
    """The watched server that answered: by its newest sample, or, where it may have restarted since, by asking it.

    Those at the address that was ``given`` are asked first, and only for as long as somebody waits.
    """
    if seen := last_seen_as(identity):
        return seen
    until = time.monotonic() + PATIENCE_WITH_ALL_S
    for server in sorted(may_have_restarted(identity), key=lambda s: _distance(s, given)):
        left_s = int(until - time.monotonic())
        if left_s < 1:
            return None
        try:
            with connect_in(server, min(PATIENCE_S, left_s)) as conn:
                answers = read_identity(conn)
        except PgLoupeError:  # as good as another: nothing proves that it is this one
            continue
        if answers.started_at == identity.started_at:
            return server
    return None


def _distance(server: Server, given: ConnectionSettings) -> tuple[bool, bool]:
    """Least for the same host and port."""
    return server.host.lower() != given.host.lower(), server.port != given.port


def join(server: Server, identity: ServerIdentity) -> Joined:
    """Has the database that answered looked into with the others of ``server``, and says how that stands."""
    name = visible_line(quote_identifier(identity.database))
    if pattern := left_out_by(server, identity.database):
        return Joined(server, f"{name} is a database of {server.name}, whose settings leave it out ({pattern}).")
    if not look_into(server, identity.database_oid, identity.database):
        return Joined(server, f"{name} is looked into already, as a database of {server.name}.")
    schedule.make_due_now(server, "schema", now=timezone.now())
    since = "from now on" if server.is_active else "once that server, which is paused, is watched again"
    return Joined(
        server,
        f"{name} is a database of {server.name}, which is watched already: it is looked into there {since}, as"
        f" login {server.user}, and no second server is made. {EXPLAINED[Server.ExplainMode(server.explain_mode)]}, as"
        f" that server's settings say.{_what_it_takes(server, identity)}",
    )


def _what_it_takes(server: Server, identity: ServerIdentity) -> str:
    """Why the server's own login cannot read the database, which is another's than that which was given; or ""."""
    try:
        with connect_in(server, PATIENCE_S, identity.database) as conn:
            read_identity(conn)
    except PgLoupeError as problem:
        database, login = visible_line(quote_identifier(identity.database)), quote_identifier(server.user)
        grant = f"GRANT CONNECT ON DATABASE {database} TO {login}"
        return f" That login cannot read it yet: {visible_line(problem)}. What may be missing: {grant};"
    return ""
