"""A finding whose statement can be written otherwise leads to what both cost on the twin."""

import re
from html import unescape

import pytest
from django.urls import reverse

from analyzer.models import FindingRecord, Server, Statement
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.steps.check import check_server
from analyzer.store.servers import add_server_from_dsn
from dashboard.permissions import VIEWER
from tests.dashboard import advised, world
from tests.dashboard.test_accessibility import Walk
from tests.dashboard.test_permissions import person
from tests.dashboard.test_suggestion_evidence import frames, text_of

pytestmark = pytest.mark.django_db
DEARER = {"title": "The same rows", "language": "sql", "code": "SELECT id FROM purchase ORDER BY note, total;"}
OF_A_DAY = "select id from purchase where placed::date = %s and status <> 'done'"


@pytest.fixture
def viewer(client):
    client.force_login(person(VIEWER))
    return client


@pytest.fixture
def of_a_day(postgres18, scratch_database, settings, own_dir) -> FindingRecord:
    """The finding of a statement that casts a column, of an executed plan."""
    settings.VAR_DIR = own_dir
    database = scratch_database(postgres18)
    advised.fill(database)
    server = add_server_from_dsn(database.dsn)
    Server.objects.filter(pk=server.pk).update(name="shop", slug="shop", explain_mode=Server.ExplainMode.ANALYZE)
    server.refresh_from_db()
    schema_step.read_schema(server)
    pipeline.take_snapshot(server)
    with database.connect() as connection:
        for n in range(20):
            connection.execute(OF_A_DAY, (f"2024-01-{n + 1:02}",))
    pipeline.take_snapshot(server)
    pipeline.explain_statements(server)
    check_server(server)
    return FindingRecord.objects.get(code="PL015")


@pytest.mark.postgres
def test_a_finding_leads_to_both_plans(viewer, of_a_day, django_assert_num_queries):
    shown = text_of(viewer.get(reverse("finding", args=[of_a_day.pk])))
    assert "The same rows, provided that $1 is a date, and not infinity; the session" in shown
    path = reverse("finding_rewrites", args=[of_a_day.pk])
    assert path in viewer.get(reverse("finding", args=[of_a_day.pk])).content.decode()
    response = viewer.get(path)
    shown = text_of(response)
    assert re.search(r"day or year as a range: cost [\d.]+ instead of 1 \d+, \d+x cheaper", shown), shown
    assert "Seq Scan on purchase became Index Scan using purchase_placed_idx." in shown
    before, after = frames(response)
    assert '"Node Type": "Seq Scan"' in before
    assert '"Index Name": "purchase_placed_idx"' in after
    # session, user with role, finding with statement and database, newest reading; entries, statements, samples; what
    # the person asked lately (2), asks now (2)
    with django_assert_num_queries(13):
        viewer.get(path)
    of_a_day.database.delete()
    assert viewer.get(path).status_code == 404


@pytest.mark.postgres
def test_both_costs_stand_on_the_finding(viewer, of_a_day):
    """Kept by the advisor's run: the page asks no planner."""
    page = reverse("finding", args=[of_a_day.pk])
    assert "Not planned yet. Both plans side by side" in text_of(viewer.get(page))
    FindingRecord.objects.filter(pk=of_a_day.pk).update(fixes=[*of_a_day.fixes, DEARER])
    assert pipeline.advise_on_indexes(of_a_day.server) == ""
    shown = text_of(viewer.get(page))
    cheaper = r"By the planner it costs [\d.]+ instead of 1 \d+, \d+x cheaper. Both on the twin, without values, "
    assert re.search(cheaper, shown), shown
    gainless = r"The planner sees no gain: it costs [\d ]+ instead of 1 \d+, [\d.]+(x| %) dearer. Both on the twin"
    assert re.search(gainless, shown), shown
    assert shown.index("The planner sees no gain") > shown.index("In Django, likewise")
    assert "Not planned yet" not in shown
    check_server(of_a_day.server)  # the checks' own fixes, judged again
    shown = text_of(viewer.get(page))
    assert re.search(cheaper, shown), shown
    assert "The planner sees no gain" not in shown
    planned = {"cost_after": None, "problem": "The statement as it is cannot be planned", "planner": "twin"}
    problem = {**DEARER, "planned": {**planned, "at": "2026-01-01T00:00:00+00:00"}}
    FindingRecord.objects.filter(pk=of_a_day.pk).update(fixes=[problem])
    tried = text_of(viewer.get(page))
    assert "Not planned. The statement as it is cannot be planned. Tried " in tried
    assert "Both on the" not in tried


@pytest.mark.postgres
def test_where_nothing_is_written_otherwise_the_page_says_why(viewer, of_a_day):
    Statement.objects.filter(pk=of_a_day.statement_id).update(
        normalized_sql="select id from purchase where extract(month from placed) = 2 and status <> $1"
    )
    shown = text_of(viewer.get(reverse("finding_rewrites", args=[of_a_day.pk])))
    assert "with the same rows for certain. A column's day or year as a range: what extract gives is no" in unescape(
        shown
    )


def test_a_finding_without_such_a_text_has_no_link(viewer):
    world.shop(hours=1, every_s=600)
    for finding in FindingRecord.objects.all():
        assert "rewrites/" not in viewer.get(reverse("finding", args=[finding.pk])).content.decode()


@pytest.mark.long
@pytest.mark.browser
@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_axe_finds_nothing_on_both_pages(browser, live_server, of_a_day):
    FindingRecord.objects.filter(pk=of_a_day.pk).update(fixes=[*of_a_day.fixes, DEARER])
    assert pipeline.advise_on_indexes(of_a_day.server) == ""
    walk = Walk(browser, live_server.url)
    walk.open(*(reverse(name, args=[of_a_day.pk]) for name in ("finding", "finding_rewrites")))
    walk.close()
    walk.found_nothing()
