"""Who holds back VACUUM, for the checks that say so of the server and of its tables."""

from collections.abc import Mapping

from analyzer.findings import Quantity
from analyzer.schema.standing import HeldBack

CODE = "SV012"  # whose finding it is


def holder_words(held: HeldBack) -> str:
    role = f" of role {held.role}" if held.role else ""
    application = f", application {held.application_name!r}" if held.application_name else ""
    return {
        "session": f"the session of process {held.name}{role}{application}",
        "prepared transaction": f"the prepared transaction {held.name!r}{role}",
        "slot": f"the replication slot {held.name}",
        "catalog slot": f"the logical slot {held.name}",
        "standby": f"a standby (process {held.name}{application}) by hot_standby_feedback",
    }.get(held.kind, f"process {held.name} ({held.kind})")


def holder_of(evidence: Mapping[str, Quantity]) -> HeldBack:
    """Out of the evidence of its finding."""
    age, since_s = evidence.get("xid_age"), evidence.get("held_for_s")
    role, database = evidence.get("role"), evidence.get("database")
    return HeldBack(
        str(evidence.get("held_by") or ""),
        str(evidence.get("name") or ""),
        int(age) if isinstance(age, (int, float)) else 0,
        float(since_s) if isinstance(since_s, (int, float)) else None,
        str(role) if role else None,
        str(database) if database else None,
        str(evidence.get("application_name") or ""),
    )
