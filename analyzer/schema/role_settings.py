"""Which value of a setting a new session of a role in a database begins with, as far as a reading tells."""

from analyzer.schema.cluster import OWN_SOURCES, ClusterFacts


def is_chosen(facts: ClusterFacts, name: str, role: str, database: str) -> bool:
    """Whether ALTER ROLE or ALTER DATABASE ... SET gives it a value there, be it the default."""
    return any(
        name in one.settings and one.role in (None, role) and one.database in (None, database)
        for one in facts.role_settings or ()
    )


def server_value(facts: ClusterFacts, name: str) -> str | None:
    """As the configuration has it; None where our own session has its value from a role or a database."""
    setting = facts.settings.get(name)
    if setting is None or setting.source in OWN_SOURCES - {"session"} or setting.source in ("database", "global"):
        return None
    # what our transactions set hides where the value behind it comes from
    return None if is_chosen(facts, name, facts.login, facts.database) else setting.value
