"""Celery tasks: an id in, one pipeline call. Running one twice does no harm."""

import os
from collections.abc import Callable
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from analyzer.models import Server
from analyzer.monitored.deadlines import deadlines
from analyzer.steps import check, logs, schedule, schema
from analyzer.steps import run as pipeline
from analyzer.steps import texts as naming
from analyzer.store import locks, tidying

TICK_LIMIT_S = 60.0
ADVISE_AGAIN_AFTER = timedelta(seconds=15)  # while another server's is under way


@shared_task(ignore_result=True, soft_time_limit=20, time_limit=30)
def tick() -> None:
    """Start what is due. Each step of each server is a task of its own, so a slow server delays no other.

    The step ``activity`` is not among them (session_process.py).
    """
    # its worker has no pool (--pool solo), which alone would keep the time limits above
    with deadlines.within(TICK_LIMIT_S, lambda: os._exit(os.EX_TEMPFAIL)):
        for due in schedule.claim_due_steps(timezone.now(), tuple(TASKS)):
            TASKS[due.step].apply_async((due.server_id,), expires=due.expires_s)


@shared_task(ignore_result=True, soft_time_limit=60, time_limit=90)
def take_snapshot(server_id: int) -> None:
    _run(server_id, "snapshot", pipeline.take_snapshot)


@shared_task(ignore_result=True, soft_time_limit=120, time_limit=150)
def read_texts(server_id: int) -> None:
    _run(server_id, "texts", naming.read_texts)


@shared_task(ignore_result=True, soft_time_limit=300, time_limit=330)
def read_schema(server_id: int) -> None:
    _run(server_id, "schema", schema.read_schema)


@shared_task(ignore_result=True, soft_time_limit=600, time_limit=660)
def explain_statements(server_id: int) -> None:
    _run(server_id, "explain", pipeline.explain_statements)


@shared_task(ignore_result=True, soft_time_limit=300, time_limit=330)
def check_server(server_id: int) -> None:
    _run(server_id, "check", check.check_server)


@shared_task(ignore_result=True, soft_time_limit=900, time_limit=960)
def advise_on_indexes(server_id: int) -> None:
    """One at a time on a machine: it may take a quarter of an hour, and two would hold up the checks of all servers."""
    with locks.first_on_this_machine(locks.ADVICE) as is_ours:
        if is_ours:
            _run(server_id, "advise", pipeline.advise_on_indexes)
        else:
            schedule.put_off(server_id, "advise", until=timezone.now() + ADVISE_AGAIN_AFTER)


@shared_task(ignore_result=True, soft_time_limit=120, time_limit=150)
def read_server_log(server_id: int) -> None:
    _run(server_id, "log", logs.read_log)


@shared_task(ignore_result=True, soft_time_limit=900, time_limit=960)
def tidy_store() -> None:
    """Pack, roll up, create and drop partitions; remove twins that nobody needs."""
    tidying.tidy_store(timezone.now())
    pipeline.remove_twins()


def _run(server_id: int, step: str, function: Callable[[Server], str]) -> None:
    server = Server.objects.filter(pk=server_id, is_active=True).first()
    if server is not None:  # else it was removed or paused since the tick
        pipeline.run_step(server, step, function)


TASKS = {
    "snapshot": take_snapshot,
    "texts": read_texts,
    "schema": read_schema,
    "explain": explain_statements,
    "check": check_server,
    "advise": advise_on_indexes,
    "log": read_server_log,
}
