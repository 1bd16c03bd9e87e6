"""What a database has beside tables, as facts: sequences, functions, extended statistics, schemas."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.schema.pace import Pace


@dataclass(frozen=True, slots=True)
class SequenceFacts:
    """``last_value``: None where never used, or not readable (``is_readable``)."""

    oid: int
    schema: str
    name: str
    type_name: str
    last_value: int | None
    is_readable: bool
    start: int = 1
    increment: int = 1
    min_value: int = 1
    max_value: int = 2**63 - 1
    cache: int = 1
    is_cycled: bool = False
    table_oid: int | None = None  # of the column it belongs to
    column: str | None = None
    is_identity: bool = False
    pace: Pace | None = None  # of its values, filled in by the store

    @property
    def qualified_name(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class FunctionFacts:
    """A function or procedure that no extension brought. Its text is not read.

    ``runners``: roles to which EXECUTE is granted by name, but for superusers and those that have the owner's rights
    anyhow. That of a trigger (``is_trigger``) is run by whoever sets it off, whatever is granted.
    """

    schema: str
    name: str
    arguments: str  # pg_get_function_identity_arguments
    language: str
    is_security_definer: bool
    volatility: str  # i immutable, s stable, v volatile
    parallel: str  # s safe, r restricted, u unsafe
    owner: str
    owner_is_superuser: bool
    is_public: bool  # PUBLIC may run it
    runners: tuple[str, ...] = ()
    is_trigger: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)  # its SET search_path, where it has one
    is_named_as_built_in: bool = False  # pg_catalog has a function of this name, too
    has_sql_body: bool = False  # BEGIN ATOMIC or RETURN (14): its names were resolved when it was made

    @property
    def signature(self) -> str:
        return f"{self.schema}.{self.name}({self.arguments})"


@dataclass(frozen=True, slots=True)
class ExtendedStatisticsFacts:
    """CREATE STATISTICS. ``columns`` without expressions."""

    schema: str
    name: str
    table_oid: int
    columns: tuple[str, ...]
    kinds: str  # of pg_statistic_ext.stxkind: d ndistinct, f dependencies, m mcv, e expressions
    has_expressions: bool = False


@dataclass(frozen=True, slots=True)
class CollationFacts:
    """A collation that indexes use. ``version``: as noted when it was made or last refreshed."""

    schema: str
    name: str
    oid: int
    provider: str  # c libc, i ICU, b built in
    version: str
    version_now: str | None = None


@dataclass(frozen=True, slots=True)
class SchemaRights:
    """A schema and what PUBLIC may in it."""

    name: str
    owner: str
    public_may_create: bool
