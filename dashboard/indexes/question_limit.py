"""How much one person may ask of the planner twins: as in ``rate_limit``, counted in the store for all processes.

A question is written down, as long as one may take, before it is asked, and set to what it took afterwards. People are
counted one by one, so that nobody keeps others from asking.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Count, Min, Sum
from django.http import HttpRequest
from django.utils import timezone

from analyzer.errors import PgLoupeError
from analyzer.questions.ask import LONGEST_S, Busy
from dashboard.models import AuditEntry, TwinQuestion
from dashboard.people import audit_log as audit

WITHIN = timedelta(minutes=5)
KEPT = timedelta(days=1)
# Judgement: a person who reads the answers asks less often. An answer takes a second or two, so 60 of them stay below
# the seconds; of those that take as long as they may, four or five get through.
MOST_QUESTIONS = 60
MOST_S = 150.0


class TooManyQuestions(PgLoupeError):
    """Ask later; the text says why and when."""


@contextmanager
def counted(request: HttpRequest) -> Iterator[None]:
    """Around one question. Raises TooManyQuestions where it is one too many."""
    asked = _begin(request)
    begun = time.monotonic()
    took_s = 0.0
    try:
        yield
        took_s = time.monotonic() - begun
    except Busy:  # it only waited, and for others
        raise
    except BaseException:
        took_s = time.monotonic() - begun
        raise
    finally:
        TwinQuestion.objects.filter(pk=asked.pk).update(took_s=took_s)


def _begin(request: HttpRequest) -> TwinQuestion:
    user, now = request.user, timezone.now()
    assert isinstance(user, User)
    TwinQuestion.objects.filter(at__lt=now - KEPT).delete()
    asked = TwinQuestion.objects.create(user=user, took_s=LONGEST_S)
    before = TwinQuestion.objects.filter(user=user, at__gt=now - WITHIN).exclude(pk=asked.pk)
    sums = before.aggregate(count=Count("pk"), took_s=Sum("took_s"), first=Min("at"))
    took_s = sums["took_s"] or 0.0
    if sums["count"] < MOST_QUESTIONS and took_s < MOST_S:
        return asked
    asked.delete()
    action = "questions_limited"
    # once for each time that it closes, not for each knock
    if not AuditEntry.objects.filter(user_name=user.get_username(), action=action, at__gt=now - WITHIN).exists():
        audit.record(request, action, questions=sums["count"], took_s=round(took_s))
    wait_s = max(1, round((sums["first"] + WITHIN - now).total_seconds()))
    what = (
        f"You have asked {sums['count']} questions in five minutes"
        if sums["count"] >= MOST_QUESTIONS
        else f"Your questions of the last five minutes took {took_s:.0f} s to plan"
    )
    raise TooManyQuestions(f"{what}, which is the most for one person; ask again in {wait_s} s")
