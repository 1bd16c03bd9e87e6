"""What can be read of Python code without running it: calls, their arguments, plain values."""

import ast
import re
from collections.abc import Sequence
from typing import Any

from analyzer.schema.quoting import quote_identifier

UNREAD = object()  # of a value that only running the code would tell
LINE_BREAK = re.compile(r"\r\n|\r|\n")


def last_name(node: ast.expr | None) -> str:
    """ "AddIndex" of ``migrations.AddIndex`` and of a call to it."""
    if isinstance(node, ast.Call):
        node = node.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def argument(call: ast.Call, name: str, position: int | None = None) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position is not None and position < len(call.args):
        return call.args[position]
    return None


def value(node: ast.expr | None, default: Any = None) -> Any:
    """Of a literal; ``default`` where there is none, UNREAD where it is no literal."""
    if node is None:
        return default
    if last_name(node) == "f" and isinstance(node, ast.Call) and len(node.args) == 1:  # op.f(): a name that is final
        node = node.args[0]
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return UNREAD


def text(call: ast.Call, name: str, position: int | None = None) -> str:
    """A text argument; "" where there is none that can be read."""
    literal = value(argument(call, name, position))
    return literal if isinstance(literal, str) else ""


def texts(call: ast.Call, name: str, position: int | None = None) -> list[str] | None:
    """A list of texts; None where one of it cannot be read."""
    literals = value(argument(call, name, position), [])
    if isinstance(literals, (list, tuple)) and all(isinstance(each, str) for each in literals):
        return list(literals)
    return None


def lines_of(source: str) -> list[str]:
    """As Python counts them."""
    return LINE_BREAK.split(source)


def code_of(lines: Sequence[str], call: ast.Call) -> str:
    """The call's own lines of the file's, as if it stood at the left."""
    own = list(lines[call.lineno - 1 : call.end_lineno])
    own[-1] = own[-1].encode()[: call.end_col_offset].decode()
    own[0] = own[0].encode()[call.col_offset :].decode()
    outdented = (line[call.col_offset :] if not line[: call.col_offset].strip() else line for line in own[1:])
    return "\n".join([own[0], *outdented])


def flag(call: ast.Call, name: str, default: bool = False) -> bool:
    literal = value(argument(call, name), default)
    return bool(literal) if literal is not UNREAD else default


def sql_list(names: Sequence[str]) -> str:
    return ", ".join(quote_identifier(name) for name in names)
