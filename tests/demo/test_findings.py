"""pgLoupe's engine on the demo shop at work: everything planted is found, and nothing else.

The pipeline's steps are called here one after another; `manage.py demo` lets Celery do it. Intervals are
shorter and requests more frequent than in the demo, so that a minute is enough.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest

from analyzer.demo import planted, shop, staff_pages
from analyzer.demo.visit import Row, Shop, Visit
from analyzer.demo.workload import DemoWorkload
from analyzer.models import FindingRecord, PlanRecord, Server, Statement, SuggestionRecord
from analyzer.steps import activity as watching
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store.servers import add_server_from_dsn
from tests import servers

pytestmark = [pytest.mark.postgres, pytest.mark.long, pytest.mark.django_db(transaction=True)]

INTERVALS = 64
INTERVAL_S = 1.5
EXPLAIN_ROUNDS = 10
# The scan of a whole table, by the check that explains it best: a function or cast on the column, a wildcard, an OR.
WHOLE_TABLE_READ = {planted.SEQ_SCAN_DISCARDS_ROWS, "PL014", "PL015", "PL016", "PL017"}
TAKES_PART = {planted.N_PLUS_ONE, *WHOLE_TABLE_READ, planted.UNINDEXED_FOREIGN_KEY}


@pytest.fixture
def demo_server(private_postgres: Callable[..., servers.Server]) -> servers.Server:
    started = private_postgres(18, dict(shop.CLUSTER_SETTINGS))
    shop.build(started.socket_dsn())
    return started


@pytest.fixture
def monitored(transactional_db: None, demo_server: servers.Server) -> Iterator[Server]:
    """The shop, registered, with a workload that runs while the test does."""
    started = demo_server
    shop.set_password(started.socket_dsn(), shop.MONITOR_ROLE, "only for tests")
    dsn = started.dsn("shop", shop.MONITOR_ROLE, "only for tests")
    workload = DemoWorkload(started.socket_dsn("shop", "shop"), statements_per_s=400, seed=11)
    thread = threading.Thread(target=workload.run)
    thread.start()
    try:
        yield add_server_from_dsn(dsn, sample_interval_s=5)
    finally:
        workload.stop()
        thread.join()
    assert dict(workload.totals.errors) == {}


def test_everything_planted_is_found_and_nothing_else(monitored: Server, demo_server: servers.Server) -> None:
    _observe(monitored, demo_server.socket_dsn("shop", "shop"))
    texts = {s.fingerprint: planted.one_line(s.normalized_sql) for s in Statement.objects.filter(server=monitored)}
    found = [f for f in FindingRecord.objects.filter(server=monitored, closed_at=None) if f.code in TAKES_PART]
    what = [f"{f.code} {f.subject}: {texts.get(f.about, f.about)[:200]}" for f in found]

    n_plus_one = {(texts[f.about], texts[f.related_fingerprints[0]]): f for f in found if f.code == "ST001"}
    for problem in planted.N_PLUS_ONES:
        [record] = [f for (c, p), f in n_plus_one.items() if problem.child in c and problem.parent in p] or [None]
        assert record, (problem, what)
        low, high = problem.per_page
        assert low <= record.evidence["lookups_per_call"] <= high
    assert len(n_plus_one) == len(planted.N_PLUS_ONES), what

    seq_scans = [texts[f.about] for f in found if f.code in WHOLE_TABLE_READ]
    seq_scans = [text for text in seq_scans if not _is_of_staff(text)]
    expected = [s for s in planted.SLOW_STATEMENTS if s.code]
    for slow in expected:
        assert any(slow.statement in text for text in seq_scans), (slow, what)
    assert [t for t in seq_scans if not any(s.statement in t for s in expected)] == []

    every = list(FindingRecord.objects.filter(server=monitored, closed_at=None))
    on_statements = {(f.code, texts[f.about]) for f in every if f.about in texts}
    codes_of = {
        page.page: {code for code, text in on_statements if page.statement in text} for page in planted.STAFF_PAGES
    }
    missed = [page.page for page in planted.STAFF_PAGES if not set(page.codes) <= codes_of[page.page]]
    # on a busy machine the gate puts the dearest off, and a page's values are not seen in time
    assert len(missed) <= 2, (missed, on_statements)
    innocent = [(code, text) for code, text in on_statements for i in planted.INNOCENTS if i.statement in text]
    assert innocent == []
    of_schema = {(f.code, f.table.removeprefix("public.") or None) for f in every if f.code[:2] in ("SC", "IX")}
    expected_schema = {(left.code, left.table) for left in planted.LEFTOVERS}
    noted = {(code, table) for code, table in of_schema if code in planted.NOTES}
    keys_without_index = {("SC001", key.table) for key in planted.MISSING_FOREIGN_KEY_INDEXES}
    assert of_schema == expected_schema | noted | keys_without_index

    keys = sorted((f.table, f.subject) for f in found if f.code == "SC001")
    assert keys == sorted((f"public.{k.table}", k.constraint) for k in planted.MISSING_FOREIGN_KEY_INDEXES)

    wanted = {(f"public.{p.table}", p.index) for p in (*planted.SLOW_STATEMENTS, *planted.MISSING_FOREIGN_KEY_INDEXES)}
    suggested = SuggestionRecord.objects.filter(database__server=monitored, closed_at=None)
    for_staff = [s for s in suggested if all(_is_of_staff(texts[h["fingerprint"]]) for h in s.helps)]
    others = {(s.table, tuple(s.columns)) for s in suggested if s not in for_staff}
    assert others == {w for w in wanted if w[1]}

    # the planner of the twin wants the same indexes, perhaps one more for a list, and falls into no trap
    assert pipeline.advise_on_indexes(monitored) == ""
    records = SuggestionRecord.objects.filter(database__server=monitored, closed_at=None)
    proved = {(s.table, tuple(s.columns)) for s in records if s.level == "planned"}
    served = {w for w in wanted if any(table == w[0] and columns[: len(w[1])] == w[1] for table, columns in proved)}
    assert {w for w in wanted if w[1]} <= served, proved  # one of them may serve a page of the staff's, too
    wants_order = [s for s in records if s.table == "public.shop_customer" and "USING gin" not in s.ddl]
    traps = [*wants_order, *(s for s in records if s.table == "public.shop_job")]
    assert not [(s.ddl, s.evidence) for s in traps if s.level == "planned"]
    verdicts = PlanRecord.objects.filter(statement__server=monitored).exclude(twin_verdict="")
    alike = [v for v in verdicts.values_list("twin_verdict", flat=True) if v.startswith("same")]
    assert len(alike) > 0.9 * verdicts.count()


def _is_of_staff(text: str) -> bool:
    return any(page.statement in text for page in planted.STAFF_PAGES)


def _staff_at_work(server: Server, dsn: str) -> None:
    """Each of the staff's pages once, as the slow ones come seldom; one of them until its values were seen."""
    stopping = threading.Event()

    def visit(page: Callable[[Visit], None], connection: psycopg.Connection[Row], seed: int) -> None:
        now = datetime.now(UTC)
        page(Visit(connection, random.Random(seed), now, Shop(built_at=now)))

    def look_for_dear_orders() -> None:
        with connect() as connection:
            for seed in count():
                visit(staff_pages.dear_orders, connection, seed)
                if stopping.is_set():
                    return

    def connect() -> psycopg.Connection[Row]:
        return psycopg.connect(dsn, autocommit=True, application_name="shop", cursor_factory=psycopg.ClientCursor)

    with connect() as connection:
        for page in planted.STAFF_PAGES:
            visit(getattr(staff_pages, page.page), connection, 0)
    thread = threading.Thread(target=look_for_dear_orders)
    thread.start()
    watching.keep(server, watching.look(server, closely=True))
    stopping.set()
    thread.join()


def _observe(server: Server, dsn: str) -> None:
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    _staff_at_work(server, dsn)
    pipeline.take_snapshot(server)
    due_s = time.monotonic()
    for number in range(INTERVALS):
        due_s = max(due_s + INTERVAL_S, time.monotonic())  # equal intervals; a late one is not made up for
        if number % 6 == 5:
            watching.keep(server, watching.look(server, closely=True))
        time.sleep(max(0.0, due_s - time.monotonic()))
        server.refresh_from_db()
        pipeline.take_snapshot(server)
    for _ in range(EXPLAIN_ROUNDS):
        pipeline.explain_statements(server)
    schema_step.read_schema(server)
    check_server(server)
