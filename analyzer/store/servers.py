"""Monitored servers: adding them, and what is needed to connect to one."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from analyzer.models import Server, StepStatus
from analyzer.monitored.connection import ConnectionSettings
from analyzer.store.secrets import decrypt, encrypt


def add_server_from_dsn(dsn: str, *, name: str | None = None, **fields: object) -> Server:
    """The server a DSN names, made or (same host, port, user and database) brought up to date.

    ``fields`` are model fields such as ``sample_interval_s``. Raises BadInput when the DSN cannot be used.
    """
    given = ConnectionSettings.from_dsn(dsn)
    where = {"host": given.host, "port": given.port, "user": given.user, "dbname": given.dbname}
    values = {
        "sslmode": given.sslmode,
        "sslrootcert": given.sslrootcert,
        "password_encrypted": encrypt(given.password),
        **fields,
    }
    with transaction.atomic():
        server = Server.objects.select_for_update().filter(**where).first()
        if server is None:
            label = name or f"{given.dbname} on {given.host}"
            server = Server(**where, name=_free("name", label), slug=_free("slug", slugify(label) or "server"))
            server.sample_interval_s = settings.ANALYZER_SAMPLE_INTERVAL_S
            server.explain_budget_s_per_hour = settings.ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR
        for field, value in values.items():
            setattr(server, field, value)
        server.is_active = True
        server.save()
    return server


def connection_settings(server: Server) -> ConnectionSettings:
    """What to connect with, the password decrypted. Raises CannotDecrypt when its key is gone."""
    return ConnectionSettings(
        host=server.host,
        port=server.port,
        user=server.user,
        password=decrypt(server.password_encrypted),
        dbname=server.dbname,
        sslmode=server.sslmode,
        sslrootcert=server.sslrootcert,
    )


def step_status(server: Server, step: str) -> StepStatus:
    return StepStatus.objects.get_or_create(server=server, step=step)[0]


def last_success(server: Server, step: str) -> datetime | None:
    return StepStatus.objects.filter(server=server, step=step).values_list("last_success_at", flat=True).first()


def _free(field: str, wanted: str) -> str:
    """``wanted``, or with the first number that makes it unique."""
    wanted = wanted[:90]
    taken = set(Server.objects.filter(**{f"{field}__startswith": wanted}).values_list(field, flat=True))
    number, candidate = 2, wanted
    while candidate in taken:
        candidate = f"{wanted}-{number}"
        number += 1
    return candidate
