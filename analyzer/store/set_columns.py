"""Which columns the recorded UPDATEs of a database set; and which of those that are always NULL its statements name."""

import re
from collections.abc import Mapping

from analyzer.models import Database, Statement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.named_columns import columns_named
from analyzer.statements.set_columns import columns_set
from analyzer.store.series.totals import StatementRate

MOST_NAMES = 500  # judgement: each is looked for in every text
LEAST_UPDATED = 10_000  # rows; judgement: a tenth of what is worth a finding (SC055)
UPDATES = r"\mupdate\M.*\mset\M"  # in any kind of statement: WITH, MERGE and PREPARE have some, too


def recorded_columns_set(
    database: Database, facts: SchemaFacts, daily: Mapping[int, StatementRate]
) -> dict[str, frozenset[str]] | None:
    """As ``columns_set``, of what ran in the last day. One query, and none where few rows were updated: then None, as
    where nothing was recorded."""
    if not daily or not any(table.activity.updated_rows >= LEAST_UPDATED for table in facts):
        return None
    return columns_set(_texts(database, daily, UPDATES), facts)


def recorded_columns_named(
    database: Database, facts: SchemaFacts, daily: Mapping[int, StatementRate]
) -> dict[str, frozenset[str]] | None:
    """As ``columns_named``, of what ran in the last day with the name of a column that is always NULL. One query, and
    none where there is no such column; None where nothing was recorded, or there are too many to look for.
    """
    names = {c.name for table in facts for c in table.columns if c.null_frac == 1}
    if not daily or len(names) > MOST_NAMES:
        return None
    if not names:
        return {}
    return columns_named(_texts(database, daily, "|".join(sorted(map(re.escape, names)))), facts)


def _texts(database: Database, daily: Mapping[int, StatementRate], pattern: str) -> list[str]:
    statements = Statement.objects.filter(
        normalized_sql__iregex=pattern, server_id=database.server_id, pk__in=list(daily),
        text_state=Statement.TextState.OK, entries__database_oid=database.oid, entries__is_own=False,
    ).distinct()  # fmt: skip
    return list(statements.values_list("normalized_sql", flat=True))
