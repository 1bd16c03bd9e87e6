"""Walks a statement's blocks: its FROM, its conditions, its subqueries and CTEs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from pglast import ast, enums
from pglast.enums import JoinType

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import JoinedColumn, ParameterUse, Predicate, TableDraft
from analyzer.statements.conditions import ColumnPredicate, Conditions
from analyzer.statements.json_paths import note_paths
from analyzer.statements.scope import Derived, Scope, ScopedColumn, Source
from analyzer.statements.select_list import BlockDraft, is_output_name, read_output, read_shape
from analyzer.statements.tree import Node, walk, walk_block, without_casts

AEXPR_OP = enums.A_Expr_Kind.AEXPR_OP
MOST_COUNTED = 50  # judgement: conditions inside CASE and FILTER of one block; each may be as long as the text


@dataclass
class _JoinCondition:
    quals: Node | None
    using: tuple[str, ...]
    is_natural: bool
    kind: Any
    left: list[Source]
    right: list[Source]


class BlockReader:
    """Reads a statement block by block; ``blocks`` outermost first, ``parameters`` by number."""

    def __init__(self, facts: SchemaFacts | None) -> None:
        self.facts = facts
        self.blocks: list[BlockDraft] = []
        self.parameters: dict[int, ParameterUse] = {}

    def statement(self, node: Node, parent: Scope | None, ctes: dict[str, Derived], role: str) -> Derived:
        if isinstance(node, ast.SelectStmt):
            return self.select(node, parent, ctes, role)
        ctes = self._ctes(node, parent, ctes)
        scope = Scope(self.facts, ctes, parent)
        kinds = {
            ast.UpdateStmt: "update",
            ast.DeleteStmt: "delete",
            ast.MergeStmt: "merge",
            ast.InsertStmt: "insert",
        }
        block = BlockDraft(kinds[type(node)], role, scope)
        self.blocks.append(block)
        target = scope.add_table(node.relation, is_target=True)
        if isinstance(node, ast.InsertStmt):
            return self._insert(node, target, scope, ctes)
        froms = {ast.UpdateStmt: "fromClause", ast.DeleteStmt: "usingClause"}.get(type(node))
        joins: list[_JoinCondition] = []
        items = (getattr(node, froms) or ()) if froms else (node.sourceRelation,)
        for item in items:
            self._from(item, scope, joins)
        conditions = Conditions(scope, self.parameters)
        for join in joins:
            self._join(join, conditions)
        where = node.joinCondition if isinstance(node, ast.MergeStmt) else node.whereClause
        self._assign(conditions.read(where))
        if isinstance(node, ast.UpdateStmt):
            self._assigned(node.targetList, target)
        whens = getattr(node, "mergeWhenClauses", None)
        parts = (getattr(node, "targetList", None), where, whens, node.returningClause)
        self._expressions(tuple(part for part in parts if part is not None), block)
        return Derived()

    # INSERT

    def _insert(self, node: Node, target: Source, scope: Scope, ctes: dict[str, Derived]) -> Derived:
        assert target.table is not None
        names = [column.name for column in node.cols or ()]
        if not names and target.facts is not None:
            names = [column.name for column in target.facts.columns]
        select = node.selectStmt
        if select is not None and select.valuesLists:
            for row in select.valuesLists:
                for name, value in zip(names, row, strict=False):
                    self._note_value(value, "value", target.table, name)
            self._sublinks(select.valuesLists, scope)
        elif select is not None:
            self.select(select, None, ctes, "subquery")
        conflict = node.onConflictClause
        if conflict is not None:
            self._assigned(conflict.targetList or (), target)
        return Derived()

    def _assigned(self, targets: tuple[Node, ...], target: Source) -> None:
        assert target.table is not None
        for item in targets:
            if item.name:
                self._note_value(item.val, "assigned", target.table, item.name)

    def _note_value(self, value: Node, operator: str, table: TableDraft, column: str) -> None:
        inner = without_casts(value)
        if isinstance(inner, ast.ParamRef) and inner.number not in self.parameters:
            use = ParameterUse(inner.number, operator, table.schema or None, table.name, column)
            self.parameters[inner.number] = use

    # SELECT

    def _ctes(self, node: Node, parent: Scope | None, outer: dict[str, Derived]) -> dict[str, Derived]:
        clause = node.withClause
        if clause is None:
            return outer
        known = dict(outer)
        for cte in clause.ctes:
            if clause.recursive:
                known[cte.ctename] = Derived()  # seen from inside
            known[cte.ctename] = self._inlined(cte, self.statement(cte.ctequery, parent, known, "cte"), node)
        return known

    def _inlined(self, cte: Node, derived: Derived, statement: Node) -> Derived:
        """The planner inlines a CTE that is read once and not MATERIALIZED."""
        reads = sum(
            isinstance(n, ast.RangeVar) and n.relname == cte.ctename and not n.schemaname for n in walk(statement)
        )
        always, never = enums.CTEMaterialize.CTEMaterializeAlways, enums.CTEMaterialize.CTEMaterializeNever
        pushes = cte.ctematerialized == never or (reads == 1 and cte.ctematerialized != always)
        names = [n.sval for n in cte.aliascolnames or ()]
        return _renamed(derived, names, derived.can_push and pushes)

    def select(self, node: Node, parent: Scope | None, ctes: dict[str, Derived], role: str) -> Derived:
        ctes = self._ctes(node, parent, ctes)
        if node.op != enums.SetOperation.SETOP_NONE:
            return self._union(node, parent, ctes)
        scope = Scope(self.facts, ctes, parent)
        if node.valuesLists:
            self._sublinks(node.valuesLists, scope)
            return Derived()
        block = BlockDraft("select", role, scope)
        self.blocks.append(block)
        joins: list[_JoinCondition] = []
        for item in node.fromClause or ():
            self._from(item, scope, joins)
        conditions = Conditions(scope, self.parameters)
        for join in joins:
            self._join(join, conditions)
        self._assign(conditions.read(node.whereClause))
        for _ in conditions.read(node.havingClause):
            pass  # for the parameters only: a condition on groups is no condition on rows
        read_shape(node, block)
        quals = tuple(j.quals for j in joins if j.quals is not None)
        outputs = {target.name for target in node.targetList or () if target.name}
        grouped, sorts = (
            tuple(i for i in items or () if not is_output_name(i, outputs))
            for items in (node.groupClause, node.sortClause)
        )
        clauses = (grouped, node.havingClause, sorts, node.distinctClause, node.windowClause)
        parts = (node.targetList, node.whereClause, quals, *clauses)
        self._expressions(tuple(part for part in parts if part is not None), block)
        for count, meaning in ((node.limitCount, "limit"), (node.limitOffset, "offset")):
            inner = without_casts(count) if count is not None else None
            if isinstance(inner, ast.ParamRef):
                self.parameters.setdefault(inner.number, ParameterUse(inner.number, meaning))
        return read_output(node, block)

    def _union(self, node: Node, parent: Scope | None, ctes: dict[str, Derived]) -> Derived:
        leaves, stack = [], [node]
        while stack:
            part = stack.pop()
            if part.op == enums.SetOperation.SETOP_NONE or (part is not node and part.withClause is not None):
                leaves.append(part)
            else:
                stack += [part.rarg, part.larg]
        for leaf in leaves:
            self.select(leaf, parent, ctes, "union")
        for count, meaning in ((node.limitCount, "limit"), (node.limitOffset, "offset")):
            if isinstance(count, ast.ParamRef):
                self.parameters.setdefault(count.number, ParameterUse(count.number, meaning))
        return Derived()

    def _from(self, item: Node, scope: Scope, joins: list[_JoinCondition]) -> list[Source]:
        """Adds a FROM item's sources to the scope; remembers the join conditions until all are there."""
        match item:
            case ast.RangeVar():
                if not item.schemaname and item.relname in scope.ctes:
                    alias = item.alias.aliasname if item.alias else item.relname
                    return [scope.add(Source(alias, derived=scope.ctes[item.relname]))]
                return [scope.add_table(item)]
            case ast.JoinExpr():
                left = self._from(item.larg, scope, joins)
                right = self._from(item.rarg, scope, joins)
                using = tuple(n.sval for n in item.usingClause or ())
                joins.append(_JoinCondition(item.quals, using, bool(item.isNatural), item.jointype, left, right))
                nullable = {
                    JoinType.JOIN_LEFT: right,
                    JoinType.JOIN_RIGHT: left,
                    JoinType.JOIN_FULL: left + right,
                }
                for source in nullable.get(item.jointype, []):
                    if source.table is not None:
                        source.table.is_nullable = True
                return left + right
            case ast.RangeSubselect():
                parent = scope if item.lateral else scope.parent
                derived = self.statement(item.subquery, parent, scope.ctes, "subquery")
                names = [n.sval for n in (item.alias.colnames if item.alias else None) or ()]
                alias = item.alias.aliasname if item.alias else f"\0{len(scope.sources)}"
                return [scope.add(Source(alias, derived=_renamed(derived, names, derived.can_push)))]
            case ast.RangeTableSample():
                return self._from(item.relation, scope, joins)
            case _:
                self._sublinks((item,), scope)
                alias = getattr(getattr(item, "alias", None), "aliasname", None) or f"\0{len(scope.sources)}"
                return [scope.add(Source(alias, derived=Derived()))]

    def _join(self, join: _JoinCondition, conditions: Conditions) -> None:
        kept = {
            JoinType.JOIN_LEFT: join.left,
            JoinType.JOIN_RIGHT: join.right,
            JoinType.JOIN_FULL: join.left + join.right,
        }
        preserved = {id(s.table) for s in kept.get(join.kind, []) if s.table is not None}
        # ON does not filter the side that an outer join keeps whole
        self._assign(f for f in conditions.read(join.quals) if id(f.column.table) not in preserved)
        names = join.using
        if join.is_natural:
            left_facts, right_facts = (
                [s.facts for s in side if s.facts is not None] for side in (join.left, join.right)
            )
            left_names = {c.name for t in left_facts for c in t.columns}
            names = tuple(c.name for t in right_facts for c in t.columns if c.name in left_names)
        for name in names:
            sides = [_side_column(side, name) for side in (join.left, join.right)]
            for own, other in (sides, sides[::-1]):
                if own is not None and other is not None and id(own.table) not in preserved:
                    self._assign([_equal(own, other)])

    def _assign(self, conditions: Iterable[ColumnPredicate]) -> None:
        for item in conditions:
            column = item.column
            if not column.via_derived or column.can_push:
                column.table.predicates.append(item.predicate)

    def _expressions(self, parts: tuple[Node, ...], block: BlockDraft) -> None:
        """Columns named anywhere, and the subqueries inside expressions."""
        scope = block.scope
        for node in walk_block(parts):
            if isinstance(node, ast.ColumnRef):
                column = scope.column(node)
                if column is not None:
                    column.table.used.add(column.name)
                elif isinstance(node.fields[-1], ast.String) and scope.sources:
                    block.unresolved = True
        note_paths(walk_block(parts), scope, self.parameters)
        self._counted(parts, scope)
        self._sublinks(parts, scope)

    def _counted(self, parts: tuple[Node, ...], scope: Scope) -> None:
        """CASE WHEN and FILTER compare, too: for the parameters only, no row is left out."""
        conditions = Conditions(scope, self.parameters, narrows=False)
        for condition in islice(_counting_conditions(parts), MOST_COUNTED):
            for _ in conditions.read(condition):
                pass

    def _sublinks(self, parts: tuple[Node, ...], scope: Scope) -> None:
        conditions = Conditions(scope, self.parameters)
        negated: set[int] = set()
        for node in walk_block(parts):
            if isinstance(node, ast.BoolExpr) and node.boolop == enums.BoolExprType.NOT_EXPR:
                negated.update(id(n) for n in walk_block(node.args))
            if not isinstance(node, ast.SubLink):
                continue
            derived = self.statement(node.subselect, scope, scope.ctes, "expression")
            # x IN (SELECT y ...) is a join on y; NOT IN is not
            if node.subLinkType == enums.SubLinkType.ANY_SUBLINK and id(node) not in negated and derived.names:
                outer = conditions.sides.of(node.testexpr).column
                inner = derived.columns.get(derived.names[0])
                if outer is not None and inner is not None and derived.can_push:
                    own = ScopedColumn(inner.table, inner.name, 0)
                    equality = _equal(own, replace(outer, depth=1))
                    self._assign([replace(equality, predicate=replace(equality.predicate, operator="semi"))])


def _counting_conditions(parts: tuple[Node, ...]) -> Iterator[Node]:
    for node in walk_block(parts):
        if isinstance(node, ast.CaseExpr):
            for when in node.args:
                equal = ast.A_Expr(kind=AEXPR_OP, name=(ast.String(sval="="),), lexpr=node.arg, rexpr=when.expr)
                yield when.expr if node.arg is None else equal
        elif isinstance(node, ast.FuncCall) and node.agg_filter is not None:
            yield node.agg_filter


def _renamed(derived: Derived, names: list[str], can_push: bool) -> Derived:
    """With the alias's column names, ``AS t(a, b)``."""
    if not names:
        return replace(derived, can_push=can_push)
    new = names + derived.names[len(names) :]
    columns = {n: derived.columns.get(old) for n, old in zip(new, derived.names, strict=False)}
    return Derived(columns, new, can_push, derived.is_complete)


def _side_column(side: list[Source], name: str) -> ScopedColumn | None:
    for source in side:
        if source.table is not None and source.has(name) is not False:
            return ScopedColumn(source.table, name, 0)
        if source.derived is not None and source.derived.columns.get(name) is not None:
            return replace(source.derived.columns[name], via_derived=True, can_push=False)  # type: ignore[type-var]
    return None


def _equal(own: ScopedColumn, other: ScopedColumn) -> ColumnPredicate:
    joined = JoinedColumn(other.table.alias, other.table.schema, other.table.name, other.name, is_outer=other.depth > 0)
    return ColumnPredicate(own, Predicate(own.name, "eq", joined=joined))
