"""Reads a whole server into facts: settings, databases, roles, extensions, checkpoints. Each part by itself."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable
from analyzer.monitored.catalog.parts import named, options
from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.schema.cluster import (
    CheckpointFacts,
    ClusterFacts,
    DatabaseFacts,
    ExtensionFacts,
    RoleFacts,
    SettingFacts,
)

# settings that are texts and no secrets; the value of every other text is left out
TEXTS = ("search_path", "server_encoding", "server_version", "session_preload_libraries", "shared_preload_libraries")
# of roles' settings those that checks look at: others may hold an application's secrets
OF_ROLES = re.compile(r"\w+_timeout|enable_\w+|\w*work_mem|default_transaction_read_only|jit|synchronous_commit")


def read_cluster(conn: MonitoredConnection) -> ClusterFacts:
    """Settings are those of our own session: ALTER ROLE ... SET for other roles is in ``roles``."""
    with conn.sharing_transactions():
        return _read_parts(conn)


def _read_parts(conn: MonitoredConnection) -> ClusterFacts:
    # our transactions turn JIT and parallel query off for themselves
    with conn.transaction_read_only(planner_as_configured=True):
        (state,) = conn.run("cluster_state", action="reading the server's state")
    facts = ClusterFacts(server_version_num=conn.server_version_num, **named(state))
    not_read: dict[str, str] = {}
    for name, (what, make) in PARTS.items():
        try:
            with conn.transaction_read_only(planner_as_configured=True):
                rows = conn.run(f"cluster_{name}", {"texts": list(TEXTS)}, action=f"reading the {what}")
        except (ServerUnreachable, ConnectionLost):
            raise
        except MonitoredServerError as error:
            not_read[name] = str(error)
            continue
        facts = replace(facts, **{name: make(rows)})
    return replace(facts, parts_not_read=not_read)


def _settings(rows: list[Row]) -> dict[str, SettingFacts]:
    return {row.name: SettingFacts(**named(row, "name")) for row in rows if row.value is not None}


def _roles(rows: list[Row]) -> tuple[RoleFacts, ...]:
    return tuple(
        RoleFacts(**{**named(row), "settings": _of_role(row), "member_of": tuple(row.member_of)}) for row in rows
    )


def _of_role(row: Row) -> dict[str, str]:
    return {name: value for name, value in options(row.settings).items() if OF_ROLES.fullmatch(name)}


PARTS: dict[str, tuple[str, Callable[[list[Row]], Any]]] = {
    "settings": ("settings", _settings),
    "databases": ("databases", lambda rows: tuple(DatabaseFacts(**named(row)) for row in rows)),
    "roles": ("roles", _roles),
    "extensions": ("extensions", lambda rows: tuple(ExtensionFacts(**named(row)) for row in rows)),
    "system": ("system's identifier", lambda rows: rows[0].system_identifier if rows else None),
    "checkpoints": ("checkpoints", lambda rows: CheckpointFacts(**named(rows[0])) if rows else None),
}
