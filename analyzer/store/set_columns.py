"""Which columns the recorded statements of a database set, and which empty ones they name."""

from collections.abc import Iterable, Mapping
from typing import Any

from analyzer.models import Database, Statement
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.named_columns import empty_columns, empty_columns_named
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
    return columns_set(_texts(database, daily, normalized_sql__iregex=UPDATES), facts)


def recorded_columns_named(
    database: Database, facts: SchemaFacts, daily: Mapping[int, StatementRate]
) -> dict[str, frozenset[str]] | None:
    """As ``empty_columns_named``, of what ran in the last day on tables with such a column. One query, and none where
    there is no such table; None where nothing was recorded."""
    if not daily:
        return None
    empty = empty_columns(facts)
    tables = [name for table in facts if table.qualified_name in empty for name in (table.name, table.qualified_name)]
    return empty_columns_named(_texts(database, daily, tables__overlap=tables), facts) if tables else {}


def _texts(database: Database, daily: Mapping[int, StatementRate], **which: Any) -> Iterable[str]:
    return (
        Statement.objects.filter(
            server_id=database.server_id, pk__in=list(daily), text_state=Statement.TextState.OK,
            entries__database_oid=database.oid, entries__is_own=False, **which,
        ).distinct().values_list("normalized_sql", flat=True)
    )  # fmt: skip
