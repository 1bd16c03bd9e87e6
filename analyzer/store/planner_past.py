"""What a monitored database's planner knew when: kept piece by piece, each when it changed, encrypted.

Two days of every change, then one a day, as long as ``ANALYZER_KEEP_PLANNER_DAYS`` says; 0 keeps none and deletes what
is there.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from analyzer.behaviour.planner_past import FIGURES, Piece, PlannerPast, from_pieces, to_pieces
from analyzer.models import Database, PlannerPiece, PlanPeriodRecord
from analyzer.store.secrets import CannotDecrypt, decrypt, encrypt

EVERY_CHANGE_FOR = timedelta(days=2)
SAME_FIGURE = 0.05  # judgement: a table that moved by less is the same, unless it moves on


def keep_past(database: Database, past: PlannerPast, now: datetime) -> int:
    """Pieces that changed; the others were seen once more. How many changed."""
    if not settings.ANALYZER_KEEP_PLANNER_DAYS:
        return 0
    pieces = to_pieces(past)
    with transaction.atomic():
        Database.objects.select_for_update().get(pk=database.pk)  # one reading at a time
        newest = {(p.kind, p.name): p for p in _newest(database)}
        changed = []
        for key, data in pieces.items():
            known = newest.get(key)
            digest = _digest(data)
            if known is None or (known.digest != digest and not _is_same(known, data)):
                changed.append(
                    PlannerPiece(
                        database=database, kind=key[0], name=key[1], digest=digest, first_seen=now, last_seen=now,
                        data_encrypted=_packed(data),
                    )
                )  # fmt: skip
        there = [newest[key].pk for key in pieces.keys() & newest.keys()]
        again = set(there) - {newest[c.kind, c.name].pk for c in changed if (c.kind, c.name) in newest}
        PlannerPiece.objects.filter(pk__in=again).update(last_seen=now)
        PlannerPiece.objects.bulk_create(changed, batch_size=100)
    return len(changed)


def past_at(database: Database, at: datetime, until: datetime) -> PlannerPast | None:
    """As last read at or before that moment; what was not kept that early, as first read before ``until``.

    None where nothing was kept.
    """
    pieces = PlannerPiece.objects.filter(database=database)
    newest_first = pieces.filter(first_seen__lte=at).order_by("kind", "name", "-first_seen")
    oldest_first = pieces.filter(first_seen__gt=at, first_seen__lt=until).order_by("kind", "name", "first_seen")
    found: dict[Piece, Any] = {}
    for wanted in (newest_first, oldest_first):
        for piece in wanted.distinct("kind", "name").iterator(chunk_size=100):
            if (piece.kind, piece.name) not in found:
                with contextlib.suppress(CannotDecrypt):  # its key is gone
                    found[piece.kind, piece.name] = _unpacked(piece)
    return from_pieces(found) if found else None


def changed_between(
    database: Database, kind: str, name: str, after: datetime
) -> tuple[datetime | None, datetime | None]:
    """When a piece was last seen as it was at ``after``, and first seen otherwise since; None where it was not."""
    pieces = PlannerPiece.objects.filter(database=database, kind=kind, name=name).order_by("first_seen")
    before = pieces.filter(first_seen__lte=after).last() or pieces.first()
    later = pieces.filter(first_seen__gt=before.first_seen).first() if before else None
    return before.last_seen if before else None, later.first_seen if later else None


def drop_old(now: datetime) -> None:
    """What is older than it is kept; of the days before the last two, all but each day's last of a piece."""
    keep_days = settings.ANALYZER_KEEP_PLANNER_DAYS
    if not keep_days:
        PlannerPiece.objects.all().delete()
        PlanPeriodRecord.objects.exclude(sql_encrypted="").update(sql_encrypted="")
        return
    PlannerPiece.objects.filter(last_seen__lt=now - timedelta(days=keep_days)).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from analyzer_plannerpiece where id in (select id from (select id, last_seen, lead(first_seen) over"
            " (partition by database_id, kind, name order by first_seen) as next from analyzer_plannerpiece) as p"
            " where next < %s and date_trunc('day', next) = date_trunc('day', last_seen))",
            [now - EVERY_CHANGE_FOR],
        )


def _newest(database: Database) -> list[PlannerPiece]:
    pieces = PlannerPiece.objects.filter(database=database).order_by("kind", "name", "-first_seen")
    newest = list(pieces.distinct("kind", "name").defer("data_encrypted"))
    figures = [p.pk for p in newest if p.kind == FIGURES]
    whole = PlannerPiece.objects.in_bulk(figures)
    return [whole.get(p.pk, p) for p in newest]


def _is_same(known: PlannerPiece, data: Mapping[str, Any]) -> bool:
    """Figures that moved a little only: they move all the time."""
    if known.kind != FIGURES:
        return False
    try:
        old, new = (list(_numbers(d)) for d in (_unpacked(known), data))
    except CannotDecrypt:
        return False
    return len(old) == len(new) and all(abs(a - b) <= SAME_FIGURE * max(abs(a), abs(b)) for a, b in zip(old, new))  # noqa: B905


def _numbers(figures: Mapping[str, Any]) -> list[float]:
    plain = [float(value) for name, value in sorted(figures.items()) if name != "indexes"]
    return [*plain, *(float(blocks) for _, blocks in sorted(figures["indexes"].items()))]


def _text(data: Any) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: Any) -> str:
    return hmac.new(str(settings.ENCRYPTION_KEYS[0]).encode(), _text(data), hashlib.sha256).hexdigest()[:32]


def _packed(data: Any) -> str:
    return encrypt(base64.b85encode(zlib.compress(_text(data), level=6)).decode())


def _unpacked(piece: PlannerPiece) -> Any:
    return json.loads(zlib.decompress(base64.b85decode(decrypt(piece.data_encrypted))))
