"""ALTER TABLE's subcommands as actions."""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.review.actions import Action, Kind, NewColumn
from analyzer.review.column_types import type_of
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, name_parts

AT = enums.AlterTableType
CONSTR = enums.ConstrType

PLAIN = {
    AT.AT_DropNotNull: Kind.DROP_NOT_NULL, AT.AT_SetNotNull: Kind.SET_NOT_NULL,
    AT.AT_SetExpression: Kind.SET_EXPRESSION, AT.AT_SetStatistics: Kind.COLUMN_STATISTICS,
    AT.AT_SetOptions: Kind.COLUMN_STATISTICS, AT.AT_ResetOptions: Kind.COLUMN_STATISTICS,
    AT.AT_DropExpression: Kind.COLUMN_DETAIL, AT.AT_SetStorage: Kind.COLUMN_DETAIL,
    AT.AT_SetCompression: Kind.COLUMN_DETAIL, AT.AT_AddIdentity: Kind.COLUMN_DETAIL,
    AT.AT_SetIdentity: Kind.COLUMN_DETAIL, AT.AT_DropIdentity: Kind.COLUMN_DETAIL,
    AT.AT_AlterColumnGenericOptions: Kind.COLUMN_DETAIL,
    AT.AT_SetLogged: Kind.SET_LOGGED, AT.AT_SetUnLogged: Kind.SET_UNLOGGED,
    AT.AT_SetTableSpace: Kind.SET_TABLESPACE, AT.AT_SetAccessMethod: Kind.SET_ACCESS_METHOD,
    AT.AT_SetRelOptions: Kind.SET_OPTIONS, AT.AT_ResetRelOptions: Kind.SET_OPTIONS,
    AT.AT_EnableRowSecurity: Kind.ROW_SECURITY, AT.AT_ClusterOn: Kind.CLUSTER_ON, AT.AT_DropCluster: Kind.CLUSTER_ON,
    AT.AT_DisableTrig: Kind.TRIGGERS_OFF, AT.AT_DisableTrigAll: Kind.TRIGGERS_OFF,
    AT.AT_DisableTrigUser: Kind.TRIGGERS_OFF, AT.AT_EnableTrig: Kind.TRIGGERS_ON,
    AT.AT_EnableAlwaysTrig: Kind.TRIGGERS_ON, AT.AT_EnableReplicaTrig: Kind.TRIGGERS_ON,
    AT.AT_EnableTrigAll: Kind.TRIGGERS_ON, AT.AT_EnableTrigUser: Kind.TRIGGERS_ON,
}  # fmt: skip
CONSTRAINTS = {
    CONSTR.CONSTR_CHECK: Kind.ADD_CHECK, CONSTR.CONSTR_NOTNULL: Kind.ADD_NOT_NULL,
    CONSTR.CONSTR_FOREIGN: Kind.ADD_FOREIGN_KEY, CONSTR.CONSTR_UNIQUE: Kind.ADD_UNIQUE,
    CONSTR.CONSTR_PRIMARY: Kind.ADD_PRIMARY_KEY, CONSTR.CONSTR_EXCLUSION: Kind.ADD_EXCLUDE,
}  # fmt: skip
# PostgreSQL's own order of the subcommands, whatever the statement's is (AT_PASS_* in tablecmds.c)
PASSES = {Kind.DROP_COLUMN: 0, Kind.DROP_CONSTRAINT: 0, Kind.DROP_NOT_NULL: 0, Kind.ALTER_TYPE: 1, Kind.ADD_COLUMN: 2}
LAST_PASS = 3
OF_INDEXES = {AT.AT_SetTableSpace: Kind.INDEX_TABLESPACE, AT.AT_AttachPartition: Kind.ATTACH_INDEX}


def relation_name(node: Node) -> TableName:
    return TableName(node.schemaname or "", node.relname)


def alter_table(statement: Node) -> Iterator[Action]:
    relation = relation_name(statement.relation)
    if statement.objtype == enums.ObjectType.OBJECT_INDEX:
        for command in statement.cmds:
            kind = OF_INDEXES.get(command.subtype, Kind.INDEX_DETAIL)
            part = (relation_name(command.def_.name),) if kind is Kind.ATTACH_INDEX else ()
            yield Action(kind, name=relation.name, others=(relation, *part), node=command, statement=statement)
        return
    if statement.objtype not in (enums.ObjectType.OBJECT_TABLE, enums.ObjectType.OBJECT_MATVIEW):
        yield Action(Kind.OTHER, statement=statement)
        return
    actions = [_action(command, relation, statement) for command in statement.cmds]
    yield from sorted(actions, key=lambda action: PASSES.get(action.kind, LAST_PASS))


def _action(command: Node, relation: TableName, statement: Node) -> Action:
    subtype, kind = command.subtype, PLAIN.get(command.subtype)

    def action(kind: Kind, **more: object) -> Action:
        return Action(kind, relation, node=command, statement=statement, **more)  # type: ignore[arg-type]

    if kind is not None:
        of_constraint = kind in (Kind.TRIGGERS_OFF, Kind.TRIGGERS_ON, Kind.SET_TABLESPACE, Kind.SET_ACCESS_METHOD)
        name = command.name or ""
        return action(kind, **({"name": name} if of_constraint else {"column": name}))
    if subtype == AT.AT_AddColumn:
        new = new_column(command.def_)
        return action(Kind.ADD_COLUMN, column=new.name, new=new, if_exists=bool(command.missing_ok))
    if subtype == AT.AT_DropColumn:
        is_cascade = command.behavior == enums.DropBehavior.DROP_CASCADE
        return action(Kind.DROP_COLUMN, column=command.name, is_cascade=is_cascade, if_exists=bool(command.missing_ok))
    if subtype == AT.AT_ColumnDefault:
        return action(Kind.SET_DEFAULT, column=command.name, is_off=command.def_ is None)
    if subtype == AT.AT_AlterColumnType:
        return action(Kind.ALTER_TYPE, column=command.name, type=type_of(command.def_.typeName))
    if subtype == AT.AT_AddConstraint:
        return _constraint(command.def_, relation, statement, command)
    if subtype == AT.AT_ValidateConstraint:
        return action(Kind.VALIDATE, name=command.name)
    if subtype == AT.AT_DropConstraint:
        is_cascade = command.behavior == enums.DropBehavior.DROP_CASCADE
        return action(
            Kind.DROP_CONSTRAINT, name=command.name, is_cascade=is_cascade, if_exists=bool(command.missing_ok)
        )
    if subtype == AT.AT_AlterConstraint:
        return action(Kind.ALTER_CONSTRAINT, name=command.def_.conname or "")
    if subtype in (AT.AT_AttachPartition, AT.AT_DetachPartition, AT.AT_DetachPartitionFinalize):
        kind = Kind.ATTACH_PARTITION if subtype == AT.AT_AttachPartition else Kind.DETACH_PARTITION
        is_concurrent = bool(command.def_.concurrent) or subtype == AT.AT_DetachPartitionFinalize
        return action(kind, others=(relation_name(command.def_.name),), is_concurrent=is_concurrent)
    return action(Kind.TABLE_DETAIL)


def _constraint(constraint: Node, relation: TableName, statement: Node, command: Node) -> Action:
    keys = constraint.fk_attrs if constraint.contype == CONSTR.CONSTR_FOREIGN else constraint.keys
    return Action(
        CONSTRAINTS.get(constraint.contype, Kind.TABLE_DETAIL),
        relation,
        name=constraint.conname or "",
        columns=name_parts(keys),
        others=(relation_name(constraint.pktable),) if constraint.pktable is not None else (),
        is_not_valid=bool(constraint.skip_validation),
        using_index=constraint.indexname or "",
        node=command,
        statement=statement,
    )


def new_column(node: Node) -> NewColumn:
    constraints = {c.contype: c for c in node.constraints or ()}
    foreign = constraints.get(CONSTR.CONSTR_FOREIGN)
    default = constraints.get(CONSTR.CONSTR_DEFAULT)
    generated = constraints.get(CONSTR.CONSTR_GENERATED)
    check = constraints.get(CONSTR.CONSTR_CHECK)
    value = default.raw_expr if default is not None else None
    return NewColumn(
        node.colname,
        type_of(node.typeName),
        default=None if isinstance(value, ast.A_Const) and value.isnull else value,
        is_not_null=CONSTR.CONSTR_NOTNULL in constraints or CONSTR.CONSTR_PRIMARY in constraints,
        is_identity=CONSTR.CONSTR_IDENTITY in constraints,
        generated=(generated.generated_kind or "s") if generated is not None else "",
        is_unique=CONSTR.CONSTR_UNIQUE in constraints,
        is_primary=CONSTR.CONSTR_PRIMARY in constraints,
        check=check.raw_expr if check is not None else None,
        references=relation_name(foreign.pktable) if foreign is not None else None,
        referenced_columns=name_parts(foreign.pk_attrs) if foreign is not None else (),
    )
