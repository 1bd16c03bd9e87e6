"""``WHERE rn <= 3`` around ``row_number() OVER (PARTITION BY g ORDER BY o)`` as LIMIT 3 in LATERAL for each group.

The groups are the rows of the table that g references: a foreign key that holds at any moment, of a column that is
never NULL, names one for each row, and those without rows give none. Where an index has the order it reads the first
rows of each group alone; cheaper where groups are few and large.
"""

from pglast import ast, enums

from analyzer.schema.facts import ForeignKeyFacts, SchemaFacts, TableFacts
from analyzer.statements.equivalents.build import all_of, column, operation, target
from analyzer.statements.equivalents.scopes import Tables, is_never_null, qualified
from analyzer.statements.tree import Node, column_names, conjuncts, walk

GROUPS, GROUP = "groups_1", "group_1"


def limited_by_group(
    select: ast.SelectStmt, group: tuple[str, str], most: Node, sorts: tuple[ast.SortBy, ...], key: ForeignKeyFacts
) -> None:
    """Changes FROM and the output of the query around the numbered subquery. ``most``: how many of each group."""
    source = select.fromClause[0]
    inner, alias = source.subquery, source.alias.aliasname
    inner.whereClause = all_of([*conjuncts(inner.whereClause), operation("=", qualified(group), column(GROUPS, GROUP))])
    inner.sortClause, inner.limitCount = sorts, most
    inner.limitOption = enums.LimitOption.LIMIT_OPTION_COUNT
    source.lateral = True
    groups = ast.SelectStmt(
        targetList=(target(column(key.referenced_columns[0]), GROUP),),
        fromClause=(
            ast.RangeVar(schemaname=key.referenced_schema, relname=key.referenced_table, inh=True, relpersistence="p"),
        ),
        limitOption=enums.LimitOption.LIMIT_OPTION_DEFAULT,
        op=enums.SetOperation.SETOP_NONE,
    )
    select.fromClause = (
        ast.JoinExpr(
            jointype=enums.JoinType.JOIN_INNER,
            larg=ast.RangeSubselect(subquery=groups, alias=ast.Alias(aliasname=GROUPS)),
            rarg=source,
        ),
    )
    select.targetList = tuple(_of_the_rows(each, alias) for each in select.targetList or ())


def _of_the_rows(each: ast.ResTarget, alias: str) -> ast.ResTarget:
    """A bare star would give the groups, too."""
    value = each.val
    if isinstance(value, ast.ColumnRef) and len(value.fields) == 1 and isinstance(value.fields[0], ast.A_Star):
        return target(ast.ColumnRef(fields=(ast.String(sval=alias), ast.A_Star())))
    return each


def key_of_groups(
    select: ast.SelectStmt, group: tuple[str, str], tables: Tables, facts: SchemaFacts
) -> ForeignKeyFacts | None:
    """The foreign key that names a group for each row; None where there is none that holds for all."""
    if len(facts.tables_named(tables[group[0]].name)) > 1:
        return None  # each schema's references another table, which is written with its schema
    if not is_never_null(group, tables, facts) or {GROUPS, GROUP} & {*tables, *column_names(select), *_aliases(select)}:
        return None
    return next((key for key in tables[group[0]].foreign_keys if _holds(key, group[1], facts)), None)


def _holds(key: ForeignKeyFacts, name: str, facts: SchemaFacts) -> bool:
    if key.columns != (name,) or not (key.is_validated and key.is_enforced and key.is_checked):
        return False
    if key.is_deferrable or key.is_disabled:
        return False
    parent: TableFacts | None = facts.table(key.referenced_oid)
    return parent is not None and not parent.has_row_security and not facts.heirs(parent)


def _aliases(select: ast.SelectStmt) -> set[str]:
    return {node.aliasname for node in walk(select) if isinstance(node, ast.Alias)}
