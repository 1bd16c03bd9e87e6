"""Values of parameters as the log lists them: ``parameters: $1 = '5', $2 = NULL``; and a statement's text with them."""

import re
from collections.abc import Mapping

from pglast import parser

from analyzer.schema.quoting import quote_literal
from analyzer.statements.tokens import scan

LIST = re.compile(rb"(?:[Qq]uery )?[Pp]arameters: (?=\$\d{1,5} = )")
PARAMETER = re.compile(rb"\$(\d{1,5}) = (?:NULL|'([^']*+(?:''[^']*+)*+)')(?:, )?")
MOST_DIGITS = 5  # of a parameter's number: the protocol has two bytes for it
CUT = b"..."  # what log_parameter_max_length puts behind what is left

Values = Mapping[int, str | None]


def parameters_at(text: bytes, at: int = 0) -> tuple[Values | None, int]:
    """The values listed there, and where the list ends; None where there is none or one of them was cut."""
    begins = LIST.match(text, at)
    if begins is None:
        return None, at
    values: dict[int, str | None] = {}
    at, is_whole = begins.end(), True
    while (match := PARAMETER.match(text, at)) is not None:
        at, value = match.end(), match[2]
        is_whole = is_whole and not (value is not None and value.endswith(CUT))
        values[int(match[1])] = None if value is None else value.replace(b"''", b"'").decode("utf-8", "replace")
    return (values if is_whole else None), at


def with_values(sql: str, values: Values) -> str | None:
    """The text with each ``$n`` as a constant; None where one is not known."""
    pieces: list[str] = []
    end = 0
    try:
        tokens = scan(sql)
    except (parser.ParseError, parser.Error, UnicodeEncodeError):
        return None
    for token in tokens:
        if token.name != "PARAM":
            continue
        digits = sql[token.start + 1 : token.end + 1]
        number = int(digits) if len(digits) <= MOST_DIGITS else 0
        if number not in values:
            return None
        value = values[number]
        pieces += [sql[end : token.start], "NULL" if value is None else quote_literal(value)]
        end = token.end + 1
    return "".join([*pieces, sql[end:]])
