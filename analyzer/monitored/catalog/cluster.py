"""Reads a whole server into facts: settings, databases, roles, extensions, checkpoints. Each part by itself, at its
interval: until it is over the last reading's is carried over, as long as the server was not started anew.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable
from analyzer.monitored.catalog.parts import EVERY_READING, HOURLY, is_still_good, named, options
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
DAILY = timedelta(days=1)
# of roles' settings those that checks look at: others may hold an application's secrets
OF_ROLES = re.compile(r"\w+_timeout|enable_\w+|\w*work_mem|default_transaction_read_only|jit|synchronous_commit")


@dataclass(frozen=True, slots=True)
class ClusterFactsPart:
    title: str  # "reading the ..."
    every: timedelta
    make: Callable[[list[Row]], Any]


def read_cluster(conn: MonitoredConnection, earlier: ClusterFacts | None = None) -> ClusterFacts:
    """Settings are those of our own session: ALTER ROLE ... SET for other roles is in ``roles``."""
    with conn.sharing_transactions():
        return _read_parts(conn, earlier)


def read_standbys(conn: MonitoredConnection) -> tuple[str, ...]:
    """Those that stream from the server, by name."""
    with conn.transaction_read_only():
        (state,) = conn.run("cluster_state", action="reading the server's state")
    return tuple(state.standbys)


def _read_parts(conn: MonitoredConnection, earlier: ClusterFacts | None) -> ClusterFacts:
    # our transactions turn JIT and parallel query off for themselves
    with conn.transaction_read_only(planner_as_configured=True):
        (state,) = conn.run("cluster_state", action="reading the server's state")
    facts = ClusterFacts(
        server_version_num=conn.server_version_num,
        **{**named(state, "reads_rules", "reads_passwords"), "standbys": tuple(state.standbys)},
    )
    not_read: dict[str, str] = {}
    read_at: dict[str, datetime] = {}
    may = {"trust_rules": state.reads_rules, "weak_passwords": state.reads_passwords}  # the others any login may
    for name, part in PARTS.items():
        if not may.get(name, True):
            continue
        if earlier is not None and (before := _carried_from(name, part, facts, earlier)) is not None:
            facts, read_at[name] = replace(facts, **{name: getattr(earlier, name)}), before
            continue
        try:
            with conn.transaction_read_only(planner_as_configured=True):
                rows = conn.run(f"cluster_{name}", {"texts": list(TEXTS)}, action=f"reading the {part.title}")
        except (ServerUnreachable, ConnectionLost):
            raise
        except MonitoredServerError as error:
            not_read[name] = str(error)
            continue
        facts, read_at[name] = replace(facts, **{name: part.make(rows)}), facts.taken_at
    return replace(facts, parts_not_read=not_read, parts_read_at=read_at)


def _carried_from(name: str, part: ClusterFactsPart, facts: ClusterFacts, earlier: ClusterFacts) -> datetime | None:
    """When the part was read that is still good; None: it is due. Roles' settings and extensions are a database's."""
    before = earlier.parts_read_at.get(name)
    is_same = (earlier.started_at, earlier.database) == (facts.started_at, facts.database)
    return before if before is not None and is_same and is_still_good(before, facts.taken_at, part.every) else None


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


# what counts (databases, checkpoints) is compared with an earlier reading: both are of the time that they say
PARTS: dict[str, ClusterFactsPart] = {
    "settings": ClusterFactsPart("settings", EVERY_READING, _settings),
    "databases": ClusterFactsPart(
        "databases", EVERY_READING, lambda rows: tuple(DatabaseFacts(**named(row)) for row in rows)
    ),
    "roles": ClusterFactsPart("roles", HOURLY, _roles),
    "role_settings": ClusterFactsPart("settings of roles and databases", HOURLY, _role_settings),
    "extensions": ClusterFactsPart(
        "extensions", HOURLY, lambda rows: tuple(ExtensionFacts(**named(row)) for row in rows)
    ),
    "system": ClusterFactsPart("system's identifier", DAILY, lambda rows: rows[0].system_identifier if rows else None),
    "trust_rules": ClusterFactsPart(
        "rules of pg_hba.conf", HOURLY, lambda rows: tuple(TrustRule(**named(row)) for row in rows)
    ),
    "weak_passwords": ClusterFactsPart(
        "roles with MD5 passwords", HOURLY, lambda rows: tuple(row.name for row in rows)
    ),
    "checkpoints": ClusterFactsPart(
        "checkpoints", EVERY_READING, lambda rows: CheckpointFacts(**named(rows[0])) if rows else None
    ),
}
