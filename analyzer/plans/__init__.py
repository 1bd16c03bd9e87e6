"""EXPLAIN output as a tree: ``parse_plan`` reads PostgreSQL 13 to 18, ``redact_plan`` takes the values out.

Pure: the standard library and pglast. A field EXPLAIN did not print is ``None``.
"""

from analyzer.plans.buffers import Buffers
from analyzer.plans.node import Plan, PlanError, PlanNode, Trigger
from analyzer.plans.parse import parse_plan, parse_plans
from analyzer.plans.redact import redact_expression, redact_plan

__all__ = [
    "Buffers",
    "Plan",
    "PlanError",
    "PlanNode",
    "Trigger",
    "parse_plan",
    "parse_plans",
    "redact_expression",
    "redact_plan",
]
