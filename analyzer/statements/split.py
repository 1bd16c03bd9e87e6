"""A file of SQL as its statements, by PostgreSQL's own scanner: one that is not valid does not spoil the others."""

from dataclasses import dataclass

from pglast import parser

from analyzer.statements.tokens import scan

COMMENTS = ("C_COMMENT", "SQL_COMMENT")


@dataclass(frozen=True, slots=True)
class StatementPiece:
    """``line``: where its first word stands, from 1 on."""

    line: int
    sql: str


def split_statements(text: str) -> list[StatementPiece]:
    """Between semicolons, comments before the first word left out. From a quote that nothing closes on, the rest is
    one piece."""
    pieces: list[StatementPiece] = []
    start = end = None

    def close() -> None:
        if start is not None and end is not None:
            pieces.append(StatementPiece(text.count("\n", 0, start) + 1, text[start:end]))

    readable = _readable(text)
    for token in scan(text[:readable]):
        if token.name in COMMENTS:
            continue
        if token.name == "ASCII_59":
            close()
            start = end = None
            continue
        start = token.start if start is None else start
        end = token.end + 1
    if readable < len(text) and text[readable:].strip():
        start = readable if start is None else start
        end = len(text.rstrip())
    close()
    return pieces


def _readable(text: str) -> int:
    """How many characters the scanner takes."""
    at = len(text)
    while True:
        try:
            scan(text[:at])
            return at
        except parser.ParseError as error:
            position = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0
            if not 0 < position < at:
                return 0
            at = position
        except (parser.Error, UnicodeEncodeError):
            return 0
