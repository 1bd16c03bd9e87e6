"""The gate's load layer: a busy server is left alone."""

from analyzer.monitored.connection import MonitoredConnection
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.monitored.login import APPLICATION_NAME
from analyzer.words.lists import counted


def load_objection(connection: MonitoredConnection, limits: ExplainLimits) -> str | None:
    """Why nothing should be executed now; None when the server has room. Inside a read-only transaction."""
    (load,) = connection.run(
        "gate_load",
        {"application_name": APPLICATION_NAME, "lock_wait_s": limits.lock_wait_s},
        action="looking at the server's load",
    )
    if load.hidden_sessions:
        return "The server's load is not visible to this login; its owner can grant it pg_monitor."
    if load.active_sessions >= limits.active_sessions_ceiling:
        are = "is" if load.active_sessions == 1 else "are"
        cores = counted(limits.cores, "core") if limits.cores else f"{counted(limits.assumed_cores, 'core')} assumed"
        return (
            f"The server is busy: {counted(load.active_sessions, 'session')} {are} active,"
            f" fewer than {limits.active_sessions_ceiling:g} are wanted ({cores})."
        )
    if load.lock_waiters:
        have = "has" if load.lock_waiters == 1 else "have"
        waiters = counted(load.lock_waiters, "session")
        return f"{waiters} {have} been waiting for a lock for more than {limits.lock_wait_s:g} s."
    if load.replication_lag_s is not None and load.replication_lag_s > limits.replication_lag_s:
        return f"A replica is {load.replication_lag_s:.0f} s behind; {limits.replication_lag_s:g} s are allowed."
    return None
