"""HypoPG's opinion on what the twin could not plan: one planner for as long as its answer is used."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from analyzer.advice.advise import completed_by
from analyzer.advice.planner import Planner, Refused
from analyzer.advice.proved import ProvedAdvice
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.errors import MonitoredServerError
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.explain.hypopg import hypothetical_planner
from analyzer.schema.facts import SchemaFacts

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")


def second_opinion(
    server: ConnectionSettings, facts: SchemaFacts, ask: Callable[[Planner], Answer], without: Answer
) -> Answer:
    """``ask`` with HypoPG's planner; ``without`` where the server has none or does not answer."""
    if "hypopg" not in facts.extensions:
        return without
    try:
        with hypothetical_planner(server, facts, facts.search_path) as planner:
            return without if isinstance(planner, Refused) else ask(planner)
    except MonitoredServerError as problem:
        logger.warning("HypoPG was not asked: %s", problem)
        return without


def with_second_opinion(
    advice: ProvedAdvice, server: ConnectionSettings, workload: Sequence[WorkloadStatement], facts: SchemaFacts
) -> ProvedAdvice:
    """With HypoPG's advice on what the twin could not plan. Of a budget it gets what the twin's set leaves."""
    if not advice.not_planned:
        return advice
    return second_opinion(server, facts, lambda planner: completed_by(planner, advice, workload, facts), advice)
