"""Plans whose fields other programs renamed, with EXPLAIN's names again.

pg_store_plans keeps JSON with a letter for each name and for many values (its ``plan_format`` ``raw``): the letters are
those of its documentation and cannot change, since stored plans hold them. Programs that map plans to objects write
``node_type`` or ``nodeType``.
"""

from collections.abc import Mapping
from typing import Any

from analyzer.plans.fields import field_named


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split("|"))


# pg_store_plans 1.9 (PostgreSQL 9.4 to 17)
NAMES = _pairs(
    "t=Node Type|h=Parent Relationship|n=Relation Name|f=Function Name|i=Index Name|c=CTE Name|w=Relation|"
    "s=Schema|a=Alias|o=Output|d=Scan Direction|m=Merge Cond|g=Strategy|j=Join Type|e=Sort Method|k=Sort Key|"
    "5=Filter|6=Join Filter|7=Hash Cond|8=Index Cond|9=TID Cond|0=Recheck Cond|!=Operation|q=Subplan Name|"
    "b=Command|r=Triggers|u=Trigger|v=Trigger Name|x=Constraint Name|l=Plans|p=Plan|-=Group Key|\\=Group Keys|"
    "~=Hash Keys|`=Parallel Aware|>=Partial Mode|{=Workers Planned|}=Workers Launched|?=Inner Unique|"
    "ac=Async Capable|y=Function Call|1=Startup Cost|2=Total Cost|3=Plan Rows|4=Plan Width|A=Actual Startup Time|"
    "B=Actual Total Time|C=Actual Rows|D=Actual Loops|E=Heap Fetches|F=Shared Hit Blocks|G=Shared Read Blocks|"
    "H=Shared Dirtied Blocks|I=Shared Written Blocks|J=Local Hit Blocks|K=Local Read Blocks|"
    "L=Local Dirtied Blocks|M=Local Written Blocks|N=Temp Read Blocks|O=Temp Written Blocks|P=I/O Read Time|"
    "Q=I/O Write Time|R=Sort Space Used|S=Sort Space Type|T=Peak Memory Usage|U=Original Hash Batches|"
    "*=Original Hash Buckets|V=Hash Batches|W=Hash Buckets|X=Rows Removed by Filter|"
    "Y=Rows Removed by Index Recheck|Z=Time|z=Calls|#=Planning Time|$=Execution Time|&=Exact Heap Blocks|"
    "(=Lossy Heap Blocks|)=Rows Removed by Join Filter|_=Target Tables|%=Conflict Resolution|"
    "@=Conflict Arbiter Indexes|^=Tuples Inserted|+=Conflicting Tuples|:=Sampling Method|;=Sampling Parameters|"
    "<=Repeatable Seed|[=Workers|]=Worker Number|aa=Table Function Name|pk=Presorted Key|fg=Full-sort Groups|"
    "su=Sort Methods Used|sm=Sort Space Memory|gc=Group Count|as=Average Sort Space Used|ps=Peak Sort Space Used|"
    "pg=Pre-sorted Groups"
)
NAMES.update({"=": "Grouping Sets", "|": "Hash Key"})
NODE_TYPES = _pairs(
    "a=Result|b=ModifyTable|c=Append|d=Merge Append|e=Recursive Union|f=BitmapAnd|g=BitmapOr|h=Seq Scan|"
    "i=Index Scan|j=Index Only Scan|k=Bitmap Index Scan|l=Bitmap Heap Scan|m=Tid Scan|n=Subquery Scan|"
    "o=Function Scan|p=Values Scan|q=CTE Scan|r=WorkTable Scan|s=Foreign Scan|t=Nested Loop|u=Merge Join|"
    "v=Hash Join|w=Materialize|x=Sort|y=Group|z=Aggregate|0=WindowAgg|1=Unique|2=Hash|3=SetOp|4=LockRows|5=Limit|"
    "6=Gather|7=ProjectSet|8=Table Function Scan|9=Named Tuplestore Scan|A=Gather Merge|B=Sample Scan|"
    "C=Incremental Sort|D=Tid Range Scan|E=Memoize"
)
VALUES: Mapping[str, Mapping[str, str]] = {
    "Node Type": NODE_TYPES,
    "Parent Relationship": {
        "o": "Outer", "i": "Inner", "s": "Subquery", "m": "Member", "I": "InitPlan", "S": "SubPlan"},
    "Scan Direction": {"b": "Backward", "n": "NoMovement", "f": "Forward"},
    "Strategy": {"p": "Plain", "s": "Sorted", "h": "Hashed", "m": "Mixed"},
    "Operation": {"i": "Insert", "d": "Delete", "u": "Update"},
    "Join Type": {"i": "Inner", "l": "Left", "f": "Full", "r": "Right", "s": "Semi", "a": "Anti"},
    "Command": {"i": "Intersect", "I": "Intersect All", "e": "Except", "E": "Except All"},
    "Sort Method": {"h": "top-N heapsort", "q": "quicksort", "e": "external sort", "E": "external merge",
                    "s": "still in progress"},
    "Sort Space Type": {"d": "Disk", "m": "Memory"},
    "Partial Mode": {"p": "Partial", "f": "Finalize", "s": "Simple"},
}  # fmt: skip
CHILDREN = ("children", "childNodes", "child_nodes", "nodes", "subPlans", "sub_plans")


def is_short(entry: Mapping[Any, Any]) -> bool:
    """Whether pg_store_plans wrote it: a plan under ``p``, or a node of a type with a letter."""
    plan = entry.get("p", entry)
    return isinstance(plan, Mapping) and isinstance(plan.get("t"), str) and len(plan["t"]) == 1


def is_respelled(entry: Mapping[Any, Any]) -> bool:
    """Whether it is a node, or holds one as its plan, under another spelling of EXPLAIN's names."""
    for key, value in entry.items():
        name = field_named(key) if isinstance(key, str) else ""
        if name == "Node Type" and isinstance(value, str):
            return True
        if name == "Plan" and isinstance(value, Mapping) and any(field_named(str(k)) == "Node Type" for k in value):
            return True
    return False


def with_long_names(entry: Mapping[Any, Any]) -> dict[str, Any]:
    """A copy with EXPLAIN's names for fields and values, whatever the depth; ``None`` is left out."""
    short = is_short(entry)
    made: dict[str, Any] = {}
    waiting: list[tuple[Any, Any]] = [(entry, made)]
    while waiting:
        source, target = waiting.pop()
        members = source.items() if isinstance(source, Mapping) else enumerate(source)
        for key, value in members:
            name = key
            if isinstance(target, dict):
                name = NAMES.get(str(key), str(key)) if short else _respelled(str(key))
                if short and isinstance(value, str):
                    value = VALUES.get(name, {}).get(value, value)
            if isinstance(value, Mapping | list):
                copy: Any = {} if isinstance(value, Mapping) else []
                waiting.append((value, copy))
                value = copy
            if isinstance(target, list):
                target.append(value)
            elif value is not None:
                target[name] = value
    return made


def _respelled(key: str) -> str:
    return "Plans" if key in CHILDREN else field_named(key)
