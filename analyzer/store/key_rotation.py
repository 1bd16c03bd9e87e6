"""Re-encrypting everything that is encrypted at rest, so that an old key can go."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.apps import apps
from django.conf import settings
from django.db import connection, models

BATCH = 500


@dataclass(slots=True)
class Rotated:
    """Of one column: values under the newest key already, those re-encrypted, and ids of those no key here opens."""

    table: str
    column: str
    current: int = 0
    reencrypted: int = 0
    unreadable_ids: list[int] = field(default_factory=list)


def encrypted_columns() -> list[tuple[type[models.Model], str]]:
    """Every column whose name ends in ``_encrypted``: that is the rule for such columns."""
    return [
        (model, column.name)
        for model in apps.get_models()
        for column in model._meta.concrete_fields
        if column.name.endswith("_encrypted")
    ]


def rotate(*, only_look: bool = False) -> list[Rotated]:
    """Give every value the newest key. Safe to interrupt and repeat, and beside running workers: a value that changed
    meanwhile is left to the next run. ``only_look`` counts what would be done."""
    return [_rotate_column(model, column, only_look) for model, column in encrypted_columns()]


def _rotate_column(model: type[models.Model], column: str, only_look: bool) -> Rotated:
    newest = Fernet(settings.ENCRYPTION_KEYS[0])
    every = MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])
    done = Rotated(model._meta.db_table, column)
    for batch in _batches(model, column):
        changed: list[tuple[int, str, str]] = []
        for pk, token in batch:
            if _opens(newest, token):
                done.current += 1
                continue
            try:
                changed.append((pk, token, every.rotate(token.encode()).decode()))
            except InvalidToken:
                done.unreadable_ids.append(pk)
        done.reencrypted += len(changed) if only_look or not changed else _write(done, changed)
    return done


def _batches(model: type[models.Model], column: str) -> Iterator[list[tuple[int, str]]]:
    last = 0
    while True:
        rows = model._default_manager.filter(pk__gt=last).exclude(**{column: ""}).order_by("pk")
        batch: list[tuple[int, str]] = list(rows.values_list("pk", column)[:BATCH])
        if not batch:
            return
        yield batch
        last = batch[-1][0]


def _opens(fernet: Fernet, token: str) -> bool:
    try:
        fernet.decrypt(token.encode())
    except InvalidToken:
        return False
    return True


def _write(of: Rotated, changed: list[tuple[int, str, str]]) -> int:
    ids, old, new = zip(*changed, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"update {of.table} as t set {of.column} = v.new"
            " from unnest(%s::bigint[], %s::text[], %s::text[]) as v (id, old, new)"
            f" where t.id = v.id and t.{of.column} = v.old",
            [list(ids), list(old), list(new)],
        )
        return int(cursor.rowcount)
