"""What a query asks of its tables, as data.

A query block is one SELECT, UPDATE, DELETE or MERGE with its own FROM; a statement with subqueries, CTEs or
UNIONs has several. ``analyzer.statements.predicates.query_blocks`` makes them.
"""

from dataclasses import dataclass, field

# How a column is compared. "eq" .. "is_false" and the ranges can be index conditions of a B-tree.
EQUALITY = frozenset({"eq", "in", "any", "in_subquery", "is_null", "is_true", "is_false"})
RANGE = frozenset({"lt", "gt", "between", "like_prefix"})
PATTERNS = frozenset({"like", "like_leading", "ilike", "regex"})  # pieces inside texts


@dataclass(frozen=True, slots=True)
class JoinedColumn:
    """The other side of ``a.x = b.y``; ``is_outer``: of an enclosing block (a correlated subquery).

    ``table`` is "" where the other side is no base table's plain column.
    """

    alias: str
    schema: str
    table: str
    column: str
    is_outer: bool = False


@dataclass(frozen=True, slots=True)
class Predicate:
    """One comparison of one column with values, or with another table's column (``joined``).

    ``operator``: eq, in, any, in_subquery, is_null, is_not_null, is_true, is_false, lt (also <=), gt (also
    >=), between, row_gt and row_lt (later columns of a row comparison), like (pattern unknown), like_prefix,
    like_leading (starts with a wildcard, or one of several), ilike, regex, contains (@>, ?, &&, @@), ne, not_in, other,
    semi (an IN subquery's own column, joined to the outer one).
    """

    column: str
    operator: str
    parameters: tuple[int, ...] = ()
    joined: JoinedColumn | None = None
    expression: str | None = None  # the SQL around the column where it is not bare: "lower(u.email)"
    value_count: int | None = None  # elements of an IN list; None for arrays and unknown
    is_in_or: bool = False  # inside an OR with other columns: cannot be used alone
    # operator as written with the column on its left: "@>"; "" where it is none of its own (BETWEEN, a function);
    # "NOT @>" and "NOT" of what has no opposite; "IS NOT TRUE", "IS UNKNOWN"
    text: str = ""
    constants: tuple[str, ...] = ()  # of eq and in with literals alone: those, as SQL
    arm: tuple[int, int, int] | None = None  # inside an OR: which one of its block, which arm, of how many

    @property
    def is_equality(self) -> bool:
        return self.operator in EQUALITY and self.is_bare

    @property
    def is_range(self) -> bool:
        return self.operator in RANGE and self.is_bare

    @property
    def is_bare(self) -> bool:
        """On the column itself and binding: not inside a function, not inside an OR."""
        return self.expression is None and not self.is_in_or

    @property
    def is_sargable(self) -> bool:
        """A B-tree on the bare column can serve it."""
        return self.is_equality or self.is_range


@dataclass(frozen=True, slots=True)
class TableUse:
    """A base table in a block's FROM (or its target). ``schema`` is "" when the text leaves it out and
    facts are none.
    """

    alias: str
    schema: str
    name: str
    predicates: tuple[Predicate, ...] = ()
    selected: frozenset[str] | None = frozenset()  # columns in the target list by themselves; None: all of them
    used: frozenset[str] = frozenset()  # columns named anywhere in the block
    is_nullable: bool = False  # on the inner side of an outer join
    is_target: bool = False  # of the UPDATE or DELETE

    @property
    def joins(self) -> tuple[Predicate, ...]:
        return tuple(p for p in self.predicates if p.joined is not None)


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One ORDER BY item; ``column`` is None for an expression. ``nulls_first`` is what takes effect.

    ``expression``: its SQL where it is made of columns of the one table ``alias``; ``near``: that of the side that is,
    where it is a distance (``loc <-> $1``).
    """

    alias: str | None
    column: str | None
    is_descending: bool = False
    nulls_first: bool = False
    expression: str | None = None
    near: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnOf:
    alias: str
    column: str


@dataclass(frozen=True, slots=True)
class QueryBlock:
    """``role``: statement, cte, subquery (in FROM), expression (scalar, EXISTS, IN), union."""

    kind: str  # select, update, delete, merge, insert
    role: str
    tables: tuple[TableUse, ...]
    order_by: tuple[OrderTerm, ...] = ()
    group_by: tuple[ColumnOf, ...] = ()
    distinct: bool = False
    distinct_on: tuple[ColumnOf, ...] = ()
    has_limit: bool = False
    limit: int | None = None  # None: no limit, or its number is a parameter
    has_offset: bool = False
    is_aggregate: bool = False  # aggregates without GROUP BY: one row
    is_grouped: bool = False
    is_locking: bool = False
    has_other_sources: bool = False  # FROM also holds functions, VALUES or derived tables
    has_unresolved: bool = False  # some column could not be given to a table
    aggregates: tuple[str, ...] = ()

    def table(self, alias: str) -> TableUse | None:
        return next((t for t in self.tables if t.alias == alias), None)


@dataclass(frozen=True, slots=True)
class ParameterUse:
    """What ``$n`` is compared with. ``table`` is None where it meets no base table's column.

    ``operator``: eq, ne, in, any, not_in, lt, gt, between_low, between_high, like, ilike, regex, contains,
    limit, offset, value (INSERT), assigned (UPDATE SET), key, member, ago (``> now() - $n``), other.
    ``type_name`` is the cast written around it: "interval". key, member: of the column's documents, at ``path``
    (names, and numbers of parameters; ``("*", 3)`` where ``$3`` is the whole path); ``member_type`` is the cast around
    what lies there, and ``compared`` how the member is compared.
    """

    number: int
    operator: str = "other"
    schema: str | None = None
    table: str | None = None
    column: str | None = None
    type_name: str | None = None
    is_wrapped: bool = False  # lower($1) = lower(column): compared through the same function
    narrows: bool = True  # False: inside CASE or FILTER, where it decides what is counted, not which rows are read
    path: tuple[str | int, ...] = ()
    member_type: str | None = None
    compared: str = ""
    is_json_member: bool = False  # -> gives a document where ->> gives its text


@dataclass(slots=True)
class TableDraft:
    """A TableUse while its block is read."""

    alias: str
    schema: str
    name: str
    is_nullable: bool = False
    is_target: bool = False
    predicates: list[Predicate] = field(default_factory=list)
    selected: set[str] | None = field(default_factory=set)
    used: set[str] = field(default_factory=set)

    def done(self) -> TableUse:
        unique = tuple(dict.fromkeys(self.predicates))
        selected = None if self.selected is None else frozenset(self.selected)
        return TableUse(
            self.alias,
            self.schema,
            self.name,
            unique,
            selected,
            frozenset(self.used),
            self.is_nullable,
            self.is_target,
        )
