"""What a review knows of a server beyond ``SchemaFacts``: read for the tables of one migration. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.schema.facts import SchemaFacts


@dataclass(frozen=True, slots=True)
class CheckConstraint:
    """``definition`` as pg_get_constraintdef() has it: ``CHECK ((n > 0)) NOT VALID``."""

    table_oid: int
    name: str
    definition: str
    is_validated: bool


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """``base_type`` is format_type() of the type below; ``has_constraints``: a CHECK or NOT NULL; ``over``: the domain
    that it is made of, or "".
    """

    base_type: str
    has_constraints: bool
    over: str = ""


@dataclass(frozen=True, slots=True)
class UsingStatement:
    """A recorded statement of the server, with its tables by their oids and columns' names.

    ``columns`` holds those that its text names; ``reads_all`` tables whose every column it returns (``*``).
    """

    fingerprint: str
    text: str
    calls: float
    calls_per_day: float
    watched_s: float
    tables: frozenset[int]
    written: frozenset[int] = frozenset()
    columns: frozenset[tuple[int, str]] = frozenset()
    reads_all: frozenset[int] = frozenset()
    needs: frozenset[tuple[int, str]] = frozenset()  # rights on tables: (oid, "SELECT")
    functions: frozenset[str] = frozenset()  # that it calls: their names without a schema


@dataclass(frozen=True, slots=True)
class LiveFacts:
    """``statements`` is None where pg_stat_statements could not be read, for ``why_no_statements``.

    ``size_bytes``: heap and TOAST of a table. ``volatility``: pg_proc.provolatile of functions that the migration
    calls, the most volatile of each name; none where only some of a name's are volatile. ``views``: by table and column
    those that read it, "schema.view"; by "" those that read no column of it.
    """

    schema: SchemaFacts
    checks: tuple[CheckConstraint, ...] = ()
    # (table's oid, name) -> pg_get_constraintdef()'s text
    foreign_keys: Mapping[tuple[int, str], str] = field(default_factory=dict)
    size_bytes: Mapping[int, int] = field(default_factory=dict)
    volatility: Mapping[str, str] = field(default_factory=dict)
    domains: Mapping[str, DomainFacts] = field(default_factory=dict)
    casts: frozenset[tuple[str, str]] = frozenset()  # somebody's own, which are applied unasked: names of types
    views: Mapping[tuple[int, str], tuple[str, ...]] = field(default_factory=dict)
    default_partitions: Mapping[int, int] = field(default_factory=dict)  # parent -> its default partition
    unlogged: frozenset[int] = frozenset()
    lock_timeouts: tuple[str, ...] = ()  # "role app: 2s", set for a role or the database
    oldest_transaction_s: float | None = None
    statements: tuple[UsingStatement, ...] | None = None
    why_no_statements: str = ""

    # of the names that the migration drops: ("function", "type" or "relation", schema, name); None where not looked for
    there: frozenset[tuple[str, str, str]] | None = None
    # defaults, or "", of columns that nothing else depends on, without rights, comment or settings of their own
    plain_columns: Mapping[tuple[int, str], str] = field(default_factory=dict)

    def checks_of(self, oid: int) -> tuple[CheckConstraint, ...]:
        return tuple(check for check in self.checks if check.table_oid == oid)

    def using(self, oid: int) -> tuple[UsingStatement, ...]:
        return tuple(s for s in self.statements or () if oid in s.tables)
