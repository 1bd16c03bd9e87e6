"""A plan's shape: which steps in which order on which tables and indexes, without constants and figures.

Two plans of one statement with one shape are kept once. Left out because they vary without the plan
changing: costs, rows, constants and their casts, column qualifiers (printed only with VERBOSE or several
tables), numbers of subplans, which partitions were left after pruning, and how 17 and later write subplans
and InitPlans.
"""

import hashlib
import re

from analyzer.plans.literals import replace_literals, without_casts_of
from analyzer.plans.node import CONDITION_KEYS, Plan, PlanNode

APPENDS = ("Append", "Merge Append")
QUALIFIER = re.compile(r'(?:"(?:[^"]|"")*"|[^\W\d][\w$]*)\.(?=["\w])')
INITPLAN_VALUE = re.compile(r"\(InitPlan \d+\)\.col\d+|\$\d+")
PLACEHOLDER = re.compile(r"\?\)*")
SUBPLAN_NUMBER = re.compile(r"\b(SubPlan|InitPlan) \d+( \(returns [^)]*\))?")
EXISTS_SUBPLAN = re.compile(r"EXISTS\((?=SubPlan)")
SUBPLAN_TEST = re.compile(r"\((?:ANY|ALL) \(")
DIGITS = re.compile(r"\d+")
SUBPLAN_COLUMN = re.compile(r"\((hashed )?SubPlan\)\.col\d+")


def shape_of(plan: Plan, *, in_any_order: bool = False) -> str:
    """16 hexadecimal digits; equal shapes are equal plans but for constants, figures and cosmetics.

    ``in_any_order``: neither does it matter in which order a condition's words stand. Versions write ``b = a`` for
    ``a = b``; two plans of one statement are meant.
    """
    return _shape(plan, in_any_order=True) if in_any_order else plan.once(_shape)


def _shape(plan: Plan, *, in_any_order: bool = False) -> str:
    in_append: set[int] = set()
    for node in plan:
        if node.parent and (node.parent.node_type in APPENDS or id(node.parent) in in_append):
            in_append.add(id(node))
    digests: dict[int, str] = {}
    for node in reversed(plan.nodes):  # children stand behind their parents: no recursion
        below = [digests[id(child)] for child in node.children]
        if node.node_type in APPENDS:
            below = sorted(set(below))  # as many partitions as the constants leave
        parts = _parts(node, id(node) in in_append)
        if in_any_order:
            parts = [" ".join(sorted(part.replace("=", " = ").split())) for part in parts]
        text = "\x1f".join((*parts, *below))
        digests[id(node)] = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return digests[id(plan.root)]


def _parts(node: PlanNode, in_append: bool) -> list[str]:
    relation, index = node.relation_name or "", node.index_name or ""
    alias = node.alias or ""
    if in_append or (alias and relation.startswith(f"{alias}_")):  # a partition, by its name
        relation, index = DIGITS.sub("#", relation), DIGITS.sub("#", index)
    parts = [
        node.node_type,
        "" if node.parent and node.parent.node_type == "ModifyTable" else node.parent_relationship or "",
        SUBPLAN_NUMBER.sub(r"\1", node.subplan_name or ""),
        f"{node.schema}.{relation}" if node.schema and relation else relation,
        index,
        node.join_type or "",
        *(str(node.raw.get(key, "")) for key in ("Strategy", "Command", "Operation", "CTE Name", "Function Name")),
    ]
    parts += [f"{key}={condition_shape(text)}" for key in CONDITION_KEYS if (text := node.expression(key))]
    sort_key = node.raw.get("Sort Key")
    if isinstance(sort_key, list):
        parts.append("Sort Key=" + ",".join(condition_shape(str(item)) for item in sort_key))
    return parts


def condition_shape(text: str) -> str:
    """``(o.status = 'new'::text)`` and ``(status = 'paid'::text)`` -> ``(status = ?)``."""
    text = replace_literals(text, string=lambda _: "?", number="?", comment=" ", drop_casts=True)
    text = without_casts_of(PLACEHOLDER, INITPLAN_VALUE.sub("?", text))
    text = SUBPLAN_NUMBER.sub(r"\1", text)
    text = EXISTS_SUBPLAN.sub("(", text)
    text = QUALIFIER.sub("", _plain_subplans(text))
    return re.sub(r"[\s()]+", " ", text).strip()


def _plain_subplans(text: str) -> str:
    """17 writes ``(ANY (id = (hashed SubPlan 1).col1))`` for what was ``(hashed SubPlan 1)``."""
    at = 0
    while test := SUBPLAN_TEST.search(text, at):
        end, depth = test.start(), 0
        for end in range(test.start(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                break
        inside = text[test.start() : end + 1]
        at = test.end()
        if match := SUBPLAN_COLUMN.search(inside):
            text = f"{text[: test.start()]}({match[1] or ''}SubPlan){text[end + 1 :]}"
            at = test.start()
    return text
