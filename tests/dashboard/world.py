"""A store filled through its own functions: servers in every state, statements with figures, findings, plans."""

import functools
import json
import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.utils import timezone

from analyzer.checks import all_checks
from analyzer.findings import EvidenceLevel, Finding, Fix, Severity
from analyzer.models import (
    Database,
    FindingRecord,
    NoSuggestion,
    PlanRecord,
    Server,
    Statement,
    StepStatus,
    SuggestionRecord,
)
from analyzer.monitored.readings import COUNTERS, KEY_DTYPE, ActivityRow, ServerState, StatementReading, StatementText
from analyzer.plans import parse_plan, redact_plan
from analyzer.plans.shape import shape_of
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.store.findings import keep_findings
from analyzer.store.plans import keep_plan
from analyzer.store.schemas import keep_schema
from analyzer.store.series.session_load import SessionTraits, ensure_load_partitions, keep_look
from analyzer.store.series.snapshots import keep_reading
from analyzer.store.texts import keep_texts

SHOP = (
    # text, calls a second, ms a call, rows a call, blocks hit and read a call
    (
        "select o.id, o.placed_at, o.total from shop_order o where o.status = $1 order by o.placed_at desc limit $2",
        9.0,
        48.0,
        20.0,
        5200,
        310,
    ),
    ("select id, name, email from shop_customer where id = $1", 210.0, 0.05, 1.0, 4, 0),
    ("select p.* from shop_product p where p.name ilike $1", 3.0, 61.0, 12.0, 3100, 900),
    ("select count(*) from shop_review where product_id = $1", 60.0, 3.4, 1.0, 420, 2),
    (
        "select l.*, p.name from shop_order_line l join shop_product p on p.id = l.product_id where l.order_id = $1",
        25.0,
        2.1,
        4.2,
        60,
        1,
    ),
    ("delete from shop_order where id = $1", 0.4, 140.0, 1.0, 9000, 1200),
    ("update shop_product set stock = stock - $1 where id = $2", 12.0, 0.31, 1.0, 9, 0),
    ("insert into shop_event (kind, payload) values ($1, $2)", 44.0, 0.09, 1.0, 6, 0),
    ("select session_data from django_session where session_key = $1 and expire_date > $2", 90.0, 0.04, 1.0, 4, 0),
    ("select id from job_queue where state = $1 order by id limit $2 for update skip locked", 4.0, 0.2, 0.6, 12, 0),
)
SHOP_VERSION_NUM = 150014


def user(name: str = "ada", password: str | None = "correct horse battery"):  # type: ignore[no-untyped-def]
    found = get_user_model().objects.create_user(name, password=password, is_superuser=True, is_staff=True)
    return found


def server(name: str = "shop", slug: str | None = None, **fields: object) -> Server:
    values = {
        "name": name,
        "slug": slug or name,
        "host": "db.example.com",
        "user": "pgloupe",
        "dbname": "shop",
        "server_version_num": SHOP_VERSION_NUM,
        "preflight_at": timezone.now(),
        "preflight": [
            {"name": "PostgreSQL version", "status": "ok", "detail": "15.14, supported", "sql": ""},
            {"name": "pg_stat_statements", "status": "ok", "detail": "version 1.10", "sql": ""},
            {
                "name": "track_io_timing",
                "status": "warning",
                "detail": "off: times of reading and writing are unknown",
                "sql": "ALTER SYSTEM SET track_io_timing = on;\nSELECT pg_reload_conf();",
            },
            {
                "name": "pg_read_all_stats",
                "status": "missing",
                "detail": "texts of other roles are hidden",
                "sql": "GRANT pg_monitor TO pgloupe;",
            },
        ],
        **fields,
    }
    made = Server.objects.create(**values)
    # Watched for long: pages then show their default span.
    Server.objects.filter(pk=made.pk).update(created_at=timezone.now() - timedelta(days=60))
    made.refresh_from_db()
    return made


def step(
    of: Server, name: str = "snapshot", *, ago_s: float = 12, error: str = "", failing_s: float = 0, note: str = ""
) -> StepStatus:
    now = timezone.now()
    return StepStatus.objects.create(
        server=of,
        step=name,
        last_started_at=now - timedelta(seconds=ago_s),
        last_success_at=now - timedelta(seconds=ago_s + failing_s),
        last_duration_ms=84.2,
        failing_since=now - timedelta(seconds=failing_s) if error else None,
        last_error=error,
        note=note,
        due_at=now + timedelta(seconds=48),
    )


def figures(
    of: Server,
    statements: tuple[tuple[str, float, float, float, int, int], ...] = SHOP,
    *,
    hours: float = 24,
    every_s: int = 600,
    gap_at_hour: float | None = None,
) -> list[Statement]:
    """Readings as a server would give them, the newest a moment ago; ``gap_at_hour``: its statistics were reset."""
    end = timezone.now()
    start = end - timedelta(hours=hours)
    reset_at = start + timedelta(hours=gap_at_hour) if gap_at_hour is not None else None
    n = len(statements)
    keys = np.zeros(n, KEY_DTYPE)
    for i in range(n):
        keys[i] = (10, 5, 1000 + i, True)
    counters = np.zeros((n, len(COUNTERS)))
    at = start
    while at <= end:
        is_reset = reset_at is not None and at >= reset_at
        _grow(counters, statements, every_s, at)
        state = ServerState(
            taken_at=at,
            server_version_num=SHOP_VERSION_NUM,
            started_at=start - timedelta(days=30),
            statements_version="1.10",
            stats_reset_at=reset_at if is_reset else start - timedelta(days=30),
            deallocations=0,
        )
        reading = StatementReading(state, keys, counters.copy(), np.full(n, np.nan), COUNTERS, 30.0)
        keep_reading(of, reading, taken_at=at)
        at += timedelta(seconds=every_s)
    keep_texts(of, [StatementText(10, 5, 1000 + i, True, s[0]) for i, s in enumerate(statements)])
    return list(Statement.objects.filter(server=of).order_by("pk"))


def _grow(counters, statements, every_s: int, at: datetime) -> None:  # type: ignore[no-untyped-def]
    day = 0.65 + 0.35 * math.sin((at.hour + at.minute / 60 - 9) / 24 * 2 * math.pi)
    for i, (_, calls_s, ms, rows, hit, read) in enumerate(statements):
        wave = day * (1 + 0.15 * math.sin(at.timestamp() / 900 + i))
        calls = round(calls_s * every_s * wave)
        add = {
            "calls": calls,
            "total_exec_time_ms": calls * ms * (0.9 + 0.2 * wave),
            "rows": round(calls * rows),
            "shared_hit_blocks": calls * hit,
            "shared_read_blocks": calls * read,
            "shared_read_time_ms": calls * read * 0.02,
        }
        for name, value in add.items():
            counters[i, COUNTERS.index(name)] += value


WAITS = (
    # wait, event, statement of SHOP, application, route, sessions on average
    ("CPU", "", 0, "gunicorn", "orders.views.list", 1.1),
    ("IO", "DataFileRead", 2, "gunicorn", "products.views.search", 0.6),
    ("CPU", "", 3, "gunicorn", "products.views.list", 0.5),
    ("Lock", "transactionid", 6, "celery", "stock.tasks.reserve", 0.25),
    ("LWLock", "WALWrite", 7, "gunicorn", "", 0.15),
    ("Client", "ClientWrite", 4, "", "", 0.08),
)


def sessions(of: Server, *, hours: float = 24, gap_at_hour: float | None = None) -> None:
    """Looks at sessions at work, one a minute, the newest a moment ago."""
    statements = list(Statement.objects.filter(server=of).order_by("pk").values_list("pk", flat=True))
    end = timezone.now()
    for hour in range(int(hours) + 2):
        ensure_load_partitions(end - timedelta(hours=hour))
    for minute in range(int(hours * 60)):
        at = end - timedelta(minutes=minute)
        if gap_at_hour is not None and gap_at_hour <= (hours - minute / 60) < gap_at_hour + hours / 12:
            continue
        day = 0.65 + 0.35 * math.sin((at.hour + at.minute / 60 - 9) / 24 * 2 * math.pi)
        look = {
            SessionTraits(wait, event, statements[i] if i < len(statements) else 0, 10, 5, application, route): seen
            for n, (wait, event, i, application, route, mean) in enumerate(WAITS)
            if (seen := round(mean * day * (1.4 + math.sin(at.timestamp() / (400 + 150 * n) + n)) * 2) / 2)
        }
        keep_look(of.pk, at, look)


def backend(at: datetime, pid: int = 1, **more: object) -> ActivityRow:
    """A session at work since ``at``."""
    row = ActivityRow(
        pid=pid, backend_start=at, xact_start=at, query_start=at, state_change=at, state="active",
        wait_event_type=None, wait_event=None, role_oid=10, database_oid=5, application_name="shop", queryid=7,
        text="select 1",
    )  # fmt: skip
    return replace(row, **more)  # type: ignore[arg-type]


def database(of: Server) -> Database:
    return Database.objects.get_or_create(server=of, oid=5, defaults={"name": "shop", "is_inspected": True})[0]


def real_plan() -> list[dict[str, object]]:
    """What the tests' own PostgreSQL prints for a bad query, which is asked once."""
    plan: list[dict[str, object]] = json.loads(_printed_plan())
    return plan


@functools.cache
def _printed_plan() -> str:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "create temp table shop_order on commit drop as select g as id, 'status ' || g % 40 as status,"
            " now() - g * interval '1 minute' as placed_at, g * 1.5 as total from generate_series(1, 20000) g"
        )
        cursor.execute(
            "create temp table shop_customer on commit drop as select g as id from generate_series(1, 500) g"
        )
        cursor.execute("analyze shop_order")
        cursor.execute(
            "explain (analyze, buffers, format json) select o.id, o.placed_at, c.id from shop_order o"
            " join shop_customer c on c.id = o.id % 500 where o.status = 'status 7'"
            " order by o.placed_at desc limit 20"
        )
        (plan,) = cursor.fetchone()
        cursor.execute("drop table shop_order, shop_customer")
    return plan if isinstance(plan, str) else json.dumps(plan)


def plan_of(statement: Statement) -> PlanRecord:
    redacted = redact_plan(real_plan())
    parsed = parse_plan(redacted)
    return keep_plan(
        statement,
        database(statement.server),
        shape=shape_of(parsed),
        plan=redacted,
        values_source="sampled",
        is_analyzed=True,
        server_version_num=SHOP_VERSION_NUM,
        execution_time_ms=parsed.execution_time_ms,
        planning_time_ms=parsed.planning_time_ms,
        total_cost=parsed.root.total_cost,
    )


def schema(of: Server) -> None:
    def table(oid: int, name: str, rows: float, size_bytes: int, *indexes: tuple[str, tuple[str, ...]]) -> TableFacts:
        made = tuple(
            IndexFacts(
                oid=oid * 100 + i,
                schema="public",
                name=index,
                method="btree",
                columns=columns,
                definition=f"CREATE INDEX {index} ON public.{name} USING btree ({', '.join(columns)})",
            )
            for i, (index, columns) in enumerate(indexes)
        )
        return TableFacts(oid, "public", name, "r", rows, size_bytes, indexes=made)

    facts = SchemaFacts(
        "shop",
        SHOP_VERSION_NUM,
        (
            table(1, "shop_order", 160_000, 14_680_064, ("shop_order_pkey", ("id",)), ("ix_placed", ("placed_at",))),
            table(2, "shop_order_line", 640_000, 58_720_256, ("shop_order_line_pkey", ("id",))),
            table(3, "shop_product", 12_000, 2_621_440, ("shop_product_pkey", ("id",))),
        ),
    )
    keep_schema(database(of), facts)


def scan_finding(fingerprint: str) -> Finding:
    return Finding(
        code="PL004",
        title="Seq Scan on shop_order o keeps few of the rows it reads",
        severity=Severity.CRITICAL,
        subject="Seq Scan on shop_order o",
        message="Seq Scan on shop_order o read 20,000 rows to keep 500.",
        hint="See whether an index can serve (status = $1).",
        evidence={"rows_read": 20000, "rows_kept": 500, "kept_ratio": 0.025, "time_ms": 38.4},
        about=fingerprint,
        level=EvidenceLevel.EXECUTED,
        impact_s_per_day=29_800.0,
        table="public.shop_order",
    )


def nplusone_finding(fingerprint: str, parent: str) -> Finding:
    return Finding(
        code="ST001",
        title="shop_review is looked up once per row of shop_product (N+1)",
        severity=Severity.WARNING,
        subject=f"after {parent}",
        message="60 times a second, about 20.1 times for each call of the list of products.",
        hint="Load the counts together with the list.",
        evidence={
            "calls_per_parent_call": 20.1,
            "server_time_s_per_day": 14_300.0,
            "assumed_waiting_s_per_day": 2_100.0,
            "assumed_round_trip_ms": 0.5,
            "fit_ratio": 0.993,
        },
        about=fingerprint,
        impact_s_per_day=16_400.0,
        impact_assumed_s_per_day=2_100.0,
        watched_s=86_400.0,
        fixes=(
            Fix("Django", "django", 'Product.objects.annotate(review_count=Count("review"))'),
            Fix(
                "SQLAlchemy / SQLModel",
                "sqlalchemy",
                "select(Product, func.count(Review.id)).outerjoin(Review)\n    .group_by(Product.id)",
            ),
        ),
        related_fingerprints=(parent,),
    )


def key_finding() -> Finding:
    return Finding(
        code="SC001",
        title="Deletes from shop_order read all of shop_order_line",
        severity=Severity.WARNING,
        subject="shop_order_line_order_id_fkey",
        message=(
            "public.shop_order_line(order_id) references public.shop_order and no index serves it."
            " Rows deleted from public.shop_order: about 34,560 a day; each delete reads all of public.shop_order_line."
        ),
        hint="Create an index that starts with (order_id).",
        evidence={
            "child_rows": 640_000,
            "child_size_bytes": 58_720_256,
            "parent_deleted_rows_per_day": 34_560.0,
            "parent_updated_rows_per_day": None,
            "assumed_scan_time_ms": 35.8,
            "on_delete": "CASCADE",
        },
        about="public.shop_order_line.shop_order_line_order_id_fkey",
        impact_s_per_day=1_240.0,
        impact_assumed_s_per_day=1_240.0,
        watched_s=86_400.0,
        table="public.shop_order_line",
        fixes=(
            Fix(
                "Django: let the field have its index (the default of ForeignKey)",
                "django",
                "order = models.ForeignKey(..., db_index=True)",
            ),
        ),
    )


def suggestion(
    of: Server, finding: Finding, table: str, *columns: str, helps: tuple[str, ...] = ()
) -> SuggestionRecord:
    schema, _, bare = table.partition(".")
    name = f"ix_{bare}_{'_'.join(columns)}"[:63]
    now = timezone.now()
    return SuggestionRecord.objects.create(
        database=database(of),
        key=f"{table}({','.join(columns)})",
        table=table,
        name=name,
        method="btree",
        columns=list(columns),
        definition={
            "schema": schema,
            "table": bare,
            "columns": [{"name": name} for name in columns],
            "method": "btree",
            "include": [],
            "predicate": None,
            "is_unique": False,
            "storage": None,
        },
        ddl=f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {schema}.{bare} ({', '.join(columns)});",
        undo_ddl=f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name};",
        estimated_size_bytes=14_680_064,
        level="rule",
        reason=f"Equality on {columns[0]}; no existing index starts with it.",
        warnings=["Each insert into the table writes one more index."],
        helps=[{"fingerprint": f, "total_time_s_per_day": 29_800.0} for f in helps],
        finding_keys=[finding.key],
        helped_time_s_per_day=29_800.0 if helps else None,
        first_seen=now,
        last_seen=now,
    )


@dataclass(frozen=True)
class World:
    """Everything at once, as a person would find it after a day."""

    shop: Server
    statements: list[Statement]
    plan: PlanRecord
    findings: list[FindingRecord]
    suggestion: SuggestionRecord


def shop(*, hours: float = 24, every_s: int = 600) -> World:
    of = server()
    step(of)
    for name in ("activity", "catalog"):
        step(of, name)
    step(of, "explain", note="2 statements were only planned: they call volatile functions")
    statements = figures(of, hours=hours, every_s=every_s, gap_at_hour=hours * 0.4)
    sessions(of, hours=hours, gap_at_hour=hours * 0.4)
    schema(of)
    plan = plan_of(statements[0])
    found = [
        scan_finding(statements[0].fingerprint),
        nplusone_finding(statements[3].fingerprint, statements[2].fingerprint),
        key_finding(),
    ]
    now = timezone.now()
    records = keep_findings(
        of, database(of), found, [check.code for check in all_checks()], now=now - timedelta(hours=3)
    )
    made = suggestion(of, found[0], "public.shop_order", "status", "placed_at", helps=(statements[0].fingerprint,))
    suggestion(of, found[2], "public.shop_order_line", "order_id")
    NoSuggestion.objects.create(
        statement=statements[2],
        database=database(of),
        reason="name ILIKE $1 with a leading wildcard: no B-tree index can serve it.",
        decided_at=now,
    )
    return World(of, statements, plan, records, made)
