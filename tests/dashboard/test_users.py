"""Invitations, roles, access, forgotten passwords, and how often one may guess."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from analyzer.models import LoginLink
from dashboard.models import AuditEntry, Invitation, KnownSession, LoginAttempt
from dashboard.people import accounts, rate_limit
from dashboard.people.accounts import LastOperator, accept, invite, one_time_login_link, set_active, set_role
from dashboard.people.client_address import address_of, network_of
from dashboard.permissions import OPERATOR, VIEWER, is_operator
from tests.dashboard import world
from tests.dashboard.test_permissions import person
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db
GOOD = {"password1": "a long enough one", "password2": "a long enough one"}


@pytest.fixture
def operator(client: Client) -> User:
    made = person(OPERATOR, "olga")
    client.force_login(made)
    return made


def link_in(page) -> str:
    return urlsplit(re.search(r"http://testserver/[\w/.-]+", page.content.decode())[0]).path


def actions() -> list[tuple[str, str, str]]:
    return list(AuditEntry.objects.order_by("pk").values_list("user_name", "action", "subject"))


# Invitations


def test_from_an_invitation_to_a_viewer_who_is_logged_in(client, operator):
    page = client.post("/users/invite/", {"email": "vera@example.com", "role": "viewer"})
    path = link_in(page)
    assert page.headers["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    [sent] = mail.outbox
    assert (sent.to, path in sent.body) == (["vera@example.com"], True)
    assert "olga invites you to pgLoupe, which watches PostgreSQL databases, as a viewer" in sent.body
    assert path.split("/")[-2] not in str(Invitation.objects.values())
    assert path not in client.get("/users/").content.decode()

    guest = Client()
    for _ in range(2):  # looking does not use it up
        shown = guest.get(path).content.decode()
        assert 'value="vera"' in shown
    assert guest.post(path, {"username": "vera", **GOOD}).headers["Location"] == "/"
    vera = User.objects.get(username="vera")
    assert (vera.email, is_operator(vera), vera.is_staff) == ("vera@example.com", False, False)
    assert guest.get("/findings/").status_code == 200
    assert Client().get(path).status_code == 410
    assert Client().post(path, {"username": "eve", **GOOD}).status_code == 410
    assert actions() == [
        ("olga", "user_invited", "vera@example.com"),
        ("vera", "invitation_accepted", "vera@example.com"),
    ]


def test_an_invited_person_chooses_a_free_name_and_a_good_password(client, operator):
    path = link_in(client.post("/users/invite/", {"email": "vera@example.com", "role": "operator"}))
    guest = Client()
    for wrong, why in (
        ({"username": "OLGA", **GOOD}, "This name is taken"),
        ({"username": "v v", **GOOD}, "Enter a valid username"),
        ({"username": "vera", "password1": "short", "password2": "short"}, "too short"),
        ({"username": "vera", **GOOD, "password2": "another one"}, "didn’t match"),
    ):
        page = guest.post(path, wrong)
        assert (page.status_code, why in page.content.decode()) == (422, True), why
    guest.post(path, {"username": "vera", **GOOD})
    assert is_operator(User.objects.get(username="vera"))


def test_an_invitation_ends_by_time_by_withdrawal_and_by_a_newer_one(client, operator):
    first = link_in(client.post("/users/invite/", {"email": "v@example.com", "role": "viewer"}))
    second = link_in(client.post("/users/invite/", {"email": "V@example.com", "role": "viewer"}))
    assert (Client().get(first).status_code, Client().get(second).status_code) == (410, 200)
    [still] = accounts.open_invitations()
    assert b"V@example.com" in client.get("/users/").content
    client.post(f"/users/invitations/{still.pk}/withdraw/")
    assert Client().get(second).status_code == 410
    assert client.post(f"/users/invitations/{still.pk}/withdraw/").status_code == 404
    third = link_in(client.post("/users/invite/", {"email": "v@example.com", "role": "viewer"}))
    Invitation.objects.update(expires_at=timezone.now())
    assert Client().post(third, {"username": "v", **GOOD}).status_code == 410


def test_nobody_is_invited_twice_nor_as_something_else(client, operator):
    for data, why in (
        ({"email": "Operator@Example.com", "role": "viewer"}, "Somebody with this address has an account"),
        ({"email": "no address", "role": "viewer"}, "Enter a valid email address"),
        ({"email": "a@example.com\nBcc: b@example.com", "role": "viewer"}, "Enter a valid email address"),
    ):
        page = client.post("/users/invite/", data)
        assert (page.status_code, why in page.content.decode()) == (422, True)
    assert client.post("/users/invite/", {"email": "a@example.com", "role": "superuser"}).status_code == 422
    assert (Invitation.objects.count(), mail.outbox, actions()) == (0, [], [])


def test_without_mail_the_link_is_shown_to_copy(client, operator, settings):
    settings.EMAIL_BACKEND = "dashboard.mail.folder.FolderBackend"
    page = client.post("/users/invite/", {"email": "v@example.com", "role": "viewer"})
    assert b"Mail is not set up" in page.content
    assert Client().get(link_in(page)).status_code == 200


def test_a_mail_that_fails_is_said_and_the_link_still_works(client, operator, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    page = client.post("/users/invite/", {"email": "v@example.com", "role": "viewer"})
    assert "The mail could not be sent ([Errno 111] Connection refused)" in page.content.decode()
    assert Client().get(link_in(page)).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_account_of_an_invitation():
    _, token = invite("v@example.com", VIEWER, "olga")

    def take(name: str) -> bool:
        try:
            return accept(token, name, "a long enough one") is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(take, [f"v{i}" for i in range(4)])) == [False] * 3 + [True]
    assert User.objects.count() == 1


# Roles and access


def test_an_operator_changes_roles_and_access(client, operator):
    vera = person(VIEWER, "vera")
    client.post(f"/users/{vera.pk}/role/", {"role": "operator"})
    assert is_operator(User.objects.get(pk=vera.pk))
    client.post(f"/users/{vera.pk}/role/", {"role": "viewer"})
    assert not is_operator(User.objects.get(pk=vera.pk))

    of_vera = Client()
    of_vera.force_login(vera)
    one_time_login_link("http://testserver", "vera")
    client.post(f"/users/{vera.pk}/active/", {"active": "no"})
    assert of_vera.get("/").status_code == 302
    assert (KnownSession.objects.filter(user=vera).count(), LoginLink.objects.count()) == (0, 0)
    assert b"deactivated" in client.get("/users/").content
    client.post(f"/users/{vera.pk}/active/", {"active": "yes"})
    assert User.objects.get(pk=vera.pk).is_active
    assert client.post(f"/users/{vera.pk}/role/", {"role": "root"}).status_code == 422
    assert [a[1:] for a in actions()] == [
        ("role_changed", "vera"),
        ("role_changed", "vera"),
        ("user_deactivated", "vera"),
        ("user_activated", "vera"),
    ]


def test_the_last_operator_stays_one(client, operator):
    refused = client.post(f"/users/{operator.pk}/role/", {"role": "viewer"})
    assert refused.status_code == 422
    assert b"Somebody has to stay an operator" in refused.content
    assert b"cannot deactivate yourself" in client.post(f"/users/{operator.pk}/active/", {"active": "no"}).content
    other = person(OPERATOR, "otto")
    set_active(other, False)
    with pytest.raises(LastOperator):  # who cannot log in does not count
        set_role(operator, VIEWER)
    set_active(other, True)
    set_role(operator, VIEWER)
    with pytest.raises(LastOperator):
        set_active(other, False)


@pytest.mark.django_db(transaction=True)
def test_two_operators_cannot_demote_each_other_at_once():
    both = [person(OPERATOR, name) for name in ("olga", "otto")]

    def demote(user: User) -> bool:
        try:
            with transaction.atomic():
                set_role(user, VIEWER)
                time.sleep(0.2)
            return True
        except LastOperator:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(demote, both)) == [False, True]
    assert accounts.operators().count() == 1


def test_only_a_superuser_changes_a_superuser(client, operator):
    boss = User.objects.create_superuser("boss", password="correct horse battery")
    for path, data in (("role", {"role": "viewer"}), ("active", {"active": "no"}), ("link", {})):
        assert client.post(f"/users/{boss.pk}/{path}/", data).status_code == 403
    assert client.get(f"/admin/auth/user/{boss.pk}/password/").status_code == 403
    assert client.post(f"/admin/auth/user/{boss.pk}/change/", {"username": "mine"}).status_code == 403
    assert b"Login link for boss" not in client.get("/users/").content

    client.force_login(boss)
    client.post(f"/users/{operator.pk}/role/", {"role": "viewer"})
    assert client.post(f"/users/{boss.pk}/role/", {"role": "viewer"}).status_code == 422
    set_role(User.objects.get(pk=operator.pk), OPERATOR)
    assert client.post(f"/users/{boss.pk}/role/", {"role": "viewer"}).headers["Location"] == "/"
    boss.refresh_from_db()
    assert (boss.is_superuser, boss.is_staff, is_operator(boss)) == (False, False, False)


def test_a_login_link_made_by_an_operator_works_once(client, operator):
    vera = person(VIEWER, "vera")
    path = link_in(client.post(f"/users/{vera.pk}/link/"))
    guest = Client()
    guest.post(path)
    assert guest.get("/").wsgi_request.user == vera
    assert Client().post(path).status_code == 410
    set_active(vera, False)
    assert client.post(f"/users/{vera.pk}/link/").status_code == 422
    assert ("olga", "login_link_made", "vera") in actions()


def test_the_first_link_is_for_an_operator_where_no_superuser_is_left():
    person(VIEWER, "ada")
    olga = person(OPERATOR, "olga")
    one_time_login_link("http://testserver")
    assert LoginLink.objects.get().user_name == olga.username
    assert User.objects.count() == 2


def test_hostile_names_are_shown_and_never_run(client, operator):
    evil = "<script>alert(1)</script>\u202e\"'"
    User.objects.create_user(evil, email='"><img/src=x>@example.com')
    AuditEntry.objects.create(user_name=evil, action=evil[:60], subject=evil, details={evil: evil})
    tomorrow = timezone.now() + timedelta(days=1)
    Invitation.objects.create(token_hash="x", email=evil + "@b.c", role=evil[:10], invited_by=evil, expires_at=tomorrow)
    agent = Client(headers={"user-agent": evil})
    agent.force_login(operator)
    for path in ("/users/", "/audit/", "/account/sessions/", f"/audit/?user={evil}&action={evil}&q={evil}"):
        body = agent.get(path).content.decode()
        assert "<script>alert" not in body, path
        assert "<img/src" not in body, path
        shown = re.sub(r'value="[^"]*"', "", body)  # a filter sends the name back as it is
        assert "\u202e" not in shown, path


def test_queries_of_the_users_page_do_not_grow(client, operator, django_assert_num_queries):
    def fill(count: int, start: int = 0) -> None:
        for i in range(start, start + count):
            User.objects.create_user(f"user{i}", email=f"u{i}@example.com")
            invite(f"i{i}@example.com", VIEWER, "olga")

    fill(1)
    with django_assert_num_queries(5):  # session, user with role, count, users, invitations
        client.get("/users/")
    fill(30, 1)
    with django_assert_num_queries(5):
        assert client.get("/users/").content.count(b'name="role"') == 33


def test_the_admin_shows_users_and_no_secret(client):
    boss = User.objects.create_superuser("boss", email="boss@example.com")
    world.server(password_encrypted="gAAAA-secret")
    client.force_login(boss)
    index = client.get("/admin/").content.decode()
    assert "/admin/auth/user/" in index
    assert "server" not in re.sub(r"pgLoupe|View site", "", index).lower()
    changed = client.post(
        f"/admin/auth/user/{boss.pk}/change/",
        {"username": "boss", "email": "chief@example.com", "is_superuser": "", "is_active": ""},
    )
    assert changed.status_code == 302
    boss.refresh_from_db()
    assert (boss.email, boss.is_superuser, boss.is_active) == ("chief@example.com", True, True)
    assert client.post(f"/admin/auth/user/{boss.pk}/delete/", {"post": "yes"}).status_code == 403
    assert actions() == [("boss", "user_changed", "boss")]
    for path in ("/admin/analyzer/server/", "/admin/auth/group/", "/admin/sessions/session/"):
        assert client.get(path).status_code == 404


def test_an_operator_who_is_no_superuser_adds_viewers_in_the_admin(client, operator):
    other = person(OPERATOR, "otto")
    assert client.get("/admin/auth/user/").status_code == 200
    new = {"username": "vera", "usable_password": "true", **GOOD, "is_superuser": "on", "groups": "1"}
    assert client.post("/admin/auth/user/add/", new).status_code == 302
    vera = User.objects.get(username="vera")
    assert (vera.is_superuser, is_operator(vera), vera.check_password(GOOD["password1"])) == (False, False, True)
    grab = {"username": "otto", "is_superuser": "on", "is_staff": "on", "groups": "", "user_permissions": "1"}
    assert client.post(f"/admin/auth/user/{other.pk}/change/", grab).status_code == 302
    other.refresh_from_db()
    assert (other.is_superuser, other.is_staff, other.user_permissions.count()) == (False, False, 0)
    assert is_operator(other)
    assert [a[1:] for a in actions()] == [("user_added", "vera"), ("user_changed", "otto")]


# Guessing


def test_an_address_is_closed_after_ten_wrong_passwords(client):
    world.user()
    right = {"username": "ada", "password": "correct horse battery"}
    for i in range(10):
        assert client.post("/login/", {"username": f"name{i}", "password": "wrong"}).status_code == 200
    for _ in range(3):
        assert client.post("/login/", right).status_code == 429
    assert LoginAttempt.objects.count() == 10
    assert Client(REMOTE_ADDR="192.0.2.7").post("/login/", right).status_code == 302
    LoginAttempt.objects.update(at=timezone.now() - rate_limit.WITHIN)
    assert client.post("/login/", right).status_code == 302


def test_a_name_is_closed_after_twenty_whoever_guesses(client):
    world.user()
    for i in range(20):
        guesser = Client(REMOTE_ADDR=f"192.0.2.{i}")
        assert guesser.post("/login/", {"username": " ADA", "password": "wrong"}).status_code == 200
    last = Client(REMOTE_ADDR="192.0.2.99")
    assert last.post("/login/", {"username": "ada", "password": "correct horse battery"}).status_code == 429
    assert last.post("/login/", {"username": "bob", "password": "wrong"}).status_code == 200


def test_an_own_account_buys_no_guesses_at_another(client):
    world.user()
    person(VIEWER, "mallory")
    for _ in range(2):
        for _ in range(5):
            client.post("/login/", {"username": "ada", "password": "wrong"})
        mine = Client()
        mine.post("/login/", {"username": "mallory", "password": "correct horse battery"})
    assert client.post("/login/", {"username": "ada", "password": "wrong"}).status_code == 429


def test_slips_are_forgotten_after_the_right_password(client):
    world.user()
    for _ in range(9):
        client.post("/login/", {"username": "ada", "password": "wrong"})
    assert client.post("/login/", {"username": "ada", "password": "correct horse battery"}).status_code == 302
    assert LoginAttempt.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_many_guesses_at_once_do_not_slip_through():
    def begin(_: int) -> bool:
        try:
            return rate_limit.begin(LoginAttempt.Kind.PASSWORD, "192.0.2.1", "ada") is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(begin, range(40))) <= 10


def test_typed_names_are_not_kept_in_clear(client):
    client.post("/login/", {"username": "my password, in the wrong field", "password": "x"})
    assert "password, in" not in str(LoginAttempt.objects.values())


def test_unknown_deactivated_and_wrong_are_answered_alike_after_the_same_work(client, monkeypatch):
    from django.contrib.auth import hashers

    person(VIEWER, "ada")
    set_active(person(VIEWER, "gone"), False)
    User.objects.create_user("never-set")
    worked: list[str] = []
    encode = hashers.MD5PasswordHasher.encode
    monkeypatch.setattr(hashers.MD5PasswordHasher, "encode", lambda *a: (worked.append("hash"), encode(*a))[1])
    answers, work = set(), []
    for name in ("ada", "gone", "never-set", "nobody"):
        worked.clear()
        page = client.post("/login/", {"username": name, "password": "wrong"})
        answers.add(re.search(rb'role="alert">(.*?)</div>', page.content, re.DOTALL)[1])
        work.append(len(worked))
    assert len(answers) == 1
    assert work == [1, 1, 1, 1]


def test_addresses_are_believed_as_far_as_our_proxies_wrote_them(rf, settings):
    def seen(remote: str, forwarded: str | None = None) -> str:
        headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
        return address_of(rf.get("/", REMOTE_ADDR=remote, **headers))

    settings.TRUSTED_PROXIES = 0
    assert seen("192.0.2.1", "198.51.100.9") == "192.0.2.1"
    settings.TRUSTED_PROXIES = 1
    assert seen("127.0.0.1", "10.0.0.1, 198.51.100.9") == "198.51.100.9"
    assert seen("", "198.51.100.9") == "198.51.100.9"
    assert seen("192.0.2.1") == "192.0.2.1"
    assert seen("127.0.0.1", "<script>") == ""
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"


# Forgotten passwords


def wait_for_mail(count: int) -> None:
    wait_for(lambda: len(mail.outbox) >= count)


@pytest.mark.django_db(transaction=True)
def test_a_new_password_by_mail_ends_every_session(client):
    vera = person(VIEWER, "vera")
    elsewhere = Client()
    elsewhere.force_login(vera)
    known = client.post("/account/password/reset/", {"email": "Viewer@example.com"})
    unknown = client.post("/account/password/reset/", {"email": "nobody@example.com"})
    assert known.headers["Location"] == unknown.headers["Location"] == "/account/password/reset/sent/"
    wait_for_mail(1)
    [sent] = mail.outbox
    assert (sent.to, sent.subject) == (["viewer@example.com"], "Your pgLoupe password")
    path = urlsplit(re.search(r"http://testserver\S+", sent.body)[0]).path
    form = client.get(path, follow=True)
    assert path.split("/")[-2] not in form.request["PATH_INFO"]  # the token does not stay in the address
    new = {"new_password1": "another long one", "new_password2": "another long one"}
    assert client.post(form.request["PATH_INFO"], new, follow=True).redirect_chain == [("/login/", 302)]
    assert elsewhere.get("/").status_code == 302
    assert client.post("/login/", {"username": "vera", "password": "another long one"}).status_code == 302
    assert b"This link no longer works" in Client().get(path, follow=True).content
    assert ("vera", "password_reset", "vera") in actions()


@pytest.mark.django_db(transaction=True)
def test_reset_mails_go_to_whoever_may_log_in_and_not_too_often(client):
    set_active(person(VIEWER, "gone"), False)
    never = User.objects.create_user("never-set", email="n@example.com")
    client.post("/account/password/reset/", {"email": "viewer@example.com"})
    statuses = [client.post("/account/password/reset/", {"email": "n@example.com"}).status_code for _ in range(4)]
    assert statuses == [302, 302, 302, 429]
    wait_for_mail(3)
    assert {sent.to[0] for sent in mail.outbox} == {never.email}


def test_without_mail_the_reset_page_says_who_helps(client, settings):
    settings.EMAIL_BACKEND = "dashboard.mail.folder.FolderBackend"
    page = client.get("/account/password/reset/").content.decode()
    assert "login_link --user NAME" in page
    assert "<form" not in page
    assert client.post("/account/password/reset/", {"email": "a@example.com"}).status_code == 200
    assert LoginAttempt.objects.count() == 0
