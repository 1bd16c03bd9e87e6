"""The report's pages: preview, settings, mails that went out or did not, unsubscribing."""

import html
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analyzer.models import FindingEvent, FindingRecord, ReportMail, ReportSubscription
from dashboard.health import views as health
from dashboard.mail import queue as mail_queue
from tests.dashboard import world
from tests.reports import nights

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada():
    return world.user()


@pytest.fixture
def person(client: Client, ada) -> Client:
    client.force_login(ada)
    return client


def text_of(response) -> str:
    body = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(html.unescape(body).replace("\u202f", " ").replace("\u00a0", " ").split())


@pytest.fixture
def old_mail(ada):
    def make(**fields) -> ReportMail:
        now = timezone.now()
        values = {"user": ada, "due_at": now, "next_attempt_at": now, "window_end": now, "night": now.date(), **fields}
        return ReportMail.objects.create(window_start=now - timedelta(days=1), **values)

    return make


def test_preview_is_framed_without_scripts_and_with_a_policy_of_its_own(person):
    page = person.get("/report/")
    assert b'src="/report/preview/" sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.content
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    framed = person.get("/report/preview/")
    assert framed.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none';"
        " sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    assert framed.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "No finding is open" in text_of(framed)


def test_person_chooses_hour_zone_servers_and_quiet_nights(person, ada):
    shop, _ = world.server("shop"), world.server("other")
    form = {"address": "ada@example.com", "hour": "6", "time_zone": "Asia/Kolkata", "all_servers": "some",
            "servers": [shop.pk], "quiet_nights": "skip"}  # fmt: skip
    refused = person.post("/report/settings/", {**form, "servers": []})
    assert refused.status_code == 422
    assert "Choose at least one server" in text_of(refused)
    assert person.post("/report/settings/", {**form, "time_zone": "Mars/Olympus"}).status_code == 422
    assert person.post("/report/settings/", {**form, "address": "a@b.c\nBcc: x@example.com"}).status_code == 422
    saved = person.post("/report/settings/", form, follow=True)
    assert "The next mail comes on" in text_of(saved)
    assert "Asia/Kolkata" in text_of(saved)
    found = ReportSubscription.objects.get(user=ada)
    assert (found.address, found.hour, found.time_zone, found.quiet_nights) == (
        "ada@example.com", 6, "Asia/Kolkata", "skip"
    )  # fmt: skip
    assert found.is_active
    assert mail_queue.servers_of(found) == [shop]
    stopped = person.post("/report/settings/", {"stop": "1"}, follow=True)
    assert "No more nightly mails" in text_of(stopped)
    found.refresh_from_db()
    assert not found.is_active


def test_saving_after_the_hour_waits_for_the_next_one(person, ada):
    hour_now = timezone.now().hour
    form = {"address": "ada@example.com", "hour": str(hour_now), "time_zone": "UTC", "all_servers": "all",
            "quiet_nights": "line"}  # fmt: skip
    person.post("/report/settings/", form)
    assert mail_queue.make_due(timezone.now()) == 0
    assert mail_queue.make_due(timezone.now() + timedelta(days=1)) == 1


def test_send_now_queues_one_mail_and_not_two(person, ada):
    assert person.post("/report/send/").headers["Location"] == "/report/settings/"
    nights.subscription(ada)
    person.post("/report/send/")
    person.post("/report/send/")
    (mail,) = ReportMail.objects.all()
    assert (mail.state, mail.night) == ("due", None)
    assert "Waiting" in text_of(person.get("/report/"))


def test_failed_mail_says_why_and_can_be_tried_again(person, ada, old_mail):
    nights.subscription(ada)
    mail = old_mail(state="failed", attempts=6, last_error="The mail server mx:25 refused the address: 550 <b>no</b>",
                    finished_at=timezone.now(), subject="1 new", html="<html><head></head>x", text="x")  # fmt: skip
    assert "550 <b>no</b>" in text_of(person.get("/report/")).replace("&lt;", "<")
    shown = person.get(f"/report/mails/{mail.pk}/")
    assert b"&lt;b&gt;no&lt;/b&gt;" in shown.content
    assert health.mail_troubles(timezone.now()) == [("Reports given up in the last two days: 1.", mail.last_error)]
    person.post(f"/report/mails/{mail.pk}/retry/")
    mail.refresh_from_db()
    assert (mail.state, mail.attempts) == ("due", 0)


def test_mails_of_others_are_not_shown(person, old_mail):
    other = old_mail(user=world.user("bob"), subject="secret", html="<html><head></head>secret", text="secret")
    assert b"secret" not in person.get("/report/").content
    for address in ("", "html/"):
        assert person.get(f"/report/mails/{other.pk}/{address}").status_code == 404
    assert person.post(f"/report/mails/{other.pk}/retry/").status_code == 404


def test_pages_need_a_login_but_unsubscribing_does_not(client, ada):
    for address in ("/report/", "/report/preview/", "/report/settings/", "/report/mails/1/", "/report/mails/1/html/"):
        assert client.get(address).headers["Location"].startswith("/login/"), address
    subscription = nights.subscription(ada)
    path = mail_queue.unsubscribe_url(subscription).removeprefix("http://127.0.0.1:8000")
    anybody = Client(enforce_csrf_checks=True)
    assert "They go to ada@example.com" in text_of(anybody.get(path))
    subscription.refresh_from_db()
    assert subscription.is_active, "opening the link changes nothing"
    assert anybody.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert anybody.post(path).status_code == 200
    subscription.refresh_from_db()
    assert not subscription.is_active
    assert subscription.unsubscribed_at is not None


def test_unsubscribe_link_that_was_forged_or_is_of_an_old_address_does_nothing(client, ada):
    subscription = nights.subscription(ada)
    path = mail_queue.unsubscribe_url(subscription).removeprefix("http://127.0.0.1:8000")
    assert client.post(path[:-3] + "xy/").status_code == 404
    ReportSubscription.objects.update(address="new@example.com")
    assert client.post(path).status_code == 404
    assert ReportSubscription.objects.get().is_active


def test_the_preview_says_what_gone_findings_take_since_and_save_together(person):
    of = world.server()
    world.step(of)
    now = timezone.now()
    for ago, since_s in ((timedelta(hours=3), 10_800.0), (timedelta(days=9), 86_400.0)):
        finding = replace(world.scan_finding(f"f{since_s}"), title=f"Scan {since_s:.0f}")
        nights.found(of, finding, at=now - timedelta(days=12))
        FindingRecord.objects.filter(about=finding.about).update(closed_at=now - ago)
        record = FindingRecord.objects.get(about=finding.about)
        statement = {"fingerprint": record.about, "before_s_per_day": 1740.0, "since_s_per_day": 13.0, "counts": True}
        FindingEvent.objects.create(
            finding=record, at=record.closed_at, kind="closed",
            gain={"before_s_per_day": 1740.0, "since_s_per_day": 13.0, "since_measured_s": since_s,
                  "compared_s": since_s, "index": "",
                  "until": 0, "statements": [statement]},
        )  # fmt: skip
    shown = text_of(person.get("/report/preview/"))
    assert "Gone in the last 30 days: 28 min 47 s a day, with 1 finding (measured)" in shown
    assert "its statement took 29 min a day before, 13 s a day since (measured over 3 hours)." in shown
    FindingEvent.objects.create(finding=record, at=now - timedelta(days=11), kind="closed")  # it came and went before
    page = person.get("/findings/?state=closed")
    assert [len(finding.closings) for finding in page.context["page"]] == [1, 1]
    listed = text_of(page)
    assert listed.count("took 29 min a day before") == 2
    [pk] = FindingRecord.objects.filter(title="Scan 86400").values_list("pk", flat=True)
    assert "its statement took 29 min a day before, 13 s a day since" in text_of(person.get(f"/findings/{pk}/"))
