"""NOT IN with a subquery whose column holds NULLs: it is true of no row.

``x NOT IN (SELECT y ...)`` asks whether x differs from every y. Of a NULL nobody knows, so as soon as the subquery
returns one, no row passes, without an error. The planner cannot make an anti join of it either. NOT EXISTS means what
is nearly always meant, and becomes an anti join.

The finding is only made where pg_stats says that the column holds NULLs and no condition of the subquery leaves them
out. Verify: count the subquery's rows WHERE the column IS NULL; the statistics may be older than the data.
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Fix
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import comment, quote_identifier
from analyzer.statements.reader import BlockReader
from analyzer.statements.scope import ScopedColumn
from analyzer.statements.tree import Node, operator_name, walk

check = Check(
    __name__,
    code="ST021",
    title="NOT IN with NULLs finds nothing",
    severity=Severity.WARNING,
)


@check.on(StatementFacts)
def not_in_finds_nothing(statement: StatementFacts) -> Iterator[Finding]:
    text = statement.normalized_sql.lower()
    if statement.facts is None or "select" not in text[1:] or not ("not" in text or "all" in text):
        return
    seen = set()
    for subquery in _not_in(statement.tree):
        column = _null_column(subquery, statement.facts)
        if column is None:
            continue
        table = statement.facts.find_table(column.table.name, column.table.schema or None)
        facts = table.column(column.name) if table is not None else None
        if table is None or facts is None or not facts.null_frac or (table.oid, column.name) in seen:
            continue
        seen.add((table.oid, column.name))
        name = f"{table.qualified_name}.{column.name}"
        yield check.finding(
            subject=f"NOT IN {name}",
            table=table.qualified_name,
            message=(
                f"NOT IN compares with {name}, of which {facts.null_frac:.2g} of the rows are NULL: once one of them is"
                " among the subquery's rows, the condition is true of none."
            ),
            hint="Write NOT EXISTS; or leave the NULLs out of the subquery: WHERE ... IS NOT NULL.",
            evidence={"null_ratio": round(facts.null_frac, 6)},
            fixes=(_fix(column.name),),
        )


def _not_in(tree: Node | None) -> Iterator[Node]:
    """The SELECTs of NOT IN and of <> ALL."""
    for node in walk(tree):
        inner = None
        if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR:
            sub = node.args[0]
            if isinstance(sub, ast.SubLink) and sub.subLinkType == enums.SubLinkType.ANY_SUBLINK and not sub.operName:
                inner = sub.subselect
        elif isinstance(node, ast.SubLink) and node.subLinkType == enums.SubLinkType.ALL_SUBLINK:
            operator = ast.A_Expr(name=node.operName)
            inner = node.subselect if operator_name(operator) == "<>" else None
        if isinstance(inner, ast.SelectStmt):
            yield inner


def _null_column(subquery: Node, facts: SchemaFacts) -> ScopedColumn | None:
    """The column it compares with, where NULLs of it get through."""
    if subquery.op != enums.SetOperation.SETOP_NONE or subquery.valuesLists:
        return None
    reader = BlockReader(facts)
    derived = reader.select(subquery, None, {}, "expression")
    column = derived.columns.get(derived.names[0]) if derived.names else None
    if column is None or column.via_derived or column.table.is_nullable:
        return None
    for predicate in column.table.predicates:
        if predicate.column == column.name and predicate.operator != "is_null" and not predicate.is_in_or:
            return None  # every other condition on it is not true of a NULL
    return column


def _fix(column: str) -> Fix:
    name = quote_identifier(column)
    return Fix(
        "NOT EXISTS instead of NOT IN",
        "sql",
        comment(f"instead of: x NOT IN (SELECT t.{name} FROM t ...)")
        + f"NOT EXISTS (SELECT FROM t WHERE t.{name} = x ...)",
    )
