"""A statement's parse tree as typed actions: what it does to which relation.

Long: a few lines for each kind of statement that PostgreSQL's grammar has, and one table of them.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pglast import ast, enums

from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import alter_table, new_column, relation_name
from analyzer.review.rights import drop_owned, revoke
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, name_parts, walk

OBJECT = enums.ObjectType
REMOVES = enums.AlterPublicationAction.AP_DropObjects
DROPS = {
    OBJECT.OBJECT_TABLE: Kind.DROP_TABLE, OBJECT.OBJECT_VIEW: Kind.DROP_VIEW, OBJECT.OBJECT_INDEX: Kind.DROP_INDEX,
    OBJECT.OBJECT_MATVIEW: Kind.DROP_MATVIEW,
}  # fmt: skip
RELATIONS = (OBJECT.OBJECT_TABLE, OBJECT.OBJECT_VIEW, OBJECT.OBJECT_MATVIEW)
OF_A_TABLE = {
    OBJECT.OBJECT_TRIGGER: Kind.DROP_TRIGGER, OBJECT.OBJECT_RULE: Kind.DROP_RULE, OBJECT.OBJECT_POLICY: Kind.POLICY,
}  # fmt: skip
OTHERS: dict[Any, Callable[[Node], str]] = {  # how their names stand in the tree
    OBJECT.OBJECT_TYPE: lambda named: ".".join(name_parts(named.names)),
    OBJECT.OBJECT_DOMAIN: lambda named: ".".join(name_parts(named.names)),
    OBJECT.OBJECT_SEQUENCE: lambda named: ".".join(name_parts(named)),
    OBJECT.OBJECT_EXTENSION: lambda named: str(named.sval),
    OBJECT.OBJECT_FOREIGN_SERVER: lambda named: str(named.sval),
    OBJECT.OBJECT_FOREIGN_TABLE: lambda named: ".".join(name_parts(named)),
    OBJECT.OBJECT_COLLATION: lambda named: ".".join(name_parts(named)),
    **dict.fromkeys(
        (OBJECT.OBJECT_FUNCTION, OBJECT.OBJECT_PROCEDURE, OBJECT.OBJECT_ROUTINE, OBJECT.OBJECT_AGGREGATE),
        lambda named: ".".join(name_parts(named.objname)),
    ),
}
MODES = (
    "", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
    "EXCLUSIVE", "ACCESS EXCLUSIVE",
)  # fmt: skip
TRANSACTIONS = {
    enums.TransactionStmtKind.TRANS_STMT_BEGIN: Kind.BEGIN, enums.TransactionStmtKind.TRANS_STMT_START: Kind.BEGIN,
    enums.TransactionStmtKind.TRANS_STMT_COMMIT: Kind.COMMIT, enums.TransactionStmtKind.TRANS_STMT_PREPARE: Kind.COMMIT,
    enums.TransactionStmtKind.TRANS_STMT_ROLLBACK: Kind.ROLLBACK,
}  # fmt: skip
ROWS = {
    ast.InsertStmt: Kind.INSERT, ast.UpdateStmt: Kind.UPDATE, ast.DeleteStmt: Kind.DELETE, ast.MergeStmt: Kind.MERGE,
}  # fmt: skip


def actions_of(statement: Node) -> list[Action]:
    read = READERS.get(type(statement))
    actions = list(read(statement)) if read is not None else []
    return actions or [Action(Kind.OTHER, statement=statement)]


def flag(options: Any, name: str, default: bool = False) -> bool:
    """Of a list of options (DefElem): whether that one is there and not switched off; ``default`` where it is not."""
    for option in options or ():
        if option.defname == name:
            value = getattr(option.arg, "sval", getattr(option.arg, "ival", None))
            return str(value).lower() not in ("false", "off", "0")
    return default


def _names(objects: Any) -> list[TableName]:
    parts = [name_parts(o) if isinstance(o, tuple) else name_parts((o,)) for o in objects]
    return [TableName(p[-2] if len(p) > 1 else "", p[-1]) for p in parts if p]


def _drop(statement: Node) -> Iterator[Action]:
    is_cascade, if_exists = statement.behavior == enums.DropBehavior.DROP_CASCADE, bool(statement.missing_ok)
    kind = DROPS.get(statement.removeType)
    if kind is not None:
        names = _names(statement.objects)
        for name in names:
            is_index = kind is Kind.DROP_INDEX
            yield Action(
                kind, None if is_index else name, name=name.name, others=(name,) if is_index else tuple(names),
                is_concurrent=bool(statement.concurrent), is_cascade=is_cascade, if_exists=if_exists,
                statement=statement,
            )  # fmt: skip
    elif statement.removeType in OF_A_TABLE:
        for each in statement.objects:
            parts = name_parts(each)
            relation = TableName(parts[-3] if len(parts) > 2 else "", parts[-2])
            kind = OF_A_TABLE[statement.removeType]
            yield Action(kind, relation, name=parts[-1], is_off=True, if_exists=if_exists, statement=statement)
    elif statement.removeType == OBJECT.OBJECT_SCHEMA:
        yield Action(Kind.DROP_SCHEMA, name=", ".join(map(str, _names(statement.objects))), is_cascade=is_cascade,
                     statement=statement)  # fmt: skip
    elif statement.removeType in OTHERS:
        dropped = ", ".join(OTHERS[statement.removeType](each) for each in statement.objects)
        sequences = _names(statement.objects) if statement.removeType == OBJECT.OBJECT_SEQUENCE else ()
        yield Action(
            Kind.DROP_OTHER, name=dropped, others=tuple(sequences), is_cascade=is_cascade, if_exists=if_exists,
            statement=statement,
        )  # fmt: skip


def _rename(statement: Node) -> Iterator[Action]:
    if statement.renameType == OBJECT.OBJECT_SCHEMA:
        yield Action(Kind.RENAME_SCHEMA, column=statement.subname, name=statement.newname, statement=statement)
    if statement.relation is None:
        return
    relation = relation_name(statement.relation)
    if statement.renameType == OBJECT.OBJECT_COLUMN and statement.relationType in RELATIONS:
        yield Action(
            Kind.RENAME_COLUMN, relation, column=statement.subname, name=statement.newname, statement=statement
        )
    elif statement.renameType in RELATIONS:
        yield Action(Kind.RENAME_TABLE, relation, name=statement.newname, statement=statement)
    elif statement.renameType in (OBJECT.OBJECT_TABCONSTRAINT, OBJECT.OBJECT_TRIGGER, OBJECT.OBJECT_POLICY):
        yield Action(Kind.RENAME_OTHER, relation, name=statement.newname, statement=statement)
    elif statement.renameType == OBJECT.OBJECT_INDEX:
        yield Action(Kind.INDEX_DETAIL, name=relation.name, others=(relation,), statement=statement)
    elif statement.renameType == OBJECT.OBJECT_SEQUENCE:
        yield Action(Kind.RENAME_SEQUENCE, name=statement.newname, others=(relation,), statement=statement)


def _create_table(statement: Node) -> Iterator[Action]:
    """Its columns' and its own foreign keys as ``others``."""
    columns = [e for e in statement.tableElts or () if isinstance(e, ast.ColumnDef)]
    constraints = [e for e in statement.tableElts or () if isinstance(e, ast.Constraint)]
    constraints += [c for column in columns for c in column.constraints or ()]
    referenced = tuple(dict.fromkeys(relation_name(c.pktable) for c in constraints if c.pktable is not None))
    parents = tuple(relation_name(p) for p in statement.inhRelations or ())
    kind = Kind.CREATE_PARTITION if statement.partbound is not None else Kind.CREATE_TABLE
    relation = relation_name(statement.relation)
    yield Action(
        kind, relation, others=(*parents, *referenced), if_exists=bool(statement.if_not_exists), statement=statement
    )


def _create_as(statement: Node) -> Iterator[Action]:
    into = statement.into if isinstance(statement, ast.CreateTableAsStmt) else statement.intoClause
    if into is not None:
        if_exists = bool(getattr(statement, "if_not_exists", False))
        yield Action(Kind.CREATE_TABLE, relation_name(into.rel), if_exists=if_exists, statement=statement)


def _create_index(statement: Node) -> Iterator[Action]:
    yield Action(
        Kind.CREATE_INDEX,
        relation_name(statement.relation),
        name=statement.idxname or "",
        columns=tuple(e.name or "" for e in statement.indexParams or ()),
        is_concurrent=bool(statement.concurrent),
        is_unique=bool(statement.unique),
        if_exists=bool(statement.if_not_exists),
        is_only=not statement.relation.inh,
        has_where=statement.whereClause is not None,
        node=statement,
        statement=statement,
    )


def _reindex(statement: Node) -> Iterator[Action]:
    is_concurrent = flag(statement.params, "concurrently")
    relation = relation_name(statement.relation) if statement.relation is not None else None
    if statement.kind == enums.ReindexObjectType.REINDEX_OBJECT_INDEX and relation is not None:
        yield Action(Kind.REINDEX_INDEX, name=relation.name, others=(relation,), is_concurrent=is_concurrent,
                     statement=statement)  # fmt: skip
    elif statement.kind == enums.ReindexObjectType.REINDEX_OBJECT_TABLE:
        yield Action(Kind.REINDEX_TABLE, relation, is_concurrent=is_concurrent, statement=statement)
    else:
        yield Action(Kind.REINDEX_MANY, name=statement.name or "", is_concurrent=is_concurrent, statement=statement)


def _vacuum(statement: Node) -> Iterator[Action]:
    full = statement.is_vacuumcmd and flag(statement.options, "full")
    kind = Kind.VACUUM_FULL if full else Kind.VACUUM if statement.is_vacuumcmd else Kind.ANALYZE
    for each in statement.rels or (None,):
        yield Action(kind, relation_name(each.relation) if each is not None else None, statement=statement)


def _rows(statement: Node) -> Iterator[Action]:
    """The rows a statement writes, in its WITH queries too, and those it locks for nobody else to see."""
    for node in walk(statement):
        kind = ROWS.get(type(node))
        if kind is not None:
            where = getattr(node, "whereClause", None) is not None or bool(getattr(node, "fromClause", None))
            is_only = not node.relation.inh
            yield Action(
                kind, relation_name(node.relation), has_where=where, is_only=is_only, node=node, statement=statement
            )


def _select(statement: Node) -> Iterator[Action]:
    yield from _create_as(statement)
    yield from _rows(statement)
    yield Action(Kind.READ, statement=statement)


def _one(kind: Kind, attribute: str = "relation", **more: Any) -> Callable[[Node], Iterator[Action]]:
    """The action of a statement that names its one relation in that attribute."""

    def read(statement: Node) -> Iterator[Action]:
        relation = getattr(statement, attribute)
        relation_read = relation_name(relation) if relation is not None else None
        yield Action(kind, relation_read, statement=statement, **{k: f(statement) for k, f in more.items()})

    return read


def _each(kind: Kind, attribute: str, **more: Any) -> Callable[[Node], Iterator[Action]]:
    def read(statement: Node) -> Iterator[Action]:
        relations = [r for r in getattr(statement, attribute) or () if isinstance(r, ast.RangeVar)]
        names = tuple(map(relation_name, relations))
        for relation, name in zip(relations, names, strict=True):
            yield Action(
                kind, name, others=names, is_only=not relation.inh, statement=statement,
                **{k: f(statement) for k, f in more.items()},
            )  # fmt: skip

    return read


def _comment(statement: Node) -> Iterator[Action]:
    if not isinstance(statement.object, tuple):
        return
    parts = name_parts(statement.object)
    if statement.objtype == OBJECT.OBJECT_COLUMN and len(parts) > 1:
        parts = parts[:-1]
    elif statement.objtype not in (OBJECT.OBJECT_TABLE, OBJECT.OBJECT_MATVIEW):
        return
    yield Action(Kind.COMMENT, TableName(parts[-2] if len(parts) > 1 else "", parts[-1]), statement=statement)


def _publication(statement: Node) -> Iterator[Action]:
    for each in statement.pubobjects or ():
        if each.pubtable is not None:
            yield Action(Kind.PUBLICATION, relation_name(each.pubtable.relation), statement=statement)


def _enum(statement: Node) -> Iterator[Action]:
    name = name_parts(statement.typeName)[-1]
    if statement.oldVal is not None:
        yield Action(Kind.RENAME_ENUM_VALUE, name=name, column=statement.oldVal, statement=statement)
        return
    if_exists = bool(statement.skipIfNewValExists)
    yield Action(
        Kind.ADD_ENUM_VALUE, name=name, column=statement.newVal or "", if_exists=if_exists, statement=statement
    )


def _transaction(statement: Node) -> Iterator[Action]:
    yield Action(TRANSACTIONS.get(statement.kind, Kind.OTHER), statement=statement)


def _set(statement: Node) -> Iterator[Action]:
    values = [getattr(argument, "val", None) for argument in statement.args or ()]
    texts = tuple(str(getattr(value, "sval", None) or getattr(value, "ival", "")) for value in values)
    is_off = statement.kind != enums.VariableSetKind.VAR_SET_VALUE
    text = texts[0] if texts else ""
    yield Action(Kind.SET, name=statement.name or "", column=text, columns=texts, is_local=bool(statement.is_local),
                 is_off=is_off, statement=statement)  # fmt: skip


def _discard(statement: Node) -> Iterator[Action]:
    if statement.target == enums.DiscardMode.DISCARD_ALL:
        yield Action(Kind.DISCARD_ALL, statement=statement)


def _copy(statement: Node) -> Iterator[Action]:
    if statement.is_from and statement.relation is not None:
        yield Action(Kind.COPY, relation_name(statement.relation), statement=statement)
    elif not statement.is_from:
        yield from _rows(statement)
        yield Action(Kind.READ, statement=statement)


def _explain(statement: Node) -> Iterator[Action]:
    """ANALYZE runs what it explains."""
    if flag(statement.options, "analyze"):
        yield from actions_of(statement.query)


def _domain(statement: Node) -> Iterator[Action]:
    """Those that look at rows: ADD CONSTRAINT, VALIDATE CONSTRAINT and SET NOT NULL (parsenodes.h: subtype)."""
    is_later = statement.subtype == "C" and bool(statement.def_.skip_validation)
    if statement.subtype in ("C", "V", "O") and not is_later:
        yield Action(Kind.DOMAIN, name=name_parts(statement.typeName)[-1], statement=statement)


def _set_schema(statement: Node) -> Iterator[Action]:
    if statement.relation is not None and statement.objectType in RELATIONS:
        yield Action(Kind.SET_SCHEMA, relation_name(statement.relation), name=statement.newschema, statement=statement)
    elif statement.objectType == OBJECT.OBJECT_SEQUENCE:
        named = (relation_name(statement.relation),)
        yield Action(Kind.RENAME_SEQUENCE, name=statement.newschema, others=named, statement=statement)


def _replace_view(statement: Node) -> Iterator[Action]:
    """Not of a temporary one, which stands in a schema of the session's own."""
    if statement.replace and statement.view.relpersistence != "t":
        yield Action(Kind.REPLACE_VIEW, relation_name(statement.view), statement=statement)


READERS: dict[type, Callable[[Node], Iterator[Action]]] = {
    ast.AlterTableStmt: alter_table, ast.DropStmt: _drop, ast.RenameStmt: _rename, ast.CreateStmt: _create_table,
    ast.CreateTableAsStmt: _create_as, ast.IndexStmt: _create_index, ast.ReindexStmt: _reindex,
    ast.VacuumStmt: _vacuum, ast.SelectStmt: _select, ast.CommentStmt: _comment, ast.AlterEnumStmt: _enum,
    ast.CreatePublicationStmt: _publication, ast.TransactionStmt: _transaction, ast.VariableSetStmt: _set,
    ast.CopyStmt: _copy, ast.AlterObjectSchemaStmt: _set_schema,
    **dict.fromkeys(ROWS, _rows),
    ast.TruncateStmt: _each(
        Kind.TRUNCATE, "relations", is_cascade=lambda s: s.behavior == enums.DropBehavior.DROP_CASCADE
    ),
    ast.LockStmt: _each(Kind.LOCK, "relations", mode=lambda s: MODES[s.mode]),
    ast.CreateStatsStmt: _each(Kind.STATISTICS, "relations"),
    ast.ClusterStmt: _one(Kind.CLUSTER),
    ast.RefreshMatViewStmt: _one(
        Kind.REFRESH, is_concurrent=lambda s: bool(s.concurrent), is_off=lambda s: bool(s.skipData)
    ),
    ast.CreateTrigStmt: _one(Kind.CREATE_TRIGGER, name=lambda s: s.trigname),
    ast.RuleStmt: _one(Kind.CREATE_RULE),
    ast.CreatePolicyStmt: _one(Kind.POLICY, "table"), ast.AlterPolicyStmt: _one(Kind.POLICY, "table"),
    ast.DoStmt: lambda s: iter([Action(Kind.CODE, statement=s)]),
    ast.CallStmt: lambda s: iter([Action(Kind.CODE, statement=s)]),
    ast.CreatedbStmt: lambda s: iter([Action(Kind.CREATE_DATABASE, name=s.dbname, statement=s)]),
    ast.CreateTableSpaceStmt: lambda s: iter([Action(Kind.CREATE_TABLESPACE, name=s.tablespacename, statement=s)]),
    ast.DropTableSpaceStmt: lambda s: iter([Action(Kind.DROP_TABLESPACE, name=s.tablespacename, statement=s)]),
    ast.CreateSubscriptionStmt: lambda s: iter([Action(Kind.CREATE_SUBSCRIPTION, name=s.subname, statement=s)]),
    ast.DiscardStmt: _discard, ast.GrantStmt: revoke, ast.DropOwnedStmt: drop_owned,
    ast.DropdbStmt: lambda s: iter([Action(Kind.DROP_DATABASE, name=s.dbname, statement=s)]),
    ast.AlterSystemStmt: lambda s: iter([Action(Kind.ALTER_SYSTEM, name=s.setstmt.name or "", statement=s)]),
    ast.AlterSeqStmt: lambda s: iter([
        Action(Kind.ALTER_SEQUENCE, name=s.sequence.relname, others=(relation_name(s.sequence),), statement=s)
    ]),
    ast.AlterDomainStmt: _domain, ast.ExplainStmt: _explain,
    ast.AlterPublicationStmt: lambda s: _publication(s) if s.action != REMOVES else iter(()),
    ast.ViewStmt: _replace_view,
}  # fmt: skip

__all__ = ["actions_of", "new_column"]
