"""Settings of a whole server: what they are for everybody, and the statement that changes one."""

from analyzer.checks.engine import NotRun
from analyzer.findings import Fix
from analyzer.schema.cluster import OWN_SOURCES, ClusterFacts, SettingFacts
from analyzer.schema.hosts import host_of
from analyzer.schema.quoting import quote_identifier, quote_literal

WORDS = frozenset({"on", "off", "auto", "top"})


def settings_of(facts: ClusterFacts) -> ClusterFacts:
    """The facts, where settings were read."""
    if not facts.settings:
        raise NotRun(facts.parts_not_read.get("settings", "the settings have not been read yet"))
    return facts


def for_everybody(facts: ClusterFacts, name: str) -> SettingFacts | None:
    """As sessions of any role in this database have it; None where our login has its own, or none is shown."""
    setting = settings_of(facts).settings.get(name)
    return None if setting is None or setting.source in OWN_SOURCES else setting


def is_off(facts: ClusterFacts, name: str) -> bool:
    setting = for_everybody(facts, name)
    return setting is not None and setting.value == "off"


def bytes_of(facts: ClusterFacts, name: str) -> int | None:
    setting = for_everybody(facts, name)
    return setting.in_bytes if setting is not None else None


def setting_fix(facts: ClusterFacts, name: str, value: str, title: str = "") -> Fix:
    """Set it for the whole server, where and how that is done on this one."""
    title = title or f"{name} = {value} for the whole server"
    setting = facts.settings.get(name)
    needs_restart = setting is not None and setting.context == "postmaster"
    sql_name = ".".join(map(quote_identifier, name.split(".")))
    if setting is not None and setting.source == "database":
        undo = f"ALTER DATABASE {quote_identifier(facts.database)} RESET {sql_name};"
        return Fix(f"{title}: it is set for this database", "sql", f"{undo}\n-- holds for new sessions")
    if setting is not None and setting.source == "global":
        return Fix(f"{title}: it is set for all roles", "sql", f"ALTER ROLE ALL RESET {sql_name};\n-- for new sessions")
    host = host_of(facts)
    if host is not None:
        then = ", then restart the server" if needs_restart else ""
        return Fix(f"{title} ({host.name})", "text", f"In {host.where}: {name} = {value}{then}")
    if setting is not None and setting.source == "command line":
        return Fix(title, "text", f"Given where the server is started (postgres -c {name}=...): change it there.")
    written = value if value in WORDS or value.replace(".", "", 1).isdigit() else quote_literal(value)
    after = "-- takes effect after a restart of the server" if needs_restart else "SELECT pg_reload_conf();"
    return Fix(title, "sql", f"ALTER SYSTEM SET {sql_name} = {written};\n{after}")


def total_bytes(facts: ClusterFacts) -> int:
    """Of the databases whose size we may know."""
    return sum(database.size_bytes or 0 for database in facts.databases or ())
