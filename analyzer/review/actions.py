"""What statements of a migration do, one action for each thing done to one relation."""

import enum
from dataclasses import dataclass, field

from analyzer.review.column_types import ColumnType
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node


class Kind(enum.StrEnum):
    """In SQL's words, for people."""

    ADD_COLUMN = "ADD COLUMN"
    DROP_COLUMN = "DROP COLUMN"
    ALTER_TYPE = "ALTER COLUMN TYPE"
    SET_DEFAULT = "ALTER COLUMN DEFAULT"
    SET_NOT_NULL = "SET NOT NULL"
    DROP_NOT_NULL = "DROP NOT NULL"
    SET_EXPRESSION = "SET EXPRESSION"
    COLUMN_DETAIL = "ALTER COLUMN"  # identity, storage, compression, DROP EXPRESSION: the catalog alone
    COLUMN_STATISTICS = "ALTER COLUMN STATISTICS"
    ADD_CHECK = "ADD CHECK"
    ADD_NOT_NULL = "ADD NOT NULL"
    ADD_FOREIGN_KEY = "ADD FOREIGN KEY"
    ADD_UNIQUE = "ADD UNIQUE"
    ADD_PRIMARY_KEY = "ADD PRIMARY KEY"
    ADD_EXCLUDE = "ADD EXCLUDE"
    VALIDATE = "VALIDATE CONSTRAINT"
    DROP_CONSTRAINT = "DROP CONSTRAINT"
    ALTER_CONSTRAINT = "ALTER CONSTRAINT"
    SET_OPTIONS = "SET (storage parameters)"
    SET_LOGGED = "SET LOGGED"
    SET_UNLOGGED = "SET UNLOGGED"
    SET_TABLESPACE = "SET TABLESPACE"
    SET_ACCESS_METHOD = "SET ACCESS METHOD"
    TRIGGERS_OFF = "DISABLE TRIGGER"
    TRIGGERS_ON = "ENABLE TRIGGER"
    CLUSTER_ON = "CLUSTER ON"
    ROW_SECURITY = "ENABLE ROW LEVEL SECURITY"
    TABLE_DETAIL = "ALTER TABLE"  # owner, replica identity, rules, inheritance, other clauses of row security
    ATTACH_PARTITION = "ATTACH PARTITION"
    DETACH_PARTITION = "DETACH PARTITION"
    RENAME_COLUMN = "RENAME COLUMN"
    RENAME_TABLE = "RENAME TABLE"
    RENAME_OTHER = "RENAME"  # a constraint or a trigger of a table
    SET_SCHEMA = "SET SCHEMA"
    RENAME_SCHEMA = "RENAME SCHEMA"
    CREATE_TABLE = "CREATE TABLE"
    CREATE_PARTITION = "CREATE TABLE PARTITION OF"
    REPLACE_VIEW = "CREATE OR REPLACE VIEW"
    CREATE_INDEX = "CREATE INDEX"
    DROP_TABLE = "DROP TABLE"
    DROP_VIEW = "DROP VIEW"
    DROP_MATVIEW = "DROP MATERIALIZED VIEW"
    DROP_INDEX = "DROP INDEX"
    DROP_SCHEMA = "DROP SCHEMA"
    DROP_OTHER = "DROP"  # a type, a function, a sequence, an extension
    ALTER_SEQUENCE = "ALTER SEQUENCE"
    RENAME_SEQUENCE = "ALTER SEQUENCE RENAME"  # or SET SCHEMA
    REINDEX_INDEX = "REINDEX INDEX"
    REINDEX_TABLE = "REINDEX TABLE"
    REINDEX_MANY = "REINDEX SCHEMA"
    INDEX_DETAIL = "ALTER INDEX"
    ATTACH_INDEX = "ALTER INDEX ATTACH PARTITION"
    INDEX_TABLESPACE = "ALTER INDEX SET TABLESPACE"
    TRUNCATE = "TRUNCATE"
    VACUUM = "VACUUM"
    VACUUM_FULL = "VACUUM FULL"
    CLUSTER = "CLUSTER"
    ANALYZE = "ANALYZE"
    REFRESH = "REFRESH MATERIALIZED VIEW"
    LOCK = "LOCK TABLE"
    CREATE_TRIGGER = "CREATE TRIGGER"
    DROP_TRIGGER = "DROP TRIGGER"
    CREATE_RULE = "CREATE RULE"
    DROP_RULE = "DROP RULE"
    POLICY = "CREATE POLICY"
    STATISTICS = "CREATE STATISTICS"
    COMMENT = "COMMENT"
    PUBLICATION = "CREATE PUBLICATION"
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    MERGE = "MERGE"
    COPY = "COPY FROM"
    READ = "SELECT"
    ADD_ENUM_VALUE = "ALTER TYPE ADD VALUE"
    RENAME_ENUM_VALUE = "ALTER TYPE RENAME VALUE"
    REVOKE = "REVOKE"  # of a table, or of a schema
    DROP_OWNED = "DROP OWNED"
    CREATE_DATABASE = "CREATE DATABASE"
    DROP_DATABASE = "DROP DATABASE"
    CREATE_TABLESPACE = "CREATE TABLESPACE"
    DROP_TABLESPACE = "DROP TABLESPACE"
    CREATE_SUBSCRIPTION = "CREATE SUBSCRIPTION"
    DISCARD_ALL = "DISCARD ALL"
    ALTER_SYSTEM = "ALTER SYSTEM"
    DOMAIN = "ALTER DOMAIN"  # that adds, or checks, a constraint
    SET = "SET"
    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    CODE = "DO"  # cannot be looked into
    OTHER = "OTHER"  # locks no table that anybody uses


@dataclass(frozen=True, slots=True)
class NewColumn:
    """``references`` is the table of an inline foreign key. ``generated``: "", "s" (stored) or "v" (virtual)."""

    name: str
    type: ColumnType
    default: Node = None
    is_not_null: bool = False
    is_identity: bool = False
    generated: str = ""
    is_unique: bool = False
    is_primary: bool = False
    check: Node = None
    references: TableName | None = None
    referenced_columns: tuple[str, ...] = ()

    @property
    def has_value(self) -> bool:
        """Whether rows that are there get one."""
        return self.default is not None or self.is_identity or bool(self.generated) or self.type.is_serial


@dataclass(frozen=True, slots=True)
class Action:
    """``relation`` as the statement names it; None where it concerns none, or more than can be told.

    ``name`` is the constraint, index or trigger, or what something is renamed to; ``others`` further relations that
    the kind says the meaning of (the referenced table, the partition, tables of the same DROP).
    ``node`` is the parse tree's own (AlterTableCmd or the statement), for code that is written back.
    """

    kind: Kind
    relation: TableName | None = None
    column: str = ""
    name: str = ""
    columns: tuple[str, ...] = ()
    others: tuple[TableName, ...] = ()
    new: NewColumn | None = None
    type: ColumnType | None = None
    was: ColumnType | None = None  # its type before, where the file says it (Alembic's existing_type)
    mode: str = ""  # of LOCK TABLE
    is_concurrent: bool = False
    is_not_valid: bool = False
    is_unique: bool = False
    is_cascade: bool = False
    if_exists: bool = False  # IF EXISTS or IF NOT EXISTS
    is_only: bool = False  # ON ONLY
    using_index: str = ""
    has_where: bool = False
    is_local: bool = False  # SET LOCAL
    is_off: bool = False  # DROP DEFAULT, WITH NO DATA
    node: Node = field(default=None, compare=False, repr=False)
    statement: Node = field(default=None, compare=False, repr=False)
