"""A SELECT's own clauses: target list, DISTINCT, GROUP BY, ORDER BY and LIMIT."""

from dataclasses import dataclass, replace

from pglast import ast, enums

from analyzer.statements.blocks import ColumnOf, OrderTerm, QueryBlock
from analyzer.statements.conditions import Conditions
from analyzer.statements.parse import has_limit
from analyzer.statements.qualify import quoted
from analyzer.statements.scope import Derived, Scope, ScopedColumn
from analyzer.statements.tree import Node, function_name, operator_name, walk_block

DISTANCES = frozenset({"<->", "<#>", "<=>", "<<->", "<<<->", "<->>", "<->>>"})
AGGREGATES = frozenset({
    "count", "sum", "min", "max", "avg", "array_agg", "string_agg", "json_agg", "jsonb_agg",
    "json_object_agg", "jsonb_object_agg", "bool_and", "bool_or", "every", "bit_and", "bit_or",
    "xmlagg", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "corr",
    "covar_pop", "covar_samp", "percentile_cont", "percentile_disc", "mode", "range_agg",
})  # fmt: skip


@dataclass
class BlockDraft:
    """A QueryBlock while it is read."""

    kind: str
    role: str
    scope: Scope
    order_by: tuple[OrderTerm, ...] = ()
    group_by: tuple[ColumnOf, ...] = ()
    distinct: bool = False
    distinct_on: tuple[ColumnOf, ...] = ()
    has_limit: bool = False
    limit: int | None = None
    has_offset: bool = False
    is_aggregate: bool = False
    is_grouped: bool = False
    is_locking: bool = False
    aggregates: tuple[str, ...] = ()
    unresolved: bool = False

    def done(self) -> QueryBlock:
        return QueryBlock(
            kind=self.kind,
            role=self.role,
            tables=tuple(t.done() for t in self.scope.tables),
            order_by=self.order_by,
            group_by=self.group_by,
            distinct=self.distinct,
            distinct_on=self.distinct_on,
            has_limit=self.has_limit,
            limit=self.limit,
            has_offset=self.has_offset,
            is_aggregate=self.is_aggregate,
            is_grouped=self.is_grouped,
            is_locking=self.is_locking,
            has_other_sources=any(s.derived is not None for s in self.scope.sources.values()),
            has_unresolved=self.unresolved,
            aggregates=self.aggregates,
        )


def read_shape(node: Node, block: BlockDraft) -> None:
    """LIMIT, aggregates, GROUP BY, DISTINCT and ORDER BY."""
    scope = block.scope
    block.has_limit = has_limit(node)
    count = node.limitCount
    if isinstance(count, ast.A_Const) and isinstance(count.val, ast.Integer):
        block.limit = count.val.ival
    block.has_offset = node.limitOffset is not None
    block.is_locking = bool(node.lockingClause)
    block.is_grouped = bool(node.groupClause)
    outputs = {t.name: t.val for t in node.targetList or () if t.name}
    block.aggregates = tuple(dict.fromkeys(
        function_name(n) for n in walk_block(node.targetList or ())
        if isinstance(n, ast.FuncCall) and n.over is None and is_aggregate(n)
    ))  # fmt: skip
    block.is_aggregate = bool(block.aggregates) and not block.is_grouped

    def output(item: Node) -> Node:
        """What a name or number of the target list stands for."""
        if isinstance(item, ast.A_Const) and isinstance(item.val, ast.Integer):
            position = item.val.ival - 1
            targets = node.targetList or ()
            item = targets[position].val if 0 <= position < len(targets) else item
        elif isinstance(item, ast.ColumnRef) and len(item.fields) == 1 and isinstance(item.fields[0], ast.String):
            item = outputs.get(item.fields[0].sval, item)
        return item

    def resolve(item: Node) -> ScopedColumn | None:
        item = output(item)
        return scope.column(item) if isinstance(item, ast.ColumnRef) else None

    def columns(items: tuple[Node, ...] | None) -> tuple[ColumnOf, ...]:
        columns = [resolve(item) for item in items or ()]
        return tuple(ColumnOf(c.table.alias, c.name) for c in columns if c is not None and not c.depth)

    block.group_by = columns(node.groupClause)
    block.distinct = node.distinctClause is not None
    block.distinct_on = columns(tuple(i for i in node.distinctClause or () if i is not None))
    terms = []
    for sort in node.sortClause or ():
        column = resolve(sort.node)
        descending = sort.sortby_dir == enums.SortByDir.SORTBY_DESC
        default = sort.sortby_nulls == enums.SortByNulls.SORTBY_NULLS_DEFAULT
        first = descending if default else sort.sortby_nulls == enums.SortByNulls.SORTBY_NULLS_FIRST
        known = column is not None and not column.depth and not column.via_derived
        alias, name = (column.table.alias, column.name) if known and column is not None else (None, None)
        terms.append(OrderTerm(alias, name, descending, first))
        if column is None and not (block.is_grouped or block.is_aggregate):
            terms[-1] = _ordered_expression(output(sort.node), scope, terms[-1])
    block.order_by = tuple(terms)


def _ordered_expression(node: Node, scope: Scope, term: OrderTerm) -> OrderTerm:
    """With what an index could order by: an expression over one table, or the distance from something."""
    conditions = Conditions(scope, {}, narrows=False)
    side = conditions.sides.of(node)
    if isinstance(node, ast.A_Expr) and node.lexpr is not None and operator_name(node) in DISTANCES:
        one, other = conditions.sides.of(node.lexpr), conditions.sides.of(node.rexpr)
        own, far = (one, other) if one.column is not None else (other, one)
        if own.column is None or far.own_columns or own.column.via_derived:
            return term
        return replace(term, alias=own.column.table.alias, near=own.expression or quoted(own.column.name))
    if side.column is None or side.expression is None or side.column.via_derived:
        return term
    return replace(term, alias=side.column.table.alias, expression=side.expression)


def read_output(node: Node, block: BlockDraft) -> Derived:
    """The target list as a derived table's columns; notes what each table's columns are selected by
    themselves.
    """
    plain = not (
        block.has_limit or block.is_aggregate or block.is_grouped or block.distinct or node.windowClause
        or any(isinstance(n, ast.FuncCall) and n.over is not None for n in walk_block(node.targetList or ()))
    )  # fmt: skip
    derived = Derived(can_push=plain, is_complete=True)
    for target in node.targetList or ():
        value = target.val
        if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
            _star(value, block.scope, derived)
            continue
        column = block.scope.column(value) if isinstance(value, ast.ColumnRef) else None
        name = target.name or (value.fields[-1].sval if isinstance(value, ast.ColumnRef) else "?column?")
        if isinstance(value, ast.FuncCall) and not target.name:
            name = function_name(value)
        derived.names.append(name)
        derived.columns[name] = column if column is not None and not column.depth else None
        if column is not None and column.table.selected is not None:
            column.table.selected.add(column.name)
    return derived


def _star(value: Node, scope: Scope, derived: Derived) -> None:
    qualifier = value.fields[-2].sval if len(value.fields) > 1 else None
    for alias, source in scope.sources.items():
        if qualifier is not None and alias != qualifier:
            continue
        if source.table is not None:
            source.table.selected = None
            if source.facts is None:
                derived.is_complete = False
                continue
            for fact in source.facts.columns:
                derived.names.append(fact.name)
                derived.columns.setdefault(fact.name, ScopedColumn(source.table, fact.name, 0))
        elif source.derived is not None:
            derived.names += source.derived.names
            for name, column in source.derived.columns.items():
                pushed = source.derived.can_push
                inner = None if column is None else replace(column, can_push=column.can_push and pushed)
                derived.columns.setdefault(name, inner)
                if inner is not None and inner.table.selected is not None:
                    inner.table.selected.add(inner.name)
            derived.is_complete = derived.is_complete and source.derived.is_complete


def is_output_name(item: Node, outputs: set[str]) -> bool:
    """``ORDER BY total`` where the target list has ``... AS total``: no table's column."""
    node = item.node if isinstance(item, ast.SortBy) else item
    if not isinstance(node, ast.ColumnRef) or len(node.fields) != 1:
        return False
    return getattr(node.fields[0], "sval", None) in outputs


def is_aggregate(call: Node) -> bool:
    return bool(call.agg_star or call.agg_distinct or call.agg_filter or call.agg_within_group) or (
        function_name(call) in AGGREGATES
    )
