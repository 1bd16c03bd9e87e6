"""EXPLAIN's own lines out of what tools, mails and logs write around them, each with its number in the file.

A decoration is taken off only where it stands on every line from the first to the last that has it and the whole
plan lies between; what is left is judged line by line by ``read_text`` and ``read_json``, which refuse what they do
not know. So a decoration nobody thought of is a refusal, never another plan.
"""

import ast
import csv
import re
from collections.abc import Callable
from functools import partial
from itertools import pairwise

from analyzer.plans.depesz_page import out_of_depesz
from analyzer.plans.logged import LOGGED_PLAN, out_of_log
from analyzer.plans.node_line import node_head
from analyzer.plans.table_cells import (
    BAR,
    ENTITY,
    RECORD,
    RULE_CHARACTERS,
    Line,
    out_of_html,
    out_of_page,
    unescaped,
    without_column_name,
)
from analyzer.plans.table_columns import out_of_columns

ANY_BAR = re.compile(f"[{BAR}]")
ESCAPE_SEQUENCE = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")  # colours, as terminals and pagers record them
ODD_SPACE = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
ZERO_WIDTH = re.compile("[\u200b\u2060\ufeff]")
ARROW = r"(?:[-\u2010-\u2015\u2212]+>|=>|[→⟶➔➜➝➞⇒⇢►▶])"
ARROW_LINE = re.compile(rf"\s*{ARROW}\s+[A-Z]")
ARROW_AND_NAME = re.compile(rf"{ARROW}\s+[A-Z]")
FIGURES = re.compile(r"\((?:cost=|actual |never executed\))")
HEADER = re.compile(rf"[{BAR}\s]*(?:QUERY PLAN|plan(?:_text|_json)?)[{BAR}\s]*")
# psql's footer and its \timing, in any language: "（4 行）", "(3개 행)", "Temps : 1,234 ms", "時間: 1.234 ミリ秒"
ROWS = re.compile(r"[(（]\d+ ?[^\W\d]+(?: [^\W\d]+)?[)）]")
TIMING = re.compile(r"[^\W\d]+ ?: [\d.,]+ (?:ms|мс|მწმ|ミリ秒)\b.*")
RAILS = re.compile(r"=> EXPLAIN\b.*")  # the statement, as its console prints it
FRAME = re.compile("|".join(f"(?:{each.pattern})" for each in (HEADER, RECORD, ROWS, TIMING, RAILS)))
FENCE = re.compile(r"\s*(```|~~~|'''|\"\"\"|\{noformat\}|\{code.*\}|</?pre>|</?code>)\s*\w*\s*")
IN_QUOTES = re.compile("'.+'")
QUOTES = re.compile("'+")
EMPTY_TEXT = re.compile("[^']*''::")  # ''::text, as it is: doubled it would have four
NUMBER = re.compile(r"(\s*(\d{1,9}))(?:[.):] ?|[.)]?\t|\s*[|│] ?| )")
CONTAINER = re.compile(r"[\w.-]+\s*\| ?")
# What may stand before every line: mail quotes, comments, a container's name, syslog, a collector's clock.
PREFIXES = (
    re.compile(r"(?:\s{0,3}>)+(?: |$)?"),
    re.compile(r"\s*(?:--|#|//|\*)(?: |$)(?!>)"),
    CONTAINER,
    re.compile(
        r".{0,80}?(?:\bpostgres(?:ql)?(?:-\w+)?\[\d+\]|\bapp\[postgres\.\d+\]):"  # the latter of Heroku
        r" ?(?:\[\w+\] )?(?:\[\d+-\d+\] )?(?:#011)?"
    ),
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d) (?:std\w+ [FP] )?"),
)
MOST_SKIPPED = 3  # numbers: headings and rules are counted, too
MARKUP = re.compile(r"\s*(?:<(?:\w+:)?explain\b|(?:- +)?Plan: *[+↵]?$)")  # XML, YAML


def plain_lines(text: str) -> list[Line]:
    """The lines without decoration; an empty one stands between the plans of a log."""
    text = ODD_SPACE.sub(" ", ZERO_WIDTH.sub("", ESCAPE_SEQUENCE.sub("", text)))
    lines = [Line(number, line) for number, line in enumerate(re.split("\r?\n" if "\n" in text else "\r", text), 1)]
    lines = out_of_html(_joined_wraps([line for line in lines if not FENCE.fullmatch(line.text)]))
    lines = out_of_depesz(lines)
    for _ in range(6):  # a log in a mail in a table: each round takes one layer off
        before = lines
        lines = _out_of_csv(without_column_name(out_of_page(out_of_columns(lines), ARROW_LINE), _matter))
        lines = out_of_log(_without_quotes(_without_borders(_without_numbers(_without_prefix(lines)))))
        if lines == before:
            break
    if any(ENTITY.search(line.text) for line in lines) and not any(set("<>") & set(line.text) for line in lines):
        lines = [line._replace(text=unescaped(line.text)) for line in lines]  # copied from a page's source
    return [line._replace(text="") if is_frame(line.text) else line for line in lines]


def is_frame(text: str) -> bool:
    """A heading, a rule or a footer: says nothing of the plan."""
    stripped = text.strip()
    if not stripped:
        return False
    if RULE_CHARACTERS.issuperset(stripped) and (len(stripped) > 1 or stripped in BAR):
        return True
    return FRAME.fullmatch(stripped) is not None


def _joined_wraps(lines: list[Line]) -> list[Line]:
    """psql's ``\\pset format wrapped`` breaks a line with a dot (or an ellipsis) on both sides of the break."""
    if not any(re.match(rf"[{BAR}]?[.…]", line.text) for line in lines):
        return lines
    texts = [text for line in lines if (text := line.text.rstrip(f" {BAR}")) and not is_frame(text)]
    width = max(map(len, texts), default=0)
    if not all(text.endswith((".", "…")) for text in texts if len(text) == width):
        return lines  # a terminal broke a range such as 0.00..25.00
    joined: list[Line] = []
    for line in lines:
        begins = re.match(rf"[{BAR}]?[.…]", line.text)
        above = joined[-1].text.rstrip(f" {BAR}") if joined else ""
        if begins and above.endswith((".", "…")):
            joined[-1] = Line(joined[-1].number, above[:-1] + line.text[begins.end() :])
        else:
            joined.append(line)
    return joined


def _matter(line: Line) -> bool:
    return bool(line.text.strip()) and not is_frame(line.text)


def _begins(text: str) -> bool:
    if "QUERY PLAN" in text or text.rstrip(f" \t+↵{BAR}").endswith(("[", "{", "plan:")):
        return True
    if MARKUP.match(text):
        return True
    return bool(FIGURES.search(text) or ARROW_AND_NAME.search(text) or node_head(text.strip()))


def _bare(lines: list[Line], is_decorated: Callable[[str], object], bare: Callable[[str], str]) -> list[Line]:
    """The lines from the first decorated one to the last made bare, if all of them are and hold the plan."""
    at = [i for i, line in enumerate(lines) if is_decorated(line.text) and _matter(line)]
    if not at:
        return lines
    first, last = at[0], at[-1] + 1
    inside, outside = lines[first:last], lines[:first] + lines[last:]
    if sum(map(_matter, inside)) != len(at) or any(FIGURES.search(line.text) for line in outside):
        return lines
    made = [line if is_frame(line.text) else line._replace(text=bare(line.text)) for line in inside]
    if not any(_begins(line.text) for line in made):
        return lines
    return [*lines[:first], Line(inside[0].number, ""), *made, Line(inside[-1].number, ""), *lines[last:]]


def _without_prefix(lines: list[Line]) -> list[Line]:
    for prefix in PREFIXES:
        if (
            prefix is CONTAINER
            and len({match[0].rstrip() for line in lines if (match := prefix.match(line.text))}) != 1
        ):
            continue
        made = _bare(lines, prefix.match, partial(prefix.sub, "", count=1))
        if made is not lines:
            return made
    return lines


def _without_numbers(lines: list[Line]) -> list[Line]:
    """Numbers that count the lines, in front of them; padded to one width or not."""
    numbered = [(line, match) for line in lines if (match := NUMBER.match(line.text)) and _matter(line)]
    numbers = [int(match[2]) for _, match in numbered]
    if len(numbers) < 2 or not all(before < after <= before + MOST_SKIPPED for before, after in pairwise(numbers)):
        return lines
    width = max(match.end() for _, match in numbered)
    is_padded = len({len(match[2]) for _, match in numbered}) > 1 and all(
        re.fullmatch(r"\s*\d+[.):|│]?\s*", line.text[:width]) for line, _ in numbered
    )
    return _bare(lines, NUMBER.match, lambda text: text[width:] if is_padded else NUMBER.sub("", text, count=1))


def _without_borders(lines: list[Line]) -> list[Line]:
    """Bars before and behind: psql's borders, its ``\\x``, tables of Markdown and of database clients."""
    if not any(ANY_BAR.search(line.text) for line in lines):
        return lines
    for before, behind in ((True, True), (False, True), (True, False)):
        made = _bare(
            lines,
            partial(_has_bars, before=before, behind=behind),
            partial(_without_bars, before=before, behind=behind),
        )
        if made is not lines:
            return made
    return lines


def _has_bars(text: str, *, before: bool, behind: bool) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and (not before or stripped[0] in BAR) and (not behind or stripped[-1] in BAR)


def _without_bars(text: str, *, before: bool, behind: bool) -> str:
    text = text.lstrip()[1:] if before and text.strip() else text
    return text.rstrip()[:-1].rstrip() if behind and text.strip() else text


def _without_quotes(lines: list[Line]) -> list[Line]:
    """Single quotes around each line, as database clients copy cells: those inside doubled, escaped or as they are."""
    inner = [text[1:-1] for line in lines if IN_QUOTES.fullmatch(text := line.text.strip())]
    if any("\\'" in text for text in inner):
        return _bare(lines, lambda text: IN_QUOTES.fullmatch(text.strip()), _unescaped_quotes)
    runs = [run for text in inner for run in QUOTES.findall(text)]
    is_doubled = not any(len(run) % 2 for run in runs) and not any(map(EMPTY_TEXT.match, inner))
    return _bare(
        lines,
        lambda text: IN_QUOTES.fullmatch(text.strip()),
        lambda text: text.strip()[1:-1].replace("''", "'") if is_doubled else text.strip()[1:-1],
    )


def _unescaped_quotes(text: str) -> str:
    try:
        return str(ast.literal_eval(text.strip()))
    except (ValueError, SyntaxError):
        return text  # and is refused


def _out_of_csv(lines: list[Line]) -> list[Line]:
    """Cells in double quotes, as pgAdmin copies and ``psql --csv`` writes; of the server's csvlog, the message."""
    is_log = any(re.search(r',"duration: [\d.]+ ms\s+plan:', line.text) for line in lines)
    if not is_log and not any(line.text.startswith('"') for line in lines):
        return lines
    out: list[Line] = []
    pending: list[Line] = []
    for line in lines:
        pending.append(line)
        if not pending[0].text.startswith('"') and ',"' not in pending[0].text:
            out.append(pending.pop())
            continue
        whole = "\n".join(each.text.rstrip() for each in pending)
        if whole.count('"') % 2:
            continue  # the cell goes on in the next line
        out += _cells(pending, whole, is_log=is_log)
        pending = []
    return [*out, *pending]


def _cells(lines: list[Line], whole: str, *, is_log: bool) -> list[Line]:
    try:
        cells = next(csv.reader([whole], strict=True))
    except (csv.Error, StopIteration):
        cells = []
    if len(cells) > 1 and is_log:
        cells = [cell for cell in cells if LOGGED_PLAN.match(cell)] or [""]
    if len(cells) != 1:
        # a tool that doubles no quotes inside; JSON's own members are no cells
        quoted = len(lines) == 1 and not re.match(r'"[^"]*":', whole) and re.fullmatch(r'"(.*)"\s*', whole)
        return [Line(lines[0].number, quoted[1])] if quoted else lines
    last = lines[-1].number
    return [Line(min(lines[0].number + i, last), text) for i, text in enumerate(cells[0].split("\n"))]
