"""What does nothing: IF EXISTS of what is not there, IF NOT EXISTS of what is."""

from analyzer.review.actions import Action, Kind
from analyzer.review.facts_at_statement import NEW_RELATIONS, FactsAtStatement
from analyzer.review.objects_dropped import is_nowhere, objects_dropped


def does_nothing(action: Action, known: FactsAtStatement) -> bool:
    """By the server's catalog and what the file did before; False where only the server would tell."""
    relation = action.relation
    if known.is_unclear or known.facts is None:
        return False
    if action.kind is Kind.DROP_OTHER and action.if_exists:
        return all(is_nowhere(dropped, known) for dropped in objects_dropped(action.statement))
    if relation is not None and known.is_missing(relation) and getattr(action.statement, "missing_ok", False):
        return True
    if not action.if_exists:
        return False
    if action.kind is Kind.DROP_INDEX:
        name = action.others[0]
        return known.owner_of_index(name) is None and name.name not in known.indexes
    if relation is None:
        return False
    table = known.table(relation)
    if action.kind in NEW_RELATIONS:
        return table is not None and (bool(relation.schema) or table.schema == known.first_schema)
    if action.kind is Kind.CREATE_INDEX:
        return table is not None and any(index.name == action.name for index in table.indexes)
    is_there = known.has_column(relation, action.column)
    return is_there is True if action.kind is Kind.ADD_COLUMN else action.kind is Kind.DROP_COLUMN and is_there is False
