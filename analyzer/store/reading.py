"""What pages and checks read: one import for all of it."""

from analyzer.store.series.timelines import (
    Gap,
    Timeline,
    TimelineBucket,
    server_timeline,
    sparklines,
    statement_timeline,
)
from analyzer.store.series.totals import (
    ORDERS,
    StatementPage,
    StatementRate,
    StatementTotals,
    rates,
    statement_totals,
)
from analyzer.store.series.windows import SPANS, Window
from analyzer.store.series.workload import workload

__all__ = [
    "ORDERS",
    "SPANS",
    "Gap",
    "StatementPage",
    "StatementRate",
    "StatementTotals",
    "Timeline",
    "TimelineBucket",
    "Window",
    "rates",
    "server_timeline",
    "sparklines",
    "statement_timeline",
    "statement_totals",
    "workload",
]  # fmt: skip
