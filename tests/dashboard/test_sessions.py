"""Where a person is logged in: shown to the owner alone, ended by the owner."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dashboard.models import KnownSession
from dashboard.people import login_sessions
from dashboard.permissions import VIEWER
from tests.dashboard.test_permissions import person

pytestmark = pytest.mark.django_db
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1 Version/18.1 Mobile/15E1 Safari/604.1"
DESK = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


def logged_in(user, agent: str, address: str) -> Client:
    made = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    answer = made.post("/login/", {"username": user.username, "password": "correct horse battery"})
    assert answer.status_code == 302
    return made


@pytest.fixture
def ada():
    return person(VIEWER, "ada")


def rows(client: Client) -> list[str]:
    body = client.get("/account/sessions/").content.decode()
    found = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", body, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in found]


def test_sessions_are_listed_with_device_address_and_when(ada):
    phone, desk = logged_in(ada, PHONE, "192.0.2.7"), logged_in(ada, DESK, "2001:db8::1")
    before = timezone.now() - timedelta(hours=2)
    KnownSession.objects.update(started_at=before)
    KnownSession.objects.filter(user_agent=PHONE).update(seen_at=before)
    assert rows(desk) == [
        "Firefox on Linux this one 2001:db8::1 2 h ago now",
        "Safari on iOS 192.0.2.7 2 h ago 2 h ago End",
    ]
    key = phone.cookies["sessionid"].value
    assert key not in desk.get("/account/sessions/").content.decode()


def test_one_or_all_others_are_ended(ada):
    here, there, elsewhere = (logged_in(ada, DESK, f"192.0.2.{i}") for i in range(3))
    of_there = KnownSession.objects.get(session_id=there.cookies["sessionid"].value)
    here.post(f"/account/sessions/{of_there.pk}/end/")
    assert (there.get("/").status_code, elsewhere.get("/").status_code) == (302, 200)
    shown = here.post("/account/sessions/end-others/", follow=True).content
    assert b"1 other session ended" in shown
    assert (elsewhere.get("/").status_code, here.get("/").status_code) == (302, 200)
    assert Session.objects.count() == KnownSession.objects.count() == 1


def test_nobody_ends_anothers_session_nor_this_one_by_its_number(ada):
    mine, other = logged_in(ada, DESK, "192.0.2.1"), logged_in(person(VIEWER, "vera"), PHONE, "192.0.2.2")
    for known in KnownSession.objects.all():
        mine.post(f"/account/sessions/{known.pk}/end/")
    mine.post("/account/sessions/end-others/")
    assert (mine.get("/").status_code, other.get("/").status_code) == (200, 200)
    assert len(rows(mine)) == 1


def test_a_new_password_ends_the_others_and_this_one_stays_listed(ada):
    here, there = logged_in(ada, DESK, "192.0.2.1"), logged_in(ada, PHONE, "192.0.2.2")
    answer = here.post(
        "/account/password/",
        {"old_password": "correct horse battery", "new_password1": "a new long one", "new_password2": "a new long one"},
    )
    assert answer.headers["Location"] == "/"
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 302)
    assert rows(here) == ["Firefox on Linux this one 192.0.2.1 just now now"]


def test_logging_out_takes_the_session_off_the_list(ada):
    here, there = logged_in(ada, DESK, "192.0.2.1"), logged_in(ada, PHONE, "192.0.2.2")
    there.post("/logout/")
    assert len(rows(here)) == 1
    there.post("/login/", {"username": "ada", "password": "correct horse battery"})
    other = person(VIEWER, "vera")
    there.post("/logout/")
    there.post("/login/", {"username": "vera", "password": "correct horse battery"})
    assert KnownSession.objects.filter(user=other).count() == 1
    assert len(rows(here)) == 1


def test_when_it_was_last_seen_is_written_every_five_minutes_at_most(ada, django_assert_num_queries):
    here = logged_in(ada, DESK, "192.0.2.1")
    KnownSession.objects.update(seen_at=timezone.now() - timedelta(minutes=4), address="198.51.100.1")
    with django_assert_num_queries(3):  # session, user, sessions: nothing written
        here.get("/account/sessions/")
    session = here.session
    session["seen_at"] = (timezone.now() - login_sessions.SEEN_EVERY).timestamp()
    session.save()
    asked_at = timezone.now()
    here.get("/account/sessions/")
    known = KnownSession.objects.get()
    assert known.seen_at >= asked_at
    assert known.address == "192.0.2.1"


def test_a_session_from_before_the_list_appears_on_it(ada):
    here = logged_in(ada, DESK, "192.0.2.1")
    KnownSession.objects.all().delete()
    session = here.session
    del session["seen_at"]
    session.save()
    assert len(rows(here)) == 1


def test_expired_sessions_are_not_shown_and_go_with_the_next_login(ada):
    logged_in(ada, PHONE, "192.0.2.2")
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    here = logged_in(ada, DESK, "192.0.2.1")
    assert len(rows(here)) == 1
    assert Session.objects.count() == 1


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (PHONE, "Safari on iOS"),
        (DESK, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15; Pixel) AppleWebKit/537.36 Chrome/141.0 Mobile Safari/537.36",
         "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/141.0.0.0 Safari/537.36", "Chrome on macOS"),
        ("curl/8.9.1", "curl"),
        ("", "Unknown device"),
    ],
)  # fmt: skip
def test_a_device_is_named_so_that_its_owner_knows_it(agent, device):
    assert login_sessions.device_of(agent) == device


def test_queries_of_the_sessions_page_do_not_grow(ada, django_assert_num_queries):
    here = logged_in(ada, DESK, "192.0.2.1")
    for i in range(12):
        logged_in(ada, PHONE, f"192.0.2.{i + 2}")
    with django_assert_num_queries(3):
        assert here.get("/account/sessions/").content.count(b"<tr>") == 14
