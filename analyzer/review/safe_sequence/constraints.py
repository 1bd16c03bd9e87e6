"""Constraints that are added unchecked and checked afterwards, or made of an index built beside the traffic."""

from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.review.actions import Action, Kind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.safe_sequence.names import constraint_name, object_name
from analyzer.review.safe_sequence.safe_step import SafeStep, brief, relation_sql, with_changes
from analyzer.schema.quoting import cut_name, quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, column_names

PRIMARY = enums.ConstrType.CONSTR_PRIMARY
LABELS = {Kind.ADD_CHECK: "check", Kind.ADD_FOREIGN_KEY: "fkey", Kind.ADD_UNIQUE: "key"}


def add_not_valid(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    """CHECK and FOREIGN KEY: NOT VALID under a brief lock, then VALIDATE, which blocks neither reads nor writes."""
    relation = action.relation
    table = known.table(relation)
    if action.is_not_valid or relation is None or known.is_empty(relation):
        return None
    if action.kind is Kind.ADD_FOREIGN_KEY and table is not None and table.kind == "p" and known.version < 180_000:
        return None
    return constraint_steps(relation, action.node.def_, default_name(action, relation))


def constraint_steps(relation: TableName, constraint: Node, name: str) -> list[SafeStep]:
    checked_later = with_changes(constraint, conname=name, skip_validation=True, initially_valid=False)
    table = relation_sql(relation)
    return [
        brief(f"ALTER TABLE {table} ADD {RawStream()(checked_later)}"),
        SafeStep(f"ALTER TABLE {table} VALIDATE CONSTRAINT {quote_identifier(name)}"),
    ]


def default_name(action: Action, relation: TableName) -> str:
    """The constraint's own, or the one that PostgreSQL would give it."""
    if action.name:
        return action.name
    columns = action.columns
    if action.kind is Kind.ADD_CHECK:
        named = tuple(dict.fromkeys(column_names(action.node.def_.raw_expr)))
        columns = named if len(named) == 1 else ()
    if action.kind is Kind.ADD_PRIMARY_KEY:
        return object_name(relation.name, "", "pkey")
    return constraint_name(relation.name, columns, LABELS[action.kind])


def add_key(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    """UNIQUE and PRIMARY KEY: the index CONCURRENTLY, then the constraint of it."""
    relation, table = action.relation, known.table(action.relation)
    if relation is None or action.using_index or known.is_empty(relation) or (table is not None and table.kind == "p"):
        return None
    steps: list[SafeStep] = []
    if action.kind is Kind.ADD_PRIMARY_KEY:
        for column in action.columns:
            if known.proves_not_null(relation, column) is not True:
                steps += not_null_steps(relation, column)
    return [*steps, *key_steps(relation, action.node.def_, default_name(action, relation))]


def key_steps(relation: TableName, constraint: Node, name: str) -> list[SafeStep]:
    columns = ", ".join(quote_identifier(c.sval) for c in constraint.keys)
    include = ", ".join(quote_identifier(c.sval) for c in constraint.including or ())
    index = f"CREATE UNIQUE INDEX CONCURRENTLY {quote_identifier(name)} ON {relation_sql(relation)} ({columns})"
    index += f" INCLUDE ({include})" if include else ""
    index += " NULLS NOT DISTINCT" if constraint.nulls_not_distinct else ""
    using = with_changes(constraint, conname=name, indexname=name, keys=None, including=None, nulls_not_distinct=False)
    return [SafeStep(index, is_alone=True), brief(f"ALTER TABLE {relation_sql(relation)} ADD {_text(using)}")]


def _text(constraint: Node) -> str:
    kind = "PRIMARY KEY" if constraint.contype == PRIMARY else "UNIQUE"
    name = quote_identifier(constraint.conname)
    deferrable = " DEFERRABLE" if constraint.deferrable else ""
    deferred = " INITIALLY DEFERRED" if constraint.initdeferred else ""
    return f"CONSTRAINT {name} {kind} USING INDEX {name}{deferrable}{deferred}"


def set_not_null(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    relation = action.relation
    if relation is None or known.is_empty(relation) or known.proves_not_null(relation, action.column) is True:
        return None
    return not_null_steps(relation, action.column)


def not_null_steps(relation: TableName, column: str) -> list[SafeStep]:
    """A valid CHECK spares SET NOT NULL the reading; it goes when it has served."""
    table, name = relation_sql(relation), quote_identifier(cut_name(f"{relation.name}_{column}_not_null_check"))
    quoted = quote_identifier(column)
    return [
        brief(f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({quoted} IS NOT NULL) NOT VALID"),
        SafeStep(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}"),
        brief(f"ALTER TABLE {table} ALTER COLUMN {quoted} SET NOT NULL"),
        brief(f"ALTER TABLE {table} DROP CONSTRAINT {name}"),
    ]


def constraint_of(node: ast.Node, contype: int) -> Node | None:
    return next((c for c in node.constraints or () if c.contype == contype), None)
