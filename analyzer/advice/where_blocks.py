"""Where a statement names a table: the blocks whose own FROM holds it, their conditions, and which columns there are
the table's."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pglast import ast
from pglast.enums import JoinType

from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.blocks import TableUse
from analyzer.statements.equivalents.scopes import is_never_null
from analyzer.statements.negation import pushed_down
from analyzer.statements.tree import (
    Node,
    Unparsable,
    conjuncts,
    name_parts,
    single_statement,
    walk,
    walk_block,
)

BLOCKS = (ast.SelectStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
NULLED_SIDE = {JoinType.JOIN_LEFT: "rarg", JoinType.JOIN_RIGHT: "larg"}


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A SELECT, UPDATE, DELETE or MERGE and the name that the table has in it."""

    node: Node
    alias: str
    table: TableFacts
    named: TableFacts  # what the statement names: the whole of which the table is a part
    is_nullable: bool  # an outer join adds rows of NULLs in its place

    def is_own(self, column: Node) -> bool:
        """Of a column named in the block itself: PostgreSQL refuses a bare name that two of its tables have, but for
        those that USING and NATURAL merge."""
        *qualifiers, name = name_parts(column.fields) or ("",)
        if self.table.column(name) is None:
            return False
        return qualifiers[-1] == self.alias if qualifiers else name not in self._merged(name)

    def _merged(self, name: str) -> Collection[str]:
        joins = [join for join in walk_block(self.sources) if isinstance(join, ast.JoinExpr)]
        using = {part for join in joins for part in name_parts(join.usingClause)}
        return using | {name} if any(join.isNatural for join in joins) else using

    def own_columns(self, node: Node) -> list[str]:
        """Of the table, as often as they are named, subqueries aside."""
        columns = (part for part in walk_block(node) if isinstance(part, ast.ColumnRef))
        return [name_parts(column.fields)[-1] for column in columns if self.is_own(column)]

    def is_never_null(self, name: str, facts: SchemaFacts) -> bool:
        return not self.is_nullable and is_never_null((self.alias, name), {self.alias: self.named}, facts)

    @property
    def sources(self) -> tuple[Node, ...]:
        return sources_of(self.node)

    def narrowing(self) -> Iterator[Node]:
        """The parts of WHERE, and of each ON that leaves rows of the table out, which must all hold."""
        if isinstance(self.node, ast.MergeStmt):
            return
        yield from conjuncts(pushed_down(self.node.whereClause))
        for join in walk_block(self.sources):
            if isinstance(join, ast.JoinExpr) and self._narrows(join):
                yield from conjuncts(pushed_down(join.quals))

    def _narrows(self, join: Node) -> bool:
        side = NULLED_SIDE.get(join.jointype)
        of_it = join if join.jointype == JoinType.JOIN_INNER else getattr(join, side) if side else None
        return any(_alias(n) == self.alias for n in walk_block(of_it) if isinstance(n, ast.RangeVar))


def blocks_with(sql: str, table: TableFacts, uses: Sequence[TableUse], facts: SchemaFacts) -> list[TableBlock]:
    """``uses``: of the table, or of what it is a part of; one for each time that a block names it."""
    statement = single_statement(sql)
    nodes = [] if isinstance(statement, Unparsable) else list(walk(statement))
    of_with = {node.ctename for node in nodes if isinstance(node, ast.CommonTableExpr)}
    blocks = []
    for node in nodes:
        for item in walk_block(sources_of(node)) if isinstance(node, BLOCKS) else ():
            if not isinstance(item, ast.RangeVar) or (item.alias and item.alias.colnames):
                continue
            here = [use for use in uses if (use.alias, use.name) == (_alias(item), item.relname)]
            named = facts.find_table(item.relname, (here[0].schema if here else "") or None)
            if here and named is not None and (item.schemaname or item.relname not in of_with):
                is_nullable = any(use.is_nullable for use in here)
                blocks.append(TableBlock(node, _alias(item), table, named, is_nullable))
    return blocks


def sources_of(node: Node) -> tuple[Node, ...]:
    """The items of FROM, with the target of a statement that changes rows."""
    items = (
        getattr(node, "relation", None), getattr(node, "sourceRelation", None),
        *(getattr(node, "fromClause", None) or ()), *(getattr(node, "usingClause", None) or ()),
    )  # fmt: skip
    return tuple(item for item in items if item is not None)


def conditions_on(blocks: Sequence[TableBlock]) -> list[Node]:
    """The parts of each WHERE, ON and HAVING that name a column of the table, be it in a subquery."""
    conditions: dict[int, Node] = {}
    for block in blocks:
        joins = (n.quals for n in walk_block(block.sources) if isinstance(n, ast.JoinExpr))
        names = ("whereClause", "joinCondition", "havingClause")
        for clause in (*(getattr(block.node, name, None) for name in names), *joins):
            for part in conjuncts(clause):
                if block.own_columns(part) or _is_correlated(part, block):
                    conditions[id(part)] = part
    return list(conditions.values())


def _is_correlated(condition: Node, block: TableBlock) -> bool:
    """Whether a subquery names a column of the table, as far as that can be told without the columns of others."""
    selects = [node for node in walk(condition) if isinstance(node, ast.SelectStmt)]
    items = [item for select in selects for item in walk_block(sources_of(select))]
    if any(isinstance(item, ast.RangeVar) and _alias(item) == block.alias for item in items):
        return False
    has_tables = any(isinstance(item, (ast.RangeVar, ast.RangeSubselect)) for item in items)
    columns = (node for select in selects for node in walk(select) if isinstance(node, ast.ColumnRef))
    return any(block.is_own(c) and (len(name_parts(c.fields)) > 1 or not has_tables) for c in columns)


def _alias(relation: Node) -> str:
    alias: str = relation.alias.aliasname if relation.alias else relation.relname
    return alias
