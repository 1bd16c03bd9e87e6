"""Monitored servers: adding, changing and removing them, and what is needed to connect to one."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.text import slugify

from analyzer.models import FindingRecord, PlanRecord, Server, Snapshot, SuggestionRecord
from analyzer.monitored.access.address_policy import AddressPolicy
from analyzer.monitored.connection import ConnectionSettings
from analyzer.store.secrets import decrypt, encrypt
from analyzer.store.series.partitions import SERIES

RESERVED_SLUGS = frozenset({"add"})  # an address of its own below servers/


def settings_of_command(dsn: str) -> ConnectionSettings:
    """A DSN that a command was given, whose address is trusted. Raises BadInput when it cannot be used."""
    given = ConnectionSettings.from_dsn(dsn, allow_files=True, is_plaintext_checked=True)
    address_policy().checked(given, is_trusted=True)
    return given


def server_at(given: ConnectionSettings) -> Server | None:
    """The server that is reached so: same host, port, login and database."""
    return Server.objects.filter(host=given.host, port=given.port, user=given.user, dbname=given.dbname).first()


def add_server_from_dsn(dsn: str, *, name: str | None = None, known: Server | None = None, **fields: object) -> Server:
    """The server a DSN names, made or (``known``, or same host, port, user and database) brought up to date.

    For commands: the address is trusted. ``fields`` are model fields such as ``sample_interval_s``. Raises BadInput
    when the DSN cannot be used.
    """
    given = settings_of_command(dsn)
    where = {"host": given.host, "port": given.port, "user": given.user, "dbname": given.dbname}
    values = {
        "sslmode": given.sslmode,
        "sslrootcert": given.sslrootcert,
        "requires_channel_binding": given.requires_channel_binding,
        "password_encrypted": encrypt(given.password),
        "is_address_trusted": True,
        **fields,
    }
    with transaction.atomic():
        server = Server.objects.select_for_update().filter(**({"pk": known.pk} if known else where)).first()
        if server is None:
            server = _new_server(name or default_name(given))
            server.sample_interval_s = settings.ANALYZER_SAMPLE_INTERVAL_S
            server.explain_budget_s_per_hour = settings.ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR
        for field, value in {**where, **values}.items():
            setattr(server, field, value)
        server.is_active = True
        server.save()
    return server


def save_server(server: Server | None, given: ConnectionSettings, fields: dict[str, Any]) -> Server:
    """A server as a person gave it on the page: a new one or ``server`` changed.

    ``given`` holds the password to keep. An address that changes is no longer trusted.
    """
    with transaction.atomic():
        if server is None:
            saved = _new_server(fields.pop("name", "") or default_name(given))
        else:
            saved = Server.objects.select_for_update().get(pk=server.pk)
            saved.is_address_trusted = saved.is_address_trusted and is_same_place(saved, given)
        saved.host, saved.port, saved.user, saved.dbname = given.host, given.port, given.user, given.dbname
        saved.sslmode, saved.sslrootcert = given.sslmode, given.sslrootcert
        saved.requires_channel_binding = given.requires_channel_binding
        saved.password_encrypted = encrypt(given.password)
        for field, value in fields.items():
            setattr(saved, field, value)
        saved.save()
    return saved


def is_same_place(server: Server, given: ConnectionSettings) -> bool:
    """Whether the stored password would go where it goes now."""
    return (server.host, server.port) == (given.host, given.port)


def same_database(given: ConnectionSettings, but: Server | None = None) -> Server | None:
    """Another server that watches the same database already."""
    same = Server.objects.filter(host__iexact=given.host, port=given.port, dbname=given.dbname)
    return (same.exclude(pk=but.pk) if but else same).first()


def default_name(given: ConnectionSettings) -> str:
    return f"{given.dbname} on {given.host}"[:90]


def address_policy() -> AddressPolicy:
    policy: AddressPolicy = settings.ADDRESS_POLICY
    return policy


def connection_settings(server: Server, dbname: str | None = None) -> ConnectionSettings:
    """What to connect with: the password decrypted, the address checked anew (a name may point elsewhere today).

    ``dbname``: of another database than the server's own. Raises CannotDecrypt when the password's key is gone,
    AddressRefused or ServerUnreachable for the address.
    """
    given = _in_database(stored_settings(server), dbname)
    return address_policy().checked(given, is_trusted=server.is_address_trusted)


def explain_settings(server: Server, dbname: str | None = None) -> ConnectionSettings:
    """Where EXPLAIN goes: to the server's replica where it has one. As ``connection_settings``."""
    if not server.replica_host:
        return connection_settings(server, dbname)
    given = _in_database(stored_settings(server), dbname)
    return address_policy().checked(replica_of(given, server.replica_host, server.replica_port), is_trusted=False)


def _in_database(given: ConnectionSettings, dbname: str | None) -> ConnectionSettings:
    return given if dbname is None else replace(given, dbname=dbname)


def replica_of(given: ConnectionSettings, host: str, port: int) -> ConnectionSettings:
    """The same login at another address: roles and databases are copied with everything else."""
    return replace(given, host=host, port=port)


def stored_settings(server: Server) -> ConnectionSettings:
    """As stored, the address not checked: not to connect with."""
    return ConnectionSettings(
        host=server.host,
        port=server.port,
        user=server.user,
        password=decrypt(server.password_encrypted),
        dbname=server.dbname,
        sslmode=server.sslmode,
        sslrootcert=server.sslrootcert,
        requires_channel_binding=server.requires_channel_binding,
        is_plaintext_checked=True,
    )


@dataclass(frozen=True, slots=True)
class StoredCounts:
    """What goes with a server."""

    statements: int
    snapshots: int
    plans: int
    findings: int
    suggestions: int
    since: datetime | None  # of the oldest snapshot that is kept


def stored_counts(server: Server) -> StoredCounts:
    snapshots = Snapshot.objects.filter(server=server)
    return StoredCounts(
        server.statements.count(),
        snapshots.count(),
        PlanRecord.objects.filter(statement__server=server).count(),
        FindingRecord.objects.filter(server=server).count(),
        SuggestionRecord.objects.filter(database__server=server).count(),
        snapshots.order_by("taken_at").values_list("taken_at", flat=True).first(),
    )


def remove_server(server: Server) -> None:
    """The server and everything known about it. A step that runs at this moment fails and leaves nothing."""
    with transaction.atomic():
        # Until the end nobody can add what refers to it.
        Server.objects.select_for_update().get(pk=server.pk)
        with connection.cursor() as cursor:
            for table in (*SERIES, "rolled_up"):  # they have no foreign keys
                of_server = "server_id = %s"
                if table in ("relation_sample", "size_day"):
                    of_server = "database_id in (select id from analyzer_database where server_id = %s)"
                cursor.execute(f"delete from {table} where {of_server}", [server.pk])
        server.delete()


def _new_server(label: str) -> Server:
    return Server(name=_free("name", label), slug=_free("slug", slugify(label) or "server"))


def _free(field: str, name: str) -> str:
    """``name``, or with the first number that makes it unique."""
    name = name[:90]
    taken = set(Server.objects.filter(**{f"{field}__startswith": name}).values_list(field, flat=True))
    if field == "slug":
        taken |= RESERVED_SLUGS
    number, candidate = 2, name
    while candidate in taken:
        candidate = f"{name}-{number}"
        number += 1
    return candidate
