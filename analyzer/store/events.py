"""What happened to servers, for marks on their charts: one function writes each kind.

A reading tells that something changed since the one before, not when: such an event lies between ``earliest`` and
``at``. What is older than the sums of hours goes (``ANALYZER_KEEP_HOURS_DAYS``); releases are known for as long as days
are kept, so that one that goes on running is no news.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Case, Q, When

from analyzer.models import Database, Server, ServerEvent, Statement
from analyzer.monitored.readings import ServerState
from analyzer.schema.changes import SchemaChange
from analyzer.statements.secrets import RELEASE_TAGS, comment_tags
from analyzer.words.visible import visible_line

Kind = ServerEvent.Kind
LONGEST_LABEL = 100
MOST_RELEASES_A_DAY = 20  # judgement: a tag with more values names no release
OFTEN = timedelta(hours=1)  # judgement: what happens more often is no event
SAME_DEPLOY = timedelta(hours=1)  # judgement: every container of a deploy marks it when it starts
MOST_SHOWN = 500  # of a chart; more are no marks any more
MOST_SETTINGS_NAMED = 5
MOST_TABLES = 100  # of a statement


def note_run(server: Server, before: ServerState, now: ServerState, taken_at: datetime, earliest: datetime) -> None:
    """Restart, other version, other server, reset of the counters, by two readings of pg_stat_statements.

    The server's clock says how long before its reading something was, the store's when the reading was taken.
    """

    def by_our_clock(at: datetime) -> datetime:
        return min(max(taken_at - (now.taken_at - at), earliest), taken_at)

    events = []
    started = by_our_clock(now.started_at)
    if now.server_version_num != before.server_version_num:
        versions = f"PostgreSQL {_version(before.server_version_num)} became {_version(now.server_version_num)}"
        events.append(ServerEvent(kind=Kind.VERSION, at=started, description=versions))
    elif before.is_in_recovery and not now.is_in_recovery:
        events.append(
            ServerEvent(kind=Kind.TAKEOVER, at=taken_at, earliest=earliest, description="Promoted from standby")
        )
    elif now.started_at != before.started_at and now.started_at < before.taken_at:
        said = "PostgreSQL answers that was started before: another server, or its clock was set back"
        events.append(ServerEvent(kind=Kind.TAKEOVER, at=taken_at, earliest=earliest, description=said))
    elif now.started_at != before.started_at:
        events.append(ServerEvent(kind=Kind.RESTART, at=started, description="PostgreSQL was restarted"))
    is_reset = now.stats_reset_at is not None and now.stats_reset_at != before.stats_reset_at
    if is_reset and not events and now.stats_reset_at is not None:
        at = by_our_clock(now.stats_reset_at)
        events.append(ServerEvent(kind=Kind.RESET, at=at, description="Statistics of statements were reset"))
    if events and events[0].kind == Kind.TAKEOVER and _was_lately(server, Kind.TAKEOVER, taken_at):
        return  # an address that leads to several in turn
    for event in events:
        event.server = server
    ServerEvent.objects.bulk_create(events)


def note_settings(server: Server, changes: Sequence[str], taken_at: datetime, earliest: datetime) -> None:
    """``changes``: as ``schema/changes.py`` says them. One mark for all, and each alone for what it may explain."""
    if not changes:
        return
    more = len(changes) - MOST_SETTINGS_NAMED
    said = ", ".join(changes[:MOST_SETTINGS_NAMED]) + (f" and {more} more" if more > 0 else "")
    of_each = [(f"Set: {said}", True), *((change, False) for change in changes)]
    ServerEvent.objects.bulk_create(
        ServerEvent(server=server, kind=Kind.SETTING, at=taken_at, earliest=earliest, description=text, is_mark=is_mark)
        for text, is_mark in of_each
    )


def note_schema(database: Database, changes: Iterable[SchemaChange], taken_at: datetime, earliest: datetime) -> None:
    ServerEvent.objects.bulk_create(
        ServerEvent(
            server_id=database.server_id, database=database, kind=Kind.SCHEMA, at=taken_at, earliest=earliest,
            description=change.description if change.table else change.description[:1].upper() + change.description[1:],
            table=change.table[:130],
        )
        for change in changes
    )  # fmt: skip


def note_releases(server: Server, texts: Iterable[str | None], seen_at: datetime) -> None:
    """A release that statements' comments name for the first time is a deploy, but for the first one ever seen."""
    releases = {label for text in texts if (label := _release(text))}
    if not releases:
        return
    known = set(server.events.exclude(release="").values_list("release", flat=True))
    if not releases - known:
        return
    today = server.events.filter(at__gt=seen_at - timedelta(days=1)).exclude(release="").count()
    ServerEvent.objects.bulk_create(
        [
            ServerEvent(
                server=server, kind=Kind.DEPLOY, at=seen_at, description=f"Release {label} was first seen",
                release=label, is_mark=bool(known),
            )
            for label in sorted(releases - known)[: max(0, MOST_RELEASES_A_DAY - today)]
        ],
        ignore_conflicts=True,  # another worker may have been faster
    )  # fmt: skip


def mark_deploy(server: Server, label: str, at: datetime) -> ServerEvent | None:
    """None where it is marked already: every part of a deploy may say so."""
    said = f"Deploy {visible_line(label)[:LONGEST_LABEL]}"
    same = server.events.filter(kind=Kind.DEPLOY, description=said, at__gte=at - SAME_DEPLOY, at__lte=at + SAME_DEPLOY)
    if same.exists():
        return None
    return ServerEvent.objects.create(server=server, kind=Kind.DEPLOY, at=at, description=said)


def events_between(server: Server, start: datetime, end: datetime, which: Q | None = None) -> list[ServerEvent]:
    """The oldest first. Where there are too many, changed schemas go before deploys and restarts. One query."""
    found = server.events.filter(which or Q(), at__gte=start, at__lte=end, is_mark=True).select_related("database")
    newest = found.order_by(Case(When(kind=Kind.SCHEMA, then=1), default=0), "-at", "-pk")[:MOST_SHOWN]
    return sorted(newest, key=lambda event: (event.at, event.pk))


def events_of_statement(statement: Statement, start: datetime, end: datetime) -> list[ServerEvent]:
    """Of schema changes those of its tables, or of many at once. One query."""
    concerned = Q(table="")
    for name in statement.tables[:MOST_TABLES]:
        concerned |= Q(table__iexact=name) | Q(table__iendswith=f".{name}")
    return events_between(statement.server, start, end, concerned)


def changes_since(
    server: Server,
    since: datetime,
    until: datetime,
    *,
    setting_names: Collection[str] = (),
    table: Q | None = None,
    kinds: Collection[str] = (),
) -> list[str]:
    """What was seen to change in between, the oldest first: these settings, tables of which ``table`` is true, and
    events of these kinds. One query."""
    wanted = Q(kind__in=kinds) | Q(kind=Kind.SETTING, is_mark=False)
    if table is not None:
        wanted |= Q(kind=Kind.SCHEMA) & table
    seen = server.events.filter(wanted, at__gt=since, at__lte=until).order_by("at", "pk")
    named = (e for e in seen if e.kind != Kind.SETTING or e.description.partition(" from ")[0] in setting_names)
    return [event.description for event in named]


def drop_old(now: datetime) -> None:
    marks_from = now - timedelta(days=settings.ANALYZER_KEEP_HOURS_DAYS)
    releases_from = now - timedelta(days=settings.ANALYZER_KEEP_DAYS_DAYS)
    ServerEvent.objects.filter(Q(release="", at__lt=marks_from) | Q(at__lt=releases_from)).delete()


def _was_lately(server: Server, kind: str, now: datetime) -> bool:
    return server.events.filter(kind=kind, at__gt=now - OFTEN).exists()


def _release(text: str | None) -> str:
    if text is None or not any(tag in text for tag in RELEASE_TAGS):
        return ""
    tags = comment_tags(text, RELEASE_TAGS)
    return visible_line(tags.get("release") or tags.get("version") or "")[:LONGEST_LABEL]


def _version(server_version_num: int) -> str:
    return f"{server_version_num // 10_000}.{server_version_num % 10_000}"
