"""The table of explain.depesz.com, copied as a page's text: EXPLAIN's lines out of it.

Each step has a line of the page's own figures before it, its properties stand behind bullets, numbers have commas
between thousands, and the indentation is gone: what is left is for ``lost_indentation``.
"""

import re

from analyzer.plans.table_cells import Line

HEADER = re.compile(r"#\s+exclusive\s+inclusive\s+rows x\s+rows\s+loops\s+node")
OWN_FIGURES = re.compile(r"\d+\.(?:\s+[\d,.]+){2}\s+[↑↓]\s.*|\d+\.\s*")
# of a line with single spaces: with runs of them it would take a time that is cubic in their number
STEP = re.compile(r"(.+?) ?(\(cost=[\d.,]+ rows=[\d,]+ width=[\d,]+\))? ?(\(actual [^()]*\)|\(never executed\))?")
BULLET = re.compile(r"\s*•\s*(.*)")
TIME = re.compile(r"(Planning|Execution) time\s*:\s*([\d.,]+) ms")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
PLAIN_ROWS = "(actual rows= loops=)"


def out_of_depesz(lines: list[Line]) -> list[Line]:
    """The lines as they are where this is no such page."""
    at = next((at for at, line in enumerate(lines) if HEADER.fullmatch(line.text.strip())), None)
    if at is None:
        return lines
    made: list[Line] = []
    has_root = False
    for line in lines[at + 1 :]:
        text = line.text.strip()
        if not text or OWN_FIGURES.fullmatch(text):
            continue
        bullet, time = BULLET.fullmatch(text), TIME.fullmatch(text)
        if bullet:
            text = _without_commas(bullet[1])
        elif time:
            text = f"{time[1]} Time: {THOUSANDS.sub('', time[2])} ms"
        elif (step := STEP.fullmatch(" ".join(text.split()))) and (step[2] or step[3]):
            figures = THOUSANDS.sub("", " ".join(each for each in step.groups()[1:] if each and each != PLAIN_ROWS))
            text = f"{'->  ' if has_root else ''}{step[1]}  {figures}"
            has_root = True
        made.append(line._replace(text=text))
    return made


def _without_commas(prop: str) -> str:
    """Of a property that is counters; in an expression a comma may stand between elements."""
    return prop if re.search(r"['()\[{]", prop) else THOUSANDS.sub("", prop)
