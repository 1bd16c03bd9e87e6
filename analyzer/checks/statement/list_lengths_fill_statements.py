"""One statement with lists of different lengths is counted as many.

Up to PostgreSQL 17 ``IN ($1, $2)`` and ``IN ($1, $2, $3)`` are different statements to pg_stat_statements, and to
plan caches of drivers and poolers. Each takes one of its entries (5,000 by default); when they run out, the rarest
are thrown away, and figures with them. ``= ANY($1)`` with one array is one statement whatever its length. 18 counts
lists of constants as one, but not VALUES with different numbers of rows: for those send arrays to unnest(), or
batches of one size.

pgLoupe adds them up again; it is the server's memory of statements, and other programs that read it, that suffer.
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Fix, NotRun, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.statements.tree import Node, walk

check = Check(
    __name__,
    code="ST026",
    title="Lists of different lengths fill pg_stat_statements",
    severity=Severity.INFO,
    entries=Threshold(100, "entries", "judgement: 2 % of the 5,000 there are by default"),
)


@check.on(StatementFacts)
def list_lengths_fill_statements(statement: StatementFacts) -> Iterator[Finding]:
    if statement.entries is None:
        raise NotRun("needs pg_stat_statements' entries")
    if statement.entries < check["entries"]:
        return
    version = statement.facts.server_version_num if statement.facts else 0
    tree = statement.tree
    if _has_rows(tree):
        what, hint = "numbers of rows in VALUES", "Insert from arrays (unnest), or in batches of one size."
        fix = "INSERT INTO ... SELECT * FROM unnest($1::bigint[], $2::text[]) -- one array a column"
    elif version < 180_000 and _has_list(tree):
        what, hint = "lengths of its IN list", "Send the list as one array: = ANY($1)."
        fix = "... WHERE id = ANY($1) -- instead of: id IN ($1, $2, ...)"
    else:
        return
    yield check.finding(
        subject="lists",
        message=(
            f"pg_stat_statements has counted this statement as {statement.entries:,} different ones, for"
            f" different {what}."
        ),
        hint=hint,
        evidence={"entries": statement.entries},
        fixes=(Fix("One text whatever the number", "sql", fix),),
    )


def _has_list(tree: Node | None) -> bool:
    return any(isinstance(node, ast.A_Expr) and node.kind == enums.A_Expr_Kind.AEXPR_IN for node in walk(tree))


def _has_rows(tree: Node | None) -> bool:
    return any(isinstance(node, ast.SelectStmt) and len(node.valuesLists or ()) > 1 for node in walk(tree))
