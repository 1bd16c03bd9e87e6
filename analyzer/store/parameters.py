"""Real parameter values, seen in pg_stat_activity or in the log, encrypted, a few per statement."""

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from analyzer.models import Database, ParameterSample, Statement
from analyzer.store.secrets import CannotDecrypt, decrypt, encrypt

# The newest two say what is typical, the slowest one what hurts.
KEPT_PER_STATEMENT = 3


@dataclass(frozen=True, slots=True)
class SeenText:
    statement_id: int
    sql: str  # with its values
    taken_at: datetime
    duration_ms: float | None


def keep_samples(database: Database, seen: Iterable[SeenText]) -> None:
    """Keep the newest and the slowest text of each statement; what they replace is deleted."""
    newest = {text.statement_id: text for text in seen}
    ParameterSample.objects.bulk_create(
        ParameterSample(
            statement_id=text.statement_id,
            database=database,
            taken_at=text.taken_at,
            duration_ms=text.duration_ms,
            sql_encrypted=encrypt(text.sql),
        )
        for text in newest.values()
    )
    samples: dict[int, list[ParameterSample]] = {}
    kept = ParameterSample.objects.filter(database=database, statement_id__in=newest).defer("sql_encrypted")
    for sample in kept.order_by("-taken_at"):
        samples.setdefault(sample.statement_id, []).append(sample)
    surplus: list[int] = []
    for of_statement in samples.values():
        keep = of_statement[: KEPT_PER_STATEMENT - 1]
        rest = sorted(of_statement[KEPT_PER_STATEMENT - 1 :], key=lambda s: -(s.duration_ms or 0))
        surplus.extend(s.pk for s in rest[KEPT_PER_STATEMENT - len(keep) :])
    ParameterSample.objects.filter(pk__in=surplus).delete()


def samples_of(statement: Statement, database: Database) -> list[str]:
    """Texts with real values, the newest first; those whose key is gone are left out."""
    return samples_by_statement([statement.pk], database).get(statement.pk, [])


def samples_by_statement(statement_ids: Collection[int], database: Database) -> dict[int, list[str]]:
    """As ``samples_of`` for many statements, by id. One query."""
    texts: dict[int, list[str]] = {}
    samples = ParameterSample.objects.filter(statement_id__in=statement_ids, database=database)
    for sample in samples.order_by("-taken_at", "pk"):
        with contextlib.suppress(CannotDecrypt):
            texts.setdefault(sample.statement_id, []).append(decrypt(sample.sql_encrypted))
    return texts
