"""Nightly mails through the real task, received by a real SMTP server, at moments that are given."""

import email
import email.policy
import re
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from analyzer.errors import PgLoupeError
from analyzer.findings import Finding
from analyzer.models import AdviceRun, FindingImpact, FindingRecord, ReportMail, Server, SuggestionRecord
from analyzer.runtime.processes import free_port
from dashboard.mail import queue as mail_queue
from dashboard.tasks import send_reports
from tests.dashboard import world
from tests.reports import nights

pytestmark = pytest.mark.django_db


class MailServer:
    """What came in and when (``now`` is set by the test); ``answers`` are given to the next mails instead of 250."""

    def __init__(self) -> None:
        self.now: datetime | None = None
        self.received: list[tuple[datetime | None, str, EmailMessage]] = []
        self.raw: list[bytes] = []
        self.answers: list[str] = []
        self.refused_recipients: dict[str, str] = {}
        self.pause_s = 0.0

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused_recipients:
            return self.refused_recipients[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.pause_s:
            time.sleep(self.pause_s)  # the sender waits for the answer meanwhile
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.raw.append(content)
        for address in envelope.rcpt_tos:
            self.received.append((self.now, address, message))
        return "250 OK"


@pytest.fixture
def smtp(settings) -> Iterator[MailServer]:
    handler = MailServer()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_TIMEOUT = 10
    settings.PGLOUPE_BASE_URL = "https://loupe.example.com"
    settings.DEFAULT_FROM_EMAIL = "pgLoupe <pgloupe@example.com>"
    yield handler
    controller.stop()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def run_at(now: datetime) -> None:
    send_reports.apply(args=(now.isoformat(),)).get()


def part(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


# -- the hour -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("zone", "begins", "arrivals"),
    [
        # 02:00 is left out on the 29th, and comes twice on the 25th
        ("Europe/Berlin", "2026-03-27T12:00", {2: "03-28T01 03-29T01 03-30T00", 7: "03-28T06 03-29T05 03-30T05"}),
        ("Europe/Berlin", "2026-10-23T12:00", {2: "10-24T00 10-25T00 10-26T01", 7: "10-24T05 10-25T06 10-26T06"}),
        # 02:00 is left out on the 8th, 01:00 comes twice on the 1st
        ("America/New_York", "2026-03-06T18:00", {2: "03-07T07 03-08T07 03-09T06", 7: "03-07T12 03-08T11 03-09T11"}),
        ("America/New_York", "2026-10-30T18:00", {1: "10-31T05 11-01T05 11-02T06", 7: "10-31T11 11-01T12 11-02T12"}),
    ],
)
def test_one_mail_a_night_at_the_readers_hour(smtp, zone, begins, arrivals):
    begins = utc(begins)
    for hour in arrivals:
        nights.subscription(world.user(f"at{hour}"), hour=hour, time_zone=zone, since=begins)
    world.server()
    for hours in range(72):
        smtp.now = begins + timedelta(hours=hours)
        run_at(smtp.now)
    for hour, expected in arrivals.items():
        received = [f"{when:%m-%dT%H}" for when, address, _ in smtp.received if address == f"at{hour}@example.com"]
        assert " ".join(received) == expected
        mails = ReportMail.objects.filter(user__username=f"at{hour}").order_by("night")
        windows = list(mails.values_list("window_start", "window_end"))
        assert all(end == start for (_, end), (start, _) in pairwise(windows)), "nothing falls between"


def test_two_people_get_it_at_their_own_hour(smtp):
    world.server()
    begins = utc("2026-06-10T00:00")
    nights.subscription(world.user("ada"), hour=7, time_zone="Europe/Berlin", since=begins)
    nights.subscription(world.user("bob"), hour=7, time_zone="America/New_York", since=begins)
    for minutes in range(0, 24 * 60, 60):
        smtp.now = begins + timedelta(minutes=minutes)
        run_at(smtp.now)
    assert [(f"{when:%H:%M}", address) for when, address, _ in smtp.received] == [
        ("05:00", "ada@example.com"),
        ("11:00", "bob@example.com"),
    ]


def test_late_mail_is_sent_and_one_of_yesterday_is_not(smtp):
    world.server()
    nights.subscription(world.user(), hour=7, time_zone="UTC", since=utc("2026-06-01T00:00"))
    run_at(utc("2026-06-10T19:30"))  # nobody ran for twelve hours and a half
    assert smtp.received == []
    run_at(utc("2026-06-11T18:00"))  # eleven
    assert len(smtp.received) == 1
    assert ReportMail.objects.get().window_end == utc("2026-06-11T07:00")


def test_moving_the_hour_within_a_day_sends_no_second_mail(smtp):
    world.server()
    subscription = nights.subscription(world.user(), hour=7, time_zone="UTC", since=utc("2026-06-01T00:00"))
    run_at(utc("2026-06-10T07:00"))
    subscription.hour = 9
    subscription.save()
    run_at(utc("2026-06-10T09:00"))
    assert len(smtp.received) == 1
    run_at(utc("2026-06-11T09:00"))
    assert len(smtp.received) == 2
    assert ReportMail.objects.order_by("pk").last().window_start == utc("2026-06-10T07:00")


# -- the mail -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_mail_tells_the_night_with_ddl_and_a_link_for_each_finding(smtp):
    now = timezone.now()
    nights.busy()
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC", quiet_nights="skip")
    run_at(now)
    [(_, address, message)] = smtp.received
    assert address == "ada@example.com"
    assert message["Subject"] == "1 new, 1 worse, 1 fixed on shop"
    assert message["From"] == "pgLoupe <pgloupe@example.com>"
    assert re.fullmatch(r"<https://loupe\.example\.com/report/unsubscribe/\S+/>", message["List-Unsubscribe"].strip())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Auto-Submitted"] == "auto-generated"
    html, text = part(message, "html"), part(message, "plain")
    name = "ix_shop_order_status_placed_at"
    ddl = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON public.shop_order (status, placed_at);"
    order = ["NEW\n", "Seq Scan on shop_order o", ddl, "WORSE\n",
             "4 h 33 min a day (3 h 58 min on the server measured, 35 min waiting assumed); was 1 h 55 min, up 138 %",
             "Django", "annotate(review_count", "FIXED\n", "Seq Scan on shop_product p", "STILL OPEN\n",
             "20 min 40 s a day (assumed)", "ix_shop_order_line_order_id", "42 s a day (assumed)",
             "WHAT COST THE MOST", "from shop_order o",
             "SERVER\n", "statements at once"]  # fmt: skip
    place = 0
    for words in order:
        place = text.index(words, place)
    for record in FindingRecord.objects.all():
        assert f"https://loupe.example.com/findings/{record.pk}/" in text
        assert f'href="https://loupe.example.com/findings/{record.pk}/"' in html
    # nothing that mail programs drop or that tells somebody when it was read
    assert not re.search(r"<(script|img|link|iframe|form|object)\b|url\(|@import|var\(--", html)
    assert set(re.findall(r'(?:href|src)="(https?://[^/"]+)', html)) == {"https://loupe.example.com"}
    assert len(html.encode()) < 102_000
    assert all(len(line) <= 998 for line in smtp.raw[0].split(b"\r\n")), "RFC 5322"


@pytest.mark.slow
def test_mail_says_what_the_planner_expects_of_an_index(smtp):
    now = timezone.now()
    nights.busy()
    costs = {"fingerprint": "f", "cost_before": 4462.0, "cost_after": 2.6, "change": "a Sort is gone"}
    SuggestionRecord.objects.update(
        evidence={"planner": "twin", "statements": [costs]}, level="planned",
        helped_time_s_per_day=7200.0, saved_time_s_per_day=7188.0,
    )  # fmt: skip
    time = {"now_s_per_day": 14_400.0, "then_s_per_day": 2_736.0, "watched_s": 86_400.0}
    result = {"indexes": [{}, {}], "drops": [], "size_bytes": 12 << 20, "time": time}
    database = SuggestionRecord.objects.first().database
    AdviceRun.objects.create(database=database, made_at=now, tried_at=now, result=result)
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC", quiet_nights="skip")
    run_at(now)
    [(_, _, message)] = smtp.received
    for kind, space in (("html", "\u00a0"), ("plain", " ")):
        text = " ".join(part(message, kind).split(" "))
        line = f"2{space}h a day now (measured), about 12{space}s with it (planned)."
        assert text.count(f"Create this index: {line}") == 2  # of the new finding, and of one that is open
        whole = (
            f"2 indexes to create, 12{space}MB; minus 81{space}% of this server’s statement time,"
            f" 4{space}h a day now (measured), about 45{space}min 36{space}s with them (planned)."
        )
        assert whole.replace(";", "</a>;") in text if kind == "html" else whole in text
    subject = str(message["Subject"])
    assert subject.endswith("on shop; indexes would save 81 % of its statement time".replace("81 %", "81\u00a0%"))


def test_mail_tells_what_became_of_new_indexes(smtp):
    now = timezone.now()
    of = world.server()
    world.step(of)
    made = [world.suggestion(of, world.key_finding(), "public.shop_order", name) for name in ("a", "b", "c", "d")]
    span = {"calls": 40, "mean_exec_time_ms": 41.0, "blocks_per_call": 1204.0}
    statement = {"fingerprint": "f", "before": span, "after": {**span, "mean_exec_time_ms": 0.3}, "plan_change": ""}
    drop = "DROP INDEX CONCURRENTLY IF EXISTS public.ix_b;\n"
    for record, state, hours, ddl in zip(
        made, ("realised", "not_used", "realised", "built"), (3, 2, 30, None), ("", drop, "", ""), strict=True
    ):
        decided_at = None if hours is None else (now - timedelta(hours=hours)).isoformat()
        record.outcome = {"statements": [statement], "calls": 40, "decided_at": decided_at, "drop_ddl": ddl}
        record.state, record.closed_at, record.built_at = state, now - timedelta(days=2), now - timedelta(days=2)
        record.save()
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC", quiet_nights="skip")
    run_at(now)
    [(_, _, message)] = smtp.received
    assert message["Subject"] == "2 new indexes judged on shop"
    html, text = part(message, "html"), part(message, "plain")
    told = text[text.index("WHAT BECAME OF NEW INDEXES") :]
    assert told.count("Realised: mean 41 ms → 300 µs, blocks 1 204 → 1 204 per call.") == 1
    assert told.index("Realised") < told.index("Not used") < told.index(drop.strip())
    assert html.count(drop.strip()) == 1


def test_quiet_night_is_one_line_or_no_mail(smtp):
    world.step(world.server())
    now = timezone.now()
    nights.subscription(world.user("ada"), hour=now.hour, time_zone="UTC", quiet_nights="line")
    nights.subscription(world.user("bob"), hour=now.hour, time_zone="UTC", quiet_nights="skip")
    run_at(now)
    [(_, address, message)] = smtp.received
    assert (address, message["Subject"]) == ("ada@example.com", "Nothing new on shop")
    assert part(message, "plain").startswith("Nothing new, worse or fixed. No finding is open.\n")
    assert "What cost the most" not in part(message, "html")
    assert ReportMail.objects.get(user__username="bob").state == "skipped"
    run_at(now + timedelta(minutes=1))
    assert len(smtp.received) == 1


def test_server_that_is_down_is_news(smtp):
    world.step(world.server(), ago_s=30, error="db.example.com refused the connection on port 5432", failing_s=7_000)
    now = timezone.now()
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC", quiet_nights="skip")
    run_at(now)
    [(_, _, message)] = smtp.received
    assert message["Subject"] == "shop is down; nothing else new"
    assert "db.example.com refused the connection on port 5432" in part(message, "plain")
    assert "shop cannot be read since" in part(message, "html")


def test_only_the_chosen_servers_are_told(smtp):
    now = timezone.now()
    one, other = world.server("one"), world.server("other")
    for of in (one, other):
        world.step(of)
        nights.found(of, world.key_finding(), at=now - timedelta(hours=2))
    subscription = nights.subscription(world.user(), hour=now.hour, time_zone="UTC", all_servers=False)
    subscription.servers.set([one])
    run_at(now)
    [(_, _, message)] = smtp.received
    assert message["Subject"] == "1 new on one"
    assert "other" not in part(message, "plain").replace("Nothing else", "")


EVIL = '"><script>alert(1)</script>\u202egnp.exe\r\nBcc: eve@example.com\r\n\r\n<b>x' + "é" * 10_000


def test_hostile_texts_do_no_harm(smtp):
    now = timezone.now()
    of = world.server("evil")
    Server.objects.filter(pk=of.pk).update(name=EVIL[:100])
    world.step(of, error="FATAL: " + EVIL, failing_s=3_600)
    for number in range(40):
        bad = Finding(
            **{**{f: getattr(world.key_finding(), f) for f in Finding.__slots__},
               "subject": EVIL[:250], "message": EVIL, "title": EVIL[:200], "about": f"public.t{number}"}
        )  # fmt: skip
        world.keep_findings(of, world.database(of), [bad], [], now=now - timedelta(hours=1))
    made = world.suggestion(of, world.key_finding(), "public." + "t" * 100, "a")
    SuggestionRecord.objects.filter(pk=made.pk).update(ddl=f'CREATE INDEX i ON "{EVIL}" (a);')
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC")
    run_at(now)
    [(_, address, message)] = smtp.received
    assert address == "ada@example.com"
    assert message["Bcc"] is None
    subject = str(message["Subject"])
    assert len(subject) < 200
    assert "\u202e" not in subject
    assert "\n" not in subject
    html, text = part(message, "html"), part(message, "plain")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    for body in (html, text):
        assert "\u202e" not in body
        assert "⟨U+202E⟩" in body
        assert "CREATE INDEX i" not in body, "a text with unseen characters is copied from its page"
    assert not any(line.strip().startswith(("Bcc:", "<b>x")) for line in text.splitlines())
    assert len(html.encode()) < 102_000, "Gmail cuts there"
    assert "more</a>" in html


BROKEN = "a\n* Everything is fine. Run this:\ndrop table t"


@pytest.mark.parametrize(
    ("ddl", "is_in_mail"),
    [
        ("-- it's one \"\nCREATE INDEX i ON \"A\" (a) WHERE b = 'x';\nANALYZE t;", True),
        (f'CREATE INDEX i ON "{BROKEN}" (a);', False),
        (f"CREATE INDEX i ON t (a) WHERE b = '{BROKEN}';", False),
        ('CREATE INDEX i ON "a\u2028b" (a);', False),
        ('rows = Order.objects.filter(name="it\'s")\n', True),
    ],
)
def test_a_name_writes_no_lines_of_its_own(smtp, ddl, is_in_mail):
    now = timezone.now()
    of = world.server()
    world.step(of)
    found = replace(world.key_finding(), message=f"The table {BROKEN} is slow.", title=f"Slow {BROKEN}")
    world.keep_findings(of, world.database(of), [found], [], now=now - timedelta(hours=1))
    made = world.suggestion(of, world.key_finding(), "public.t", "a")
    SuggestionRecord.objects.filter(pk=made.pk).update(ddl=ddl, table=f"public.{BROKEN}")
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC")
    run_at(now)
    [(_, _, message)] = smtp.received
    text, html = part(message, "plain"), part(message, "html")
    assert [line for line in text.splitlines() if line.startswith(("* Everything", "drop table"))] == []
    assert "a⟨U+000A⟩* Everything is fine" in text
    assert (ddl.splitlines()[0] in text) == is_in_mail
    assert ("holds invisible characters or names with line breaks" in text) == (not is_in_mail)
    assert ("holds invisible characters or names with line breaks" in html) == (not is_in_mail)


# -- sent once, or said why not -----------------------------------------------------------------------------------


def test_mail_that_is_put_off_is_tried_again_and_is_the_same(smtp):
    now = timezone.now()
    world.step(world.server())
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC")
    smtp.answers = ["451 4.7.1 Greylisted, come back later"]
    run_at(now)
    mail = ReportMail.objects.get()
    assert (mail.state, mail.attempts) == ("due", 1)
    assert "451 4.7.1 Greylisted, come back later" in mail.last_error
    assert mail_queue.mail_health(now).late == 1
    written = mail.html
    run_at(now + timedelta(minutes=3))
    assert smtp.received == []
    run_at(now + timedelta(minutes=7))
    [(_, _, message)] = smtp.received
    mail.refresh_from_db()
    assert (mail.state, mail.attempts, mail.last_error, mail.html) == ("sent", 2, "", written)
    assert message["Message-ID"] == f"<report-{mail.pk}-{mail.due_at:%Y%m%d}@example.com>"


def test_mail_is_given_up_after_its_attempts_and_shown(smtp, settings, client: Client):
    settings.EMAIL_PORT = free_port()  # nobody listens
    now = timezone.now()
    world.step(world.server())
    ada = world.user()
    nights.subscription(ada, hour=now.hour, time_zone="UTC")
    for minutes in range(0, 9 * 60, 8):
        run_at(now + timedelta(minutes=minutes))
    mail = ReportMail.objects.get(night=now.date())
    assert (mail.state, mail.attempts) == ("failed", 6)
    assert mail.last_error == (
        f"The mail could not be handed over to 127.0.0.1:{settings.EMAIL_PORT}: Connection refused"
    )
    client.force_login(ada)
    assert b"Connection refused" in client.get("/report/").content


def test_address_that_does_not_exist_is_not_tried_again_and_others_get_theirs(smtp):
    now = timezone.now()
    world.step(world.server())
    smtp.refused_recipients["ada@example.com"] = "550 5.1.1 No such user"
    for name in ("ada", "bob"):
        nights.subscription(world.user(name), hour=now.hour, time_zone="UTC")
    run_at(now)
    assert [address for _, address, _ in smtp.received] == ["bob@example.com"]
    mail = ReportMail.objects.get(user__username="ada")
    assert (mail.state, mail.attempts) == ("failed", 1)
    assert mail.last_error.endswith("refused the address: 550 5.1.1 No such user")


def test_fault_of_ours_at_one_mail_keeps_no_other_from_going_out(smtp, monkeypatch):
    now = timezone.now()
    world.step(world.server())
    for name in ("ada", "bob"):
        nights.subscription(world.user(name), hour=now.hour, time_zone="UTC")
    compose = mail_queue.compose

    def fails_once(*args, **kwargs):
        monkeypatch.setattr(mail_queue, "compose", compose)
        raise PgLoupeError("secret")

    monkeypatch.setattr(mail_queue, "compose", fails_once)
    run_at(now)
    assert len(smtp.received) == 1
    mail = ReportMail.objects.get(state="due")
    assert "pgLoupe failed at this mail (PgLoupeError)" in mail.last_error
    run_at(now + timedelta(minutes=7))
    assert len(smtp.received) == 2


def test_worker_that_dies_at_each_attempt_is_not_followed_for_ever(smtp):
    now = timezone.now()
    nights.subscription(world.user(), hour=(now.hour + 5) % 24, time_zone="UTC", since=now)
    ReportMail.objects.create(
        user=User.objects.get(), night=now.date() - timedelta(days=30), due_at=now, next_attempt_at=now, attempts=6,
        window_start=now - timedelta(days=1), window_end=now,
    )  # fmt: skip
    run_at(now)
    mail = ReportMail.objects.get()
    assert (mail.state, mail.last_error) == ("failed", "The worker was stopped at each attempt.")
    assert smtp.received == []


def test_nobody_gets_a_mail_after_unsubscribing_or_leaving(smtp):
    now = timezone.now()
    world.step(world.server())
    smtp.answers = ["451 later", "451 later"]
    for name in ("ada", "bob"):
        nights.subscription(world.user(name), hour=now.hour, time_zone="UTC")
    run_at(now)
    mail_queue.unsubscribe(mail_queue.ReportSubscription.objects.get(user__username="ada"), now)
    User.objects.filter(username="bob").update(is_active=False)
    run_at(now + timedelta(minutes=7))
    assert smtp.received == []
    assert set(ReportMail.objects.values_list("state", flat=True)) == {"expired"}


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_it_once(smtp):
    now = timezone.now()
    world.step(world.server())
    for name in ("ada", "bob", "eve"):
        nights.subscription(world.user(name), hour=now.hour, time_zone="UTC")
    smtp.pause_s = 0.2
    together = threading.Barrier(4)

    def work() -> None:
        together.wait()
        try:
            run_at(now)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(address for _, address, _ in smtp.received) == [
        "ada@example.com", "bob@example.com", "eve@example.com"
    ]  # fmt: skip
    assert list(ReportMail.objects.values_list("state", "attempts")) == [("sent", 1)] * 3


def test_without_smtp_a_mail_is_a_file_for_its_owner_only(settings, tmp_path: Path):
    settings.EMAIL_BACKEND = "dashboard.mail.folder.FolderBackend"
    settings.EMAIL_FOLDER = tmp_path / "mail"
    now = timezone.now()
    world.step(world.server())
    nights.subscription(world.user(), hour=now.hour, time_zone="UTC")
    run_at(now)
    [file] = settings.EMAIL_FOLDER.iterdir()
    assert file.suffix == ".eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.EMAIL_FOLDER.stat().st_mode) == 0o700
    message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "Nothing new on shop"


def test_impacts_are_kept_once_an_hour_and_for_days_only(smtp):
    of = world.server()
    at = utc("2026-06-10T10:10")
    [record] = world.keep_findings(of, world.database(of), [world.key_finding()], [], now=at)
    for minutes in (0, 1, 49, 50, 51):
        run_at(at + timedelta(minutes=minutes))
    assert list(FindingImpact.objects.order_by("at").values_list("finding", "at", "impact_s_per_day")) == [
        (record.pk, utc("2026-06-10T10:00"), 1_240.0),
        (record.pk, utc("2026-06-10T11:00"), 1_240.0),
    ]
    run_at(at + timedelta(days=9))
    assert FindingImpact.objects.count() == 1
