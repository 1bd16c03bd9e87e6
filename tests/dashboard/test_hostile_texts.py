"""Texts of a hostile server, everywhere at once: shown, and nothing else.

Every free text of every row is made hostile, whatever column it stands in: a column of tomorrow is covered without
anybody thinking of it. Then every page is opened in one browser, and the mail is written, sent and opened.
"""

import email
import email.policy
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import ArrayField
from django.core import mail
from django.db import models
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Browser, Page

from analyzer.models import ExplainAudit, NoSuggestion, ReportMail, Role, Server
from analyzer.schema.facts import SchemaFacts
from analyzer.store.schemas import keep_schema, newest_schema
from dashboard import tasks as dashboard_tasks
from dashboard.mail import queue as mail_queue
from dashboard.models import AuditEntry, Invitation
from tests.dashboard import world
from tests.dashboard.test_accessibility import TOO_WIDE, common_pages, pages_of
from tests.dashboard.test_browser import Watched
from tests.reports import nights

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]

MARK = "hostile"
SHORT = f"\"'><b>{MARK}</b>"  # what fits into 63 bytes beside what was there
TEXT = (
    f"\"'><b>{MARK}</b></script><script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
    "</textarea></title></style><style>*{background:url(//evil.example/)}</style><!-- ]]> {{ 7|add:7 }} {% now %}"
    "<a href=javascript:alert(4)>go</a><base href=//evil.example/><meta http-equiv=refresh content=0;url=//e.example>"
    "\u202e\u2066\u200b\u0007\r\nBcc: everybody@evil.example\r\n\r\n'; drop table t; -- "
)
HIDDEN = set("\u202e\u2066\u200b\u0007")
LONG = TEXT + "x" * 10_000  # no place to break a line
# What no server can choose: our own words, keys and figures, and the addresses of pages.
OURS = {
    "Server": {"slug", "host", "sslmode", "password_encrypted", "sslrootcert"},
    "StepStatus": {"step"},
    "Statement": {"fingerprint", "kind"},
    "Snapshot": {"statements_version"},
    "Database": {"orm", "orm_found"},
    "PlanRecord": {"shape", "judged_with"},
    "PlanPeriodRecord": {"shape", "values_source"},
    "ExplainState": {"schema_signature", "outcome"},
    "ExplainAudit": {"text_hash", "decision", "layer"},
    "FindingRecord": {"key", "code", "about", "level"},
    "SuggestionRecord": {"key", "method", "level"},
    "Invitation": {"token_hash", "email", "role"},
    "KnownSession": {"address"},
    "ReportSubscription": {"address", "time_zone"},
}
REDIRECTED = {"/statements/", "/indexes/", "/tables/", "/findings/costs/"}  # with one server
# The audit log is append-only: its entry is made hostile.
UNTOUCHED = {"AuditEntry", "LoginLink", "LoginAttempt", "LastReading", "SchemaReading", "ParameterSample", "ReportMail"}
# Words of ours inside JSON, and EXPLAIN's own where a plan needs them to be read at all.
OUR_KEYS = {"name", "status", "language", "fingerprint", "Node Type", "Parent Relationship", "Join Type", "Strategy"}


@pytest.fixture
def page(browser: Browser, live_server) -> Iterator[Watched]:  # type: ignore[no-untyped-def]
    context = browser.new_context(viewport={"width": 390, "height": 900})
    watched = Watched(context, live_server.url)
    watched.page.on("dialog", lambda dialog: (watched.complaints.append(dialog.message), dialog.dismiss()))
    yield watched
    context.close()


def spoil(value: Any, most: int | None) -> Any:
    """The value with hostile text in each of its own."""
    if isinstance(value, str):
        text = LONG if most is None else TEXT if most > len(value) + len(TEXT) else SHORT
        return value[: most and most - len(text)] + text
    if isinstance(value, list):
        return [spoil(item, most) for item in value]
    if isinstance(value, dict):
        return {k: v if k in OUR_KEYS else spoil(v, None if most is None else 2_000) for k, v in value.items()}
    return value


def spoil_everything() -> int:
    """How many columns of rows hold hostile text now."""
    spoiled = 0
    for model in [*apps.get_app_config("analyzer").get_models(), *apps.get_app_config("dashboard").get_models()]:
        name = model.__name__
        if name in UNTOUCHED:
            continue
        fields = [
            f
            for f in model._meta.concrete_fields
            if isinstance(f, (models.CharField, models.TextField, models.JSONField, ArrayField))
            and not f.choices
            and f.name not in OURS.get(name, ())
        ]
        for number, row in enumerate(model._default_manager.all()):
            for field in fields:
                most = 2_000 if isinstance(field, (models.JSONField, ArrayField)) else field.max_length
                value = getattr(row, field.attname)
                if field.unique and isinstance(value, str):
                    value = f"{number}{value}"
                setattr(row, field.attname, spoil(value, most))
                spoiled += 1
            if fields:
                row.save(update_fields=[f.name for f in fields])
    return spoiled


def spoil_schema(of: Server) -> None:
    facts = newest_schema(world.database(of))
    assert facts is not None
    names = spoil(msgspec.to_builtins(facts, builtin_types=(datetime,)), 63)
    keep_schema(world.database(of), msgspec.convert(names, SchemaFacts))


def hostile_world() -> world.World:
    shop = world.shop(hours=2, every_s=600)
    person = get_user_model().objects.get()
    for oid, name in ((10, "app"), (11, "other")):
        Role.objects.create(server=shop.shop, oid=oid, name=name)
    world.step(shop.shop, "check", error="it failed", failing_s=600)
    ExplainAudit.objects.create(
        server=shop.shop, database_name="shop", statement=shop.statements[0], decision="plan_only", reason="because",
        text_hash="0" * 64,
    )  # fmt: skip
    Invitation.objects.create(
        token_hash="1" * 64, email="ada@example.com", role="viewer", invited_by="ada",
        expires_at=timezone.now() + nights.DAY,
    )  # fmt: skip
    AuditEntry.objects.create(user_name=SHORT, action="server changed", subject=SHORT, details={"host": TEXT})
    NoSuggestion.objects.create(
        statement=shop.statements[0], database=world.database(shop.shop), reason="none", decided_at=timezone.now()
    )
    statement = {"fingerprint": shop.statements[0].fingerprint, "cost_before": 9.0, "cost_after": 1.0, "change": SHORT}
    shop.suggestion.evidence = {
        "planner": "twin",
        "statements": [statement],
        "hurt": [{**statement, "values": "rare"}],
        "at_risk": [{**statement, "reason": SHORT}],
        "makes_redundant": [{"index": SHORT, "reason": SHORT, "ddl": SHORT}],
    }
    shop.suggestion.save()
    shop.plan.twin_asked_at = timezone.now()
    shop.plan.save()
    nights.subscription(person, hour=(timezone.now().hour + 12) % 24)
    mail_queue.ask_for(person, timezone.now())
    return shop


def open_node(page: Page) -> None:
    """All that PEV2 tells of a node stands in the page once its parts were opened."""
    node = page.locator(".plan-node-body").last
    node.locator("header h4").click()
    tabs = node.locator(".nav-link:not(.disabled)").all()
    assert len(tabs) > 1
    for tab in tabs:
        tab.click()


def test_hostile_texts_are_shown_and_do_nothing(page: Watched, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    page.log_in()
    shop = hostile_world()
    assert spoil_everything() > 100
    dashboard_tasks.send_reports()
    written = ReportMail.objects.get()
    paths = [
        *common_pages().values(),
        *pages_of(
            shop.shop,
            statement=shop.statements[0].fingerprint,
            plan=shop.plan.pk,
            finding=shop.findings[0].pk,
            suggestion=shop.suggestion.pk,
        ).values(),
        *(reverse("finding", args=[finding.pk]) for finding in shop.findings[1:]),
        reverse("stored_plan", args=[shop.plan.pk]),
        reverse("report_mail", args=[written.pk]),
        reverse("report_mail_html", args=[written.pk]),
        "/report/?as=text",
        f"/servers/{shop.shop.slug}/statements/?q=hostile%22%27%3E%3Cscript%3Ealert(1)%3C/script%3E",
        f"/servers/{shop.shop.slug}/statements/?table=%3Cscript%3Ealert(1)%3C/script%3E&role=%22%3E",
    ]
    faults: list[str] = []
    silent = []
    for path in paths:
        answer = page.page.goto(page.base + path)
        assert answer is not None
        page.page.wait_for_load_state("networkidle")
        if answer.status != 200:
            faults.append(f"{path}: {answer.status}")
        if re.fullmatch(r"/plans/\d+/", path):
            open_node(page.page)
        text = page.page.evaluate("document.body.innerText")  # what it frames is among the paths
        faults += [f"{path}: {complaint}" for complaint in page.complaints]
        page.complaints.clear()
        if (too_wide := page.page.evaluate(TOO_WIDE)) > 0:
            faults.append(f"{path}: {too_wide} pixels stick out")
        if page.page.url != page.base + path and path not in REDIRECTED:
            faults.append(f"{path}: went to {page.page.url}")
        if hidden := HIDDEN & set(text):
            faults.append(f"{path}: shows {hidden!r} as they are")
        if MARK not in text:
            silent.append(path)
    assert faults == [], "\n".join(faults)
    assert page.hosts == {urlsplit(page.base).netloc}
    # Nothing from elsewhere stands on these: a browser is told by its kind.
    assert silent == [reverse("server_add"), reverse("checks"), reverse("password"), reverse("sessions")]

    (sent,) = mail.outbox
    message = email.message_from_bytes(sent.message().as_bytes(), policy=email.policy.default)
    assert message["Bcc"] is None
    assert message["To"] == "admin@example.com"
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        assert MARK in body.get_content()
        assert not HIDDEN & set(body.get_content())
    # As a mail program shows it: no policy of ours guards it there.
    opened = Watched(page.page.context, page.base)
    opened.page.set_content(body.get_content())
    assert MARK in opened.page.evaluate("document.body.innerText")
    assert opened.page.evaluate(TOO_WIDE) <= 0
    assert opened.page.locator("script, svg, style:not(head style), base, [onload], [onerror]").count() == 0
    assert (opened.complaints, opened.hosts) == ([], set())
