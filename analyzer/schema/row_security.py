"""Row security policies, as facts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """A row of pg_policies. ``using`` and ``check``: pg_get_expr; None where it has none, or the table was locked."""

    name: str
    is_permissive: bool
    command: str  # ALL, SELECT, INSERT, UPDATE, DELETE
    roles: tuple[str, ...]  # public, or names
    using: str | None = None
    check: str | None = None
