"""Conditions that a plain B-tree cannot serve and another kind of index can: text search, contents, expressions."""

from dataclasses import dataclass

from analyzer.advice.coverage import Need
from analyzer.advice.ddl import IndexColumn, quote_identifier
from analyzer.advice.expressions import unqualified
from analyzer.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.statements.blocks import Predicate

PATTERNS = frozenset({"like", "like_leading", "ilike", "regex"})
# immutable, and what ORMs write for comparisons without case
INDEXABLE_FUNCTIONS = ("lower(", "upper(")
JSONB_OID, TSVECTOR_OID = 3802, 3614


@dataclass(frozen=True, slots=True)
class Specialised:
    """``need`` is None where the server lacks what the index needs; ``reason`` tells."""

    need: Need | None
    reason: str


def specialised_need(table: TableFacts, predicates: list[Predicate], facts: SchemaFacts) -> Specialised | None:
    """The first condition in the block that another kind of index serves."""
    for predicate in predicates:
        column = table.column(predicate.column)
        if column is None or predicate.is_in_or or predicate.joined is not None:
            continue
        found = _one(table, predicate, column, facts)
        if found is not None:
            return found
    return None


def _one(table: TableFacts, predicate: Predicate, column: ColumnFacts, facts: SchemaFacts) -> Specialised | None:
    if predicate.operator in PATTERNS:
        return _trigrams(table, predicate, column, facts)
    if predicate.operator == "contains" and predicate.expression is None:
        return _contents(table, predicate, column)
    if predicate.operator in ("eq", "in", "any") and _is_indexable(predicate):
        expression = unqualified(predicate.expression or "")
        key = IndexColumn(expression, is_expression=True)
        reason = f"It compares {expression}, which an index on that expression serves."
        return Specialised(Need(table, frozenset(), (key,), "expression"), reason)
    return None


def _is_indexable(predicate: Predicate) -> bool:
    return predicate.expression is not None and predicate.expression.lower().startswith(INDEXABLE_FUNCTIONS)


def _trigrams(table: TableFacts, predicate: Predicate, column: ColumnFacts, facts: SchemaFacts) -> Specialised | None:
    if predicate.expression is not None and not _is_indexable(predicate):
        return None
    key = column.name if predicate.expression is None else unqualified(predicate.expression)
    is_expression = predicate.expression is not None
    shown = f"({key})" if is_expression else quote_identifier(key)
    what = "a pattern that may start with a wildcard" if predicate.operator == "like" else "a pattern inside the text"
    if "pg_trgm" not in facts.extensions:
        return Specialised(
            None,
            f"It searches {table.qualified_name}.{column.name} for {what}, which no B-tree serves. A trigram index can:"
            f" CREATE EXTENSION pg_trgm, then CREATE INDEX CONCURRENTLY ... USING gin ({shown} gin_trgm_ops).",
        )
    need = Need(
        table,
        frozenset(),
        (IndexColumn(key, opclass="gin_trgm_ops", is_expression=is_expression),),
        "text",
        method="gin",
    )
    return Specialised(need, f"It searches {column.name} for {what}.")


def _contents(table: TableFacts, predicate: Predicate, column: ColumnFacts) -> Specialised | None:
    if column.type_oid == JSONB_OID:
        opclass = "jsonb_path_ops" if predicate.text in ("@>", "@?", "@@") else None
    elif column.type_name.endswith("[]") or column.type_oid == TSVECTOR_OID:
        opclass = None
    else:
        return None
    need = Need(table, frozenset(), (IndexColumn(column.name, opclass=opclass),), "contents", method="gin")
    return Specialised(need, f"It searches inside {column.name} with {predicate.text}.")
