"""The Celery app: `celery -A dashboard.celery:app worker|beat`.

Nothing else imports it: the web and the commands start nearly half a second sooner without Celery.
"""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

from dashboard.health import worker_signals  # noqa: F401  (connects itself)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
# They load the pages, which no worker shows: nearly half a second of each process.
os.environ.setdefault("CELERY_SKIP_CHECKS", "true")

# By the URL's scheme, not by CELERY_BROKER_TRANSPORT: with that a worker's log shows the class where redis:// was.
TRANSPORT_ALIASES.update(redis="dashboard.health.broker:Transport", rediss="dashboard.health.broker:Transport")

app = Celery("pgloupe")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["analyzer", "dashboard"])
app.conf.beat_schedule = {
    # One tick starts whatever is due for any server: adding a server needs no restart of beat.
    "tick": {"task": "analyzer.tasks.tick", "schedule": 1.0, "options": {"expires": 5}},
    "tidy-store": {"task": "analyzer.tasks.tidy_store", "schedule": 60.0, "options": {"expires": 50}},
    "send-reports": {"task": "dashboard.tasks.send_reports", "schedule": 60.0, "options": {"expires": 55}},
}
