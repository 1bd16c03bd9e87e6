"""How often one may try: counted in the store, so several processes count together and Redis is not needed.

An attempt is written down before it is carried out, then counted: many at once cannot all slip through the gap
between counting and writing. A success, and a refused attempt, take their own row away again, so a door opens
``WITHIN`` after the failures that closed it however often somebody rattles at it.
"""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac

from dashboard.models import LoginAttempt

WITHIN = timedelta(minutes=15)
KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """How many within ``WITHIN``."""

    per_network: int
    per_name: int


LIMITS = {
    # Judgement: a person who forgot which password it was needs fewer. Twice as many per name as per address, so
    # that one address cannot close the door for somebody else; from many addresses it can, for 15 minutes.
    LoginAttempt.Kind.PASSWORD: Limit(per_network=10, per_name=20),
    # Judgement: each may send a mail to somebody who did not ask for it.
    LoginAttempt.Kind.RESET: Limit(per_network=10, per_name=3),
}


def begin(kind: LoginAttempt.Kind, network: str, name: str) -> LoginAttempt | None:
    """The attempt, counted as failed until ``forget``; None when it is one too many."""
    now = timezone.now()
    LoginAttempt.objects.filter(at__lt=now - KEPT).delete()
    attempt = LoginAttempt.objects.create(kind=kind, network=network, name_hash=hash_of(name))
    counts = LoginAttempt.objects.filter(
        Q(network=network) | Q(name_hash=attempt.name_hash), kind=kind, at__gt=now - WITHIN
    ).aggregate(
        of_network=Count("pk", filter=Q(network=network)),
        of_name=Count("pk", filter=Q(name_hash=attempt.name_hash)),
    )
    limit = LIMITS[kind]
    if (network and counts["of_network"] > limit.per_network) or counts["of_name"] > limit.per_name:
        attempt.delete()
        return None
    return attempt


def forget(attempt: LoginAttempt) -> None:
    """It succeeded: the failures of this name from this network before it were a person's slips.

    Others of the network stay: whoever has one account must not buy new guesses at another with it.
    """
    LoginAttempt.objects.filter(kind=attempt.kind, network=attempt.network, name_hash=attempt.name_hash).delete()


def hash_of(name: str) -> str:
    return salted_hmac("dashboard.LoginAttempt", name.strip().casefold(), algorithm="sha256").hexdigest()
