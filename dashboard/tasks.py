"""Celery tasks of what people get. Running one twice does no harm."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from dashboard.mail import queue as mail_queue
from dashboard.mail import report_figures


@shared_task(ignore_result=True, soft_time_limit=240, time_limit=300)
def send_reports(now: str | None = None) -> None:
    """Mails whose hour has come, those to be tried again, and the figures tomorrow's are compared with.

    ``now``: the moment to act at, in ISO format; the clock's by default.
    """
    at = datetime.fromisoformat(now) if now else timezone.now()
    report_figures.keep_impacts(at)
    mail_queue.make_due(at)
    mail_queue.send_due(at)
