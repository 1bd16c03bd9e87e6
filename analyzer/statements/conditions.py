"""A condition as comparisons of single columns: conjuncts of WHERE and ON, one at a time.

Long: the kinds of conditions are read by one match, and NOT and OR turn back to it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pglast import ast, enums

from analyzer.statements.blocks import JoinedColumn, ParameterUse, Predicate
from analyzer.statements.negation import negated
from analyzer.statements.operators import COMPARISONS, CONTAINMENT, MIRRORED, TURNED
from analyzer.statements.patterns import LISTED, PATTERNS, STARTS_WITH, has_fixed_start, like_kind
from analyzer.statements.scope import Scope, ScopedColumn
from analyzer.statements.sides import Side, Sides
from analyzer.statements.time_ago import ago_parameter
from analyzer.statements.tree import (
    Node,
    conjuncts,
    disjuncts,
    function_name,
    name_parts,
    only_element,
    operator_name,
    text_of,
    walk,
)

Kind = enums.A_Expr_Kind


@dataclass(frozen=True, slots=True)
class ColumnPredicate:
    """A predicate and the column it is on."""

    column: ScopedColumn
    predicate: Predicate


class Conditions:
    """Reads conditions in one scope; ``parameters`` collects what each $n is compared with."""

    def __init__(self, scope: Scope, parameters: dict[int, ParameterUse], *, narrows: bool = True) -> None:
        self.sides = Sides(scope)
        self.parameters = parameters
        self.narrows = narrows
        self.ors = 0

    def read(self, condition: Node | None) -> Iterator[ColumnPredicate]:
        for conjunct in conjuncts(condition):
            yield from self._one(conjunct)

    def _one(self, node: Node) -> Iterator[ColumnPredicate]:
        match node:
            case ast.BoolExpr(boolop=enums.BoolExprType.OR_EXPR):
                yield from self._or(node)
            case ast.BoolExpr(boolop=enums.BoolExprType.NOT_EXPR):
                yield from self._not(node.args[0])
            case ast.NullTest():
                is_null = node.nulltesttype == enums.NullTestType.IS_NULL
                yield from self._unary(node.arg, "is_null" if is_null else "is_not_null")
            case ast.BooleanTest():
                tests = {enums.BoolTestType.IS_TRUE: "is_true", enums.BoolTestType.IS_FALSE: "is_false"}
                tested = self._unary(node.arg, tests.get(node.booltesttype, "other"))
                if node.booltesttype not in tests:
                    text = node.booltesttype.name.replace("_", " ")
                    tested = (replace(each, predicate=replace(each.predicate, text=text)) for each in tested)
                yield from tested
            case ast.ColumnRef():
                yield from self._unary(node, "is_true")
            case ast.SubLink(subLinkType=enums.SubLinkType.ANY_SUBLINK):
                if node.operName is None or name_parts(node.operName)[-1] == "=":
                    yield from self._unary(node.testexpr, "in_subquery")
                else:
                    yield from self._unary(node.testexpr, "other")
            case ast.A_Expr():
                yield from self._comparison(node)
            case ast.FuncCall() if function_name(node) == "starts_with" and len(node.args or ()) == 2:
                yield from self._pair(node, node.args[0], node.args[1], "like_prefix", STARTS_WITH)
            case _:
                for column in self.sides.columns(node):
                    yield ColumnPredicate(column, Predicate(column.name, "other", expression=text_of(node)))

    def _or(self, node: Node) -> Iterator[ColumnPredicate]:
        """What every arm asks for holds by itself, as the planner takes it out; the rest is one arm's each."""
        arms = [{text_of(part): part for part in conjuncts(arg)} for arg in disjuncts(node)]
        common = [text for text in arms[0] if all(text in arm for arm in arms[1:])]
        for text in common:
            yield from self._one(arms[0][text])
        left = [[part for text, part in arm.items() if text not in common] for arm in arms]
        if all(left):
            yield from self._arms(left)

    def _arms(self, arms: Sequence[Sequence[Node]]) -> Iterator[ColumnPredicate]:
        """Of an arm without columns ($1 IS NULL) the planner knows for each value whether it holds: no rows are its."""
        of_rows = [arm for arm in arms if any(isinstance(n, (ast.ColumnRef, ast.SubLink)) for n in walk(tuple(arm)))]
        branches = [[condition for part in arm for condition in self._one(part)] for arm in of_rows]
        flat = [condition for branch in branches for condition in branch]
        same_column = len({(id(f.column.table), f.column.name) for f in flat}) == 1
        equal = all(len(b) == 1 and b[0].predicate.operator in ("eq", "in", "any") for b in branches)
        if (
            same_column
            and equal
            and len(of_rows) == len(arms)
            and all(f.predicate.is_bare and f.predicate.joined is None for f in flat)
        ):
            parameters = tuple(n for f in flat for n in f.predicate.parameters)
            yield ColumnPredicate(
                flat[0].column, Predicate(flat[0].column.name, "in", parameters, value_count=len(flat))
            )
            return
        self.ors += 1
        number = self.ors
        for at, branch in enumerate(branches):
            for condition in branch:
                arm = (number, at, len(branches))
                yield replace(condition, predicate=replace(condition.predicate, is_in_or=True, arm=arm))

    def _not(self, node: Node) -> Iterator[ColumnPredicate]:
        if (opposite_condition := negated(node)) is not None:
            yield from self.read(opposite_condition)
            return
        opposite = {"is_true": "is_false", "in_subquery": "not_in"}
        if isinstance(node, ast.SubLink) and node.subLinkType == enums.SubLinkType.EXISTS_SUBLINK:
            return
        inner = list(self.read(node))
        for condition in inner:
            new = opposite.get(condition.predicate.operator, "other") if len(inner) == 1 else "other"
            text = condition.predicate.text
            if new == "other":  # what serves @> does not serve NOT @>
                text = f"NOT {text}".rstrip()
            yield replace(condition, predicate=replace(condition.predicate, operator=new, text=text))

    def _unary(self, node: Node | None, operator: str) -> Iterator[ColumnPredicate]:
        if isinstance(node, ast.RowExpr):
            for arg in node.args or ():  # ROW() has none
                yield from self._unary(arg, operator)
            return
        side = self.sides.of(node)
        if side.column is not None:
            yield ColumnPredicate(side.column, Predicate(side.column.name, operator, expression=side.expression))

    def _comparison(self, node: Node) -> Iterator[ColumnPredicate]:
        operator = operator_name(node)
        match node.kind:
            case Kind.AEXPR_OP if isinstance(node.lexpr, ast.RowExpr) and isinstance(node.rexpr, ast.RowExpr):
                yield from self._rows(node, COMPARISONS.get(operator, "other"))
            case Kind.AEXPR_OP | Kind.AEXPR_OP_ANY if (asked := _asked_with_a_value(node)) is not None:
                yield from self._arms([[asked], []])
            case Kind.AEXPR_OP if node.lexpr is not None:
                if operator in PATTERNS:
                    yield from self._pattern(node, PATTERNS[operator])
                else:
                    meaning = COMPARISONS.get(operator) or ("contains" if operator in CONTAINMENT else "other")
                    meaning = "like_prefix" if operator == STARTS_WITH else meaning
                    yield from self._pair(node, node.lexpr, node.rexpr, meaning, operator)
            case Kind.AEXPR_NOT_DISTINCT | Kind.AEXPR_DISTINCT:
                # the planner has no index condition for IS NOT DISTINCT FROM
                yield from self._pair(node, node.lexpr, node.rexpr, "other", operator)
            case Kind.AEXPR_OP_ANY if operator in LISTED:
                yield from self._pattern(node, LISTED[operator], "any")
            case Kind.AEXPR_OP_ANY:
                meaning = "any" if operator == "=" else "other"
                yield from self._pair(node, node.lexpr, node.rexpr, meaning, operator)
            case Kind.AEXPR_OP_ALL:
                yield from self._pair(node, node.lexpr, node.rexpr, "not_in" if operator == "<>" else "other", operator)
            case Kind.AEXPR_IN:
                yield from self._in(node, "in" if operator == "=" else "not_in")
            case Kind.AEXPR_LIKE | Kind.AEXPR_ILIKE | Kind.AEXPR_SIMILAR:
                meaning = "regex" if node.kind == Kind.AEXPR_SIMILAR else PATTERNS.get(operator, "other")
                yield from self._pattern(node, meaning)
            case Kind.AEXPR_BETWEEN | Kind.AEXPR_BETWEEN_SYM:
                yield from self._between(node)
            case _:
                for column in self.sides.columns(node):
                    yield ColumnPredicate(column, Predicate(column.name, "other", expression=text_of(node)))

    def _pair(self, node: Node, left: Node, right: Node, operator: str, text: str) -> Iterator[ColumnPredicate]:
        a, b = self.sides.of(left), self.sides.of(right)
        if a.column is not None and not self._shares_table(a.column, b):
            yield self._found(a.column, operator, a.expression, b, text)
        if b.column is not None and not self._shares_table(b.column, a) and operator not in ("any", "like_prefix"):
            mirrored = MIRRORED.get(operator, operator)
            yield self._found(b.column, mirrored, b.expression, a, TURNED.get(text, text))
        if operator == "any" and b.column is not None and a.column is None:
            # $1 = ANY(array_column): no B-tree serves it
            yield self._found(b.column, "contains", b.expression, a, text)
        # in the column's eyes: "created > $1" is gt
        for value, other, meaning in ((b, a, operator), (a, b, MIRRORED.get(operator, operator))):
            meaning = "other" if meaning == "like_prefix" else meaning.removeprefix("row_")
            if value.parameters and other.column is not None:
                self._note(value.parameters, meaning, other)
            elif value.parameters and other.outer is not None:
                self._note(value.parameters, meaning, Side(column=other.outer))
        if a.column is not None and operator == "gt" and (number := ago_parameter(right)) is not None:
            self._note((number,), "ago", a)
        elif b.column is not None and operator == "lt" and (number := ago_parameter(left)) is not None:
            self._note((number,), "ago", b)

    def _found(
        self, column: ScopedColumn, operator: str, expression: str | None, other: Side, text: str
    ) -> ColumnPredicate:
        joined = None
        partner = other.column or other.outer
        if partner is not None:
            bare = other.expression is None and not partner.via_derived
            joined = JoinedColumn(
                partner.table.alias, partner.table.schema, partner.table.name if bare else "", partner.name,
                is_outer=partner.depth > 0,
            )  # fmt: skip
        elif other.own_columns:
            joined = JoinedColumn("", "", "", "")
        constants = (other.constant,) if other.constant and operator == "eq" else ()
        predicate = Predicate(
            column.name, operator, other.parameters, joined, expression, text=text, constants=constants
        )
        return ColumnPredicate(column, predicate)

    def _shares_table(self, column: ScopedColumn, other: Side) -> bool:
        """``a.x < a.y``: compares a row with itself, no use for an index."""
        return other.column is not None and other.column.table is column.table and other.column.depth == 0

    def _in(self, node: Node, operator: str) -> Iterator[ColumnPredicate]:
        values = node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)
        if isinstance(node.lexpr, ast.RowExpr):
            for position, arg in enumerate(node.lexpr.args or ()):
                column_values = [
                    v.args[position] for v in values if isinstance(v, ast.RowExpr) and len(v.args or ()) > position
                ]
                yield from self._list(arg, column_values, operator)
            return
        yield from self._list(node.lexpr, list(values), operator)

    def _list(self, left: Node, values: list[Node], operator: str) -> Iterator[ColumnPredicate]:
        side = self.sides.of(left)
        others = [self.sides.of(v) for v in values]
        parameters = tuple(n for o in others for n in o.parameters)
        if side.column is not None:
            self._note(parameters, operator, side)
            text = ""
            if any(o.own_columns for o in others):
                operator, text = "other", "IN"
            constants = [o.constant for o in others if o.constant]
            found = Predicate(
                side.column.name, operator, parameters, None, side.expression, len(values), text=text,
                constants=tuple(constants) if operator == "in" and len(constants) == len(values) else (),
            )  # fmt: skip
            yield ColumnPredicate(side.column, found)
            return
        for other in others:  # $1 IN (t.a, t.b)
            if other.column is not None:
                predicate = Predicate(other.column.name, "eq", side.parameters, None, other.expression, is_in_or=True)
                yield ColumnPredicate(other.column, predicate)
                self._note(side.parameters, "eq", other)

    def _rows(self, node: Node, operator: str) -> Iterator[ColumnPredicate]:
        """``(a, b) > ($1, $2)``: a condition on the index (a, b) as a whole, on ``a`` alone when there is
        none.
        """
        for position, (left, right) in enumerate(zip(node.lexpr.args or (), node.rexpr.args or (), strict=False)):
            meaning = operator
            if operator in MIRRORED and position:
                meaning = f"row_{operator}"
            yield from self._pair(node, left, right, meaning, "")

    def _between(self, node: Node) -> Iterator[ColumnPredicate]:
        side = self.sides.of(node.lexpr)
        low, high = (self.sides.of(v) for v in node.rexpr)
        if side.column is not None:
            self._note(low.parameters, "between_low", side)
            self._note(high.parameters, "between_high", side)
            parameters = low.parameters + high.parameters
            joined = low.own_columns or high.own_columns
            partner = JoinedColumn("", "", "", "") if joined else None
            yield ColumnPredicate(
                side.column, Predicate(side.column.name, "between", parameters, partner, side.expression)
            )
            return
        for bound, meaning in ((low, "lt"), (high, "gt")):  # $1 BETWEEN t.valid_from AND t.valid_to
            if bound.column is not None:
                yield ColumnPredicate(
                    bound.column,
                    Predicate(bound.column.name, meaning, side.parameters, None, bound.expression),
                )
                self._note(side.parameters, meaning, bound)

    def _pattern(self, node: Node, operator: str, compared: str = "") -> Iterator[ColumnPredicate]:
        """``compared``: of the parameters, where that is not the operator."""
        side, value = self.sides.of(node.lexpr), self.sides.of(node.rexpr)
        if side.column is None:
            for column in self.sides.columns(node):
                yield ColumnPredicate(column, Predicate(column.name, "other", expression=text_of(node)))
            return
        self._note(value.parameters, compared or operator, side)
        if operator == "like":
            operator = like_kind(node.rexpr)
        elif operator == "regex" and node.kind != Kind.AEXPR_OP_ANY and has_fixed_start(node):
            operator = "like_prefix"
        yield ColumnPredicate(
            side.column,
            Predicate(side.column.name, operator, value.parameters, None, side.expression, text=operator_name(node)),
        )

    def _note(self, numbers: tuple[int, ...], operator: str, side: Side) -> None:
        column = side.column
        if column is None or not side.keeps_values:
            return
        table = column.table
        for number in numbers:
            known = self.parameters.get(number)
            if known is None or known.column is None:
                self.parameters[number] = ParameterUse(
                    number,
                    operator,
                    table.schema or None,
                    table.name,
                    column.name,
                    is_wrapped=side.expression is not None,
                    narrows=self.narrows,
                )


def _asked_with_a_value(node: Node) -> Node | None:
    """``n = $1`` of ``n = coalesce($1, n)``, which is that, planned with a value; so with ANY and ARRAY[n]."""
    for side, other in ((node.rexpr, node.lexpr), (node.lexpr, node.rexpr)):
        if not isinstance(side, ast.CoalesceExpr) or not isinstance(other, ast.ColumnRef):
            continue
        *values, itself = side.args
        if node.kind == Kind.AEXPR_OP_ANY:
            itself = only_element(itself)
        if (
            itself is not None
            and text_of(itself) == text_of(other)
            and not any(isinstance(n, ast.ColumnRef) for n in walk(tuple(values)))
        ):
            pair = (values[0], other) if side is node.lexpr else (other, values[0])
            return ast.A_Expr(node.kind, node.name, *pair)
    return None
