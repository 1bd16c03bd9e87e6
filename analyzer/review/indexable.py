"""Relations that take no index: views, foreign tables, sequences."""

from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.statements.parse import TableName

NEVER = {"v": "a view", "f": "a foreign table"}  # pg_class.relkind


def takes_no_index(relation: TableName, known: FactsAtStatement) -> str | None:
    """What it is, by the server's catalog; None where it takes one, or nobody knows."""
    table = known.table(relation)
    if table is not None:
        return NEVER.get(table.kind)
    if known.facts is None or known.is_new(relation) or known.is_missing(relation) or known.is_gone(relation):
        return None
    return "a sequence"
