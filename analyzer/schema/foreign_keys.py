"""Which index can serve a foreign key's check, and why the others cannot.

Deleting or re-keying a parent row looks up its children by the key's columns. A B-tree serves that lookup when its
first columns are exactly the key's, in any order; a single-column hash index does too. Tried on PostgreSQL 13, 15
and 18 with seven unusable and six usable indexes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pglast
from pglast import ast
from pglast.enums import BoolExprType, NullTestType

from analyzer.schema.facts import ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts


@dataclass(frozen=True, slots=True)
class KeyCheckTime:
    """What the server's own look-ups of a key's children took (statements/key_checks.py), as measured in ``watched_s``
    seconds; rates as in StatementRate."""

    fingerprints: tuple[str, ...]
    calls_per_day: float
    time_s_per_day: float
    watched_s: float | None = None

    @property
    def mean_ms(self) -> float | None:
        return self.time_s_per_day / self.calls_per_day * 1000 if self.calls_per_day else None


def foreign_key_owner(table: TableFacts, key: ForeignKeyFacts) -> str:
    """What a foreign key's finding is about: schema.table.constraint."""
    return f"{table.qualified_name}.{key.name}"


def supporting_index(table: TableFacts, key: ForeignKeyFacts) -> IndexFacts | None:
    """An index that serves the key's check, or None."""
    return next((index for index in table.indexes if why_unusable(index, key) is None), None)


def unusable_indexes(table: TableFacts, key: ForeignKeyFacts) -> list[tuple[IndexFacts, str]]:
    """Indexes on the key's columns that look as if they served it, each with why they do not."""
    unusable = []
    for index in table.indexes:
        if set(key.columns) & ({*index.columns} | {*index.include}):
            why = why_unusable(index, key)
            if why:
                unusable.append((index, why))
    return unusable


def why_unusable(index: IndexFacts, key: ForeignKeyFacts) -> str | None:
    """Why ``index`` cannot serve the key's check; None when it can."""
    width = len(key.columns)
    if not index.is_usable:
        return "it is invalid"
    if index.method != "btree" and not (index.method == "hash" and width == 1):
        return f"it is a {index.method} index"
    leading = index.columns[:width]
    if None in leading:
        return "it indexes an expression"
    if set(leading) != set(key.columns) or len(leading) < width:
        return "its leading columns are not the key's"
    if index.predicate is not None and not _only_excludes_nulls(index.predicate, key.columns):
        return "it is partial"
    for column, family in zip(leading, index.opfamilies, strict=False):
        position = key.columns.index(str(column))
        if position < len(key.opfamilies) and key.opfamilies[position] and family not in key.opfamilies[position]:
            return "its operator class does not know the key's equality"
    return None


def would_serve(key: ForeignKeyFacts, method: str, columns: Sequence[str | None], predicate: str | None) -> bool:
    """As ``why_unusable``, of an index to be: its columns with their types' own classes, None for anything else."""
    width = len(key.columns)
    if method != "btree" and not (method == "hash" and width == 1):
        return False
    leads = None not in columns[:width] and len(columns) >= width and set(columns[:width]) == set(key.columns)
    return leads and (predicate is None or _only_excludes_nulls(predicate, key.columns))


def is_unindexed(table: TableFacts, key: ForeignKeyFacts) -> bool:
    """Whether no index serves the key; a partition's inherited copies are left to its parent.

    A key NOT ENFORCED looks nothing up.
    """
    return key.is_enforced and not key.is_inherited and supporting_index(table, key) is None


def unindexed_foreign_keys(facts: SchemaFacts) -> list[tuple[TableFacts, ForeignKeyFacts]]:
    return [(table, key) for table in facts for key in table.foreign_keys if is_unindexed(table, key)]


@cache
def _only_excludes_nulls(predicate: str, columns: tuple[str, ...]) -> bool:
    """Whether a partial index's predicate is no more than ``column IS NOT NULL`` of the key's own columns.

    Rows with a null in the key are never looked for, so leaving them out loses nothing.
    """
    try:
        statement = pglast.parse_sql(f"select where {predicate}")[0].stmt
    except pglast.parser.ParseError:
        return False
    clause = statement.whereClause
    parts = clause.args if isinstance(clause, ast.BoolExpr) and clause.boolop == BoolExprType.AND_EXPR else (clause,)
    return all(
        isinstance(part, ast.NullTest)
        and part.nulltesttype == NullTestType.IS_NOT_NULL
        and isinstance(part.arg, ast.ColumnRef)
        and getattr(part.arg.fields[-1], "sval", None) in columns  # t.* has none
        for part in parts
    )
