"""The locks that an action takes, in PostgreSQL's mode names: one table of modes, and the further relations of some.

Source: the manual, 13.3.1, and AlterTableGetLockLevel() in tablecmds.c; tests/review/test_locks.py runs each on servers
and reads pg_locks. ACCESS SHARE and ROW SHARE are left out: nothing waits for them that ROW EXCLUSIVE would let pass.
"""

from collections.abc import Iterator

from analyzer.review.actions import Action, Kind
from analyzer.review.columns_of_type import tables_of_type, type_altered
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.idle import does_nothing
from analyzer.review.lock_modes import Lock, Mode
from analyzer.review.objects_dropped import Dropped, is_absent, objects_dropped
from analyzer.review.through_views import VIEW, WRITES, table_written, tables_behind
from analyzer.schema.facts import ForeignKeyFacts, TableFacts
from analyzer.statements.parse import TableName

_AE, _SUE, _SRE = Mode.ACCESS_EXCLUSIVE, Mode.SHARE_UPDATE_EXCLUSIVE, Mode.SHARE_ROW_EXCLUSIVE
# of the relation that the statement names; where it is run CONCURRENTLY, see CONCURRENT
MODES: dict[Kind, Mode] = {
    Kind.ADD_COLUMN: _AE, Kind.DROP_COLUMN: _AE, Kind.ALTER_TYPE: _AE, Kind.SET_DEFAULT: _AE, Kind.SET_NOT_NULL: _AE,
    Kind.DROP_NOT_NULL: _AE, Kind.SET_EXPRESSION: _AE, Kind.COLUMN_DETAIL: _AE, Kind.COLUMN_STATISTICS: _SUE,
    Kind.ADD_CHECK: _AE, Kind.ADD_NOT_NULL: _AE, Kind.ADD_FOREIGN_KEY: _SRE, Kind.ADD_UNIQUE: _AE,
    Kind.ADD_PRIMARY_KEY: _AE, Kind.ADD_EXCLUDE: _AE, Kind.VALIDATE: _SUE, Kind.DROP_CONSTRAINT: _AE,
    Kind.ALTER_CONSTRAINT: _AE, Kind.SET_OPTIONS: _SUE, Kind.SET_LOGGED: _AE, Kind.SET_UNLOGGED: _AE,
    Kind.SET_TABLESPACE: _AE, Kind.SET_ACCESS_METHOD: _AE, Kind.TRIGGERS_OFF: _SRE, Kind.TRIGGERS_ON: _SRE,
    Kind.CLUSTER_ON: _SUE, Kind.TABLE_DETAIL: _AE, Kind.ROW_SECURITY: _AE,
    Kind.ATTACH_PARTITION: _SUE, Kind.DETACH_PARTITION: _AE,
    Kind.RENAME_COLUMN: _AE, Kind.RENAME_TABLE: _AE, Kind.RENAME_OTHER: _AE, Kind.SET_SCHEMA: _AE,
    Kind.CREATE_INDEX: Mode.SHARE, Kind.DROP_TABLE: _AE, Kind.DROP_VIEW: _AE, Kind.DROP_MATVIEW: _AE,
    Kind.REPLACE_VIEW: _AE,
    Kind.REINDEX_TABLE: Mode.SHARE, Kind.TRUNCATE: _AE, Kind.VACUUM: _SUE, Kind.VACUUM_FULL: _AE, Kind.CLUSTER: _AE,
    Kind.ANALYZE: _SUE, Kind.REFRESH: _AE, Kind.CREATE_TRIGGER: _SRE, Kind.DROP_TRIGGER: _AE, Kind.CREATE_RULE: _AE,
    Kind.DROP_RULE: _AE, Kind.POLICY: _AE, Kind.STATISTICS: _SUE, Kind.COMMENT: _SUE, Kind.PUBLICATION: _SUE,
    Kind.INSERT: Mode.ROW_EXCLUSIVE, Kind.UPDATE: Mode.ROW_EXCLUSIVE, Kind.DELETE: Mode.ROW_EXCLUSIVE,
    Kind.MERGE: Mode.ROW_EXCLUSIVE, Kind.COPY: Mode.ROW_EXCLUSIVE,
}  # fmt: skip
CONCURRENT: dict[Kind, Mode] = {
    Kind.CREATE_INDEX: _SUE, Kind.DROP_INDEX: _SUE, Kind.REINDEX_INDEX: _SUE, Kind.REINDEX_TABLE: _SUE,
    Kind.DETACH_PARTITION: _SUE, Kind.REFRESH: Mode.EXCLUSIVE,
}  # fmt: skip
# kinds whose lock is taken on partitions and heirs, too
DOWNWARDS = frozenset({
    Kind.ADD_COLUMN, Kind.DROP_COLUMN, Kind.ALTER_TYPE, Kind.ADD_CHECK, Kind.DROP_CONSTRAINT, Kind.SET_DEFAULT,
    Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL, Kind.ADD_NOT_NULL, Kind.TRUNCATE, Kind.VALIDATE, Kind.RENAME_COLUMN,
    Kind.LOCK, Kind.UPDATE, Kind.DELETE, Kind.MERGE, Kind.ANALYZE, Kind.COLUMN_STATISTICS,
})  # fmt: skip
# on partitions, and not on heirs
TO_PARTITIONS = frozenset({
    Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.CREATE_INDEX, Kind.DROP_TABLE, Kind.CREATE_TRIGGER, Kind.DROP_TRIGGER,
    Kind.ADD_FOREIGN_KEY, Kind.REINDEX_TABLE, Kind.CLUSTER, Kind.VACUUM, Kind.VACUUM_FULL,
})  # fmt: skip
DROPS = frozenset({Kind.DROP_TABLE, Kind.DROP_VIEW, Kind.DROP_MATVIEW})  # which fail where it is not there
# built on partitions as CREATE INDEX builds them, before 18
AS_INDEX = frozenset({Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY})


def locks_of(action: Action, known: FactsAtStatement) -> list[Lock]:
    """The strongest lock per relation; of relations that the migration made itself too (nobody waits for those)."""
    strongest: dict[tuple[str, bool], Lock] = {}
    for lock in _locks(action, known):
        key = (known.key(lock.relation), lock.is_index)
        if key not in strongest or strongest[key].mode < lock.mode:
            strongest[key] = lock
    return list(strongest.values())


def _locks(action: Action, known: FactsAtStatement) -> Iterator[Lock]:
    relation, kind = action.relation, action.kind
    if kind in (Kind.DROP_INDEX, Kind.REINDEX_INDEX, Kind.INDEX_TABLESPACE):
        yield from _of_index(action, known)
        return
    if kind is Kind.ATTACH_INDEX:
        part = known.owner_of_index(action.others[1])
        if part is not None:
            yield Lock(action.others[1], _AE, "becomes a part", table=name_of(part))
        return
    if kind is Kind.DOMAIN:
        yield from (
            Lock(name_of(t), Mode.SHARE, f"has a column of domain {action.name}") for t in domain_tables(action, known)
        )
        return
    if kind is Kind.DROP_OTHER and action.is_cascade:
        yield from _of_dropped_type(action, known)
    if kind is Kind.ALTER_SEQUENCE:
        yield Lock(action.others[0], _SRE, "a sequence: nextval() waits")
        return
    if kind in (Kind.RENAME_SEQUENCE, Kind.DROP_OTHER):
        for sequence in action.others:
            is_there = kind is not Kind.DROP_OTHER or not is_absent(Dropped(sequence, "sequence"), known)
            if is_there or known.is_new(sequence):
                yield Lock(sequence, _AE, "a sequence: nextval() waits")
        return
    if kind is Kind.REPLACE_VIEW and known.table(relation) is None:
        return
    if kind in (Kind.CREATE_TABLE, Kind.CREATE_PARTITION):
        yield from _of_new_table(action, known)
        return
    is_refused = kind in DROPS and relation is not None and not known.is_gone(relation)
    if relation is None or (known.is_missing(relation) and (is_refused or does_nothing(action, known))):
        return
    mode = mode_of(action)
    if mode is None:
        return
    yield Lock(relation, mode)
    table = known.table(relation)
    is_only = action.is_only or not getattr(getattr(action.statement, "relation", None), "inh", True)
    if table is not None and not is_only:
        yield from _below(action, table, mode, known)
    if table is not None and table.kind == VIEW:
        yield from _behind(action, table, mode, known)
    if kind is Kind.REINDEX_TABLE and table is not None and not action.is_concurrent:
        for index in table.indexes:
            yield Lock(TableName(index.schema, index.name), Mode.ACCESS_EXCLUSIVE, table=relation)
    yield from _further(action, known, table)


def _below(action: Action, table: TableFacts, mode: Mode, known: FactsAtStatement) -> Iterator[Lock]:
    assert action.relation is not None
    if action.kind is Kind.SET_NOT_NULL and known.column(action.relation, action.column).is_not_null:
        return
    if action.kind in TO_PARTITIONS:
        parts = known.partitions_of(table)
    else:
        parts = known.below(table) if action.kind in DOWNWARDS else []
    for part in parts:
        why = f"a partition of {action.relation}" if table.kind == "p" else f"inherits from {action.relation}"
        is_build = action.kind in AS_INDEX and known.version < 180_000 and _is_not_null(action, known)
        yield Lock(name_of(part), Mode.SHARE if is_build else mode, why)


def _is_not_null(action: Action, known: FactsAtStatement) -> bool:
    """Whether no column of a primary key has to be made so, on each partition."""
    relation = action.relation
    return action.kind is not Kind.ADD_PRIMARY_KEY or relation is None or all(
        known.column(relation, column).is_not_null for column in action.columns
    )  # fmt: skip


def _behind(action: Action, view: TableFacts, mode: Mode, known: FactsAtStatement) -> Iterator[Lock]:
    written = table_written(name_of(view), known) if action.kind in WRITES else None
    tables = tables_behind(view, known) if action.kind is Kind.LOCK else [written] if written is not None else []
    for table in tables:
        for each in known.with_below(table) if table.kind in "rp" else ():
            yield Lock(name_of(each), mode, f"{name_of(view)} reads it")


def domain_tables(action: Action, known: FactsAtStatement) -> list[TableFacts]:
    """Tables with rows that have a column of the domain, or of one over it."""
    return tables_of_type([type_altered(action.statement)], known)


def _of_dropped_type(action: Action, known: FactsAtStatement) -> Iterator[Lock]:
    types = [dropped.name for dropped in objects_dropped(action.statement) if dropped.what == "type"]
    for suffix in ("", "[]"):
        for table in tables_of_type(types, known, "rpmf", suffix):
            why = "dropped by CASCADE" if table.kind == "m" else f"loses columns of {action.name} by CASCADE"
            yield Lock(name_of(table), Mode.ACCESS_EXCLUSIVE, why)


def mode_of(action: Action) -> Mode | None:
    if action.kind is Kind.LOCK:
        name = action.mode.replace(" ", "_")
        return Mode[name] if name in Mode.__members__ else None
    if action.is_concurrent and action.kind in CONCURRENT:
        return CONCURRENT[action.kind]
    return MODES.get(action.kind)


def name_of(table: TableFacts) -> TableName:
    return TableName(table.schema, table.name)


def _of_index(action: Action, known: FactsAtStatement) -> Iterator[Lock]:
    for index in action.others:
        made = known.indexes.get(index.name)
        table = known.owner_of_index(index)
        owner = name_of(table) if table else made.relation if made is not None else None
        if action.is_concurrent:
            if owner is not None:
                yield Lock(owner, CONCURRENT[action.kind], f"the table of {index}")
        elif owner is None:
            continue
        elif action.kind is Kind.DROP_INDEX:
            yield Lock(owner, Mode.ACCESS_EXCLUSIVE, f"the table of {index}")
            for part in known.partitions_of(table) if table is not None else ():
                yield Lock(name_of(part), Mode.ACCESS_EXCLUSIVE, f"a partition of {owner}")
        else:
            yield Lock(index, Mode.ACCESS_EXCLUSIVE, table=owner)
            if action.kind is Kind.REINDEX_INDEX:
                yield Lock(owner, Mode.SHARE, f"the table of {index}")


def _of_new_table(action: Action, known: FactsAtStatement) -> Iterator[Lock]:
    if action.if_exists and action.relation is not None and known.table(action.relation) is not None:
        return
    others = list(action.others)
    if action.kind is Kind.CREATE_PARTITION and others:
        parent = others.pop(0)
        yield Lock(parent, Mode.ACCESS_EXCLUSIVE, "gets a partition")
        yield from _default_partition(parent, known)
    parents = len(getattr(action.statement, "inhRelations", None) or ()) - (action.kind is Kind.CREATE_PARTITION)
    for number, other in enumerate(others):
        if number < parents:
            yield Lock(other, _SUE, "gets an heir")
        else:
            yield Lock(other, _SRE, "a foreign key references it")


def _further(action: Action, known: FactsAtStatement, table: TableFacts | None) -> Iterator[Lock]:
    kind, relation = action.kind, action.relation
    assert relation is not None
    if kind is Kind.ADD_FOREIGN_KEY:
        yield from (Lock(other, _SRE, "the foreign key references it") for other in action.others)
    elif kind is Kind.ADD_COLUMN and action.new is not None and action.new.references is not None:
        yield Lock(action.new.references, _SRE, "the foreign key references it")
    elif kind is Kind.ATTACH_PARTITION:
        yield Lock(action.others[0], Mode.ACCESS_EXCLUSIVE, "becomes a partition")
        yield from _default_partition(relation, known)
    elif kind is Kind.DETACH_PARTITION and not action.is_concurrent:
        mode = Mode.ACCESS_EXCLUSIVE if known.version >= 140_000 else Mode.SHARE_UPDATE_EXCLUSIVE
        yield Lock(action.others[0], mode, "is detached")
        part = known.table(action.others[0]) if mode is not Mode.ACCESS_EXCLUSIVE else None
        for index in part.indexes if part else ():
            if index.parent_oid is not None:
                yield Lock(TableName(index.schema, index.name), Mode.ACCESS_EXCLUSIVE, table=action.others[0])
        yield from _default_partition(relation, known)
    elif kind is Kind.DETACH_PARTITION:
        yield Lock(action.others[0], Mode.ACCESS_EXCLUSIVE, "for a moment, at the end")
    elif table is None or known.facts is None:
        return
    elif kind is Kind.ALTER_CONSTRAINT and action.node.def_.alterEnforceability:
        yield from (_referenced(key) for key in table.foreign_keys if key.name == action.name)
    elif kind is Kind.DROP_CONSTRAINT:
        yield from (_referenced(key) for key in table.foreign_keys if key.name == action.name)
        indexes = [i for i in table.indexes if i.name == action.name and action.is_cascade]
        for owner, _ in (pair for index in indexes for pair in known.keys_on_index(table, index)):
            yield Lock(name_of(owner), Mode.ACCESS_EXCLUSIVE, "loses its foreign key by CASCADE")
    elif kind is Kind.DROP_TABLE:
        yield from _of_drop(action, table, known)
    elif kind is Kind.TRUNCATE and action.is_cascade:
        yield from (Lock(name_of(t), Mode.ACCESS_EXCLUSIVE, "emptied by CASCADE") for t in referencing(table, known))
    elif kind in (Kind.ALTER_TYPE, Kind.DROP_COLUMN):
        yield from _of_keys(action.column, table, known)
        yield from _materialized(table, known, action.column) if action.is_cascade else ()


def _of_keys(column: str, table: TableFacts, known: FactsAtStatement) -> Iterator[Lock]:
    """Tables at the other end of foreign keys that go, or are made anew, with the column."""
    for key in table.foreign_keys:
        if column in key.columns:
            yield _referenced(key)
    for other in known.facts or ():
        for key in other.foreign_keys:
            if key.referenced_oid == table.oid and column in key.referenced_columns:
                yield Lock(name_of(other), Mode.ACCESS_EXCLUSIVE, f"its foreign key {key.name} references the column")


def _of_drop(action: Action, table: TableFacts, known: FactsAtStatement) -> Iterator[Lock]:
    facts = known.facts
    assert facts is not None
    for part in known.with_below(table):
        yield from (_referenced(key) for key in part.foreign_keys)
    if action.is_cascade:
        for heir in facts.heirs(table):
            yield Lock(name_of(heir), Mode.ACCESS_EXCLUSIVE, "dropped by CASCADE")
        for other in referencing(table, known, cascading=False):
            yield Lock(name_of(other), Mode.ACCESS_EXCLUSIVE, "loses its foreign key by CASCADE")
        yield from _materialized(table, known)
    parent = facts.table(table.parent_oid) if table.parent_oid is not None else None
    if parent is not None:
        yield Lock(name_of(parent), Mode.ACCESS_EXCLUSIVE, "loses a partition")
        yield from _default_partition(name_of(parent), known)


def _materialized(table: TableFacts, known: FactsAtStatement, column: str = "") -> Iterator[Lock]:
    """Materialized views that go with the table, or the column, by CASCADE."""
    views = known.live.views if known.live is not None else {}
    reading = {v for (oid, of), names in views.items() if oid == table.oid and column in ("", of) for v in names}
    for view in sorted(reading):
        schema, _, name = view.partition(".")
        there = known.facts.find_table(name, schema) if known.facts is not None else None
        if there is not None and there.kind == "m":
            yield Lock(name_of(there), Mode.ACCESS_EXCLUSIVE, "dropped by CASCADE")


def referencing(table: TableFacts, known: FactsAtStatement, cascading: bool = True) -> list[TableFacts]:
    """Tables with a foreign key to it; ``cascading``: and those with one to these, as TRUNCATE CASCADE goes."""
    referencing: dict[int, TableFacts] = {}
    waiting = [table]
    while waiting:
        current = waiting.pop(0)
        for other in known.facts or ():
            if other.oid not in referencing and any(k.referenced_oid == current.oid for k in other.foreign_keys):
                referencing[other.oid] = other
                waiting += [other] if cascading else []
    referencing.pop(table.oid, None)
    return list(referencing.values())


def _default_partition(parent: TableName, known: FactsAtStatement) -> Iterator[Lock]:
    table = known.table(parent)
    if table is None or known.live is None or known.facts is None:
        return
    default = known.facts.table(known.live.default_partitions.get(table.oid, 0))
    if default is not None:
        yield Lock(name_of(default), Mode.ACCESS_EXCLUSIVE, "the default partition, whose bounds change")


def _referenced(key: ForeignKeyFacts) -> Lock:
    name = TableName(key.referenced_schema, key.referenced_table)
    return Lock(name, Mode.ACCESS_EXCLUSIVE, f"foreign key {key.name} references it")
