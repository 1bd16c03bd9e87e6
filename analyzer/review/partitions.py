"""What attaching a partition reads: the table itself unless its CHECK says what the bounds ask, and the default one."""

from collections.abc import Iterator

from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.review.actions import Action
from analyzer.review.effects import TableWork
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.known_checks import column_of
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import (
    Node,
    Unparsable,
    column_names,
    conjuncts,
    operator_name,
    single_statement,
    without_casts,
)


def attach_work(action: Action, parent: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    part = action.others[0]
    proved = bounds_proved(action, parent, known)
    if proved is not True:
        bounds = bounds_as_check(action, parent, known)
        without = f"a valid CHECK ({bounds})" if bounds else "a valid CHECK that says what its bounds ask"
        why = f"every row is compared with the bounds, since {part} has no {without[2:]}"
        if proved is None:
            why = f"every row is compared with the bounds, unless {part} has {without}"
        yield TableWork("scan", part, why, is_certain=proved is False)
    missing = missing_indexes(parent, part, known)
    if missing:
        names = ", ".join(index.name for index in missing)
        yield TableWork("index", part, f"it gets what it lacks of {parent}'s indexes ({names})", indexes=len(missing))
    yield from default_partition_work(parent, known, action)


def default_partition_work(
    parent: TableName, known: FactsAtStatement, action: Action | None = None
) -> Iterator[TableWork]:
    """``action``: the ATTACH whose bounds a CHECK of the default partition may exclude."""
    table = known.table(parent)
    if table is None or known.live is None or known.facts is None:
        return
    default = known.facts.table(known.live.default_partitions.get(table.oid, 0))
    if default is not None and not (action is not None and _are_excluded(action, parent, default, known)):
        why = "the default partition is searched for rows of the new one, unless its CHECK excludes them"
        yield TableWork("scan", TableName(default.schema, default.name), why)


def _are_excluded(action: Action, parent: TableName, default: TableFacts, known: FactsAtStatement) -> bool:
    """By a valid CHECK (NOT (...)) of the bounds."""
    bounds = bounds_as_check(action, parent, known)
    statement = single_statement(f"SELECT {bounds}") if bounds is not None else None
    if statement is None or isinstance(statement, Unparsable):
        return False
    wanted = set(_facts(statement.targetList[0].val))
    return any(
        c.is_validated and isinstance(c.expression, ast.BoolExpr) and c.expression.boolop == enums.BoolExprType.NOT_EXPR
        and set(_facts(c.expression.args[0])) == wanted
        for c in known.checks_of(TableName(default.schema, default.name))
    )  # fmt: skip


def missing_indexes(parent: TableName, part: TableName, known: FactsAtStatement) -> list[IndexFacts]:
    """Those of the parent that no index of the table is alike: ATTACH builds them, under its locks."""
    above, below = known.table(parent), known.table(part)
    if above is None or below is None:
        return []
    made = [a for a in known.indexes.values() if a.relation is not None and known.key(a.relation) == known.key(part)]
    return [
        index
        for index in above.indexes
        if not any(_shape(index, above) == _shape(other, below) for other in below.indexes)
        and not any(a.columns == index.columns and a.is_unique == index.is_unique for a in made)
    ]


def _shape(index: IndexFacts, table: TableFacts) -> tuple[object, ...]:
    return (
        index.columns, index.include, index.expressions, index.predicate, index.is_unique, index.method,
        index.opclasses, index.options, index.is_usable or table.kind == "p",
    )  # fmt: skip


def key_column(parent: TableName, known: FactsAtStatement) -> tuple[str, str] | None:
    """Strategy (RANGE, LIST, HASH) and the column of a key that is one column."""
    table = known.table(parent)
    if table is None or table.partition_key is None:
        return None
    strategy, _, rest = table.partition_key.partition(" ")
    statement = single_statement(f"SELECT {rest}")
    if isinstance(statement, Unparsable) or len(statement.targetList or ()) != 1:
        return None
    column = column_of(statement.targetList[0].val)
    return (strategy, column) if column is not None else None


def bounds_as_check(action: Action, parent: TableName, known: FactsAtStatement) -> str | None:
    """The bounds as an expression for CHECK; None where the key or the bounds are not plain."""
    key = key_column(parent, known)
    bound = action.node.def_.bound
    if key is None or bound is None or bound.is_default:
        return None
    strategy, name = key
    column = quote_identifier(name)
    if strategy == "LIST":
        if any(isinstance(v, ast.A_Const) and v.isnull for v in bound.listdatums):
            return None
        values = ", ".join(RawStream()(v) for v in bound.listdatums)
        return f"{column} IS NOT NULL AND {column} IN ({values})"
    if strategy != "RANGE":
        return None
    parts = [f"{column} IS NOT NULL"]
    for operator, datums in ((">=", bound.lowerdatums), ("<", bound.upperdatums)):
        datum = datums[0]
        if isinstance(datum, ast.ColumnRef):  # MINVALUE, MAXVALUE
            continue
        parts.append(f"{column} {operator} {RawStream()(datum)}")
    return " AND ".join(parts)


def bounds_proved(action: Action, parent: TableName, known: FactsAtStatement) -> bool | None:
    """Whether valid CHECKs of the new partition say what its bounds ask, so that no row is read; None: perhaps."""
    part = action.others[0]
    checks = [c for c in known.checks_of(part) if c.is_validated]
    wanted, key = bounds_as_check(action, parent, known), key_column(parent, known)
    if wanted is None or key is None:
        return None if checks or known.table(part) is None else False
    statement = single_statement(f"SELECT {wanted}")
    if isinstance(statement, Unparsable):
        return None
    told = {text for c in checks for text in _facts(c.expression)}
    if known.proves_not_null(part, key[1]):
        told.add(f"{key[1]} not null")
    if set(_facts(statement.targetList[0].val)) <= told:
        return True
    if known.table(part) is None or any(key[1] in column_names(c.expression) for c in checks):
        return None
    return False


def _facts(expression: Node) -> Iterator[str]:
    """What an AND of comparisons says, each in one way of writing it, without casts."""
    for part in conjuncts(expression):
        if isinstance(part, ast.NullTest) and part.nulltesttype == enums.NullTestType.IS_NOT_NULL:
            yield f"{column_of(without_casts(part.arg))} not null"
        elif isinstance(part, ast.A_Expr):
            column = column_of(without_casts(part.lexpr))
            if isinstance(part.rexpr, tuple):
                yield f"{column} in {sorted(_plain(v) for v in part.rexpr)}"
            elif isinstance(part.rexpr, ast.A_ArrayExpr):
                yield f"{column} in {sorted(_plain(v) for v in part.rexpr.elements)}"
            elif part.rexpr is not None and part.kind == enums.A_Expr_Kind.AEXPR_OP:
                yield f"{column} {'in' if operator_name(part) == '=' else operator_name(part)} {_value(part)}"


def _value(part: Node) -> str:
    plain = _plain(part.rexpr)
    return f"{[plain]}" if operator_name(part) == "=" else plain


def _plain(value: Node) -> str:
    text: str = RawStream()(without_casts(value))
    return text.strip("'")
