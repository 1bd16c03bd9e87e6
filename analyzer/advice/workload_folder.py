"""A workload as a folder: one statement a ``.sql`` file, how often each runs in ``weights.json`` (or ``weights.csv``).

The file's name without ``.sql`` is the statement's label. A file that cannot be used is named and left out; the
others are read.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pglast

from analyzer.errors import BadInput
from analyzer.statements.inner_query import inner_query, planned_kind
from analyzer.statements.parse import parse_statement
from analyzer.statements.tree import Unparsable, parse

MOST_FILES = 20_000  # judgement: more is a folder named by mistake


@dataclass(frozen=True, slots=True)
class FileStatement:
    """``weight``: how often it runs, in any unit that is the same for all files."""

    label: str
    sql: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class WorkloadFolder:
    """``problems``: one sentence per file, or entry of the weights, that was left out."""

    statements: tuple[FileStatement, ...]
    problems: tuple[str, ...] = ()


def read_workload_folder(folder: Path) -> WorkloadFolder:
    """Raises BadInput where there is nothing to read."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}; name one that holds a .sql file per statement.")
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise BadInput(f"The folder {folder} holds no .sql file; write one statement into each.")
    if len(files) > MOST_FILES:
        raise BadInput(f"The folder {folder} holds {len(files):,} .sql files; at most {MOST_FILES:,} are read.")
    weights, problems = _weights(folder)
    statements = []
    for file in files:
        read = _statement(file, weights.get(file.stem, 1.0))
        if isinstance(read, str):
            problems.append(f"{file.name}: {read}")
        else:
            statements.append(read)
    known = {file.stem for file in files}
    problems += [f"The weights name {label!r}, and there is no {label}.sql." for label in weights if label not in known]
    if not statements:
        raise BadInput(f"None of the {len(files):,} .sql files in {folder} can be used; the first: {problems[0]}")
    return WorkloadFolder(tuple(statements), tuple(problems))


def read_statement(sql: str, label: str) -> FileStatement | str:
    """One statement that has a plan, or the sentence why it has none."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return syntax_error(sql) or statements.reason
    parsed = parse_statement(sql)
    if parsed.statement_count > 1:
        return f"It holds {parsed.statement_count} statements; write each into a file of its own."
    if not parsed.is_plannable and planned_kind(sql) == "utility" and inner_query(sql) is None:
        return "It is a utility statement, which has no plan of its own."
    inner = inner_query(sql)
    kind = parse_statement(inner.sql).kind if inner else parsed.kind
    return FileStatement(label, sql.strip().rstrip(";").rstrip(), kind)


def _statement(file: Path, weight: float) -> FileStatement | str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return "It is not UTF-8 text."
    except OSError as problem:
        return f"It cannot be read: {problem.strerror}."
    read = read_statement(text, file.stem)
    if isinstance(read, str):
        return read
    return FileStatement(read.label, read.sql, read.kind, weight)


def syntax_error(sql: str) -> str | None:
    """PostgreSQL's own words and the line they are about."""
    try:
        pglast.parse_sql(sql)
    except pglast.parser.ParseError as error:
        at = error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else None
        where = f" in line {sql.count(chr(10), 0, at) + 1}" if at is not None and at >= 0 else ""
        return f"It is not valid SQL{where}: {error.args[0]}."
    except (RecursionError, MemoryError, ValueError):
        return None
    return None


def _weights(folder: Path) -> tuple[dict[str, float], list[str]]:
    """Label -> weight. A file of weights that cannot be read at all stops the run: every result would be wrong."""
    as_json, as_csv = folder / "weights.json", folder / "weights.csv"
    if as_json.exists():
        try:
            found = json.loads(as_json.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError) as problem:
            raise BadInput(f"{as_json} cannot be read: {problem}.") from problem
        if not isinstance(found, Mapping):
            raise BadInput(f'{as_json} holds no object; write {{"label": calls per day, ...}}.')
        pairs = [(str(label), weight) for label, weight in found.items()]
    elif as_csv.exists():
        with as_csv.open(newline="", encoding="utf-8-sig") as file:
            pairs = [(row[0], row[1]) for row in csv.reader(file) if len(row) > 1 and row[0] != "label"]
    else:
        return {}, []
    weights, problems = {}, []
    for label, value in pairs:
        try:
            weight = float(value)
        except (TypeError, ValueError):
            weight = math.nan
        if isinstance(value, bool) or not math.isfinite(weight) or weight < 0:
            problems.append(f"The weight of {label!r} is {value!r}, not a number from 0 on; 1 is taken.")
            weight = 1.0
        weights[label] = weight
    return weights, problems
