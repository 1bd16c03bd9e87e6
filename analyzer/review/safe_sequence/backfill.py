"""Rows changed in batches, each in a transaction of its own, along a key of one column."""

from pglast.stream import RawStream

from analyzer.review.actions import Action, Kind
from analyzer.review.all_rows import is_always_true
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.safe_sequence.safe_step import SafeStep, relation_sql, with_changes
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName

ROWS = 10_000  # judgement: a second or less each, and few rows locked at a time


def batches(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    """Of an UPDATE or DELETE of all rows."""
    relation = action.relation
    key = key_of(relation, known)
    if relation is None or key is None or action.node.returningClause is not None or known.is_empty(relation):
        return None
    if action.kind is Kind.UPDATE and any(target.name == key for target in action.node.targetList):
        return None
    where = action.node.whereClause
    statement = RawStream()(with_changes(action.node, whereClause=None))
    condition = "" if where is None or is_always_true(where) else RawStream()(where)
    return [batched(relation, key, statement, condition)]


def key_of(relation: TableName | None, known: FactsAtStatement) -> str | None:
    """The table's primary key, where that is one column."""
    table = known.table(relation)
    return table.primary_key[0] if table is not None and len(table.primary_key) == 1 else None


def batched(relation: TableName, key: str, statement: str, condition: str = "") -> SafeStep:
    """``statement`` for all rows (of which ``condition`` is true), without its WHERE, some thousand at a time."""
    table, column = relation_sql(relation), quote_identifier(key)
    also = f" AND {condition}" if condition else ""
    body = f"""
DECLARE
    first_key {table}.{column}%TYPE;
    last_key {table}.{column}%TYPE;
BEGIN
    SELECT {column} INTO first_key FROM {table} ORDER BY {column} LIMIT 1;
    WHILE first_key IS NOT NULL LOOP
        SELECT b.{column} INTO last_key FROM (
            SELECT {column} FROM {table} WHERE {column} >= first_key ORDER BY {column} LIMIT {ROWS}
        ) AS b ORDER BY b.{column} DESC LIMIT 1;
        {statement} WHERE {column} >= first_key AND {column} <= last_key{also};
        COMMIT;
        SELECT {column} INTO first_key FROM {table} WHERE {column} > last_key ORDER BY {column} LIMIT 1;
    END LOOP;
END"""
    tag = "do"
    while f"${tag}" in body:
        tag += "_"
    return SafeStep(f"DO ${tag}${body} ${tag}$", is_alone=True)
