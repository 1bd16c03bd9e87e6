"""How much a server's counters grew since an earlier reading."""

from collections.abc import Iterator

from analyzer.checks.engine import NotRun
from analyzer.schema.cluster import CheckpointFacts, ClusterFacts, DatabaseFacts
from analyzer.words.durations import span_words


def watched(facts: ClusterFacts) -> float:
    """Seconds between the two readings."""
    if facts.earlier is None:
        raise NotRun("needs a second reading, an hour after the first")
    if facts.since_earlier_s is None or facts.since_earlier_s <= 0:
        raise NotRun("the server was restarted since the earlier reading")
    return facts.since_earlier_s


def watched_words(facts: ClusterFacts) -> str:
    return span_words(watched(facts))


def databases_then(facts: ClusterFacts) -> Iterator[tuple[DatabaseFacts, DatabaseFacts]]:
    """Each database now and at the earlier reading; without those whose counters were reset in between."""
    watched(facts)
    if facts.databases is None or facts.earlier is None or facts.earlier.databases is None:
        raise NotRun(facts.parts_not_read.get("databases", "the databases' counters have not been read"))
    before = {database.oid: database for database in facts.earlier.databases}
    for database in facts.databases:
        then = before.get(database.oid)
        if then is None or database.commits < then.commits:
            continue
        if then.stats_reset in (None, database.stats_reset):  # None: nothing had been counted yet
            yield database, then


def checkpoints_then(facts: ClusterFacts) -> tuple[CheckpointFacts, CheckpointFacts]:
    watched(facts)
    now, then = facts.checkpoints, facts.earlier.checkpoints if facts.earlier is not None else None
    if now is None or then is None:
        raise NotRun(facts.parts_not_read.get("checkpoints", "the checkpoints have not been read"))
    if now.stats_reset != then.stats_reset or now.timed < then.timed or now.requested < then.requested:
        raise NotRun("the counters of checkpoints were reset since the earlier reading")
    return now, then
