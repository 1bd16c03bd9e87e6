"""Who runs a server: a managed service is known by the roles and settings it brings, and is set elsewhere. Pure."""

from dataclasses import dataclass

from analyzer.schema.cluster import ClusterFacts


@dataclass(frozen=True, slots=True)
class Host:
    """A managed service. ``where``: in what its settings are changed, there being no ALTER SYSTEM.

    ``checkpoints_write``: False where a storage service makes pages out of WAL, and a checkpoint writes none.
    """

    name: str
    where: str
    roles: tuple[str, ...]
    setting_prefixes: tuple[str, ...] = ()
    checkpoints_write: bool = True


# A role or a setting of one of these names exists nowhere else. Sources: the services' own manuals.
HOSTS = (
    Host("Amazon RDS or Aurora", "the DB parameter group", ("rds_superuser",), ("rds.",)),
    Host("AlloyDB", "the instance's database flags", ("alloydbsuperuser",), ("alloydb.",), False),
    Host("Google Cloud SQL", "the instance's database flags", ("cloudsqlsuperuser",), ("cloudsql.",)),
    Host("Azure Database for PostgreSQL", "the server parameters", ("azure_pg_admin",), ("azure.",)),
    Host("Neon", "the project's Postgres settings", ("neon_superuser",), ("neon.",), False),
    Host("Supabase", "the project's configuration (supabase postgres-config update)", ("supabase_admin",)),
    Host("Aiven", "the service's advanced configuration", ("avnadmin",)),
    Host("DigitalOcean", "the database cluster's configuration (doctl databases configuration)", ("doadmin",)),
    Host("Crunchy Bridge", "the cluster's configuration parameters", ("crunchy_superuser",)),
    Host("Timescale Cloud", "the service's database configuration", ("tsdbadmin",)),
)


def host_of(facts: ClusterFacts) -> Host | None:
    """None: its own machine, or a service that is not known here."""
    roles = {role.name for role in facts.roles or ()}
    for host in HOSTS:
        if roles.intersection(host.roles) or (
            host.setting_prefixes and any(name.startswith(host.setting_prefixes) for name in facts.settings)
        ):
            return host
    return None
