"""The audit log: what operators did is kept, found again, and never changed."""

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from analyzer.models import ExplainAudit
from dashboard.models import AuditEntry
from dashboard.people import audit_log as audit
from dashboard.permissions import OPERATOR, operator_required
from tests.dashboard import world
from tests.dashboard.test_permissions import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(client: Client):
    made = person(OPERATOR, "olga")
    client.force_login(made)
    return made


def entries() -> list[tuple[object, ...]]:
    return list(AuditEntry.objects.order_by("pk").values_list("user_name", "action", "subject", "address", "details"))


def rows(client: Client, query: str = "", page: str = "/audit/") -> list[str]:
    body = client.get(page + query).content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in body.split("</tr>")[:-1]]


def test_muting_is_kept_with_who_what_and_from_where(client, olga):
    of = world.server()
    [record] = world.keep_findings(of, world.database(of), [world.key_finding()], [])
    client.post(f"/findings/{record.pk}/mute/", {"reason": "archived in June"}, REMOTE_ADDR="192.0.2.1")
    client.post(f"/findings/{record.pk}/mute/", {"reason": " "})
    client.post(f"/findings/{record.pk}/unmute/", REMOTE_ADDR="192.0.2.2")
    subject = f"SC001 {record.subject}"
    assert entries() == [
        ("olga", "mute", subject, "192.0.2.1", {"server": "shop", "reason": "archived in June"}),
        ("olga", "unmute", subject, "192.0.2.2", {"server": "shop"}),
    ]
    shown = f"olga muted the finding {subject} reason: archived in June, server: shop 192.0.2.1"
    assert rows(client)[1].endswith(shown)


def test_an_operator_view_that_says_nothing_is_kept_by_its_address(rf, olga):
    @operator_required
    def view(request, status):
        return HttpResponse(status=status)

    for method, status in (("post", 302), ("post", 422), ("get", 200)):
        request = getattr(rf, method)("/somewhere/")
        request.user = olga
        request.resolver_match = None
        view(request, status)
    assert entries() == [("olga", "/somewhere/", "", "127.0.0.1", {})]


def test_text_that_the_store_cannot_hold_is_cut(rf, olga):
    request = rf.post("/")
    request.user = olga
    audit.record(request, "x" * 99, "a\0b" * 200, note="c\0d")
    [(_, action, subject, _, details)] = entries()
    assert (len(action), len(subject), details) == (60, 300, {"note": "cd"})


def test_an_entry_can_be_neither_changed_nor_deleted(olga):
    AuditEntry.objects.create(user_name="olga", action="mute")
    for statement in ("update dashboard_auditentry set user_name = 'otto'", "delete from dashboard_auditentry"):
        with (
            pytest.raises((IntegrityError, InternalError), match="the audit log is append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
    olga.delete()
    assert entries() == [("olga", "mute", "", "", {})]


def test_the_log_is_filtered_and_paged(client, olga):
    now = timezone.now()
    AuditEntry.objects.bulk_create(
        AuditEntry(user_name=f"user{i % 3}", action="mute" if i % 2 else "unmute", subject=f"thing {i}", address="::1")
        for i in range(120)
    )
    assert len(rows(client)) == 50
    assert [len(rows(client, f"?page={page}")) for page in (2, 3, 99, "x")] == [50, 20, 20, 50]
    assert len(rows(client, "?user=user0&page=1")) == 40
    assert len(rows(client, "?user=user0&action=mute")) == 20
    assert len(rows(client, "?q=THING+119")) == 1
    assert len(rows(client, "?q=100%25_")) == 0
    today, yesterday = now.date(), (now - timedelta(days=1)).date()
    assert len(rows(client, f"?since={today}&until={today}")) == 50
    assert len(rows(client, f"?until={yesterday}")) == 0
    for odd in ("?since=0001-01-01", "?until=9999-12-31", "?since=2026-13-40", "?since=x", "?user=%00&q=%00"):
        assert client.get("/audit/" + odd).status_code == 200, odd
    assert b"Nothing matches" in client.get("/audit/?user=nobody").content


def test_an_empty_log_says_what_it_will_hold(client, olga):
    assert b"Nothing was done yet" in client.get("/audit/").content
    assert b"No server is watched yet" in client.get("/audit/explain/").content
    world.server()
    assert b"Nothing was explained yet" in client.get("/audit/explain/").content


def test_decisions_of_the_gate_are_shown_by_server(client, olga):
    of, other = world.server(), world.server("billing")
    [statement] = world.figures(of, world.SHOP[:1], hours=1, every_s=600)
    made = {"server": of, "database_name": "shop", "text_hash": "ab" * 32}
    ExplainAudit.objects.create(**made, statement=statement, decision="executed", reason="<b>fine</b>", duration_ms=48)
    ExplainAudit.objects.create(**made, decision="refused", reason="calls pg_sleep", layer="functions", asked_by="olga")
    ExplainAudit.objects.create(**{**made, "server": other}, decision="failed", reason="gone")
    refused, executed = rows(client, "?server=shop", "/audit/explain/")
    assert "forgotten; text abababababab in shop Refused asked by olga calls pg_sleep layer functions" in refused
    assert "select o.id, o.placed_at" in executed
    assert re.search(r"Executed on schedule &lt;b&gt;fine&lt;/b&gt; 48\s?ms$", executed.replace("\u202f", " "))
    assert len(rows(client, "?server=shop&decision=refused", "/audit/explain/")) == 1
    assert len(rows(client, "", "/audit/explain/")) == 1  # the first by name: billing
    assert b"No statement was only planned here" in client.get("/audit/explain/?decision=plan_only").content


def test_queries_of_the_audit_pages_do_not_grow(client, olga, django_assert_num_queries):
    of = world.server()
    statements = world.figures(of, world.SHOP, hours=1, every_s=600)

    def fill(count: int) -> None:
        for i in range(count):
            AuditEntry.objects.create(user_name=f"user{i}", action=f"action{i}", details={"a": i})
            made = {"database_name": "shop", "text_hash": "a", "decision": "failed", "reason": "x"}
            ExplainAudit.objects.create(server=of, statement=statements[i % 8], **made)

    for rows_more in (1, 30):
        fill(rows_more)
        with django_assert_num_queries(6):  # session, user, count, entries, names, actions
            client.get("/audit/")
        with django_assert_num_queries(5):  # session, user, servers, count, decisions
            client.get("/audit/explain/")
