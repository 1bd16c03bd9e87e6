"""Names that statements give to relations: new ones, and those renamed or moved onto a name."""

from collections.abc import Iterable

from pglast import ast

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.review.facts_at_statement import NEW_RELATIONS, FactsAtStatement
from analyzer.review.files.migration import MigrationStep
from analyzer.statements.parse import TableName


def name_made(action: Action, known: FactsAtStatement) -> TableName | None:
    """What a relation is called from the action on, and was not before."""
    if isinstance(action.statement, ast.ViewStmt):
        return relation_name(action.statement.view)
    relation = action.relation
    if relation is None:
        return None
    if action.kind in NEW_RELATIONS:
        return relation
    if action.kind is Kind.SET_SCHEMA:
        return TableName(action.name, relation.name)
    if action.kind is Kind.RENAME_TABLE:
        table = known.table(relation)
        return TableName(relation.schema or (table.schema if table is not None else ""), action.name)
    return None


def is_made_again(relation: TableName, steps: Iterable[MigrationStep], known: FactsAtStatement) -> bool:
    """Whether one of the steps makes something of the relation's name, in its schema."""
    made = (name_made(action, known) for step in steps for action in step.actions)
    return any(name is not None and known.is_called(relation, name) for name in made)
