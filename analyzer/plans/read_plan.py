"""From what people and drivers hand over to the plain value of EXPLAIN's JSON format.

JSON, XML, YAML and text, as text or bytes or psycopg's decoded value; as they stand in a terminal, a mail, a table or a
log (``plain_lines``), and as programs export them (``exports``).
"""

import html
import json
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from analyzer.plans import read_loose, read_xml, read_yaml
from analyzer.plans.carried import out_of_carrier
from analyzer.plans.exports import found_in, is_entry, is_row
from analyzer.plans.fields import with_numbers
from analyzer.plans.logged import LOGGED_PLAN, plans_apart, with_log
from analyzer.plans.node import PlanError
from analyzer.plans.node_line import node_head
from analyzer.plans.other_products import product_of
from analyzer.plans.plain_lines import FIGURES, plain_lines
from analyzer.plans.read_json import HOW_TO, TOO_DEEP, deep_value, json_documents, kind_of, value_lines
from analyzer.plans.read_text import PART, read_text
from analyzer.plans.table_cells import CONTINUED, ENTITY, PLAN_TEXT, Line

MAY_START = re.compile(r"\s*+(?:[\[{(<]|- +P|[\"']?(?:Plan|Query Text))")  # JSON, XML, YAML
MOST_TRIED = 20  # lines where another plan may begin; judgement
MOST_LAYERS = 5  # of JSON in JSON, or of a plan's text in it
ESCAPED = re.compile(rf"\\({ENTITY.pattern}|.)")  # a quote that a page escaped once more, too
UNESCAPED = {"n": "\n", "r": "", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
# a byte that is no UTF-8, as surrogateescape keeps it -> its character in cp1252
CP1252 = {0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") for byte in range(128, 256)}
# as an editor writes quotes that no key of a keyboard has
CURLY = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")
CURLY_DOUBLE = str.maketrans("\u201c\u201d", '""')
# several in a row are rather of another alphabet; cp1252 has no character for five of them
UNSURE = re.compile("[\udc80-\udcff]{2}|[\udc81\udc8d\udc8f\udc90\udc9d]")


def read_plan(source: object) -> Any:
    """The value EXPLAIN's JSON stands for; PlanError with one sentence when it is none."""
    if isinstance(source, bytes | bytearray | memoryview):
        source = decoded(bytes(source))
    try:
        value = _read(source) if isinstance(source, str) else _plans_of(source, MOST_LAYERS)
    except PlanError as problem:
        if not isinstance(source, str) or (product := product_of(source)) is None:
            raise
        raise PlanError(f"The plan looks like one of {product}; pgLoupe reads plans of PostgreSQL.") from problem
    if not isinstance(value, list | dict):
        raise PlanError(f"The plan is {kind_of(value)} where a JSON array or object was expected; {HOW_TO}.")
    return [*map(with_numbers, value)] if isinstance(value, list) else with_numbers(value)


def decoded(data: bytes, *, takes_cp1252: bool = True) -> str:
    """UTF-8, in it bytes of Windows' Western code page; or what PowerShell's ``>`` writes. PlanError for the rest."""
    encoding = "utf-8-sig"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data[:2]:
        encoding = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as problem:
        if takes_cp1252 and encoding == "utf-8-sig" and b"\0" not in data:
            text = data.decode(encoding, "surrogateescape")
            if not UNSURE.search(text):
                return text.translate(CP1252)
        name = encoding.removesuffix("-sig").upper()
        raise PlanError(f"The plan is not {name} text (byte {problem.start}); {HOW_TO}.") from problem


def _plans_of(value: object, layers: int) -> object:
    """``value`` itself where EXPLAIN wrote it, else the plans that are found in it."""
    if is_entry(value) or (isinstance(value, list) and any(is_entry(v) or v == "Utility Statement" for v in value)):
        return value
    documents = found_in(value)
    plans: list[Any] = []
    for each in documents:
        read = _read(each, layers - 1) if isinstance(each, str) and each != "Utility Statement" else each
        plans += read if isinstance(read, list) else [read]
    return plans if documents else value


def _read(text: str, layers: int = MOST_LAYERS) -> Any:
    text = text.lstrip("\ufeff")
    text = _with_plain_quotes(text)
    if not text.strip():
        raise PlanError(f"The plan is empty; {HOW_TO}.")
    if layers < 0:
        raise PlanError(f"The plan is quoted in JSON more than {MOST_LAYERS} times; {HOW_TO}.")
    try:
        value = json.loads(text)
    except RecursionError:
        value, end = deep_value(text, 0)
        if text[end:].strip():
            raise PlanError(TOO_DEEP) from None
        return _plans_of(value, layers)
    except ValueError:
        pass
    else:  # a text may be a plan once more quoted as JSON
        return _plans_of(value if not isinstance(value, str) else [value], layers)
    if (quoted := read_loose.quoted_text(text)) is not None:
        return _plans_of([quoted], layers)
    if (inside := _string_inside(text.strip())) is not None:
        return _read(inside, layers - 1)
    if (carried := out_of_carrier(text)) is not None:
        return _read(carried, layers - 1)
    if messages := _out_of_jsonlog(text):
        return [plan for message in messages for plan in _as_list(_read(message, layers - 1))]
    apart = plans_apart(plain_lines(text))
    entries = [entry for logged, lines in apart for entry in with_log(_plans_in(lines, layers), logged)]
    if not entries:
        raise PlanError(f"There is no plan in it; {HOW_TO}.")
    return entries[0] if len(entries) == 1 and isinstance(entries[0], list) else entries


def _with_plain_quotes(text: str) -> str:
    """Where all quotes are curly. Beside plain ones they are part of a name or a value."""
    if '"' in text:
        return text
    if "'" not in text:
        return text.translate(CURLY)
    return text.translate(CURLY_DOUBLE) if text.lstrip()[:1] in ("[", "{") else text  # JSON


def _string_inside(text: str) -> str | None:
    """The text format in one line, its line breaks escaped as in a string that lost its quotes."""
    if "\n" in text or "\\n" not in text:
        return None
    plain = ESCAPED.sub(lambda escape: UNESCAPED.get(html.unescape(escape[1]), escape[0]), text)
    return plain if node_head(plain.partition("\n")[0]) else None


def _plans_in(lines: Sequence[Line], layers: int) -> list[Any]:
    start, reader = _format(lines)
    if reader is None:
        return _text_and_what_follows(_cells_apart(lines), layers)
    _only_words(lines[:start])
    return [plan for value in reader(_without_marks(lines[start:])) for plan in _as_list(_plans_of(value, layers))]


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _format(lines: Sequence[Line]) -> tuple[int, Callable[[Sequence[Line]], list[Any]] | None]:
    """Where a plan in JSON, XML or YAML begins, and its reader; None for the text format."""
    begins = value_lines(lines)
    for at, line in enumerate(lines):
        if read_loose.STARTS.match(line.text) and begins(at):
            return at, _json
        if FIGURES.search(line.text):
            break
        if begins(at):
            return at, _json
        if _is_marked_up(line.text):
            return at, _xml if read_xml.STARTS.match(line.text) else _yaml
    return 0, None


def _is_marked_up(text: str) -> bool:
    """Whether XML or YAML begins in the line."""
    return bool(
        read_xml.STARTS.match(text)
        or read_yaml.STARTS.fullmatch(CONTINUED.sub("", text))
        or (text.lstrip().startswith('Query Text: "') and read_yaml.STARTS.match(text))
    )


def _json(lines: Sequence[Line]) -> list[Any]:
    documents = json_documents(lines, _only_words)
    return [documents] if len(documents) > 1 and all(map(is_row, documents)) else documents


def _xml(lines: Sequence[Line]) -> list[Any]:
    plans: list[Any] = []
    start: int | None = None
    for at, line in enumerate(lines):
        if start is None and read_xml.STARTS.match(line.text):
            start = at
        if start is None:
            _only_words([line])
        elif ended := read_xml.ENDS.search(line.text):
            _only_words([Line(line.number, ended[1])])
            last = Line(line.number, line.text[: ended.start(1)])
            plans += read_xml.read_xml([*lines[start:at], last])
            start = None
    if start is not None:
        number = lines[start].number
        raise PlanError(f"The plan's XML, which begins in line {number}, has no end: it seems cut off; {HOW_TO}.")
    return plans


def _yaml(lines: Sequence[Line]) -> list[Any]:
    plans: list[Any] = []
    while lines:
        documents, taken = read_yaml.read_yaml(lines)
        plans += documents
        rest = lines[taken:]
        following = next((i for i, line in enumerate(rest) if read_yaml.STARTS.fullmatch(line.text)), len(rest))
        _only_words(rest[:following])
        lines = rest[following:]
    return plans


def _without_marks(lines: Sequence[Line]) -> Sequence[Line]:
    """Without the ``+`` or ``↵`` that psql puts where a cell goes on in the next line."""
    inner = [line.text for line in lines if line.text.strip()]
    if not inner or not CONTINUED.search(inner[0]):
        return lines
    return [Line(line.number, CONTINUED.sub("", line.text)) for line in lines]


def _text_and_what_follows(lines: Sequence[Line], layers: int) -> list[Any]:
    """A plan in JSON, XML or YAML may stand behind those of the text format; in a literal its beginning is text."""
    begins = value_lines(lines)
    first = next(
        (at for at, line in enumerate(lines) if FIGURES.search(line.text) or PART.search(line.text)), len(lines)
    )
    starts = (
        at
        for at in range(first + 1, len(lines))
        if MAY_START.match(lines[at].text) and (begins(at) or _is_marked_up(lines[at].text))
    )
    for at in islice(starts, MOST_TRIED):
        if PLAN_TEXT.search("\n".join(line.text for line in lines[at:])):
            try:
                plans = read_text(lines[:at])
            except PlanError:
                continue
            return plans + _plans_in(lines[at:], layers)
    return read_text(lines)


def _cells_apart(lines: Sequence[Line]) -> Sequence[Line]:
    """Where the text format stands in cells of several lines: without psql's marks, an empty line behind each cell."""
    first = next((line.text for line in lines if line.text.strip()), "")
    if not CONTINUED.search(first) or node_head(CONTINUED.sub("", first).strip()) is None:
        return lines
    apart: list[Line] = []
    for line in lines:
        bare = CONTINUED.sub("", line.text)
        apart += [Line(line.number, bare)] if bare != line.text else [line, Line(line.number, "")]
    return apart


def _only_words(lines: Sequence[Line]) -> None:
    """Refuses what looks like a part of a plan outside of it."""
    for line in lines:
        if line.text.lstrip().startswith("<?xml "):
            continue
        if FIGURES.search(line.text) or PART.search(line.text.strip()) or re.search(r'["{}\[\]]', line.text):
            raise PlanError(f"Line {line.number} looks like a part of a plan, and stands outside of it; {HOW_TO}.")


def _out_of_jsonlog(text: str) -> list[str]:
    """Of a log with an object a line, the messages that are plans."""
    messages: list[str] = []
    if "plan:" not in text:
        return messages
    for line in text.splitlines():
        if not (line.startswith("{") and line.rstrip().endswith("}")):
            continue
        try:
            texts = found_in(json.loads(line))
        except (ValueError, RecursionError):
            continue
        messages += [each for each in texts if isinstance(each, str) and LOGGED_PLAN.search(each)]
    return messages
