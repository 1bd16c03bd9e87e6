"""Celery's signals -> analyzer.runtime.workers: who works, and how the tasks without a server last went."""

import logging
from typing import Any

from celery import signals

from analyzer.runtime import workers
from analyzer.runtime.log_lines import VisibleFormatter
from analyzer.runtime.processes import die_with_parent

_heartbeat: workers.Heartbeat | None = None


@signals.after_setup_logger.connect(weak=False)  # type: ignore[untyped-decorator]
@signals.after_setup_task_logger.connect(weak=False)  # type: ignore[untyped-decorator]
def _spell_out(logger: logging.Logger, **_: Any) -> None:
    """Celery puts its own formatters in the place of Django's."""
    for handler in logger.handlers:
        handler.setFormatter(VisibleFormatter(around=handler.formatter or logging.Formatter()))


@signals.celeryd_after_setup.connect(weak=False)  # type: ignore[untyped-decorator]
def _begin(sender: str, instance: Any, **_: Any) -> None:
    global _heartbeat
    _heartbeat = workers.Heartbeat(sender, sorted(instance.app.amqp.queues.consume_from), instance.concurrency)
    _heartbeat.forget_the_gone()


@signals.worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
def _follow(**_: Any) -> None:
    """A process of the pool ends with its worker, however that ends."""
    die_with_parent()


@signals.heartbeat_sent.connect(weak=False)  # type: ignore[untyped-decorator]
def _beat(**_: Any) -> None:
    if _heartbeat is not None:
        _heartbeat.beat()


@signals.worker_shutdown.connect(weak=False)  # type: ignore[untyped-decorator]
def _leave(**_: Any) -> None:
    if _heartbeat is not None:
        _heartbeat.leave()


@signals.task_postrun.connect(weak=False)  # type: ignore[untyped-decorator]
def _keep_last_run(task: Any, state: str | None = None, retval: Any = None, **_: Any) -> None:
    if task.name in workers.WATCHED and state:
        workers.keep_last_run(task.name, state, type(retval).__name__ if state == "FAILURE" else "")


@signals.after_task_publish.connect(weak=False)  # type: ignore[untyped-decorator]
def _beat_lives(sender: str | None = None, **_: Any) -> None:
    if sender == "analyzer.tasks.tick":  # only beat sends it
        workers.touch_alive_file()
