"""What to run instead of a statement that keeps others waiting: brief locks, and work on rows beside the traffic."""

from collections.abc import Callable, Iterator, Sequence

from pglast import ast
from pglast.stream import RawStream

from analyzer.review.actions import Action, Kind
from analyzer.review.all_rows import changes_all_rows
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.indexable import takes_no_index
from analyzer.review.locks import locks_of, name_of
from analyzer.review.partitions import bounds_as_check, missing_indexes
from analyzer.review.safe_sequence.added_column import added_column
from analyzer.review.safe_sequence.backfill import batches
from analyzer.review.safe_sequence.changed_type import changed_type
from analyzer.review.safe_sequence.constraints import add_key, add_not_valid, set_not_null
from analyzer.review.safe_sequence.names import constraint_name, index_columns, index_name, object_name
from analyzer.review.safe_sequence.safe_step import SafeStep, brief, relation_sql, with_changes
from analyzer.review.work import work_of
from analyzer.schema.facts import IndexFacts
from analyzer.schema.quoting import cut_name, quote_identifier
from analyzer.statements.index_definition import index_on
from analyzer.statements.parse import TableName

__all__ = ["SafeStep", "safe_steps"]

Maker = Callable[[Action, FactsAtStatement], "list[SafeStep] | None"]


def safe_steps(actions: Sequence[Action], statement_sql: str, known: FactsAtStatement) -> list[SafeStep] | None:
    """None where the statement is fine, or nothing better is known. Subcommands of one ALTER TABLE are taken apart."""
    sequence: list[SafeStep] = []
    is_changed = False
    during = known.copy()
    for action in actions:
        maker = MAKERS.get(action.kind)
        steps = maker(action, during) if maker is not None and not during.is_new(action.relation) else None
        if steps is None:
            if works_under_lock((action,), during):
                return None
            steps = [brief(_alone(action, statement_sql))]
        else:
            is_changed = True
        sequence += steps
        during.note(action)
    return list(dict.fromkeys(sequence)) if is_changed else None


def works_under_lock(actions: Sequence[Action], known: FactsAtStatement) -> bool:
    """Whether rows are worked on while others wait."""
    for action in actions:
        strong = any(lock.mode.blocks_writes and not known.is_new(lock.relation) for lock in locks_of(action, known))
        if strong and work_of(action, known):
            return True
    return False


def _alone(action: Action, statement_sql: str) -> str:
    """The action as a statement of its own."""
    if isinstance(action.statement, ast.AlterTableStmt) and len(action.statement.cmds) > 1:
        text: str = RawStream()(with_changes(action.statement, cmds=(action.node,)))
        return text
    return statement_sql


def _create_index(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    table = known.table(action.relation)
    if action.is_concurrent or action.is_only or (action.relation and takes_no_index(action.relation, known)):
        return None
    if table is not None and table.kind == "p":
        return list(_index_of_partitions(action, known))
    return [_alone_step(with_changes(action.statement, concurrent=True))]


def _index_of_partitions(action: Action, known: FactsAtStatement) -> Iterator[SafeStep]:
    """On the whole first, empty; then one by one; then each becomes a part of the whole's."""
    table, relation = known.table(action.relation), action.relation
    assert table is not None
    assert relation is not None
    whole = action.name or index_name(relation.name, index_columns(action.node))
    only = with_changes(action.statement.relation, inh=False)
    yield brief(RawStream()(with_changes(action.statement, idxname=whole, relation=only)))
    leaves = [part for part in known.partitions_of(table) if part.kind == "r"]
    for part in leaves:
        target = with_changes(action.statement.relation, schemaname=part.schema, relname=part.name)
        name = index_name(part.name, index_columns(action.node))
        yield _alone_step(with_changes(action.statement, idxname=name, relation=target, concurrent=True))
    for part in leaves:
        name = index_name(part.name, index_columns(action.node))
        above = relation_sql(TableName(table.schema, whole))
        yield brief(f"ALTER INDEX {above} ATTACH PARTITION {relation_sql(TableName(part.schema, name))}")


def _drop_index(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    owner = known.owner_of_index(action.others[0])
    index = next((i for i in owner.indexes if i.name == action.name), None) if owner else None
    if action.is_concurrent or action.is_cascade or (owner is not None and owner.kind == "p"):
        return None
    if owner is None and known.facts is not None and not known.indexes and not known.new and not known.is_unclear:
        return None  # there is none
    if index is not None and (index.backs_constraint or index.parent_oid is not None):
        return None
    if_exists = "IF EXISTS " if action.if_exists else ""
    return [SafeStep(f"DROP INDEX CONCURRENTLY {if_exists}{relation_sql(action.others[0])}", is_alone=True)]


def _reindex(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    if action.is_concurrent:
        return None
    what, name = ("INDEX", action.others[0]) if action.kind is Kind.REINDEX_INDEX else ("TABLE", action.relation)
    assert name is not None
    table = known.table(name)
    if table is not None and table.kind == "p" and known.version < 140_000:
        return None
    return [SafeStep(f"REINDEX {what} CONCURRENTLY {relation_sql(name)}", is_alone=True)]


def _refresh(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    table = known.table(action.relation)
    plain = [i for i in table.indexes if i.is_unique and not i.predicate and not i.expressions] if table else []
    if action.is_concurrent or action.is_off or not plain or known.is_empty(action.relation):
        return None
    assert action.relation is not None
    return [brief(f"REFRESH MATERIALIZED VIEW CONCURRENTLY {relation_sql(action.relation)}")]


def _detach(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    table = known.table(action.relation)
    has_default = table is not None and known.live is not None and table.oid in known.live.default_partitions
    if action.is_concurrent or known.version < 140_000 or has_default:
        return None
    assert action.relation is not None
    part = relation_sql(action.others[0])
    return [
        SafeStep(f"ALTER TABLE {relation_sql(action.relation)} DETACH PARTITION {part} CONCURRENTLY", is_alone=True)
    ]


def _attach(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    """Prove the bounds by CHECKs beforehand, and build what the partition lacks of indexes."""
    parent, part = action.relation, action.others[0]
    assert parent is not None
    bounds = bounds_as_check(action, parent, known)
    if bounds is None or known.table(parent) is None:
        return None
    steps, after = [], []
    for relation, expression in ((part, bounds), (_default_of(parent, known), f"NOT ({bounds})")):
        if relation is not None and not (relation == part and known.is_new(part)):
            name = quote_identifier(cut_name(f"{relation.name}_bounds"))
            steps += _proved(relation, name, expression)
            after.append(brief(f"ALTER TABLE {relation_sql(relation)} DROP CONSTRAINT {name}"))
    for index in missing_indexes(parent, part, known):
        steps += _missing(index, part) if not index.expressions else []
    original = RawStream()(with_changes(action.statement, cmds=(action.node,)))
    return [*steps, brief(original), *after]


def _proved(relation: TableName, name: str, expression: str) -> list[SafeStep]:
    table = relation_sql(relation)
    return [
        brief(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({expression}) NOT VALID"),
        SafeStep(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"),
    ]


def _default_of(parent: TableName, known: FactsAtStatement) -> TableName | None:
    table = known.table(parent)
    if table is None or known.live is None or known.facts is None:
        return None
    default = known.facts.table(known.live.default_partitions.get(table.oid, 0))
    return name_of(default) if default is not None else None


def _missing(index: IndexFacts, part: TableName) -> Iterator[SafeStep]:
    """The parent's index, on the partition; and the constraint of it, without which ATTACH would build another."""
    columns = [c for c in index.columns if c is not None]
    name, kind = index_name(part.name, columns), ""
    if index.backs_constraint:
        kind = "PRIMARY KEY" if index.is_primary else "UNIQUE"
        name = object_name(part.name, "", "pkey") if index.is_primary else constraint_name(part.name, columns, "key")
    made = index_on(index.definition, name=name, schema=part.schema, table=part.name, concurrently=True)
    if made is None:
        return
    yield SafeStep(made, is_alone=True)
    if kind:
        quoted = quote_identifier(name)
        yield brief(f"ALTER TABLE {relation_sql(part)} ADD CONSTRAINT {quoted} {kind} USING INDEX {quoted}")


def _update(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    """Of all rows; not of a statement that does more than that."""
    is_all_of_it = action.statement is action.node and changes_all_rows(action, known)
    return batches(action, known) if is_all_of_it else None


def _alone_step(node: ast.Node) -> SafeStep:
    return SafeStep(RawStream()(node), is_alone=True)


MAKERS: dict[Kind, Maker] = {
    Kind.CREATE_INDEX: _create_index, Kind.DROP_INDEX: _drop_index, Kind.REINDEX_INDEX: _reindex,
    Kind.REINDEX_TABLE: _reindex, Kind.REFRESH: _refresh, Kind.DETACH_PARTITION: _detach,
    Kind.ATTACH_PARTITION: _attach, Kind.ADD_CHECK: add_not_valid, Kind.ADD_FOREIGN_KEY: add_not_valid,
    Kind.ADD_UNIQUE: add_key, Kind.ADD_PRIMARY_KEY: add_key, Kind.SET_NOT_NULL: set_not_null,
    Kind.ADD_COLUMN: added_column, Kind.ALTER_TYPE: changed_type, Kind.UPDATE: _update, Kind.DELETE: _update,
}  # fmt: skip
