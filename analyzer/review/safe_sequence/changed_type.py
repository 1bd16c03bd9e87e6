"""A column of another type: a new one beside it, kept up to date by a trigger, filled in batches, and put in its place.

For columns that nothing depends on; with an index, a key or a view on it the swap would have to make those anew, too.
"""

from pglast import ast
from pglast.stream import RawStream

from analyzer.advice.code.change import dollar_quoted
from analyzer.review.actions import Action
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.safe_sequence.backfill import batched, key_of
from analyzer.review.safe_sequence.constraints import not_null_steps
from analyzer.review.safe_sequence.safe_step import SafeStep, brief, relation_sql
from analyzer.review.work import work_of
from analyzer.schema.quoting import MAX_NAME_BYTES, cut_name, quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Unparsable, fresh_parse, walk


def changed_type(action: Action, known: FactsAtStatement) -> list[SafeStep] | None:
    relation, table, live = action.relation, known.table(action.relation), known.live
    # what depends on the session's TimeZone would come out otherwise in the sessions that the trigger runs in
    is_rewrite = any(w.kind == "rewrite" and w.is_certain for w in work_of(action, known))
    if relation is None or table is None or live is None or not is_rewrite:
        return None
    default, key = live.plain_columns.get((table.oid, action.column)), key_of(relation, known)
    if default is None or key is None or key == action.column or action.node.def_.collClause is not None:
        return None
    new = f"{action.column}_new"
    if table.column(new) is not None or len(new.encode()) > MAX_NAME_BYTES:
        return None
    value, value_of_new = _values(action)
    if value_of_new is None:
        return None
    is_not_null = known.column(relation, action.column).is_not_null is True
    name, old, target = relation_sql(relation), quote_identifier(action.column), quote_identifier(new)
    new_type = RawStream()(action.node.def_.typeName)
    return [
        brief(f"ALTER TABLE {name} ADD COLUMN {target} {new_type}"),
        *_kept_up_to_date(relation, action.column, f"{target} := {value_of_new}"),
        batched(relation, key, f"UPDATE {name} SET {target} = {value}", f"{target} IS NULL AND {old} IS NOT NULL"),
        *(not_null_steps(relation, new) if is_not_null else ()),
        _swap(relation, action.column, new, default),
    ]


def _values(action: Action) -> tuple[str, str | None]:
    """The new value as USING says it, of a row and, as the trigger needs it, of NEW."""
    using = action.node.def_.raw_default
    column = quote_identifier(action.column)
    new_type = RawStream()(action.node.def_.typeName)
    value = RawStream()(using) if using is not None else f"{column}::{new_type}"
    statements = fresh_parse(f"SELECT {value}")
    if isinstance(statements, Unparsable):
        return value, None
    expression = statements[0].stmt.targetList[0].val
    for node in list(walk(expression)):
        if isinstance(node, ast.SubLink):
            return value, None
        if isinstance(node, ast.ColumnRef):
            node.fields = (ast.String(sval="new"), node.fields[-1])
    return value, RawStream()(expression)


def _function(relation: TableName, column: str) -> tuple[str, str]:
    """Names of the trigger, the last to fire, and of its function, which stands beside the table."""
    name = cut_name(f"zz_{relation.name}_{column}_sync")
    return quote_identifier(name), relation_sql(TableName(relation.schema, name))


def _kept_up_to_date(relation: TableName, column: str, assignment: str) -> list[SafeStep]:
    trigger, function = _function(relation, column)
    return [
        brief(
            f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS "
            + dollar_quoted(f"BEGIN NEW.{assignment}; RETURN NEW; END", "sync")
        ),
        brief(
            f"CREATE TRIGGER {trigger} BEFORE INSERT OR UPDATE ON {relation_sql(relation)} FOR EACH ROW"
            f" EXECUTE FUNCTION {function}()"
        ),
    ]


def _swap(relation: TableName, column: str, new: str, default: str) -> SafeStep:
    trigger, function = _function(relation, column)
    table, name = relation_sql(relation), quote_identifier(column)
    parts = [
        f"DROP TRIGGER {trigger} ON {table}", f"DROP FUNCTION {function}()", f"ALTER TABLE {table} DROP COLUMN {name}",
        f"ALTER TABLE {table} RENAME COLUMN {quote_identifier(new)} TO {name}",
        *([f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {default}"] if default else []),
    ]  # fmt: skip
    return brief(f"BEGIN; {'; '.join(parts)}; COMMIT")
