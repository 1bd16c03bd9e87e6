"""One table: its size and growth, how it is kept up, its indexes, the statements that touch it and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from analyzer.checks import Context
from analyzer.checks.index.redundant_index import redundant_of
from analyzer.checks.statistics import counted_days
from analyzer.models import Database, FindingRecord, Server, Statement, SuggestionRecord
from analyzer.schema.bloat import Bloat, Unknown, btree_bloat, heap_bloat
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_shapes import alone_serves_a_key, is_for_speed_alone
from analyzer.schema.key_space import KeySpace, key_spaces
from analyzer.store.schemas import newest_schema
from analyzer.store.series.sizes import table_points
from analyzer.store.series.totals import StatementRate, rates_by_database
from analyzer.store.series.windows import A_DAY, Window
from analyzer.words.durations import THIN, count_words, rate_words
from analyzer.words.sizes import size_words
from dashboard.charts.sparkline import sparkline
from dashboard.permissions import viewer_required
from dashboard.servers.databases import chosen_database
from dashboard.servers.rows import COSTLIEST_FIRST
from dashboard.servers.state import sampling_state
from dashboard.tables.address import url_of_table
from dashboard.tables.growth import days_words, growth_in_words
from dashboard.tables.rows import TableRow, table_rows

CHARTED = timedelta(days=90)
STATEMENTS_SHOWN = 20
FINDINGS_SHOWN = 50
PARTITIONS_SHOWN = 100
LEAST_FREE_RATIO = 0.3  # of an index that is free: less is what random keys leave
MOST_INDEXES = 5


@dataclass(frozen=True, slots=True)
class IndexRow:
    """``idle``: since when it had no scan, in words, where it is there for speed alone; ``covered_by``: another that
    does its work."""

    index: IndexFacts
    idle: str
    covered_by: str


@dataclass(frozen=True, slots=True)
class TouchingStatement:
    """``ratio``: of the time of all that touch the table; ``is_sure`` False: its name may mean another table."""

    statement: Statement
    rate: StatementRate
    ratio: float
    is_sure: bool

    @property
    def time_words(self) -> str:
        return rate_words(self.rate.total_time_s_per_day, self.rate.watched_s, THIN)

    @property
    def calls_words(self) -> str:
        return count_words(self.rate.calls_per_day, self.rate.watched_s, THIN)


@viewer_required
@require_GET
def table(request: HttpRequest, server: str) -> HttpResponse:
    """By ``?name=schema.table``, with ``&schema=`` where that stands for several; or by a name alone, as statements
    write it.
    """
    found = get_object_or_404(Server, slug=server)
    chosen = chosen_database(request, found)
    database, name = chosen.database, request.GET.get("name", "")[:200]
    facts = newest_schema(database) if database is not None else None
    named = _named(facts, name, request.GET.get("schema", "")[:200]) if facts is not None else []
    context = {
        "section": "tables",
        "server": found,
        "database": database,
        "databases": chosen.others,
        "name": name,
        "facts": facts,
        "state": sampling_state(found),
        "named": [(t.qualified_name, url_of_table(found, database, t)) for t in named],
    }
    if database is None or facts is None or len(named) != 1:
        is_unknown = facts is not None and not named
        return render(request, "dashboard/table_unknown.html", context, status=404 if is_unknown else 200)
    context |= _about(found, database, facts, named[0])
    return render(request, "dashboard/table.html", context)


def _named(facts: SchemaFacts, name: str, schema: str) -> list[TableFacts]:
    """Tables that hold rows under that name: several where only a session's search_path tells, or where names hold
    dots and no schema is named."""
    exact = [t for t in facts if t.qualified_name == name and schema in ("", t.schema)]
    return [t for t in exact or facts.tables_read(name) if t.kind in "rpm"]


def _about(server: Server, database: Database, facts: SchemaFacts, table: TableFacts) -> dict[str, object]:
    row = next(row for row in table_rows(facts) if row.table.oid == table.oid)
    now = timezone.now()
    parent = facts.table(table.parent_oid) if table.parent_oid is not None else None
    statements, touching_s = _statements(server, database, facts, table, now)
    return {
        "row": row,
        "parent": (parent.qualified_name, url_of_table(server, database, parent)) if parent else None,
        "partitions": _partitions(server, database, facts, row),
        "indexes": _indexes(facts, table),
        "counted_days": counted_days(facts),
        "keys": [said for space in key_spaces(facts, table) if (said := key_sentence(space))],
        "growth": _growth(row),
        "chart": _chart(database, table, now),
        "bloat": bloat_sentences(facts, row),
        "statements": statements,
        "touching_words": rate_words(touching_s, statements[0].rate.watched_s, THIN) if statements else "",
        "findings": FindingRecord.objects.filter(
            database=database, table=table.qualified_name, closed_at__isnull=True, muted_at__isnull=True
        ).select_related("server", "database", "statement").order_by(*COSTLIEST_FIRST)[:FINDINGS_SHOWN],
        "suggestions": SuggestionRecord.objects.filter(
            SuggestionRecord.OPEN_OR_BUILT, database=database, table=table.qualified_name
        ).order_by(F("helped_time_s_per_day").desc(nulls_last=True), "pk")[:10],
        "not_read": facts.parts_not_read.get("schema_storage", ""),
    }  # fmt: skip


def _growth(row: TableRow) -> str:
    if row.table.kind == "p":
        return "Its partitions grow each at their own pace; their pages tell."
    if row.pace is None:
        return "Growth is measured of the 200 largest tables of a database, once a day."
    return growth_in_words("it", row.pace, row.total_bytes or 0)


def bloat_sentences(facts: SchemaFacts, row: TableRow) -> list[str]:
    """How much of the heap is free, and of the B-trees that are worst; why that is not known."""
    if row.table.kind == "p":
        return []
    heap = heap_bloat(row.table, facts.taken_at)
    said = [f"Of the heap not known: {heap.reason}." if isinstance(heap, Unknown) else _heap_sentence(heap)]
    found = [(index, btree_bloat(row.table, index, facts.taken_at)) for index in row.table.indexes if index.is_usable]
    known = [
        (index, bloat) for index, bloat in found if isinstance(bloat, Bloat) and bloat.low_ratio >= LEAST_FREE_RATIO
    ]
    known.sort(key=lambda each: -each[1].wasted_bytes)
    said += [
        f"Of index {index.name}, {size_words(bloat.size_bytes)}: {bloat.words}."
        for index, bloat in known[:MOST_INDEXES]
    ]
    if isinstance(heap, Bloat) and heap.measured_at is None and "pgstattuple" not in facts.extensions:
        said.append("With the extension pgstattuple, what looks bloated and is larger than 100 MB is measured.")
    return said


def _heap_sentence(heap: Bloat) -> str:
    size = size_words(heap.size_bytes)
    if heap.low_bytes:
        return f"Of the heap's {size}: {heap.words}, {heap.wasted_bytes / heap.size_bytes:.0%}."
    how = "measured" if heap.measured_at is not None else "by its statistics"
    return f"The heap's {size} are about what its rows need; at most {size_words(heap.high_bytes)} are free, {how}."


def key_sentence(space: KeySpace) -> str:
    """How far a key of the table is and when it ends; "" where nobody may read its sequence."""
    used, pace, reached = space.used_ratio, space.sequence.pace, space.reached
    if used is None:
        return ""
    at = f"{space.column.name} ({space.column.type_name}) is at {space.sequence.last_value:,} of {space.most:,}"
    if space.is_used_up:
        return f"{at}: no value is left, each insert that takes one fails."
    if reached is not None and pace is not None and pace.per_day is not None:
        seen = f"{pace.per_day:,.0f} a day ({days_words(pace.days)} seen)"
        return f"{at}; at {seen} it reaches its end in {reached.words}."
    if pace is not None and pace.per_day is None and used >= 0.1:
        return f"{at}; its pace is known in {days_words(pace.days_missing)}."
    return f"{at}."


def _chart(database: Database, table: TableFacts, now: datetime) -> tuple[SafeString | str, str] | None:
    """A line over the days that are kept, and what it shows in words."""
    points = table_points(database, table.oid, now, CHARTED)
    if len(points) < 2:
        return None
    first = points[0][0].date()
    by_day = {(at.date() - first).days: size for at, size in points}
    values = [by_day.get(day) for day in range(max(by_day) + 1)]
    ends = f"from {size_words(points[0][1])} to {size_words(points[-1][1])}"
    said = f"Size over {days_words(len(values))}, {ends}"
    return sparkline(values, said), said


def _indexes(facts: SchemaFacts, table: TableFacts) -> list[IndexRow]:
    """The largest first."""
    covered = {index.oid: keeper.name for index, keeper in redundant_of(table, Context(facts=facts))}
    days = counted_days(facts)
    since = f"in {days_words(round(days))}" if days is not None and days >= 1 else "yet"
    return [
        IndexRow(
            index,
            f"no scan {since}" if index.scans == 0 and _may_be_idle(facts, table, index) else "",
            covered.get(index.oid, ""),
        )
        for index in sorted(table.indexes, key=lambda i: (-(i.size_bytes or 0), i.name))
    ]


def _may_be_idle(facts: SchemaFacts, table: TableFacts, index: IndexFacts) -> bool:
    is_own = table.kind != "p" and not facts.is_replica  # a partitioned index has no scans of its own
    return is_own and is_for_speed_alone(index) and not alone_serves_a_key(table, index)


def _partitions(server: Server, database: Database, facts: SchemaFacts, row: TableRow) -> list[tuple[TableRow, str]]:
    """The direct ones, the largest first."""
    if row.table.kind != "p":
        return []
    direct = [part for part in table_rows(facts) if part.table.parent_oid == row.table.oid]
    direct.sort(key=lambda part: (-(part.total_bytes or 0), part.name))
    return [(part, url_of_table(server, database, part.table)) for part in direct[:PARTITIONS_SHOWN]]


def _statements(
    server: Server, database: Database, facts: SchemaFacts, table: TableFacts, now: datetime
) -> tuple[list[TouchingStatement], float]:
    """Those that name it, by their time of the last day, and the time of all of them."""
    daily = rates_by_database(server, Window(now - A_DAY, now)).get(database.oid, {})
    names = _written(facts, table)
    touching = Statement.objects.filter(Q(tables__overlap=list(names)), server=server, pk__in=list(daily)).exclude(
        kind="utility"
    )
    found = sorted(touching, key=lambda s: -daily[s.pk].total_time_s_per_day)
    total_s = sum(daily[s.pk].total_time_s_per_day for s in found)
    shown = [
        TouchingStatement(
            statement,
            daily[statement.pk],
            daily[statement.pk].total_time_s_per_day / total_s if total_s else 0.0,
            any(names.get(name, False) for name in statement.tables),
        )
        for statement in found[:STATEMENTS_SHOWN]
    ]
    return shown, total_s


def _written(facts: SchemaFacts, table: TableFacts) -> Mapping[str, bool]:
    """How statements may write its name, and whether that means this table for sure."""
    names = {table.qualified_name: True}
    of_name: Sequence[TableFacts] = facts.tables_read(table.name)
    if table in of_name:
        names[table.name] = len(facts.tables_named(table.name)) == 1
    return names
