"""LIKE, SIMILAR TO and regular expressions: which ask for text that starts with something fixed."""

import re

from pglast import ast, enums

from analyzer.statements.tree import Node, function_name, name_parts, operator_name, walk, without_casts

PATTERNS = {
    "~~": "like",
    "~~*": "ilike",
    "~": "regex",
    "~*": "regex",
    "!~~": "ne",
    "!~~*": "ne",
    "!~": "ne",
    "!~*": "ne",
}
# of LIKE ANY (array): one pattern may start like this and one like that, for which the planner knows no range
LISTED = {"~~": "like_leading", "~~*": "ilike", "~": "regex", "~*": "regex"}
STARTS_WITH = "^@"
# functions around a text that is compared
WRAPPERS = ("lower", "upper", "btrim", "unaccent")
# of functions on texts those that are IMMUTABLE: unaccent() and concat() are STABLE, and computed when it runs
FOLDED = frozenset({
    "lower", "upper", "btrim", "ltrim", "rtrim", "replace", "regexp_replace", "translate", "left", "right", "substring",
    "like_escape", "reverse",
})  # fmt: skip
# types whose texts depend on settings, so that they are made when it runs
WRITTEN_BY_SETTINGS = frozenset({"date", "timestamp", "timestamptz", "time", "timetz", "interval", "money", "regclass"})
# a regular expression that asks for text at the start: literal characters, the last not made optional by what follows
REGEX_START = re.compile(r"\^(?:[\w \-@:/,#]|\\[.\-/@+*?])")
OPTIONAL_FIRST = re.compile(r"\^(?:\\.|.)[*?{]")
SIMILAR_START = re.compile(r"[\w \-@:/,#.][^|]*$")


def like_kind(pattern: Node) -> str:
    """A literal pattern tells whether it starts with a wildcard; a parameter does not."""
    pattern = without_casts(pattern)
    if isinstance(pattern, ast.A_Const) and isinstance(pattern.val, ast.String):
        return "like_leading" if pattern.val.sval[:1] in ("%", "_") else "like_prefix"
    if isinstance(pattern, ast.FuncCall) and function_name(pattern) == "reverse" and len(pattern.args or ()) == 1:
        return _reversed_kind(pattern.args[0])
    if isinstance(pattern, ast.FuncCall) and pattern.args and function_name(pattern) in (*WRAPPERS, "like_escape"):
        kind = like_kind(pattern.args[0])
        return "like" if kind == "like_prefix" and function_name(pattern) not in FOLDED else kind
    if isinstance(pattern, ast.A_Expr) and operator_name(pattern) == "||":
        kind = like_kind(pattern.lexpr)  # '%' || $1
        last = without_casts(pattern.rexpr)
        ends = isinstance(last, ast.A_Const) and isinstance(last.val, ast.String) and last.val.sval[-1:] == "%"
        # $1 || '%', lower($1) || '%': who writes the wildcard behind means to write none before
        if kind == "like_prefix" or (kind == "like" and ends):
            return "like_prefix" if _is_folded(pattern) else "like"
        return kind
    return "like"


def _reversed_kind(pattern: Node) -> str:
    """Of ``reverse('%.com')``, where an index on reverse(column) serves the end of a text."""
    inner = without_casts(pattern)
    if not isinstance(inner, ast.A_Const) or not isinstance(inner.val, ast.String):
        return "like"
    return "like_leading" if inner.val.sval[-1:] in ("%", "_") else "like_prefix"


def _is_folded(node: Node) -> bool:
    """Whether the planner has it as one constant, as it must to read a pattern."""
    for part in walk(node):
        is_other = isinstance(part, ast.FuncCall) and function_name(part) not in FOLDED
        is_other |= isinstance(part, ast.TypeCast) and name_parts(part.typeName.names)[-1] in WRITTEN_BY_SETTINGS
        if is_other or isinstance(part, (ast.ColumnRef, ast.SubLink, ast.SQLValueFunction)):
            return False
    return True


def has_fixed_start(node: Node) -> bool:
    """``~ '^abc'`` and ``SIMILAR TO 'abc%'`` ask for text that starts with abc, as LIKE 'abc%' does."""
    pattern = without_casts(node.rexpr)
    if node.kind == enums.A_Expr_Kind.AEXPR_SIMILAR and isinstance(pattern, ast.FuncCall) and pattern.args:
        pattern = without_casts(pattern.args[0])  # similar_to_escape(pattern)
        is_similar = True
    else:
        is_similar = False
    if not isinstance(pattern, ast.A_Const) or not isinstance(pattern.val, ast.String):
        return False
    text = pattern.val.sval
    if is_similar:
        return SIMILAR_START.match(text) is not None
    is_fixed = REGEX_START.match(text) is not None and OPTIONAL_FIRST.match(text) is None and "|" not in text
    return operator_name(node) == "~" and is_fixed
