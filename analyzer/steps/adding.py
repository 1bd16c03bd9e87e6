"""Adds what somebody names to what is watched: a server, or one more database of a server that is watched already."""

from dataclasses import dataclass

from django.utils import timezone

from analyzer.errors import MonitoredServerError, PgLoupeError
from analyzer.models import Server
from analyzer.monitored.access.identity import ServerIdentity, read_identity
from analyzer.monitored.connection import connect
from analyzer.schema.quoting import quote_identifier
from analyzer.steps import schedule
from analyzer.steps.connecting import connect_in
from analyzer.store.same_server import last_seen_as, left_out_by, look_into, may_have_restarted, reached_there
from analyzer.store.servers import add_server_from_dsn, server_at, settings_of_command
from analyzer.words.visible import visible_line

PATIENCE_S = 3  # judgement: of a connection; somebody waits for a command to start, or for a page


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
        known = reached_there(given)  # so that a start while it is down makes no second server of a database
        if known is None:
            add_server_from_dsn(dsn)
        return ""
    known = same_server(identity)
    if known is None:
        add_server_from_dsn(dsn)
        return ""
    if known.dbname != identity.database:
        Server.objects.filter(pk=known.pk).update(is_active=True)
        return join(known, identity).sentence
    before = f"{known.user} at {known.host}:{known.port}"
    add_server_from_dsn(dsn, known=known)
    return (
        f"{known.name} watches database {quote_identifier(known.dbname)} of that server already: it is reached as"
        f" {given.user} at {given.host}:{given.port} from now on, no longer as {before}."
    )


def same_server(identity: ServerIdentity) -> Server | None:
    """The watched server that answered: by its newest sample, or, where it may have restarted since, by asking it."""
    if seen := last_seen_as(identity):
        return seen
    for server in may_have_restarted(identity):
        try:
            with connect_in(server, PATIENCE_S) as conn:
                answers = read_identity(conn)
        except PgLoupeError:  # as good as another: nothing proves that it is this one
            continue
        if answers.started_at == identity.started_at:
            return server
    return None


def join(server: Server, identity: ServerIdentity) -> Joined:
    """Has the database that answered looked into with the others of ``server``, and says how that stands."""
    name = visible_line(quote_identifier(identity.database))
    if pattern := left_out_by(server, identity.database):
        return Joined(server, f"{name} is a database of {server.name}, whose settings leave it out ({pattern}).")
    if not look_into(server, identity.database_oid, identity.database):
        return Joined(server, f"{name} is looked into already, as a database of {server.name}.")
    schedule.hasten(server, "schema", now=timezone.now())
    return Joined(
        server,
        f"{name} is a database of {server.name}, which is watched already: it is looked into there from now on, as"
        f" login {server.user}, and no second server is made.{_what_it_takes(server, identity)}",
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
