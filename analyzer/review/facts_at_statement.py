"""What is known of the database at one statement of a migration: the live facts, and what came before it."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from pglast import ast

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import new_column, relation_name
from analyzer.review.column_types import ColumnType, type_named
from analyzer.review.known_checks import KnownCheck, check_expression, says_not_null
from analyzer.review.live_facts import LiveFacts
from analyzer.review.renamed_columns import with_renamed_column
from analyzer.review.resting import Dropped, KeyOf, falling, keys_on_index, keys_to, renaming
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node

NEW_RELATIONS = (Kind.CREATE_TABLE, Kind.CREATE_PARTITION)
UNCLEAR = (Kind.CODE, Kind.DROP_OWNED, Kind.DETACH_PARTITION)
OF_INDEXES = (Kind.DROP_INDEX, Kind.INDEX_DETAIL)


@dataclass(frozen=True, slots=True)
class KnownColumn:
    """``type`` is None where it is not known; ``is_not_null`` likewise."""

    name: str
    type: ColumnType | None = None
    is_not_null: bool | None = None
    is_new: bool = False  # added by this migration
    is_unfilled: bool = False  # and without a value
    is_gone: bool = False  # dropped or renamed by this migration


@dataclass
class FactsAtStatement:
    """``live`` is None without a server. Of a table that the migration makes itself everything is known to be empty."""

    version: int  # 160004
    live: LiveFacts | None = None
    new: set[str] = field(default_factory=set)  # keys of relations made by this file
    gone: set[str] = field(default_factory=set)  # dropped, or of another name since
    renamed: dict[str, TableName] = field(default_factory=dict)
    columns: dict[tuple[str, str], KnownColumn] = field(default_factory=dict)
    checks: dict[str, dict[str, KnownCheck]] = field(default_factory=dict)
    indexes: dict[str, Action] = field(default_factory=dict)  # made by this file, by name
    filled: set[str] = field(default_factory=set)  # new tables that got rows
    dropped: Dropped = field(default_factory=set)
    names: dict[tuple[str, str], str] = field(default_factory=dict)  # of constraints and indexes, by table and old name
    unlogged: dict[str, bool] = field(default_factory=dict)  # as this file made them
    is_unclear: bool = False  # more may be different: by code, a cast, a CASCADE that names nothing
    path: tuple[str, ...] | None = None  # search_path, where the file sets it
    is_utc: bool = False  # TimeZone, by the file
    is_replica: bool = False  # session_replication_role, by the file

    def copy(self) -> "FactsAtStatement":
        """To be changed by ``note`` without changing this."""
        return replace(
            self, new=set(self.new), gone=set(self.gone), renamed=dict(self.renamed), columns=dict(self.columns),
            checks={key: dict(checks) for key, checks in self.checks.items()}, indexes=dict(self.indexes),
            filled=set(self.filled), dropped=set(self.dropped),
            names=dict(self.names), unlogged=dict(self.unlogged),
        )  # fmt: skip

    @property
    def facts(self) -> SchemaFacts | None:
        return self.live.schema if self.live else None

    def key(self, name: TableName) -> str:
        table = self.table(name)
        return table.qualified_name if table else str(name)

    def table(self, name: TableName | None) -> TableFacts | None:
        """As the server has it; None for one of this file, or where there is no server or no such table."""
        if name is None or self.facts is None or self._written(name) in self.new | self.gone:
            return None
        name = self.renamed.get(self._written(name), name)
        if self.path is None or name.schema:
            return self.facts.find_table(name.name, name.schema or None)
        return next((t for schema in self.path if (t := self.facts.find_table(name.name, schema)) is not None), None)

    def is_new(self, name: TableName | None) -> bool:
        return name is not None and self._written(name) in self.new

    def is_gone(self, name: TableName) -> bool:
        """Whether the file dropped it, or gave it another name."""
        return self._written(name) in self.gone

    def is_called(self, relation: TableName, name: TableName) -> bool:
        """Whether the name is the relation's, whichever of both leaves its schema out."""
        return self._written(name) in {self._written(relation), self.key(relation)}

    def is_missing(self, name: TableName) -> bool:
        """Whether the server has no such table, or sequence, and the file makes none."""
        if self.facts is None or self.is_new(name) or self.table(name) is not None:
            return False
        sequences = () if self.is_gone(name) else self.facts.sequences or ()
        return not any(s.name == name.name and s.schema == (name.schema or s.schema) for s in sequences)

    def is_unlogged(self, name: TableName) -> bool | None:
        """None where only the server would tell."""
        table = self.table(name)
        if self.key(name) in self.unlogged:
            return self.unlogged[self.key(name)]
        return table.oid in self.live.unlogged if table is not None and self.live is not None else None

    def is_empty(self, name: TableName | None) -> bool | None:
        """None where it cannot be told. A table that this file fills counts as filled."""
        if name is None:
            return None
        if self.is_new(name):
            return self._written(name) not in self.filled
        table = self.table(name)
        if table is None:
            return None
        sizes = [t.size_bytes for t in self.with_below(table) if t.kind != "p"]
        return None if any(size is None for size in sizes) else not any(sizes)

    def size_bytes(self, name: TableName | None) -> int | None:
        """Heap and TOAST, partitions and heirs included."""
        table = self.table(name)
        if table is None or self.live is None:
            return None
        sizes = [self.live.size_bytes.get(t.oid, t.size_bytes) for t in self.with_below(table) if t.kind != "p"]
        known = [size for size in sizes if size is not None]
        return sum(known) if known else None

    def with_below(self, table: TableFacts) -> list[TableFacts]:
        """The table, its partitions and what inherits from it."""
        return [table, *self.below(table)]

    def below(self, table: TableFacts) -> list[TableFacts]:
        return [*self.partitions_of(table), *(self.facts.heirs(table) if self.facts else ())]

    def partitions_of(self, table: TableFacts) -> list[TableFacts]:
        """Of every level."""
        if self.facts is None:
            return []
        partitions: list[TableFacts] = []
        waiting = list(table.partitions)
        while waiting:
            part = self.facts.table(waiting.pop(0))
            if part is not None:
                partitions.append(part)
                waiting += part.partitions
        return partitions

    def column(self, name: TableName, column: str) -> KnownColumn:
        known = self.columns.get((self.key(name), column))
        if known is not None:
            return known
        table = self.table(name)
        known_column = table.column(column) if table else None
        return (
            KnownColumn(column, type_named(known_column.type_name), known_column.not_null)
            if known_column
            else KnownColumn(column)
        )

    def has_column(self, name: TableName, column: str) -> bool | None:
        """None where it cannot be told."""
        known = self.columns.get((self.key(name), column))
        if known is not None:
            return not known.is_gone
        table = self.table(name)
        return table.column(column) is not None if table is not None and table.kind in "rp" else None

    def type_before(self, action: Action) -> ColumnType | None:
        """Of a column whose type changes: as the server has it, else as the file says it."""
        known = self.column(action.relation, action.column).type if action.relation is not None else None
        return known or action.was

    def checks_of(self, name: TableName) -> list[KnownCheck]:
        table, checks = self.table(name), {}
        if table is not None and self.live is not None:
            for check in self.live.checks_of(table.oid):
                expression = check_expression(check.definition)
                if expression is not None:
                    checks[check.name] = KnownCheck(check.name, expression, check.is_validated)
        checks |= self.checks.get(self.key(name), {})
        return list(checks.values())

    def proves_not_null(self, name: TableName, column: str) -> bool | None:
        """By the column itself or a valid CHECK; None where only the server would tell."""
        known = self.column(name, column)
        if known.is_not_null:
            return True
        proved = any(c.is_validated and says_not_null(c.expression, column) for c in self.checks_of(name))
        if proved:
            return True
        return False if self.table(name) is not None or self.is_new(name) or known.is_new else None

    def owner_of_index(self, name: TableName) -> TableFacts | None:
        for table in self.facts or ():
            for index in table.indexes:
                if self.name_now(table, index.name) == name.name and (index.schema == name.schema or not name.schema):
                    return table
        return None

    def keys_to(self, table: TableFacts, columns: Collection[str] = ()) -> list[KeyOf]:
        """Foreign keys that reference it (one of ``columns``), less those that the migration dropped."""
        keys = keys_to(table, self.facts or (), self.dropped)
        return [(owner, key) for owner, key in keys if not columns or set(columns) & {*key.referenced_columns}]

    def keys_on_index(self, table: TableFacts, index: IndexFacts) -> list[KeyOf]:
        return keys_on_index(index, table, self.facts or (), self.dropped)

    def is_dropped(self, table: TableFacts, name: str) -> bool:
        """A constraint or an index of the table; "" for the table itself."""
        return (table.qualified_name, name) in self.dropped

    def name_now(self, table: TableFacts, name: str) -> str:
        """Of a constraint or an index that the migration may have renamed."""
        return self.names.get((table.qualified_name, name), name)

    def name_before(self, table: TableFacts, name: str) -> str:
        """As the server's catalog has it."""
        return next((old for (of, old), now in self.names.items() if (of, now) == (table.qualified_name, name)), name)

    def note(self, action: Action) -> None:
        """What the statement changed, for those after it."""
        relation = action.relation
        self._note_dropped(action)
        if action.kind is Kind.CREATE_INDEX and action.name:
            self.indexes[action.name] = action
        if isinstance(action.statement, ast.ViewStmt):
            self._note_view(action.statement)
        if isinstance(action.statement, ast.CreateSeqStmt):
            self.new.add(self._written(relation_name(action.statement.sequence)))
        if relation is None:
            return
        key = self.key(relation)
        if action.kind in NEW_RELATIONS and not (action.if_exists and self.table(relation) is not None):
            self.new.add(self._written(relation))
            self.gone.discard(self._written(relation))
            if isinstance(action.statement, (ast.CreateTableAsStmt, ast.SelectStmt)):
                self.filled.add(self._written(relation))
            for element in getattr(action.statement, "tableElts", None) or ():
                if isinstance(element, ast.ColumnDef) and element.typeName is not None:
                    new = new_column(element)
                    self.columns[key, new.name] = KnownColumn(new.name, new.type, new.is_not_null, is_new=True)
        elif action.kind in (Kind.INSERT, Kind.COPY):
            self.filled.add(self._written(relation))
        elif action.kind in (Kind.DROP_TABLE, Kind.DROP_VIEW, Kind.DROP_MATVIEW):
            self.gone.add(self._written(relation))
            self.new.discard(self._written(relation))
        elif action.kind in (Kind.SET_LOGGED, Kind.SET_UNLOGGED):
            self.unlogged[key] = action.kind is Kind.SET_UNLOGGED
        elif action.kind is Kind.RENAME_TABLE:
            self._move(relation, TableName(relation.schema, action.name))
        elif action.kind is Kind.SET_SCHEMA:
            self._move(relation, TableName(action.name, relation.name))
        elif action.kind is Kind.ADD_COLUMN and action.new is not None:
            new = action.new
            self.columns[key, new.name] = KnownColumn(new.name, new.type, new.is_not_null, True, not new.has_value)
        elif action.kind in (Kind.DROP_COLUMN, Kind.RENAME_COLUMN):
            if action.kind is Kind.RENAME_COLUMN:
                old, table = self.column(relation, action.column), self.table(relation)
                self.columns[key, action.name] = replace(old, name=action.name, is_gone=False)
                if table is not None and self.live is not None:
                    self.live = with_renamed_column(self.live, table, action.column, action.name)
            self.columns[key, action.column] = KnownColumn(action.column, is_gone=True)
        elif action.kind is Kind.ALTER_TYPE:
            self.columns[key, action.column] = replace(self.column(relation, action.column), type=action.type)
        elif action.kind in (Kind.SET_NOT_NULL, Kind.DROP_NOT_NULL):
            is_not_null = action.kind is Kind.SET_NOT_NULL
            self.columns[key, action.column] = replace(self.column(relation, action.column), is_not_null=is_not_null)
        elif action.kind is Kind.ADD_CHECK and action.name:
            check = KnownCheck(action.name, action.node.def_.raw_expr, not action.is_not_valid)
            self.checks.setdefault(key, {})[action.name] = check
        elif action.kind in (Kind.VALIDATE, Kind.DROP_CONSTRAINT):
            self._note_constraint(key, relation, action)

    def _note_dropped(self, action: Action) -> None:
        table = self.owner_of_index(action.others[0]) if action.kind in OF_INDEXES else self.table(action.relation)
        if table is not None and self.facts is not None:
            if (names := renaming(action)) is not None:
                self.names[table.qualified_name, self.name_before(table, names[0])] = names[1]
            named = replace(action, name=self.name_before(table, action.name))
            self.dropped |= falling(named, table, self.facts.tables, self.dropped)
            self._note_made_again(action, table)
        if table is not None and action.kind is Kind.DROP_TABLE:
            self.dropped |= {(part.qualified_name, "") for part in self.partitions_of(table)}
        unnamed = action.kind in (Kind.DROP_OTHER, Kind.DROP_SCHEMA) and action.is_cascade
        is_cast = isinstance(action.statement, ast.CreateCastStmt)
        self.is_unclear = self.is_unclear or unnamed or is_cast or action.kind in UNCLEAR

    def _note_made_again(self, action: Action, table: TableFacts) -> None:
        """A foreign key of the same columns to the same table as before."""
        to = self.table(action.others[0]) if action.kind is Kind.ADD_FOREIGN_KEY else None
        for key in table.foreign_keys if to is not None else ():
            if key.columns == action.columns and to is not None and key.referenced_oid == to.oid:
                self.dropped.discard((table.qualified_name, key.name))
                self.names[table.qualified_name, key.name] = action.name or f"{table.name}_{'_'.join(key.columns)}_fkey"

    def _note_constraint(self, key: str, relation: TableName, action: Action) -> None:
        known = {check.name: check for check in self.checks_of(relation)}.get(action.name)
        if known is not None:
            is_validated = action.kind is Kind.VALIDATE
            self.checks.setdefault(key, {})[action.name] = (
                replace(known, is_validated=True) if is_validated else replace(known, is_validated=False)
            )

    def _note_view(self, statement: Node) -> None:
        view = relation_name(statement.view)
        if not statement.replace or self.table(view) is None:
            self.new.add(self._written(view))
            self.gone.discard(self._written(view))

    def _move(self, relation: TableName, name: TableName) -> None:
        old, new = self._written(relation), self._written(name)
        if old in self.new:
            self.new.discard(old)
            self.new.add(new)
            self.filled |= {new} if old in self.filled else set()
        else:
            self.renamed[new] = self.renamed.get(old, relation)
            self.gone.add(old)
        self.gone.discard(new)

    @property
    def first_schema(self) -> str:
        """Of the search path: where a new table without a schema stands."""
        path = self.path or (self.facts.search_path if self.facts else ("public",))
        return path[0] if path else "public"

    def _written(self, name: TableName) -> str:
        """With a schema where the file leaves it out."""
        return f"{name.schema or self.first_schema}.{name.name}"
