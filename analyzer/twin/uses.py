"""Which statements use a column whose type or collation has a stand-in on the twin (stand_ins.py).

A type's: the statement is planned as long as the column is only given out or written. A collation's: it is planned,
since the shape of its plan is right, and told to be assumed where the order decides.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pglast import ast, enums

from analyzer.statements.names import StatementNames
from analyzer.statements.tree import Node, Unparsable, column_names, function_name, operator_name, parse, walk
from analyzer.twin.stand_ins import StandInCollation, StandInType
from analyzer.words.lists import and_list

# columns of such a type, of a domain over it, of an array or a composite or range that holds it
_OF_TYPES = """
with recursive lacking (schema, name, type) as (
    select n.nspname, t.typname, t.oid
    from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
    where (n.nspname::text, t.typname::text) in (select * from unnest(%s::text[], %s::text[]))
    union
    select l.schema, l.name, t.oid
    from lacking as l
    join pg_type as t on t.typelem = l.type or t.typbasetype = l.type
        or exists (select from pg_attribute as a where a.attrelid = t.typrelid and t.typtype = 'c'
            and a.atttypid = l.type and not a.attisdropped
            and (select c.relkind = 'c' from pg_class as c where c.oid = t.typrelid))
        or exists (select from pg_range as r where r.rngtypid = t.oid and r.rngsubtype = l.type)
)
"""
_COLUMNS_OF_TYPES = (
    _OF_TYPES
    + """
select n.nspname, c.relname, a.attname, l.schema, l.name
from lacking as l
join pg_attribute as a on a.atttypid = l.type and a.attnum > 0 and not a.attisdropped
join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'm', 'v', 'f')
join pg_namespace as n on n.oid = c.relnamespace
order by c.relkind in ('v', 'm'), n.nspname, c.relname, a.attnum
"""
)
_FUNCTIONS_OF_TYPES = (
    _OF_TYPES
    + """
select distinct p.proname, l.schema, l.name
from lacking as l
join pg_proc as p on l.type = any (p.proargtypes) or p.prorettype = l.type
join pg_namespace as n on n.oid = p.pronamespace
where p.oid >= 16384 and n.nspname <> 'pgloupe_twin'
"""
)
_COLUMNS_OF_COLLATIONS = """
select n.nspname, c.relname, a.attname, o.nspname, l.collname
from pg_collation as l
join pg_namespace as o on o.oid = l.collnamespace
join pg_attribute as a on a.attcollation = l.oid and a.attnum > 0 and not a.attisdropped
join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'm', 'v', 'f')
join pg_namespace as n on n.oid = c.relnamespace
where (o.nspname::text, l.collname::text) in (select * from unnest(%s::text[], %s::text[]))
order by c.relkind in ('v', 'm'), n.nspname, c.relname, a.attnum
"""
# of EXPLAIN's properties those whose expressions decide about a plan; "Output" does not
_DECIDES = re.compile(r"(Cond|Filter|Keys?|By|Call|Window|Condition|Parameters)$")
_TEXT_CONSTANT = re.compile(r"'(?:[^']|'')*'")
_MOST_NAMES = 3
RANGE_OPERATORS = frozenset({"<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "^@"})
RANGE_KINDS = frozenset({
    enums.A_Expr_Kind.AEXPR_LIKE, enums.A_Expr_Kind.AEXPR_ILIKE, enums.A_Expr_Kind.AEXPR_SIMILAR,
    enums.A_Expr_Kind.AEXPR_BETWEEN, enums.A_Expr_Kind.AEXPR_NOT_BETWEEN, enums.A_Expr_Kind.AEXPR_BETWEEN_SYM,
    enums.A_Expr_Kind.AEXPR_NOT_BETWEEN_SYM,
})  # fmt: skip
ORDERED_CALLS = frozenset({"min", "max", "starts_with", "like", "notlike"})


@dataclass(frozen=True, slots=True)
class StandInColumn:
    """``of``: the stand-in's schema and name."""

    schema: str
    table: str
    name: str
    of: tuple[str, str]

    def __str__(self) -> str:
        return f"{self.table}.{self.name}" if self.schema == "public" else f"{self.schema}.{self.table}.{self.name}"


class StandInUses:
    """What was found on one twin; ``connection`` is the superuser's, for the catalog alone."""

    def __init__(
        self,
        connection: "psycopg.Connection[Any]",
        types: Sequence[StandInType],
        collations: Sequence[StandInCollation],
    ) -> None:
        self.types = {(t.schema, t.name): t for t in types}
        self.collations = {(c.schema, c.name): c for c in collations}
        self.typed: list[StandInColumn] = []
        self.collated: list[StandInColumn] = []
        self._functions: dict[str, tuple[str, str]] = {}
        if types:
            wanted = [[t.schema for t in types], [t.name for t in types]]
            self.typed = _columns(connection.execute(_COLUMNS_OF_TYPES, wanted).fetchall())
            rows = connection.execute(_FUNCTIONS_OF_TYPES, wanted).fetchall()
            self._functions = {name: (schema, type_name) for name, schema, type_name in rows}
        if collations:
            wanted = [[c.schema for c in collations], [c.name for c in collations]]
            self.collated = _columns(connection.execute(_COLUMNS_OF_COLLATIONS, wanted).fetchall())
        self._typed_names = _pattern({c.name for c in self.typed})
        self._called = _pattern(set(self._functions), after=r"\s*\(")
        self._assumed: dict[str, str | None] = {}

    def limitations(self) -> list[str]:
        """A sentence for each type and collation that columns have."""
        sentences = []
        for key, type in self.types.items():
            if named := _named([c for c in self.typed if c.of == key]):
                sentences.append(
                    f"The twin lacks type {type.name} ({type.origin}): {named} a stand-in;"
                    " what filters, joins or sorts by it is not planned"
                )
        for key, collation in self.collations.items():
            if named := _named([c for c in self.collated if c.of == key]):
                sentences.append(
                    f"The twin lacks collation {collation.name} ({collation.kind}): {named} {collation.sorts_as}"
                    " instead; estimates for what sorts, compares by range or matches patterns there are assumed"
                )
        return sentences

    def objection(self, plan: Any) -> str | None:
        """Why a plan of the twin's is none of the server's."""
        if not self.typed and not self._functions:
            return None
        for text in _deciding(plan):
            text = _TEXT_CONSTANT.sub("''", text)
            if self._typed_names and (match := self._typed_names.search(text)):
                return self._lacks(next(c for c in self.typed if c.name == _plain(match)))
            if self._called and (match := self._called.search(text)):
                return self._called_of(_plain(match))
        return None

    def reason(self, sql: str, names: StatementNames) -> str | None:
        """Why the twin could not plan a statement, where that is a stand-in's fault."""
        if not self.types and not self.collations:
            return None
        tables = {name for _, name in names.relations}
        for column in self.typed:
            if column.table in tables and re.search(rf"\b{re.escape(column.name)}\b", sql):
                return self._lacks(column)
        for _, name in names.functions:
            if name in self._functions:
                return self._called_of(name)
        return None

    def assumed(self, sql: str, names: StatementNames) -> str | None:
        """What of a planned statement's estimates hangs on an order that the twin does not have."""
        if not self.collated and "collate" not in sql.lower():
            return None
        if sql not in self._assumed:
            self._assumed[sql] = self._assume(sql, names)
        return self._assumed[sql]

    def _assume(self, sql: str, names: StatementNames) -> str | None:
        tables = {name for _, name in names.relations}
        columns = {c.name: c for c in self.collated if c.table in tables}
        by_name = {name: collation for (_, name), collation in self.collations.items()}
        statements = parse(sql)
        for raw in () if isinstance(statements, Unparsable) else statements:
            for how, expression in _ordered_by(raw.stmt):
                told = [by_name[n.collname[-1].sval] for n in walk(expression) if isinstance(n, ast.CollateClause)
                        and n.collname[-1].sval in by_name]  # fmt: skip
                told += [self.collations[columns[c].of] for c in column_names(expression) if c in columns]
                for collation in told:
                    if how == "order" or not collation.is_deterministic:
                        return self._sorts(collation)
        return None

    @staticmethod
    def _sorts(collation: StandInCollation) -> str:
        return (
            f"It sorts or compares by collation {collation.name} ({collation.kind}), which the twin lacks and takes"
            f" {collation.sorts_as} for: its rows are assumed"
        )

    def _lacks(self, column: StandInColumn) -> str:
        type = self.types[column.of]
        return f"Column {column.name} has type {type.name}, which the twin lacks ({type.origin})."

    def _called_of(self, function: str) -> str:
        type = self.types[self._functions[function]]
        return f"Function {function}() works on type {type.name}, which the twin lacks ({type.origin})."


def _columns(rows: Iterable[tuple[str, str, str, str, str]]) -> list[StandInColumn]:
    return [
        StandInColumn(schema, table, name, (of_schema, of_name)) for schema, table, name, of_schema, of_name in rows
    ]


def _named(columns: Sequence[StandInColumn]) -> str:
    """``a.x``, ``b.y`` and 7 other columns have; empty without any."""
    if not columns:
        return ""
    told = [str(column) for column in columns[:_MOST_NAMES]]
    if more := len(columns) - len(told):
        told.append(f"{more:,} other column{'s' if more > 1 else ''}")
    return f"{and_list(told)} {'has' if len(columns) == 1 else 'have'}"


def _pattern(names: Iterable[str], after: str = r"(?![\w\"])") -> "re.Pattern[str] | None":
    """One of these identifiers, quoted or not, in an expression as EXPLAIN prints it."""
    quoted = "|".join(sorted((re.escape(name.replace('"', '""')) for name in names), key=lambda n: -len(n)))
    return re.compile(rf'(?<![\w"])"?(?P<name>{quoted})"?{after}') if quoted else None


def _plain(match: "re.Match[str]") -> str:
    return match["name"].replace('""', '"')


def _deciding(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _deciding(part, name)
    elif isinstance(value, list):
        for part in value:
            yield from _deciding(part, key)
    elif isinstance(value, str) and _DECIDES.search(key):
        yield value


def _ordered_by(statement: Node) -> Iterator[tuple[str, Node]]:
    """("order" or "equality", an expression): what is sorted, compared by range or matched; what is compared alone."""
    for node in walk(statement):
        if isinstance(node, ast.SortBy):
            yield from (("order", part) for part in (node.node, *_of_target(node.node, statement)))
        elif isinstance(node, ast.A_Expr):
            is_range = node.kind in RANGE_KINDS or operator_name(node) in RANGE_OPERATORS
            yield "order" if is_range else "equality", node
        elif isinstance(node, ast.FuncCall) and function_name(node) in ORDERED_CALLS:
            yield "order", node


def _of_target(target: Node, statement: Node) -> Iterator[Node]:
    """What ORDER BY 1, or BY the name of something given out, means."""
    if isinstance(target, ast.A_Const):
        number, targets = getattr(target.val, "ival", None), getattr(statement, "targetList", None) or ()
        if isinstance(number, int) and 1 <= number <= len(targets):
            yield targets[number - 1]
    elif isinstance(target, ast.ColumnRef):
        name = next(iter(column_names(target)), None)
        yield from (node.val for node in walk(statement) if isinstance(node, ast.ResTarget) and node.name == name)
