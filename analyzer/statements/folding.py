"""How large the values of a statement can become, from its text alone: what it folds to while it is planned, and what
its expressions make of each row.

The planner works constants out: ``'x'::char(10485760)``, ``replace(repeat('a', 10000), 'a', repeat('b', 5000))`` or a
product of ``1e65000`` take memory and time that no limit of the server stops (numeric arithmetic does not even look for
a cancel). So an upper bound is reckoned before anything is sent, through views, subqueries and CTEs, which the planner
merges: ``v + v`` of a view of ``v + v`` is four columns, and of thirty such views a billion.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pglast import ast, enums

from analyzer.statements.extents import (
    COLUMN,
    COLUMN_DIGITS,
    CONSTANT_BYTES,
    CONSTANTS_BYTES,
    MOST_DIGITS,
    MOST_TERMS,
    ROW_BYTES,
    Extent,
    constant_extent,
    longest,
    product,
    total,
)
from analyzer.statements.output_columns import Outputs, OutputScope, Views, behind_star, column_extent, united
from analyzer.statements.output_names import is_name_known, output_name
from analyzer.statements.sized_calls import (
    AS_LONG_AS_ARGUMENTS,
    FIXED,
    IN_PARTS,
    SIZED,
    cast_extent,
    operation_extent,
    padded_extent,
    walked_extent,
)
from analyzer.statements.tree import Node, children, flat, function_name, operator_name
from analyzer.words.sizes import size_words

# They keep what every row gives them in one value.
COLLECTING = frozenset({
    "string_agg", "array_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg",
    "json_agg_strict", "jsonb_agg_strict", "json_object_agg_unique", "jsonb_object_agg_unique",
    "json_object_agg_strict", "jsonb_object_agg_strict", "json_object_agg_unique_strict",
    "jsonb_object_agg_unique_strict", "range_agg", "st_collect", "st_union",
})  # fmt: skip
PRODUCTS = frozenset({"*", "/", "%", "^"})
SERIES = frozenset({"power", "pow", "exp", "ln", "log", "sqrt", "factorial", "gcd", "lcm", "mod", "div"})


@dataclass(frozen=True, slots=True)
class FoldedSizes:
    """``refusal``: why it must not even be planned; ``objection``: why it must not be executed; "" for neither.

    ``row``: the largest value that an expression makes of a row; ``collected``: that an aggregate keeps of each row.
    """

    refusal: str = ""
    objection: str = ""
    row: Extent = field(default_factory=Extent)
    collected: Extent | None = None
    products: int = 0  # of numbers that no constant is; of numeric's longest ones each takes a second of processor
    terms: float = 0.0  # as ``Extent.terms``, of all its expressions
    constants_bytes: float = 0.0  # of all values that are computed while it is planned
    outputs: Outputs = field(default_factory=Outputs, repr=False)


def sizes(root: Node, views: Views | None = None) -> FoldedSizes:
    """Of a whole statement; a parameter counts as a column's value, and so does a column of a view not in ``views``."""
    reckoning = _Reckoning(views or {})
    if isinstance(root, ast.SelectStmt):
        return reckoning.result(reckoning.select(root, None))
    reckoning.value(root, OutputScope(None))
    return reckoning.result(Outputs())


class _Reckoning:
    """One statement. A SELECT inside an expression is reckoned by itself: its depth is bounded by the tree's."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.terms = 0.0
        self.constants_bytes = 0.0
        self.constant = Extent()  # the largest folded value
        self.row = Extent(is_constant=False)
        self.row_digits = 0.0
        self.products = 0
        self.collected: Extent | None = None

    def result(self, outputs: Outputs) -> FoldedSizes:
        refusal = objection = ""
        if self.constant.digits > MOST_DIGITS:
            refusal = (
                f"It works with numbers of up to {_spoken(self.constant.digits)} digits already while it is planned;"
                f" {MOST_DIGITS:,.0f} are allowed."
            )
        elif self.constant.fixed_bytes > CONSTANT_BYTES or self.constants_bytes > CONSTANTS_BYTES:
            refusal = (
                "Its constants may take the server's memory already while it is planned:"
                f" up to {_spoken_bytes(max(self.constant.fixed_bytes, self.constants_bytes))}."
            )
        if self.row.bytes() > ROW_BYTES:
            size = _spoken_bytes(self.row.bytes())
            objection = f"It may make values of {size} of each row: a size that is not known."
        elif self.row_digits > MOST_DIGITS:
            digits = _spoken(self.row_digits)
            objection = f"It may work with numbers of {digits} digits; {MOST_DIGITS:,.0f} are allowed."
        elif self.terms > MOST_TERMS:
            objection = (
                f"Its expressions have {_spoken(self.terms)} terms once views, subqueries and WITH queries are written"
                " out: planning would take the server's memory."
            )
        return FoldedSizes(
            refusal, objection, self.row, self.collected, self.products, self.terms,
            self.constants_bytes, outputs.with_conditions(self.terms),
        )  # fmt: skip

    # -- queries ------------------------------------------------------------------------------------------

    def select(self, query: Node, outer: OutputScope | None) -> Outputs:
        scope = OutputScope(outer)
        for cte in query.withClause.ctes if query.withClause else ():
            before = self.terms
            outputs = self.query(cte.ctequery, scope).renamed(cte.aliascolnames)
            if cte.ctematerialized == enums.CTEMaterialize.CTEMaterializeNever:  # written out with each reference
                outputs = outputs.with_conditions(self.terms - before)
            scope.ctes[cte.ctename] = outputs
        if query.op != enums.SetOperation.SETOP_NONE:
            outputs = united(self.select(query.larg, scope), self.select(query.rarg, scope))
        else:
            for item in query.fromClause or ():
                self._source(item, scope)
            outputs = self._targets(query, scope)
        for part in ("whereClause", "groupClause", "havingClause", "windowClause", "sortClause", "distinctClause",
                     "limitCount", "limitOffset"):  # fmt: skip
            self.value(getattr(query, part), scope)
        return outputs

    def query(self, node: Node, scope: OutputScope) -> Outputs:
        if isinstance(node, ast.SelectStmt):
            return self.select(node, scope)
        self.value(node, OutputScope(scope))  # a change in WITH: what it returns are columns
        return Outputs()

    def _targets(self, query: Node, scope: OutputScope) -> Outputs:
        columns: dict[str, Extent] = {}
        stars, hides_names = 0, False
        for target in query.targetList or ():
            if isinstance(target.val, ast.ColumnRef) and isinstance(target.val.fields[-1], ast.A_Star):
                stars += 1
                continue
            extent = self.value(target.val, scope)
            hides_names = hides_names or not (target.name or is_name_known(target.val))
            name = target.name or output_name(target.val) or "?column?"
            # two of a name are two columns, which an alias may rename
            columns[f"{name}\0{len(columns)}" if name in columns else name] = extent
        for row in query.valuesLists or ():
            for number, item in enumerate(row, start=1):
                name, extent = f"column{number}", self.value(item, scope)
                columns[name] = longest([extent, columns.get(name, extent)])
        if stars:
            starred = behind_star(list(scope.sources.values()))
            self.terms += stars * sum(e.terms for source in scope.sources.values() for e in source.columns.values())
            outputs = behind_star([Outputs(columns), starred])
            return replace(outputs, hides_names=hides_names or outputs.hides_names)
        return Outputs(columns, longest(list(columns.values())) if hides_names else None, hides_names)

    def _source(self, item: Node, scope: OutputScope) -> None:
        if isinstance(item, ast.JoinExpr):
            before = set(scope.sources)
            self._source(item.larg, scope)
            self._source(item.rarg, scope)
            self.value(item.quals, scope)
            inside = [name for name in scope.sources if name not in before]
            if item.join_using_alias is not None:
                scope.sources[item.join_using_alias.aliasname] = behind_star([scope.sources[name] for name in inside])
            if item.alias is not None:  # it hides their names
                joined = behind_star([scope.sources.pop(name) for name in inside])
                scope.sources[item.alias.aliasname] = joined.renamed(item.alias.colnames)
        elif isinstance(item, ast.RangeSubselect):
            alias = item.alias
            outputs = self.query(item.subquery, scope).renamed(alias.colnames if alias else None)
            scope.sources[alias.aliasname if alias else f"?{len(scope.sources)}"] = outputs
        elif isinstance(item, ast.RangeVar):
            cte = scope.cte(item.relname) if not item.schemaname else None
            source = cte if cte is not None else self.views.get((item.schemaname or "", item.relname))
            if source is not None:
                alias = item.alias
                self.terms += source.conditions
                scope.sources[alias.aliasname if alias else item.relname] = source.renamed(
                    alias.colnames if alias else None
                )
        else:  # functions, TABLESAMPLE, XMLTABLE: each value of theirs may be as long as all they are given
            extent = self.value(item, scope)
            alias = getattr(item, "alias", None)
            if alias is not None:
                rows = Extent(extent.fixed_bytes, extent.per_column, extent.digits, is_constant=False)
                names = [alias.aliasname, *(part.sval for part in alias.colnames or ())]
                scope.sources[alias.aliasname] = Outputs(dict.fromkeys(names, longest([rows, COLUMN])))

    # -- expressions --------------------------------------------------------------------------------------

    def value(self, root: Node, scope: OutputScope) -> Extent:
        """The extent of an expression, or of all those in a list or clause; notes what is folded below it."""
        known: dict[int, Extent] = {}
        terms: dict[int, float] = {}
        for node in reversed(list(_expression_nodes(root))):
            inside = [id(child) for child in children(node) if id(child) in known]
            parts = [known[child] for child in inside]
            before = self.terms
            extent = self._one(node, parts, known, scope)
            if isinstance(node, ast.SelectStmt):  # its expressions are written out as often as the one that it is in
                terms[id(node)], self.terms = 1.0 + self.terms - before, before
            else:
                own = extent.terms if isinstance(node, ast.A_Const) else 1.0
                terms[id(node)] = (
                    extent.terms if isinstance(node, ast.ColumnRef) else own + sum(terms[child] for child in inside)
                )
            known[id(node)] = extent
            if not isinstance(node, ast.A_Const):
                self._note(extent)
        tops = [id(top) for top in ([root] if isinstance(root, ast.Node) else root or ()) if id(top) in known]
        written_out = sum(terms[top] for top in tops)
        self.terms += written_out
        return replace(total([known[top] for top in tops]), terms=written_out)

    def _note(self, extent: Extent) -> None:
        if extent.is_constant:
            self.constant = longest([self.constant, extent])
            self.constants_bytes += extent.fixed_bytes
        else:
            self.row = max(self.row, extent, key=Extent.bytes)
            self.row_digits = max(self.row_digits, extent.digits)

    def _one(self, node: Node, parts: list[Extent], known: Mapping[int, Extent], scope: OutputScope) -> Extent:
        match node:
            case ast.SelectStmt():
                return longest(self.select(node, scope).extents())
            case ast.A_Const():
                return constant_extent(node)
            case ast.ParamRef():
                return COLUMN
            case ast.ColumnRef():
                return column_extent(node, scope)
            case ast.TypeCast():
                return cast_extent(node, known.get(id(node.arg), Extent()))
            case ast.FuncCall():
                return self._call(node, [known[id(arg)] for arg in node.args or ()], parts)
            case ast.A_Expr():
                self.products += operator_name(node) in PRODUCTS and not total(parts).is_constant
                return operation_extent(node, known, parts)
            case ast.CaseExpr() | ast.CoalesceExpr() | ast.MinMaxExpr() | ast.CaseWhen() | ast.SetToDefault():
                return longest(parts)
            case ast.BoolExpr() | ast.NullTest() | ast.BooleanTest():
                return total(parts).of_size(1.0)
            case ast.JsonArrayAgg() | ast.JsonObjectAgg() | ast.JsonArrayQueryConstructor():
                return self._collect(total(parts, 16.0))
            case ast.SubLink():
                value = longest(parts)
                if node.subLinkType == enums.SubLinkType.ARRAY_SUBLINK:
                    return self._collect(value)
                return Extent(value.fixed_bytes, value.per_column, value.digits, is_constant=False)
            case ast.ColumnDef():
                return padded_extent(node.typeName, Extent(is_constant=False)) if node.typeName else Extent()
            case ast.TypeName():
                return Extent()
        return total(parts)

    def _collect(self, value: Extent) -> Extent:
        """Of how many rows it is, the plan says."""
        self.collected = longest([self.collected or value, value])
        return Extent(product(value.fixed_bytes, 100.0), product(value.per_column, 100.0), 0.0, is_constant=False)

    def _call(self, call: Node, args: list[Extent], parts: list[Extent]) -> Extent:
        name = function_name(call)
        whole = total(parts)
        self.products += name in SERIES and not whole.is_constant
        if name.startswith("jsonb_path_"):  # a path works with the numbers that are in its text
            return walked_extent(call.args or (), args)
        if name in COLLECTING:
            return self._collect(total(args, 16.0))
        if name in FIXED:
            return Extent(FIXED[name], 0.0, min(whole.digits, COLUMN_DIGITS), whole.is_constant)
        if name in AS_LONG_AS_ARGUMENTS:
            return longest(args)
        reckon = SIZED.get(name)
        if reckon is not None and args:
            return reckon(call.args, args)
        if name in IN_PARTS:
            return whole.times(8.0)
        return total(args or parts, 100.0)


def _expression_nodes(root: Node) -> Iterator[Node]:
    """Parents first; a SELECT below an expression is given, but not what is in it."""
    stack = [root] if isinstance(root, ast.Node) else list(flat(root or ()))
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, ast.SelectStmt):
            stack.extend(children(node))


def _spoken(number: float) -> str:
    return f"{number:,.0f}" if math.isfinite(number) else "an unknown number of"


def _spoken_bytes(number: float) -> str:
    if not math.isfinite(number):
        return "an unknown size"
    return size_words(number)
