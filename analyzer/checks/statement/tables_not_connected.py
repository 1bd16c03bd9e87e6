"""Tables in FROM that no condition connects: every row of one is paired with every row of the other.

Mostly a condition was forgotten, or a filter of an object mapper names a second table. The finding is made from the
text, for statements without an executed plan (with one, PL031 counts the pairs): tables listed with commas or joined
without a condition, of which no condition names two together, and none of which is looked up by a unique key. An
explicit CROSS JOIN is left alone: somebody meant it. Add the condition that says which rows belong together.
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.checks import Check, Threshold
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import TableFacts
from analyzer.statements.blocks import Predicate, QueryBlock
from analyzer.statements.tree import Node, flat, walk
from analyzer.words.durations import rate_words
from analyzer.words.lists import and_list

check = Check(
    __name__,
    code="ST023",
    title="Tables that no condition connects",
    severity=Severity.WARNING,
    rows=Threshold(100, "rows of each side", "judgement: smaller tables are often meant to be paired"),
    time=Threshold(60, "s/day", "judgement: a minute of a day"),
)


@check.on(StatementFacts)
def tables_not_connected(statement: StatementFacts) -> Iterator[Finding]:
    if statement.kind != "select" or len(statement.tables) < 2 or statement.facts is None:
        return
    if (statement.time_s_per_day or 0.0) < check["time"]:
        return
    select = statement.tree
    block = next(iter(statement.blocks), None)
    if not isinstance(select, ast.SelectStmt) or block is None or not _is_plain(select, block):
        return
    groups = _groups(select, block)
    apart = [group for group in groups if not _is_one_row(statement, block, group)]
    if len(apart) < 2 or statement.plans:
        return
    names = [f"{table.name} {alias}" if table.name != alias else alias
             for alias in sorted(alias for group in apart for alias in group)
             if (table := block.table(alias)) is not None]  # fmt: skip
    yield check.finding(
        subject="FROM",
        message=(
            f"No condition connects {and_list(names)}: their rows are all paired with each other;"
            f" {rate_words(statement.time_s_per_day or 0.0, statement.watched_s)}."
        ),
        hint="Add the condition that says which rows belong together, or take the table out.",
        evidence={"tables_apart": len(apart), "calls_per_day": round(statement.calls_per_day or 0.0)},
        **statement.load,
    )


def _is_plain(select: Node, block: QueryBlock) -> bool:
    """Base tables alone, listed or joined without CROSS JOIN; no subquery whose conditions may connect them."""
    if block.has_other_sources or block.has_unresolved or select.withClause is not None or select.valuesLists:
        return False
    if select.op != enums.SetOperation.SETOP_NONE:
        return False
    crossed = any(
        isinstance(node, ast.JoinExpr) and node.quals is None and not node.usingClause and not node.isNatural
        for node in walk(select.fromClause)
    )
    return not crossed and not any(isinstance(node, ast.SubLink) for node in walk(select))


def _groups(select: Node, block: QueryBlock) -> list[set[str]]:
    """Aliases that conditions name together, directly or by way of others; conditions on all are connected."""
    groups = [{table.alias} for table in block.tables]
    for condition in _conditions(select):
        named = _aliases(condition, block)
        together = [group for group in groups if group & named]
        if len(together) > 1:
            groups = [group for group in groups if not group & named] + [set().union(*together)]
    return groups


def _conditions(select: Node) -> Iterator[Node]:
    """The parts of WHERE and ON that are joined by AND."""
    waiting = [select.whereClause]
    for node in walk(select.fromClause):
        if isinstance(node, ast.JoinExpr):
            waiting.append(node.quals)
            if node.usingClause or node.isNatural:
                waiting.append(node)
    for node in waiting:
        if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.AND_EXPR:
            yield from flat(node.args)
        elif node is not None:
            yield node


def _aliases(condition: Node, block: QueryBlock) -> set[str]:
    """Of the tables it names; all of them where a column does not say of which it is."""
    everything = {table.alias for table in block.tables}
    named = set()
    for node in walk(condition):
        if isinstance(node, ast.RangeVar):
            named.add(node.alias.aliasname if node.alias else node.relname)
        elif isinstance(node, ast.ColumnRef):
            if len(node.fields) < 2:
                return everything
            named.add(node.fields[-2].sval)
    return named & everything


def _is_one_row(statement: StatementFacts, block: QueryBlock, group: set[str]) -> bool:
    """Looked up by a unique key, or small, or not known."""
    for alias in group:
        used = block.table(alias)
        table = statement.facts.find_table(used.name, used.schema or None) if used and statement.facts else None
        if used is None or table is None or (table.rows or 0) < check["rows"] or _is_looked_up(table, used.predicates):
            return True
    return False


def _is_looked_up(table: TableFacts, predicates: tuple[Predicate, ...]) -> bool:
    fixed = {p.column for p in predicates if p.operator == "eq" and p.joined is None and p.is_bare}
    return any(fixed.issuperset(key) for key in (table.primary_key, *table.unique_keys) if key)
