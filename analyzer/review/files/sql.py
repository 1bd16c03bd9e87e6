"""A FILE of SQL: written by hand, printed by ``manage.py sqlmigrate`` or ``alembic upgrade --sql``, or a migration
tool's with its marks (dbmate, goose, sql-migrate).
"""

import re
from dataclasses import dataclass

from analyzer.review.files.migration import Migration, MigrationStep, Remark, in_transactions, split, step
from analyzer.statements.split import StatementPiece, split_statements
from analyzer.statements.tree import Unparsable, parse
from analyzer.words.visible import visible_line

META = re.compile(r"^\s*\\(\w+|[!?])")
COPY = re.compile(r"^\s*copy\s.*\bfrom\s+stdin\b", re.IGNORECASE)
# tool: the marks of the way there and back, and of no transaction
MARKS = (
    ("dbmate", r"migrate:up", r"migrate:down", r"transaction:false"),
    ("goose", r"\+goose\s+up\b", r"\+goose\s+down\b", r"\+goose\s+no\s+transaction"),
    ("sql-migrate", r"\+migrate\s+up\b", r"\+migrate\s+down\b", r"\+migrate\s+up\s+notransaction"),
)
ALONE = "The file has no BEGIN: each statement is taken to run in a transaction of its own, as psql does it."
AS_ONE = "All statements are taken to run in one transaction, as {tool} does it."
ATOMIC = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)
# as sqlmigrate prints RunPython
PYTHON = re.compile(r"^-- THIS OPERATION CANNOT BE WRITTEN AS SQL\s*$")
MOST_IN_BODY = 50  # statements
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][\w.:-]*)\}(\.)?")
VARIABLE = re.compile(r"(?<![:\w]):[\"']?[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class _Marked:
    """The way there alone, with as many lines as before."""

    text: str
    tool: str = ""
    is_wrapped: bool = False
    lacks_down: bool = False
    up_line: int = 1


def read_sql(text: str, *, single_transaction: bool = False) -> Migration:
    marked = _marked(text)
    lines, remarks = _without_meta_commands(marked.text)
    steps, unread = split(_statements("\n".join(lines)))
    wrapped = single_transaction or marked.is_wrapped
    steps, is_open = in_transactions(steps, wrapped)
    assumed = ""
    if wrapped:
        assumed = AS_ONE.format(tool=marked.tool or "--single-transaction asks")
    elif steps and all(s.is_alone for s in steps):
        assumed = ALONE
    lacking = (Remark(marked.up_line, f"The file has no part that {marked.tool} runs to go back."),)
    return Migration(
        "sql", tuple(steps), tuple(sorted((*remarks, *unread), key=lambda r: r.line)),
        lacking if marked.lacks_down else (), assumed, is_open, wrapped,
    )  # fmt: skip


def _marked(text: str) -> _Marked:
    for tool, up, down, alone in MARKS:
        match = _mark(up).search(text)
        if match is None:
            continue
        back = _mark(down).search(text, match.end())
        end = back.start() if back else len(text)
        before = "\n" * text.count("\n", 0, match.start())
        is_alone = re.search(alone, text[:end], re.IGNORECASE) is not None
        lacks = back is None or not split_statements(text[back.end() :])
        line = before.count("\n") + 1 + match[0].count("\n")
        return _Marked(before + text[match.start() : end], tool, not is_alone, lacks, line)
    return _Marked(text)


def _mark(words: str) -> re.Pattern[str]:
    """A comment line. Of one line alone: with the empty ones before it, each of them would be searched to the mark."""
    return re.compile(rf"^[ \t]*--[ \t]*{words}.*$", re.IGNORECASE | re.MULTILINE)


def _without_meta_commands(text: str) -> tuple[list[str], list[Remark]]:
    """psql's own commands and COPY's data as empty lines, named; and what sqlmigrate left out."""
    lines: list[str] = []
    remarks: list[Remark] = []
    in_data = False
    for number, line in enumerate(text.split("\n"), start=1):
        if in_data:
            in_data = line.rstrip() != "\\."
            lines.append("")
        elif (meta := META.match(line)) is not None:
            remarks.append(
                Remark(number, f"\\{visible_line(meta[1])} is a command of psql: skipped{_included(meta[1])}.")
            )
            lines.append("")
        elif PYTHON.match(line):
            remarks.append(Remark(number, "Not reviewed: RunPython, whose code sqlmigrate cannot show."))
            lines.append(line)
        else:
            in_data = COPY.match(line) is not None
            lines.append(line)
    return lines, remarks


def _included(command: str) -> str:
    return ", and the file it names is not looked into" if command in ("i", "ir", "include", "include_relative") else ""


def _statements(text: str) -> list[MigrationStep | Remark]:
    whole = parse(text) if text.strip() else ()
    if not isinstance(whole, Unparsable):  # also where a function's body holds semicolons (BEGIN ATOMIC)
        steps: list[MigrationStep | Remark] = []
        for raw in whole:
            end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text)
            pieces = split_statements(text[raw.stmt_location : end])
            if pieces:
                line = text.count("\n", 0, raw.stmt_location) + pieces[0].line
                sql = text[raw.stmt_location : end]
                steps.append(step(line, raw.stmt, pieces[0].sql if len(pieces) == 1 else sql.strip()))
        return steps
    mixed: list[MigrationStep | Remark] = []
    pieces = split_statements(text)
    while pieces:
        piece = pieces.pop(0)
        statements = parse(piece.sql)
        if isinstance(statements, Unparsable) and ATOMIC.search(piece.sql):  # semicolons inside the function's body
            for end in range(1, min(len(pieces), MOST_IN_BODY) + 1):
                longer = ";\n".join([piece.sql, *(p.sql for p in pieces[:end])])
                if not isinstance(body := parse(longer), Unparsable):
                    piece, statements, pieces = StatementPiece(piece.line, longer), body, pieces[end:]
                    break
        if isinstance(statements, Unparsable) and PLACEHOLDER.search(piece.sql):
            filled = StatementPiece(piece.line, _filled_in(piece.sql))
            if not isinstance(read := parse(filled.sql), Unparsable):
                piece, statements = filled, read
                mixed.append(Remark(piece.line, "Its placeholders (${name}) are read as names, without their schema."))
        if isinstance(statements, Unparsable):
            mixed.append(Remark(piece.line, _why_not(piece.sql, statements.reason)))
        else:
            mixed.append(step(piece.line, statements[0].stmt, piece.sql))
    return mixed


def _filled_in(sql: str) -> str:
    """With a name for each placeholder of Flyway or Liquibase; that of a schema is left out."""
    return PLACEHOLDER.sub(lambda match: "" if match[2] else re.sub(r"\W", "_", match[1]), sql)


def _why_not(sql: str, reason: str) -> str:
    if VARIABLE.search(sql):
        return "Not reviewed: it holds variables of psql (:name), which are not filled in."
    said = "it is no SQL that PostgreSQL's parser takes." if "parser does not take" in reason else reason
    return f"Not reviewed: {said}"
