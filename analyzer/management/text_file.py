"""A text that a command is given: a file, or standard input as ``-``."""

import sys
from pathlib import Path

from analyzer.errors import BadInput
from analyzer.plans import PlanError
from analyzer.plans.read_plan import decoded
from analyzer.words.sizes import size_words


def name_of(file: str) -> str:
    return "Standard input" if file == "-" else file


def read_text(file: str, *, most_bytes: int) -> str:
    """Raises BadInput with a sentence where it cannot be read, is too large or no UTF-8 or UTF-16."""
    name = name_of(file)
    try:
        data = sys.stdin.buffer.read(most_bytes + 1) if file == "-" else Path(file).read_bytes()
        text = decoded(data, takes_cp1252=False)
    except OSError as problem:
        raise BadInput(f"Cannot read {file}: {problem.strerror}.") from problem
    except PlanError as problem:
        raise BadInput(f"{name} is not UTF-8 text.") from problem
    if len(data) > most_bytes:
        raise BadInput(f"{name} is larger than {size_words(most_bytes)}.")
    return text
