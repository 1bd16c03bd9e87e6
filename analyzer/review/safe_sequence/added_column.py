"""A new column that would make ADD COLUMN work on every row: added bare, filled, then made whole."""

from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.review.actions import Action, NewColumn
from analyzer.review.column_types import SERIALS
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.safe_sequence.backfill import batched, key_of
from analyzer.review.safe_sequence.constraints import constraint_of, constraint_steps, key_steps, not_null_steps
from analyzer.review.safe_sequence.names import constraint_name, object_name
from analyzer.review.safe_sequence.safe_step import SafeStep, brief, relation_sql, with_changes
from analyzer.review.work import work_of
from analyzer.schema.quoting import quote_identifier, quote_literal
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node

CONSTR = enums.ConstrType
FILLED_FIRST = (CONSTR.CONSTR_DEFAULT, CONSTR.CONSTR_NOTNULL, CONSTR.CONSTR_IDENTITY)
SEPARATE = (CONSTR.CONSTR_CHECK, CONSTR.CONSTR_FOREIGN, CONSTR.CONSTR_UNIQUE, CONSTR.CONSTR_PRIMARY)
OF_KEY = (CONSTR.CONSTR_ATTR_DEFERRABLE, CONSTR.CONSTR_ATTR_DEFERRED)


def added_column(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    relation, new = action.relation, action.new
    works = work_of(action, known)
    if relation is None or new is None or not works or new.generated or action.if_exists:
        return None
    node = action.node.def_
    if any(c.contype in OF_KEY for c in node.constraints or ()):
        return None
    is_rewrite = any(w.kind == "rewrite" for w in works)
    key = key_of(relation, known)
    if is_rewrite and (key is None or not (new.default is not None or new.is_identity or new.type.is_serial)):
        return None
    if new.is_primary:
        return None
    steps = (
        _filled(relation, new, node, key)
        if is_rewrite and key is not None
        else [brief(_bare(relation, node, SEPARATE))]
    )
    return [*steps, *_constraints(relation, new, node)]


def _filled(relation: TableName, new: NewColumn, node: Node, key: str) -> list[SafeStep]:
    table, column = relation_sql(relation), quote_identifier(new.name)
    if new.is_identity or new.type.is_serial:
        return _numbered(relation, new, node, key)
    add = _bare(relation, node, (*FILLED_FIRST, *SEPARATE))
    default = RawStream()(new.default)
    steps = [
        # one statement, so that no row comes in between without the default
        brief(f"{add}, ALTER COLUMN {column} SET DEFAULT {default}"),
        batched(relation, key, f"UPDATE {table} SET {column} = DEFAULT", f"{column} IS NULL"),
    ]
    return [*steps, *(not_null_steps(relation, new.name) if new.is_not_null else ())]


def _numbered(relation: TableName, new: NewColumn, node: Node, key: str) -> list[SafeStep]:
    """By a sequence of its own, which identity gives up for its own at the end."""
    table, column = relation_sql(relation), quote_identifier(new.name)
    final = TableName(relation.schema, object_name(relation.name, new.name, "seq"))
    filling = TableName(relation.schema, object_name(relation.name, f"{new.name}_fill", "seq"))
    sequence = relation_sql(filling if new.is_identity else final)
    type_name = RawStream()(node.typeName)
    if new.type.is_serial:
        type_name = SPOKEN[SERIALS[new.type.name]]
    steps = [
        brief(f"CREATE SEQUENCE {sequence} AS {type_name}"),
        brief(
            f"ALTER TABLE {table} ADD COLUMN {column} {type_name},"
            f" ALTER COLUMN {column} SET DEFAULT nextval({quote_literal(sequence)})"
        ),
        batched(relation, key, f"UPDATE {table} SET {column} = DEFAULT", f"{column} IS NULL"),
        *not_null_steps(relation, new.name),
    ]
    if not new.is_identity:
        return [*steps, brief(f"ALTER SEQUENCE {sequence} OWNED BY {table}.{column}")]
    identity = constraint_of(node, CONSTR.CONSTR_IDENTITY)
    always = "ALWAYS" if identity is not None and identity.generated_when == "a" else "BY DEFAULT"
    own = quote_literal(relation_sql(final))
    return [
        *steps,
        brief(
            f"BEGIN; ALTER TABLE {table} ALTER COLUMN {column} DROP DEFAULT,"
            f" ALTER COLUMN {column} ADD GENERATED {always} AS IDENTITY;"
            f" SELECT setval({own}, nextval({quote_literal(sequence)}), false); DROP SEQUENCE {sequence}; COMMIT"
        ),
    ]


def _bare(relation: TableName, node: Node, without: tuple[int, ...]) -> str:
    """ADD COLUMN without constraints of these kinds."""
    left = tuple(c for c in node.constraints or () if c.contype not in without)
    return (
        f"ALTER TABLE {relation_sql(relation)} ADD COLUMN {RawStream()(with_changes(node, constraints=left or None))}"
    )


def _constraints(relation: TableName, new: NewColumn, node: Node) -> list[SafeStep]:
    steps: list[SafeStep] = []
    column = (ast.String(sval=new.name),)
    for constraint in node.constraints or ():
        if constraint.contype == CONSTR.CONSTR_CHECK:
            name = constraint.conname or constraint_name(relation.name, (new.name,), "check")
            steps += constraint_steps(relation, constraint, name)
        elif constraint.contype == CONSTR.CONSTR_FOREIGN:
            name = constraint.conname or constraint_name(relation.name, (new.name,), "fkey")
            steps += constraint_steps(relation, with_changes(constraint, fk_attrs=column), name)
        elif constraint.contype == CONSTR.CONSTR_UNIQUE:
            name = constraint.conname or constraint_name(relation.name, (new.name,), "key")
            steps += key_steps(relation, with_changes(constraint, keys=column), name)
    return steps


SPOKEN = {"int2": "smallint", "int4": "integer", "int8": "bigint"}
