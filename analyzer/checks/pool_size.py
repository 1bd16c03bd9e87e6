"""How many connections a pool needs, by the sessions that were seen at work."""

import math
from collections.abc import Mapping

from analyzer.schema.server import SessionsAtWork
from analyzer.words.durations import DAY_S, span_words
from analyzer.words.lists import counted


def pool_words(at_work: SessionsAtWork | None) -> str:
    """A sentence with a blank before it; "" where it is not known."""
    if at_work is None:
        return ""
    pool = max(1, math.ceil(at_work.usual_most))
    return (
        f" In 99 of 100 minutes of the last {span_words(at_work.watched_days * DAY_S)} at most {at_work.usual_most:.1f}"
        f" sessions were at work on average: a pool in transaction mode can begin with {counted(pool, 'connection')},"
        " and one for each transaction that is usually idle."
    )


def pool_evidence(at_work: SessionsAtWork | None) -> Mapping[str, float | None]:
    return {"usual_most_at_work": round(at_work.usual_most, 1) if at_work is not None else None}
