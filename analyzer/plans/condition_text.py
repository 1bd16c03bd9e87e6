"""EXPLAIN's expressions as a text that PostgreSQL's parser takes, and cut where AND or OR join them."""

import re

SUBPLAN, HASHED, INITPLAN, ANY = "_explain_subplan", "_explain_hashed", "_explain_initplan", "_explain_any"
OWN_WORDS = frozenset((SUBPLAN, HASHED, INITPLAN, ANY))
QUOTED = r'"(?:[^"]|"")*"|\'[^\']*\''
NUMBER = r"(?P<n{0}>\d+)"
# EXPLAIN's own notation -> function calls; NUMBER is the subplan's
NOTATION: tuple[tuple[str, str], ...] = (
    (r"\(alternatives: (?:hashed )?SubPlan NUMBER or (?:hashed )?SubPlan \d+\)", f"({SUBPLAN}(NUMBER))"),
    (r"\((?:rescan )?hashed SubPlan NUMBER\)(?:\.col\d+)?", f"({HASHED}(NUMBER))"),
    (r"\b(?:EXISTS|ARRAY)\((?:rescan )?(?:hashed )?SubPlan NUMBER\)", f"({SUBPLAN}(NUMBER))"),
    (r"\((?:rescan )?SubPlan NUMBER\)(?:\.col\d+)?", f"({SUBPLAN}(NUMBER))"),
    (r"\((?:rescan )?InitPlan NUMBER\)(?:\.col\d+)?", f"({INITPLAN}(NUMBER))"),
    (r"(?<=\()(?:ANY|ALL|ROWCOMPARE) (?=\()", ANY),
    (r"\bOVER \(\?\)", "OVER ()"),
    (r"\bPARTIAL (?=[\w\"])", ""),
)
EITHER = re.compile(
    "|".join(
        [
            f"(?P<quoted>{QUOTED})",
            *(f"(?P<w{i}>{p.replace('NUMBER', NUMBER.format(i))})" for i, (p, _) in enumerate(NOTATION)),
        ]
    )
)
EDGE = re.compile(rf"{QUOTED}|[()]| (?:AND|OR) ")


def parsable(text: str) -> str:
    """``(a = (InitPlan 1).col1)`` -> ``(a = (_explain_initplan(1)))``; quoted names and strings stay."""
    return EITHER.sub(_in_words, text)


def _in_words(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return match[0]
    i, words = next((i, words) for i, (_, words) in enumerate(NOTATION) if match[f"w{i}"] is not None)
    return words.replace("NUMBER", match[f"n{i}"]) if "NUMBER" in words else words


def pieces(text: str, joined_by: str) -> list[str]:
    """``((a = 1) AND (b = 2))`` by ``AND`` -> ``["(a = 1)", "(b = 2)"]``; PostgreSQL puts each in parentheses."""
    if not text.startswith("("):
        return [text]
    depth, start, parts = 0, 1, []
    for edge in EDGE.finditer(text):
        if edge[0] == "(":
            depth += 1
        elif edge[0] == ")":
            depth -= 1
            if depth == 0:
                if edge.end() != len(text):
                    return [text]  # (a)::text ~~ '?': the first parenthesis is not the whole's
                parts.append(text[start : edge.start()])
        elif depth == 1 and edge[0].strip() == joined_by:
            parts.append(text[start : edge.start()])
            start = edge.end()
    return parts if len(parts) > 1 else [text]
