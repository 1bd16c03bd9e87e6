"""Lines of one plan that all begin at the left, as a page without its white space has them, indented again.

Each step says by its type how many inputs it has, and EXPLAIN prints them in pre-order: where all of them have a fixed
number of inputs, and as many steps follow as they ask for, there is one tree only. An Append, and what else takes as
many as there are, may hold only the steps that are left at the end. Subplans belong to the step before them, or to one
further up: a plan with one is left as it is, and refused by whoever reads it.
"""

import re
from collections.abc import Mapping, Sequence

from analyzer.plans.node_line import NODE_FIGURES, node_head
from analyzer.plans.node_types import INPUTS, MANY
from analyzer.plans.plain_lines import ARROW, FIGURES
from analyzer.plans.table_cells import Line
from analyzer.plans.text_footer import FOOTER

STEP = re.compile(rf"{ARROW}\s+(.*)")
# a subplan's name, and what a worker did: of which step, only the indentation tells
AMBIGUOUS = re.compile(r"(?:InitPlan|SubPlan|CTE) |Worker \d+: +actual ")
PROPERTY = re.compile(r"[A-Z][\w /-]*?: ")
COLUMNS = 6  # PostgreSQL's own


def indented(lines: Sequence[Line]) -> Sequence[Line]:
    """Where a plan's lines have lost their indentation and the tree can be told, as EXPLAIN indents them."""
    steps = [at for at, line in enumerate(lines) if STEP.match(line.text.lstrip())]
    top = next((at for at, line in enumerate(lines) if FIGURES.search(line.text)), len(lines))
    if not steps or top >= steps[0]:
        return lines
    in_plan = lines[top : steps[-1] + 2]  # the last step's first property, too
    columns = [len(line.text) - len(line.text.lstrip()) for line in in_plan if line.text]
    if max(columns) - min(columns) > 1:  # of any white space a page leaves one space
        return lines
    bare = [line._replace(text=line.text.lstrip()) for line in lines[top:]]
    if any(AMBIGUOUS.match(line.text) for line in bare):
        return lines
    depths = _depths([bare[0].text, *(_step(bare[at - top].text) for at in steps)])
    if depths is None:
        return lines
    return [*lines[:top], *_with_spaces(bare, dict(zip([0, *(at - top for at in steps)], depths, strict=True)))]


def _step(text: str) -> str:
    match = STEP.match(text)
    return match[1] if match else text


def _with_spaces(lines: Sequence[Line], depths: Mapping[int, int]) -> list[Line]:
    """``depths``: of the lines that are steps. A footer stands at the left, what belongs to it is below it."""
    made: list[Line] = []
    column = 0
    for at, line in enumerate(lines):
        spaces = 0
        if at in depths:
            column = depths[at] * COLUMNS
            spaces = max(0, column - len("->  "))
        elif FOOTER.fullmatch(line.text) or not line.text:
            column = 0 if line.text else -2
        elif PROPERTY.match(line.text):
            spaces = column + 2
        made.append(line._replace(text=" " * spaces + line.text))
    return made


def _depths(texts: Sequence[str]) -> list[int] | None:
    """Of the steps, the top's 0; None where they are no one tree."""
    depths: list[int] = []
    missing: list[float] = [1]  # inputs, of each step that is open
    for text in texts:
        try:
            node = node_head(text) if NODE_FIGURES.search(text) else None
        except ValueError:  # a figure that is no number: who reads the line says so
            node = None
        if node is None or not missing:
            return None
        fewest, most = _inputs(node)
        depths.append(len(missing) - 1)
        missing[-1] -= 1
        if most == MANY:
            if any(left > 0 for left in missing):
                return None  # where its inputs end nobody can say
            missing.append(float(most))
        elif fewest != most:
            return None
        else:
            missing.append(float(fewest))
        while missing and missing[-1] == 0:
            missing.pop()
    return depths if all(left == 0 or left > MANY // 2 for left in missing) else None


def _inputs(node: dict[str, object]) -> tuple[int, int]:
    kind = str(node["Node Type"])
    if kind == "ModifyTable":
        return 1, 1  # to 13 one for each table of an inheritance tree: then steps are left over
    if kind == "SetOp":
        return 1, MANY + 1
    return INPUTS.get(kind, (0, MANY + 1))
