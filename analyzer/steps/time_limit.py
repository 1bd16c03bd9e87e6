"""Errors that end a step for all its statements: the task's time is up."""

from celery.exceptions import SoftTimeLimitExceeded

STOP_ON = (SoftTimeLimitExceeded,)
