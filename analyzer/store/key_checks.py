"""What the server's own look-ups of foreign keys' children took, from the rates of its statements."""

from collections.abc import Mapping

from analyzer.errors import costing_only
from analyzer.models import Database, Statement
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.foreign_keys import KeyCheckTime, foreign_key_owner, unindexed_foreign_keys
from analyzer.statements.key_checks import KeyCheck, key_check_of
from analyzer.store.series.totals import StatementRate

SENT_BY_SERVER = "OPERATOR("  # as in all of them (statements/key_checks.py); nobody else writes it


def key_check_times(
    database: Database, facts: SchemaFacts, daily: Mapping[int, StatementRate]
) -> dict[str, KeyCheckTime]:
    """By foreign_key_owner, of the keys without an index whose look-ups ran. One query."""
    wanted = {
        KeyCheck(table.schema, table.name, frozenset(key.columns)): foreign_key_owner(table, key)
        for table, key in unindexed_foreign_keys(facts)
    }
    if not wanted or not daily:
        return {}
    times: dict[str, KeyCheckTime] = {}
    statements = Statement.objects.filter(
        server_id=database.server_id,
        normalized_sql__contains=SENT_BY_SERVER,
        entries__database_oid=database.oid,
        entries__is_own=False,
    ).distinct()
    for pk, fingerprint, sql in statements.order_by("pk").values_list("pk", "fingerprint", "normalized_sql"):
        rate, check = daily.get(pk), None
        with costing_only(fingerprint, {}):
            check = key_check_of(sql)
        owner = wanted.get(check) if check is not None else None
        if rate is None or owner is None:
            continue
        known = times.get(owner, KeyCheckTime((), 0.0, 0.0, rate.watched_s))
        times[owner] = KeyCheckTime(
            (*known.fingerprints, fingerprint),
            known.calls_per_day + rate.calls_per_day,
            known.time_s_per_day + rate.total_time_s_per_day,
            rate.watched_s,
        )
    return times
