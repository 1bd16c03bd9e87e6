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


@dataclass(frozen=True, slots=True)
class OwnersView:
    """A view that reads a table with row security by its owner's rights.

    ``sees_all_rows``: row security does not hold for the view's owner. ``readers``: roles but the owner that may SELECT
    from it, for which it would hold on the table; ``is_public``: everybody may.
    """

    schema: str
    name: str
    owner: str
    is_materialized: bool
    table_oid: int
    owner_is_superuser: bool
    owner_bypasses: bool
    sees_all_rows: bool
    is_public: bool
    readers: tuple[str, ...] = ()
