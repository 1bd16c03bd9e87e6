"""Which columns the recorded UPDATEs of a database set."""

from collections.abc import Mapping

from analyzer.models import Database, Statement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.set_columns import columns_set
from analyzer.store.series.totals import StatementRate

LEAST_UPDATED = 10_000  # rows; judgement: a tenth of what is worth a finding (SC055)
UPDATES = r"\mupdate\M.*\mset\M"  # in any kind of statement: WITH, MERGE and PREPARE have some, too


def recorded_columns_set(
    database: Database, facts: SchemaFacts, daily: Mapping[int, StatementRate]
) -> dict[str, frozenset[str]] | None:
    """As ``columns_set``, of what ran in the last day. One query, and none where few rows were updated: then None, as
    where nothing was recorded."""
    if not daily or not any(table.activity.updated_rows >= LEAST_UPDATED for table in facts):
        return None
    statements = Statement.objects.filter(
        normalized_sql__iregex=UPDATES, server_id=database.server_id, pk__in=list(daily),
        text_state=Statement.TextState.OK, entries__database_oid=database.oid, entries__is_own=False,
    ).distinct()  # fmt: skip
    return columns_set(statements.values_list("normalized_sql", flat=True), facts)
