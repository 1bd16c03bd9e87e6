import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from analyzer.models import LoginLink
from dashboard.people.accounts import one_time_login_link, use_link
from tests.dashboard import world

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _forget_failures():
    cache.clear()


def path_of(link: str) -> str:
    return urlsplit(link).path


def test_first_link_makes_an_admin_without_a_password(client):
    link = one_time_login_link("http://127.0.0.1:8000/")
    admin = get_user_model().objects.get()
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/login/once/[\w-]{43}/", link)
    assert (admin.username, admin.is_superuser, admin.has_usable_password()) == ("admin", True, False)
    assert link.split("/")[-2] not in str(LoginLink.objects.values_list("token_hash", "user_name"))


def test_opening_a_link_changes_nothing_and_its_button_logs_in_once(client):
    path = path_of(one_time_login_link("http://testserver"))
    for _ in range(3):
        page = client.get(path)
        assert page.status_code == 200
        assert b"<button" in page.content
    assert client.head(path).status_code == 200
    assert client.get("/").status_code == 302
    assert client.post(path, follow=True).redirect_chain == [("/", 302)]
    assert client.get("/").status_code == 200

    other = Client()
    assert other.get(path).status_code == 410
    assert other.post(path).status_code == 410
    assert other.get("/").status_code == 302


def test_a_link_is_too_old_after_half_an_hour(client):
    path = path_of(one_time_login_link("http://testserver"))
    LoginLink.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(path).status_code == 410
    assert client.post(path).status_code == 410


def test_a_link_of_a_user_who_may_no_longer_log_in_is_refused(client):
    path = path_of(one_time_login_link("http://testserver"))
    get_user_model().objects.update(is_active=False)
    assert client.post(path).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_two_people_with_one_link_at_once_let_one_in():
    token = path_of(one_time_login_link("http://testserver")).split("/")[-2]

    def use() -> bool:
        try:
            return use_link(token) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: use(), range(8))) == [False] * 7 + [True]


def test_a_password_can_be_set_after_a_link_and_then_works(client):
    client.post(path_of(one_time_login_link("http://testserver")))
    assert b"Set a password" in client.get("/").content
    short = client.post("/account/password/", {"new_password1": "short", "new_password2": "short"})
    assert b"too short" in short.content
    good = {"new_password1": "a long enough one", "new_password2": "a long enough one"}
    assert client.post("/account/password/", good).status_code == 302
    assert b"Set a password" not in client.get("/").content

    other = Client()
    other.post("/login/", {"username": "admin", "password": "a long enough one"})
    assert other.get("/").status_code == 200


def test_wrong_passwords_are_answered_alike_and_then_closed(client):
    world.user()
    texts = set()
    for name in ("ada", "nobody"):
        page = client.post("/login/", {"username": name, "password": "wrong"})
        texts.add(re.search(rb'role="alert">(.*?)</div>', page.content, re.DOTALL)[1])
    assert len(texts) == 1
    for _ in range(8):
        client.post("/login/", {"username": "ada", "password": "wrong"})
    right = client.post("/login/", {"username": "ada", "password": "correct horse battery"})
    assert right.status_code == 429
    assert b"Too many wrong passwords" in right.content


def test_login_goes_on_to_the_page_that_was_asked_for_but_to_no_other_host(client):
    world.user()
    credentials = {"username": "ada", "password": "correct horse battery"}
    assert client.get("/findings/").headers["Location"] == "/login/?next=/findings/"
    assert client.post("/login/", {**credentials, "next": "/findings/"}).headers["Location"] == "/findings/"
    assert Client().post("/login/", {**credentials, "next": "//evil.example/"}).headers["Location"] == "/"


def test_the_command_prints_a_link_that_works(client):
    out = StringIO()
    call_command("login_link", url="http://testserver", stdout=out)
    assert client.post(path_of(out.getvalue().strip())).status_code == 302
    with pytest.raises(CommandError, match="There is no active user 'nobody'"):
        call_command("login_link", user="nobody")


def test_a_part_that_refreshes_itself_sends_the_page_to_the_login_after_logout(client):
    response = client.get("/_findings/", headers={"HX-Request": "true"})
    assert (response.status_code, response.headers["HX-Redirect"]) == (204, "/login/")


def test_only_a_post_with_its_token_changes_anything():
    world.user()
    client = Client(enforce_csrf_checks=True)
    client.force_login(get_user_model().objects.get())
    of = world.server()
    [record] = world.keep_findings(of, world.database(of), [world.key_finding()], [])
    for path in (f"/findings/{record.pk}/mute/", f"/findings/{record.pk}/unmute/"):
        assert client.get(path).status_code == 405
        assert client.post(path, {"reason": "x"}).status_code == 403
    record.refresh_from_db()
    assert record.muted_at is None
    assert client.get("/logout/").status_code == 405
