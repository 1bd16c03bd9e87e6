"""Texts of statements -> Statement rows, redacted and fingerprinted; names of databases and roles.

What the server would not or could not show gets a Statement too, by its queryid (fingerprint ``q`` and 16
hexadecimal digits), so that its load is counted; once a text comes, the entry moves to the real one.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from analyzer.errors import costing_only
from analyzer.models import Database, LastReading, Role, Server, Statement, StatementEntry
from analyzer.monitored.readings import Key, NamesByOid, StatementText, is_ours
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.inner_query import counted_text, fetched_cursor, inner_query, planned_kind
from analyzer.statements.parse import parse_statement
from analyzer.statements.secrets import comment_tags, redact_sql
from analyzer.store.cursors import keep_cursors
from analyzer.store.series import deltas, own_entries

HIDDEN_TEXT = "<insufficient privilege>"
TextState = Statement.TextState
READING = "Reading texts"  # how the note of the step ``texts`` begins until they are all there
RETRYABLE = (TextState.HIDDEN, TextState.MISSING)


@dataclass(frozen=True, slots=True)
class _Described:
    fingerprint: str
    normalized_sql: str
    text_state: str
    kind: str = "unknown"
    tables: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    cursor: str = ""  # that it declares or fetches from
    is_fetch: bool = False


def describe(text: str | None, queryid: int) -> _Described:
    """What is kept of a text: never a literal, never a comment; nothing of one that pgLoupe fails at."""
    by_queryid = f"q{queryid & 0xFFFFFFFFFFFFFFFF:016x}"
    with costing_only(by_queryid, {}):
        return _described(text, by_queryid)
    return _Described(by_queryid, "", TextState.DROPPED)


def _described(text: str | None, by_queryid: str) -> _Described:
    if text is None:
        return _Described(by_queryid, "", TextState.MISSING)
    if text.startswith(HIDDEN_TEXT):
        return _Described(by_queryid, "", TextState.HIDDEN)
    redacted = redact_sql(text)
    if redacted is None:
        return _Described(by_queryid, "", TextState.DROPPED)
    tags = comment_tags(text)
    print_ = fingerprint(text)
    if print_ is None:
        return _Described(by_queryid, redacted, TextState.TRUNCATED, tags=tags)
    tables = [str(t) for t in parse_statement(text).tables]
    inner, fetched = inner_query(text), fetched_cursor(text)
    cursor = fetched or (inner.cursor if inner else None) or ""
    return _Described(
        print_, redacted, TextState.OK, planned_kind(text), tables, tags, cursor, is_fetch=fetched is not None
    )


def keep_texts(server: Server, texts: Sequence[StatementText], *, now: datetime | None = None) -> int:
    """Give entries their Statement, or mark them as our own; the number of entries that were dealt with."""
    if not texts:
        return 0
    now = now or timezone.now()
    wanted = {(t.role_oid, t.database_oid, t.queryid, t.toplevel): t for t in texts}
    entries = StatementEntry.objects.filter(server=server, queryid__in={t.queryid for t in texts})
    own: list[int] = []
    due: list[int] = []
    found: list[tuple[StatementEntry, str, _Described]] = []
    cache: dict[tuple[str | None, int], _Described] = {}
    for entry in entries:
        text = wanted.get((entry.role_oid, entry.database_oid, entry.queryid, entry.toplevel))
        if text is None:
            continue
        if is_ours(text.text):
            own.append(entry.pk)
            continue
        if entry.is_text_due:
            due.append(entry.pk)
            if entry.statement_id is not None and not _is_shown(text.text):
                continue  # what was known of it stays
        sql = counted_text(text.text, server.server_version_num or 0, is_toplevel=entry.toplevel)
        key = (sql, text.queryid)
        if key not in cache:
            cache[key] = describe(*key)
        found.append((entry, sql or "", cache[key]))
    cursors: list[tuple[StatementEntry, str, bool]] = []
    by_description: dict[str, list[int]] = defaultdict(list)
    described: dict[str, _Described] = {}
    our_role = own_entries.our_role(server)
    mine = [(e, sql) for e, sql, _ in found if e.role_oid == our_role]
    was_shared = our_role is not None and own_entries.is_shared(server, our_role)
    is_shared = was_shared or any(e.toplevel and own_entries.is_application(sql) for e, sql in mine)
    for entry, sql, description in found:
        if entry.role_oid == our_role and (not is_shared or own_entries.is_ours_by_text(sql)):
            own.append(entry.pk)
            continue
        described.setdefault(description.fingerprint, description)
        by_description[description.fingerprint].append(entry.pk)
        if description.cursor:
            cursors.append((entry, description.cursor, description.is_fetch))
    with transaction.atomic():
        if our_role is not None and is_shared and not was_shared:
            own_entries.give_back(server, our_role)
        own_entries.mark_own(server, own)
        ids = _statement_ids(server, described, now)
        _link(server, {ids[f]: entry_ids for f, entry_ids in by_description.items()})
        StatementEntry.objects.filter(pk__in=due).update(is_text_due=False)
        keep_cursors(server, cursors)
    return len(own) + sum(len(e) for e in by_description.values())


def _is_shown(text: str | None) -> bool:
    return text is not None and not text.startswith(HIDDEN_TEXT)


def _statement_ids(server: Server, described: dict[str, _Described], now: datetime) -> dict[str, int]:
    known = dict(_ids_of(server, described))
    Statement.objects.bulk_create(
        [
            Statement(
                server=server, fingerprint=d.fingerprint, normalized_sql=d.normalized_sql, text_state=d.text_state,
                kind=d.kind, tables=d.tables, tags=d.tags, first_seen=now, last_seen=now,
            )
            for d in described.values()
            if d.fingerprint not in known
        ],
        ignore_conflicts=True,  # another worker may have been faster
    )  # fmt: skip
    if len(known) < len(described):
        known = dict(_ids_of(server, described))
    return known


def _ids_of(server: Server, described: dict[str, _Described]) -> list[tuple[str, int]]:
    return list(
        Statement.objects.filter(server=server, fingerprint__in=list(described)).values_list("fingerprint", "pk")
    )


def _link(server: Server, entries_of: dict[int, list[int]]) -> None:
    """Entries -> statements; stand-ins that lost their last entry go."""
    pairs = [(entry, statement) for statement, entries in entries_of.items() for entry in entries]
    if not pairs:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "with moved as ("
            " select e.id, e.statement_id as before, m.statement_id as after from analyzer_statemententry e"
            " join unnest(%s::bigint[], %s::bigint[]) as m (entry_id, statement_id) on m.entry_id = e.id"
            " where e.statement_id is distinct from m.statement_id for update of e),"
            " done as (update analyzer_statemententry e set statement_id = moved.after from moved"
            "   where e.id = moved.id)"
            " select distinct before from moved where before is not null",
            [[p[0] for p in pairs], [p[1] for p in pairs]],
        )
        left = [before for (before,) in cursor.fetchall()]
    if left:
        Statement.objects.filter(pk__in=left, server=server, text_state__in=RETRYABLE, entries__isnull=True).delete()


def name_vanished(server: Server, present: Iterable[int], now: datetime) -> int:
    """Entries that went before their text was read get a stand-in, and our own that are gone are forgotten.

    ``present``: ids of the entries in the last reading. What comes back later gets its text, or its row, anew.
    """
    gone = StatementEntry.objects.filter(server=server, statement__isnull=True).exclude(pk__in=list(present))
    gone.filter(is_own=True).delete()
    return keep_texts(
        server, [StatementText(e.role_oid, e.database_oid, e.queryid, e.toplevel, None) for e in gone], now=now
    )


def retryable_entries(server_id: int) -> list[int]:
    """Entries whose text the server would not or could not show: asked for again now and then."""
    return list(
        StatementEntry.objects.filter(
            server_id=server_id, statement__text_state__in=RETRYABLE, statement__server_id=server_id
        ).values_list("pk", flat=True)
    )


def waiting(server: Server, *, retry: bool) -> tuple[list[Key], int]:
    """Entries of the last reading whose text is wanted, with ``retry`` the retryable too; and how many it has."""
    last = LastReading.objects.filter(server=server).first()
    reading = deltas.load(bytes(last.data)) if last is not None else None
    if reading is None:
        return [], 0
    due = Q(statement__isnull=True) | Q(is_text_due=True)
    wanted = list(StatementEntry.objects.filter(due, server=server, is_own=False).values_list("pk", flat=True))
    if retry:
        wanted += retryable_entries(server.pk)
    return reading.keys[np.isin(reading.entry_ids, wanted)].tolist(), len(reading.keys)


def keep_names(server: Server, names: NamesByOid) -> None:
    """Databases and roles by oid; only what is new or renamed is written."""
    databases = _changed(dict(server.databases.values_list("oid", "name")), names.databases)
    Database.objects.bulk_create(
        [Database(server=server, oid=o, name=n, is_inspected=n == server.dbname) for o, n in databases.items()],
        update_conflicts=True,
        unique_fields=["server", "oid"],
        update_fields=["name"],
    )
    roles = _changed(dict(server.roles.values_list("oid", "name")), names.roles)
    Role.objects.bulk_create(
        [Role(server=server, oid=o, name=n) for o, n in roles.items()],
        update_conflicts=True,
        unique_fields=["server", "oid"],
        update_fields=["name"],
    )


def _changed(known: dict[int, str], wanted: dict[int, str]) -> dict[int, str]:
    return {oid: name for oid, name in wanted.items() if known.get(oid) != name}
