"""What operators of comparisons mean, and what they are from the other side."""

COMPARISONS = {"=": "eq", "<": "lt", "<=": "lt", ">": "gt", ">=": "gt", "<>": "ne", "!=": "ne"}
MIRRORED = {"lt": "gt", "gt": "lt"}
CONTAINMENT = frozenset({"@>", "<@", "&&", "?", "?|", "?&", "@@", "@?", "-|-", "<<", ">>"})
# operators with the other side on their left; those not named here are the same from both sides, or have no other
TURNED = {
    "@>": "<@", "<@": "@>", "<<": ">>", ">>": "<<", "<<=": ">>=", ">>=": "<<=", "&<": "&>", "&>": "&<", "<%": "%>",
    "%>": "<%", "<<%": "%>>", "%>>": "<<%", "<": ">", ">": "<", "<=": ">=", ">=": "<=",
}  # fmt: skip
