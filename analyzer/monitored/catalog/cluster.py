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
    RoleSettings,
    SettingFacts,
    TrustRule,
)

# settings that are texts and no secrets; the value of every other text is left out
TEXTS = ("search_path", "server_encoding", "server_version", "session_preload_libraries", "shared_preload_libraries")
# of roles' settings those that checks look at: others may hold an application's secrets
OF_ROLES = re.compile(r"\w+_timeout|enable_\w+|\w*work_mem|default_transaction_read_only|jit|synchronous_commit")


def read_cluster(conn: MonitoredConnection) -> ClusterFacts:
    """Settings are those of our own session: ALTER ROLE ... SET for other roles is in ``roles``."""
    with conn.sharing_transactions():
        return _read_parts(conn)


def read_standbys(conn: MonitoredConnection) -> tuple[str, ...]:
    """Those that stream from the server, by name."""
    with conn.transaction_read_only():
        (state,) = conn.run("cluster_state", action="reading the server's state")
    return tuple(state.standbys)


def _read_parts(conn: MonitoredConnection) -> ClusterFacts:
    # our transactions turn JIT and parallel query off for themselves
    with conn.transaction_read_only(planner_as_configured=True):
        (state,) = conn.run("cluster_state", action="reading the server's state")
    facts = ClusterFacts(
        server_version_num=conn.server_version_num,
        **{**named(state, "reads_rules", "reads_passwords"), "standbys": tuple(state.standbys)},
    )
    not_read: dict[str, str] = {}
    may = {"trust_rules": state.reads_rules, "weak_passwords": state.reads_passwords}  # the others any login may
    for name, (what, make) in PARTS.items():
        if not may.get(name, True):
            continue
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


def _role_settings(rows: list[Row]) -> tuple[RoleSettings, ...]:
    every = (RoleSettings(row.database, row.role, _of_role(row)) for row in rows)
    return tuple(one for one in every if one.settings)


PARTS: dict[str, tuple[str, Callable[[list[Row]], Any]]] = {
    "settings": ("settings", _settings),
    "databases": ("databases", lambda rows: tuple(DatabaseFacts(**named(row)) for row in rows)),
    "roles": ("roles", _roles),
    "role_settings": ("settings of roles and databases", _role_settings),
    "extensions": ("extensions", lambda rows: tuple(ExtensionFacts(**named(row)) for row in rows)),
    "system": ("system's identifier", lambda rows: rows[0].system_identifier if rows else None),
    "trust_rules": ("rules of pg_hba.conf", lambda rows: tuple(TrustRule(**named(row)) for row in rows)),
    "weak_passwords": ("roles with MD5 passwords", lambda rows: tuple(row.name for row in rows)),
    "checkpoints": ("checkpoints", lambda rows: CheckpointFacts(**named(rows[0])) if rows else None),
}
