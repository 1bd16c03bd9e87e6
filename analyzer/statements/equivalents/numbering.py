"""Numbers of parameters after a rewrite: PostgreSQL prepares no text that has $1 and $3 and no $2.

What a rewrite leaves out (``count(*) > $1`` as EXISTS) may take a parameter along. Those behind it then move up, and it
is said which they were. One that also stands elsewhere has its type from its first place, so it may not go.
"""

import re
from collections import Counter

from pglast import ast

from analyzer.statements.equivalents.calls import parameters
from analyzer.statements.equivalents.notes import Notes
from analyzer.statements.tree import Node, walk
from analyzer.words.lists import and_list

OF_ONE = re.compile(r"\A\$(\d+)(?= )")  # "$2 is a date", of the statement as it comes out


def numbered_again(statement: Node, before: Counter[int], notes: Notes) -> bool:
    """Closes gaps that were not there ``before`` (parameter -> how often it stood there); False: it cannot be written.

    Those that the rewrite added have the lowest free numbers, and keep them.
    """
    after = Counter(parameters((statement,)))
    if any(after[number] < before[number] for number in after):
        return notes.refuse("a parameter that would go stands elsewhere, too: its type may become another")
    numbers = sorted(after)
    if before.keys() <= after.keys() or numbers == list(range(1, len(numbers) + 1)):
        return True
    moved = {old: new for new, old in enumerate(numbers, 1) if old != new}
    for node in {id(node): node for node in walk((statement,)) if isinstance(node, ast.ParamRef)}.values():
        node.number = moved.get(node.number, node.number)
    notes.assumptions = [
        OF_ONE.sub(lambda told: f"${moved.get(int(told[1]), int(told[1]))}", fact) for fact in notes.assumptions
    ]
    verb = "is" if len(moved) == 1 else "are"
    notes.need(
        f"the statement's {and_list([f'${old}' for old in moved])} {verb}"
        f" {and_list([f'${new}' for new in moved.values()])} here"
    )
    return True
