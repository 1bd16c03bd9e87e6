"""The types of expressions, and which parameters an expression asks a type of. Queries: ``parameter_types``."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pglast import ast, enums

from analyzer.statements import type_rules as rules
from analyzer.statements.open_types import NULL, Open, Row, TypeScope, Value, constant_type, moment_type
from analyzer.statements.tree import Node, children, function_name, name_parts, operator_name, text_of

Kind = enums.A_Expr_Kind
SubLink = enums.SubLinkType


class Expressions:
    """``found``: types decided so far. ``sampled``: of literals in real runs. ``tested``: what IS NULL is asked of,
    which tells no type; ``met``: types of what parameters are compared with or cast to."""

    def __init__(self, sampled: dict[int, str]) -> None:
        self.found: dict[int, str] = {}
        self.sampled = sampled
        self.tested: list[Open] = []
        self.met: dict[int, str] = {}

    def statement(self, node: Node, outer: TypeScope) -> Row:
        raise NotImplementedError

    # deciding

    def known(self, value: Value) -> str | None:
        """The type, as far as it is decided by now."""
        if not isinstance(value, Open):
            return value
        kinds = {self.found.get(n) for n in value.parameters}
        kind = kinds.pop() if len(kinds) == 1 else None
        return kind and (kind + "[]" if value.is_array else kind)

    def ask(self, value: Value, type_name: str) -> None:
        """These parameters were literals of that type, or of the one a real run shows."""
        if isinstance(value, Open):
            for number in value.parameters:
                sampled = self.sampled.get(number)
                if sampled != "text" or type_name == "text":
                    self.found.setdefault(number, type_name if sampled in (None, "text") else sampled)

    def number(self, value: Value, like: str | None = None) -> None:
        self.ask(value, "numeric" if like in rules.FRACTIONS else "integer")

    def agree(self, value: Value, other: Value) -> None:
        """``value`` meets something of a known type: what the server would have made text takes a literal's type."""
        if not isinstance(value, Open) or (type_name := self.known(other)) is None:
            return
        if value.is_bare:
            self.met.setdefault(value.parameters[0], rules.UNLIMITED.get(type_name, type_name))
        elif value.is_array:
            if type_name.endswith("[]") and type_name != "text[]":
                self.ask(value, type_name.removesuffix("[]"))  # operators on arrays want the very same type
        elif type_name in rules.NUMBERS:
            self.number(value, type_name)
        elif type_name == "boolean":
            self.ask(value, "boolean")

    def common(self, values: Sequence[Value]) -> Value:
        """Of the branches of CASE, the elements of an array, the rows of VALUES, the sides of UNION."""
        kinds = [kind for v in values if (kind := self.known(v))]
        if kinds:
            for value in values:
                self.agree(value, kinds[0])
            return next((k for k in ("double precision", "numeric", "bigint") if k in kinds), kinds[0])
        opens = [v for v in values if isinstance(v, Open)]
        if not opens or len(opens) < len(values):
            return None
        if len(opens) == 1:
            return opens[0]
        return Open(tuple(n for o in opens for n in o.parameters))

    def condition(self, node: Node | None, scope: TypeScope) -> None:
        if node is not None:
            self.agree(self.value(node, scope), "boolean")

    # reading

    def value(self, node: Node, scope: TypeScope) -> Value:
        match node:
            case ast.ParamRef():
                return self.found.get(node.number) or Open((node.number,), is_bare=True)
            case ast.A_Const():
                return constant_type(node)
            case ast.TypeCast():
                if isinstance(inner := self.value(node.arg, scope), Open) and inner.is_bare:
                    self.met.setdefault(inner.parameters[0], text_of(node.typeName))
                name = rules.plain_type(name_parts(node.typeName.names)[-1])
                return name + "[]" if node.typeName.arrayBounds else name
            case ast.ColumnRef():
                return scope.column(node)
            case ast.A_Expr():
                return self._operator(node, scope)
            case ast.BoolExpr():
                for part in node.args:
                    self.condition(part, scope)
                return "boolean"
            case ast.NullTest():
                if isinstance(tested := self._only_bare(self.value(node.arg, scope)), Open):
                    self.tested.append(tested)
                return "boolean"
            case ast.BooleanTest():
                self.condition(node.arg, scope)
                return "boolean"
            case ast.FuncCall():
                return self._function(node, scope)
            case ast.CaseExpr():
                return self._case(node, scope)
            case ast.CoalesceExpr() | ast.MinMaxExpr():
                return self._inside(self.common([self.value(a, scope) for a in node.args]))
            case ast.A_ArrayExpr():
                return self._array(node, scope)
            case ast.A_Indirection():
                self._each(node.indirection or (), scope)
                whole = self.value(node.arg, scope)
                if isinstance(whole, Open) and whole.is_array:
                    return replace(whole, is_array=False)
                kind = self.known(whole)
                return kind.removesuffix("[]") if kind and kind.endswith("[]") else None
            case ast.SubLink():
                return self._sublink(node, scope)
            case ast.RowExpr():  # one that is not compared with another
                for value in [self.value(a, scope) for a in node.args or ()]:
                    self.ask(self._only_bare(value), "text")
                return None
            case ast.XmlExpr():
                for value in [self.value(a, scope) for a in (*(node.args or ()), *(node.named_args or ()))]:
                    self.ask(self._only_bare(value), "text")
                return None
            case ast.ResTarget():
                return self.value(node.val, scope) if node.val is not None else None
            case ast.MultiAssignRef():
                self._each(getattr(node.source, "args", None) or (node.source,), scope)
                return None
            case ast.SQLValueFunction():
                return moment_type(node)
            case ast.SelectStmt():
                self.statement(node, scope)
                return None
            case ast.CollateClause():
                return self.value(node.arg, scope)
        self._each(list(children(node)), scope)
        return None

    def _each(self, nodes: Iterable[Node], scope: TypeScope) -> None:
        for node in nodes:
            self.value(node, scope)

    def _operator(self, node: Node, scope: TypeScope) -> Value:
        name = operator_name(node)
        if isinstance(node.lexpr, ast.RowExpr) and node.kind in (Kind.AEXPR_OP, Kind.AEXPR_IN):
            rows = node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)
            for row in rows:
                for left, right in zip(node.lexpr.args or (), getattr(row, "args", None) or (), strict=False):
                    self._meet([self.value(left, scope), self.value(right, scope)])
            return "boolean"
        if node.kind in (Kind.AEXPR_OP, Kind.AEXPR_NULLIF) and not isinstance(node.rexpr, tuple):
            if name in rules.ARITHMETIC:
                return self._arithmetic(name, node, scope)
            left, right = self._sides(node, scope)
            if node.kind == Kind.AEXPR_NULLIF:
                self._meet([left, right])
                return self.known(left) or self.known(right) or self.common([left, right])
            if name in rules.BITWISE or (name == "~" and node.lexpr is None):
                return self._bitwise([right] if node.lexpr is None else [left, right])
            if name in ("->", "#>"):
                if isinstance(right, Open) and self.sampled.get(right.parameters[0]) == "integer":
                    self.ask(right, "integer")  # an element of an array, not a key
                return self.known(left)
            if name == "||":
                if not {self.known(left), self.known(right)} & rules.MADE_TEXT:
                    self._meet([left, right])
                return self.known(left) if self.known(left) == self.known(right) else None
            if name in ("->>", "#>>"):
                return "text"
            if name not in rules.COMPARISONS and name not in rules.TEXT_PATTERNS:
                return None
            self._meet([left, right])
            return "boolean"
        others = node.rexpr if isinstance(node.rexpr, tuple) else (node.rexpr,)
        values = [self.value(v, scope) for v in (node.lexpr, *others) if v is not None]
        if node.kind in (Kind.AEXPR_OP_ANY, Kind.AEXPR_OP_ALL) and len(values) == 2:
            kind = self.known(values[0])
            self.agree(values[1], kind and f"{kind}[]")
        else:
            self._meet(values)
        return "boolean"

    def _sides(self, node: Node, scope: TypeScope) -> tuple[Value, Value]:
        """What is compared with "current_date - $1" tells what that is: a date, or a number of days."""
        left = (
            None if rules.may_be_days(node.lexpr) else self.value(node.lexpr, scope) if node.lexpr is not None else None
        )
        right = self._days_or_date(node.rexpr, scope, left)
        if rules.may_be_days(node.lexpr):
            left = self._days_or_date(node.lexpr, scope, right)
        return left, right

    def _days_or_date(self, node: Node, scope: TypeScope, other: Value) -> Value:
        is_number = self.known(other) in rules.NUMBERS
        if is_number and rules.may_be_days(node) and self.known(self.value(node.lexpr, scope)) == "date":
            return "integer"  # date - date, as the server reads it
        return self.value(node, scope)

    def _meet(self, values: Sequence[Value]) -> None:
        kinds = [kind for v in values if (kind := self.known(v))]
        for value in values:
            if kinds:
                self.agree(value, kinds[0])

    def _arithmetic(self, name: str, node: Node, scope: TypeScope) -> Value:
        left = self.value(node.lexpr, scope) if node.lexpr is not None else None
        right = self.value(node.rexpr, scope)
        if node.lexpr is None:
            self.number(right)
            return self.known(right)
        a, b = self.known(left), self.known(right)
        if isinstance(left, Open) and isinstance(right, Open) and not a and not b:
            self.number(left)
            self.number(right)
            return self.known(left)
        for value, kind in ((left, b), (right, a)):
            if kind == "date" and name in "+-" and isinstance(value, Open):
                if name == "+" or value is right:  # on the left of "- born" it is a date
                    self.ask(value, "integer")  # a number of days
            else:
                self.agree(value, kind)
        if isinstance(left, Open) and isinstance(right, Open):  # one was decided elsewhere
            for value, kind in ((left, b), (right, a)):
                if kind in rules.NUMBERS:
                    self.agree(value, kind)
        a, b = self.known(left) or b, self.known(right) or a
        if a in rules.MOMENTS and isinstance(right, Open) and name == "+":
            return a
        return rules.arithmetic_result(name, a, b) if a and b else None

    def _function(self, node: Node, scope: TypeScope) -> Value:
        name = function_name(node)
        values = [self.value(a.arg if isinstance(a, ast.NamedArgExpr) else a, scope) for a in node.args or ()]
        kinds = [kind for v in values if (kind := self.known(v))]
        for at, value in enumerate(values):
            wanted = rules.ARGUMENTS.get((name, at))
            if wanted:
                self.ask(value, wanted)
            elif name in rules.OF_NUMBERS and isinstance(value, Open):
                if not kinds or (not value.is_bare and kinds[0] in rules.NUMBERS):
                    self.number(value)
            elif name in rules.OF_ANYTHING and not (name == "format" and at == 0):
                self.ask(self._only_bare(value), "text")
        array = self._array_met(values[: rules.OF_ARRAYS[name]]) if name in rules.OF_ARRAYS else None
        self._each([n for n in (*(node.agg_order or ()), node.over) if n is not None], scope)
        self.condition(node.agg_filter, scope)
        if name == "unnest" and values:
            first = values[0]
            if isinstance(first, Open):
                return replace(first, is_array=False, is_bare=False)
            return first.removesuffix("[]") if first else None
        at = rules.RESULT_OF.get(name, -1)
        if 0 <= at < len(values):
            kind = self.known(values[at])
            return "bigint" if name == "sum" and kind in ("integer", "smallint") else kind
        return rules.RESULTS.get(name) or array

    def _array_met(self, values: Sequence[Value]) -> Value:
        """Of an array and elements of its type: the array's, which may be the comparison's around it to tell."""
        kinds = [kind for v in values if (kind := self.known(v))]
        element = kinds[0].removesuffix("[]") if kinds else None
        for value in values:
            is_array = isinstance(value, Open) and value.is_array
            if element not in rules.TEXTS:  # which literals are without a cast
                self.agree(value, element and (f"{element}[]" if is_array else element))
        return f"{element}[]" if element else next((v for v in values if isinstance(v, Open) and v.is_array), None)

    def _bitwise(self, values: Sequence[Value]) -> Value:
        kinds = [kind for v in values if (kind := self.known(v))]
        for value in values:
            if kinds:
                self.agree(value, kinds[0])
            elif all(isinstance(v, Open) for v in values):
                self.number(value)
        return next((kind for v in values if (kind := self.known(v))), None)

    def _case(self, node: Node, scope: TypeScope) -> Value:
        tested = self.value(node.arg, scope) if node.arg is not None else None
        results = []
        for when in node.args:
            if node.arg is None:
                self.condition(when.expr, scope)
            else:
                self._meet([tested, self.value(when.expr, scope)])
            results.append(self.value(when.result, scope))
        if node.defresult is not None:
            results.append(self.value(node.defresult, scope))
        return self._inside(self.common([r for r in results if r != NULL]))

    def _array(self, node: Node, scope: TypeScope) -> Value:
        common = self.common([self.value(e, scope) for e in node.elements or ()])
        if isinstance(common, Open):
            return replace(common, is_bare=False, is_array=True)
        return common and f"{common}[]"

    def _sublink(self, node: Node, scope: TypeScope) -> Value:
        row = self.statement(node.subselect, scope)
        first = self._inside(row[0][1]) if row else None
        match node.subLinkType:
            case SubLink.EXPR_SUBLINK:
                return first
            case SubLink.ARRAY_SUBLINK:
                if isinstance(first, Open) and not first.is_array:
                    return replace(first, is_array=True)
                kind = self.known(first)
                return kind and f"{kind}[]"
            case SubLink.ANY_SUBLINK | SubLink.ALL_SUBLINK | SubLink.ROWCOMPARE_SUBLINK:
                tested = (node.testexpr.args or ()) if isinstance(node.testexpr, ast.RowExpr) else (node.testexpr,)
                for part, (_, value) in zip(tested, row, strict=False):
                    self._meet([self.value(part, scope), self._inside(value)])
        return "boolean"

    def _inside(self, value: Value) -> Value:
        return value.inside() if isinstance(value, Open) else value

    def _only_bare(self, value: Value) -> Value:
        return value if isinstance(value, Open) and value.is_bare else None
