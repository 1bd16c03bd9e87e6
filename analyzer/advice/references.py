"""References that nobody declared: a statement that joins a table by all columns of another's unique key follows one.

Of its columns the table has then no more combinations than the other one has rows, and an index on them is smaller than
its columns by themselves tell (twin/distinct_groups.py does the same by declared foreign keys). Pure.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

from analyzer.checks import Threshold
from analyzer.errors import costing_only
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.predicates import query_blocks

LIMITS = {
    "values": Threshold(1.1, "of the key's distinct values", "judgement: more of them are no references to it"),
}
Groups = dict[frozenset[str], float]


def implied_references(sqls: Iterable[str], facts: SchemaFacts) -> dict[tuple[str, str], Groups]:
    """By schema and table: columns that refer to a key of several, and how many combinations they have at the most."""
    found: dict[tuple[str, str], Groups] = {}
    for sql in sqls:
        joins: list[tuple[TableFacts, TableFacts, dict[str, str]]] = []
        with costing_only("without a reference", {}):
            joins = list(_joins(sql, facts))
        for table, other, columns in joins:
            if (group := _reference(table, other, columns)) is not None:
                names, combinations = group
                groups = found.setdefault((table.schema, table.name), {})
                groups[names] = min(combinations, groups.get(names, math.inf))
    return found


def _joins(sql: str, facts: SchemaFacts) -> Iterator[tuple[TableFacts, TableFacts, dict[str, str]]]:
    """Two tables and the second's columns that equal the first's, each pair both ways round."""
    for block in query_blocks(sql, facts):
        for use in block.tables:
            table = facts.find_table(use.name, use.schema or None)
            by_alias: dict[str, tuple[TableFacts, dict[str, str]]] = {}
            for predicate in use.predicates:
                joined = predicate.joined
                if joined is None or not predicate.is_equality or not joined.table:
                    continue
                if (other := facts.find_table(joined.table, joined.schema or None)) is not None:
                    by_alias.setdefault(joined.alias, (other, {}))[1][joined.column] = predicate.column
            for other, columns in by_alias.values():
                if table is not None:
                    yield table, other, columns
                    yield other, table, {ours: theirs for theirs, ours in columns.items()}


def _reference(table: TableFacts, other: TableFacts, columns: Mapping[str, str]) -> tuple[frozenset[str], float] | None:
    """``columns``: the other's, joined to ours. None where they are no key of the other, or ours are more than its."""
    if not table.rows or not other.rows or table.rows <= other.rows:
        return None
    for index in other.indexes:
        key = [name for name in index.columns if name]
        if not index.is_unique or not index.is_usable or index.predicate or index.expressions or len(key) < 2:
            continue
        if not columns.keys() >= set(key):
            continue
        pairs = [(table.column(columns[name]), other.column(name)) for name in key]
        values = [
            (ours.distinct_values, theirs.distinct_values) for ours, theirs in pairs if ours is not None and theirs
        ]
        if len(values) == len(key) and all(o and t and o <= t * LIMITS["values"].value for o, t in values):
            most = math.prod(ours for ours, _ in values if ours)
            return frozenset(columns[name] for name in key), min(other.rows, most)
    return None
