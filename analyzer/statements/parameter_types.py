"""Types of the parameters that the server could not find, or would find another for, from the statement's tree.

A literal that was a string is of unknown type, as its ``$n`` is, and the server resolves both alike. So where ``$n``
does not resolve (``current_date - $1``, ``sum(case when x > $1 then $2 else $3 end)``, ``values ($1, $2)``), a number
or a boolean stood there: which of them, the place and the columns tell, and a real text for sure. Decided before
anything is sent, since each attempt would be an error in the server's log. Source: the manual, chapter 10.
"""

from collections.abc import Iterable, Sequence

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements import type_rules as rules
from analyzer.statements.expression_types import Expressions
from analyzer.statements.open_types import Open, Row, TypeScope, Value
from analyzer.statements.sampled_literals import literal_types
from analyzer.statements.tree import Node, Unparsable, single_statement


def parameter_types(sql: str, facts: SchemaFacts | None = None, samples: Sequence[str] = ()) -> dict[int, str]:
    """By number; none for parameters that the server finds the right type of. ``samples``: runs of this statement."""
    statement = single_statement(sql)
    if isinstance(statement, Unparsable):
        return {}
    reader = _Queries(facts, literal_types(sql, samples))
    try:
        reader.statement(statement, TypeScope())
    except RecursionError:
        return {}
    reader.decide_tested()
    return reader.found


class _Queries(Expressions):
    """The statement's queries, each with what its FROM offers, innermost first."""

    def __init__(self, facts: SchemaFacts | None, sampled: dict[int, str]) -> None:
        super().__init__(sampled)
        self.facts = facts

    def statement(self, node: Node, outer: TypeScope) -> Row:
        scope = TypeScope(outer)
        match node:
            case ast.SelectStmt():
                return self.query(node, outer)
            case ast.InsertStmt():
                self._ctes(node, scope)
                target = self._table(node.relation)
                names = [c.name for c in node.cols or ()] or list(target or {})
                rows: list[list[Value]] = []
                if _is_values(node.selectStmt):
                    rows = [[self.value(v, scope) for v in row] for row in node.selectStmt.valuesLists]
                elif node.selectStmt is not None:
                    rows = [[value for _, value in self.query(node.selectStmt, scope)]]
                for row in rows:
                    for name, value in zip(names, row, strict=False):
                        self.agree(value, (target or {}).get(name))
                self._add_table(node.relation, scope)
                self._rest((node.onConflictClause, node.returningClause), scope)
            case ast.UpdateStmt() | ast.DeleteStmt() | ast.MergeStmt():
                self._ctes(node, scope)
                self._add_table(node.relation, scope)
                sources = getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ()
                for item in (*sources, *filter(None, [getattr(node, "sourceRelation", None)])):
                    self._from(item, scope)
                self._assigned(getattr(node, "targetList", None), self._table(node.relation), scope)
                self.condition(getattr(node, "whereClause", None) or getattr(node, "joinCondition", None), scope)
                for when in getattr(node, "mergeWhenClauses", None) or ():
                    self.condition(when.condition, scope)
                    self._assigned(when.targetList, self._table(node.relation), scope)
                    self._rest(when.values or (), scope)
                self._rest((node.returningClause,), scope)
            case ast.ExplainStmt() | ast.DeclareCursorStmt():
                return self.statement(node.query, outer)
        return []

    def query(self, node: Node, outer: TypeScope) -> Row:
        """A SELECT's output columns; parameters that stand there alone are the server's to resolve."""
        scope = TypeScope(outer)
        self._ctes(node, scope)
        if node.op != enums.SetOperation.SETOP_NONE:
            row = self._united(self.query(node.larg, scope), self.query(node.rarg, scope))
        elif _is_values(node):
            row = self._values(node, scope)
        else:
            for item in node.fromClause or ():
                self._from(item, scope)
            row = []
            for target in node.targetList or ():
                if isinstance(target.val, ast.ColumnRef) and isinstance(target.val.fields[-1], ast.A_Star):
                    row += scope.star(target.val)
                else:
                    row.append((target.name or _name_of(target.val), self.value(target.val, scope)))
            self.condition(node.whereClause, scope)
            self.condition(node.havingClause, scope)
            self._rest((node.groupClause, node.distinctClause, node.windowClause), scope)
        self._rest((node.sortClause, node.limitCount, node.limitOffset), TypeScope(scope, [("", dict(row))]))
        return row

    def _united(self, left: Row, right: Row) -> Row:
        """UNION resolves a parameter that stands in its own SELECT, and none from below."""
        return [(name, self.common([a, b])) for (name, a), (_, b) in zip(left, right, strict=False)]

    def _values(self, node: Node, scope: TypeScope) -> Row:
        rows = [[self.value(v, scope) for v in row] for row in node.valuesLists]
        return [(f"column{n}", self.common(list(column))) for n, column in enumerate(zip(*rows, strict=False), start=1)]

    def _ctes(self, node: Node, scope: TypeScope) -> None:
        clause = node.withClause
        for cte in clause.ctes if clause is not None else ():
            names = [n.sval for n in cte.aliascolnames or ()]
            query = cte.ctequery
            if clause.recursive and isinstance(query, ast.SelectStmt) and query.op != enums.SetOperation.SETOP_NONE:
                inner = TypeScope(scope)
                self._ctes(query, inner)
                first = exported(self.query(query.larg, inner), names)
                inner.ctes[cte.ctename] = first
                for (_, seen), (_, value) in zip(first, self.query(query.rarg, inner), strict=False):
                    self.agree(seen, self.known(value))  # both terms must be of the very same type
                self._rest((query.sortClause, query.limitCount, query.limitOffset), inner)
                scope.ctes[cte.ctename] = first
            else:
                scope.ctes[cte.ctename] = exported(self.statement(query, scope), names)

    def decide_tested(self) -> None:
        """The server wants a type for ``$1 IS NULL``: the one that it has elsewhere, or else any."""
        for value in self.tested:
            (number,) = value.parameters
            if number in self.met:
                self.found.setdefault(number, self.met[number])
            self.ask(value, "text")

    # FROM

    def _from(self, item: Node, scope: TypeScope) -> None:
        alias = item.alias.aliasname if getattr(item, "alias", None) else ""
        names = [n.sval for n in (item.alias.colnames if getattr(item, "alias", None) else None) or ()]
        match item:
            case ast.RangeVar():
                cte = None if item.schemaname else scope.cte(item.relname)
                if cte is not None:
                    scope.sources.append((alias or item.relname, dict(exported(cte, names))))
                else:
                    self._add_table(item, scope)
            case ast.JoinExpr():
                self._from(item.larg, scope)
                self._from(item.rarg, scope)
                self.condition(item.quals, scope)
            case ast.RangeSubselect():
                scope.sources.append((alias, dict(exported(self.statement(item.subquery, scope), names))))
            case ast.RangeFunction():
                results: list[Value] = [self.value(part[0], scope) for part in item.functions]
                columns = [n.colname for n in item.coldeflist or ()] or names or [alias]
                row = exported(list(zip(columns, results, strict=False)), names)
                scope.sources.append((alias or columns[0], {alias: results[0] if results else None, **dict(row)}))
            case ast.RangeTableSample():
                self._from(item.relation, scope)
                self._rest((item.args,), scope)
            case _:
                self._rest((item,), scope)

    def _add_table(self, item: Node, scope: TypeScope) -> None:
        alias = item.alias.aliasname if item.alias else item.relname
        scope.sources.append((alias, self._table(item)))

    def _table(self, item: Node) -> dict[str, Value] | None:
        table = self.facts.find_table(item.relname, item.schemaname or None) if self.facts else None
        return {c.name: rules.plain_type(c.type_name) for c in table.columns} if table else None

    def _assigned(self, targets: Iterable[Node] | None, table: dict[str, Value] | None, scope: TypeScope) -> None:
        for target in targets or ():
            if not isinstance(target, ast.ResTarget) or target.val is None:
                continue
            if isinstance(target.val, ast.MultiAssignRef) and isinstance(target.val.source, ast.SubLink):
                row = exported(self.statement(target.val.source.subselect, scope))  # (a, b) = (SELECT $1, $2)
                value = row[target.val.colno - 1][1] if target.val.colno <= len(row) else None
            else:
                value = self.value(target.val, scope)
            self.agree(value, (table or {}).get(target.name or ""))

    def _rest(self, parts: Iterable[Node], scope: TypeScope) -> None:
        """Whatever else holds expressions."""
        for part in parts:
            if isinstance(part, tuple):
                self._rest(part, scope)
            elif part is not None:
                self.value(part, scope)


def exported(row: Row, names: Sequence[str] = ()) -> Row:
    """Seen from outside its query: there a parameter that nothing resolved has become text."""
    named = [*names, *(name for name, _ in row[len(names) :])]
    return [(name, value.inside() if isinstance(value, Open) else value)
            for name, (_, value) in zip(named, row, strict=False)]  # fmt: skip


def _is_values(node: Node | None) -> bool:
    return isinstance(node, ast.SelectStmt) and bool(node.valuesLists)


def _name_of(node: Node) -> str:
    if isinstance(node, ast.ColumnRef) and isinstance(node.fields[-1], ast.String):
        name: str = node.fields[-1].sval
        return name
    if isinstance(node, ast.FuncCall):
        function: str = node.funcname[-1].sval
        return function
    return "?column?"
