"""Who may open what: every URL there is, as nobody, as a viewer and as an operator."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.models import AuditEntry
from dashboard.people.accounts import set_role
from dashboard.permissions import OPERATOR, PUBLIC, VIEWER, is_operator
from tests.dashboard import world

pytestmark = pytest.mark.django_db

VALUES = {"path": "1", "app_label": "auth", "object_id": "1", "id": "1", "content_type_id": "1", "url": "x"}
ANYBODY = PUBLIC | {"admin:logout"}


def person(role: str, name: str | None = None) -> User:
    made = User.objects.create_user(name or f"a {role}", email=f"{role}@example.com", password="correct horse battery")
    set_role(made, role)
    return made


def every_url(patterns=None, prefix="/", namespace="") -> Iterator[tuple[str, str, object]]:
    """(name, a path it matches, its view), the admin's included."""
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from every_url(pattern.url_patterns, route, inner)
            continue
        assert isinstance(pattern, URLPattern)
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: VALUES.get(m[1], "1"), route)
        path = re.sub(r"\(\?P<\w+>.*\)\$?|\$", "x", path.replace("^", ""))
        yield f"{namespace}{pattern.name}", path, pattern.callback


def role_of_view(name: str, view: object) -> str | None:
    if name.startswith("admin:"):
        return OPERATOR
    return getattr(view, "required_role", None)


def guarded(role: str | None = None) -> list[tuple[str, str, str | None]]:
    """(name, path, role its view asks for) of what is not public."""
    found = [(name, path, role_of_view(name, view)) for name, path, view in every_url()]
    return [row for row in found if row[0] not in ANYBODY and role in (None, row[2])]


def test_every_url_is_public_by_name_or_has_a_role():
    assert [name for name, _, role in guarded() if role not in (VIEWER, OPERATOR)] == []
    assert len(guarded()) > 25
    unknown = PUBLIC - {name for name, _, _ in every_url()}
    assert unknown == set(), "listed as public, but there is no such URL"


def test_what_changes_something_is_an_operators():
    of_viewers = {name for name, _, _ in guarded(VIEWER)}
    of_operators = {name for name, _, _ in guarded(OPERATOR)}
    assert {"overview", "servers", "server", "statements", "statement", "findings", "finding", "plan"} <= of_viewers
    assert {"indexes", "what_if", "query"} <= of_viewers  # the twin is asked, and no server
    assert {"password", "sessions", "session_end", "sessions_end_others"} <= of_viewers
    assert {"mute", "unmute", "users", "user_invite", "invitation_withdraw", "user_role", "user_active"} <= of_operators
    assert {"user_link", "audit", "audit_explain", "admin:index", "admin:auth_user_changelist"} <= of_operators


def test_without_a_login_every_url_leads_to_it(client):
    world.server()
    for _, path, _ in guarded():
        for method in (client.get, client.post, client.put, client.delete):
            response = method(path)
            assert response.status_code == 302, (path, response.status_code)
            assert response.headers["Location"].startswith(("/login/?next=", "/admin/login/?next=")), path
    assert AuditEntry.objects.count() == 0


def test_no_cache_keeps_a_page(client):
    for _, path, _ in guarded():
        assert "no-store" in client.get(path).headers["Cache-Control"], path  # where it sends to the login
    client.force_login(person(OPERATOR))
    for name, path, _ in guarded():
        if "<" not in path and not name.startswith("admin:"):
            assert "no-store" in client.get(path).headers["Cache-Control"], path
    assert "no-store" in client.get("/nowhere/").headers["Cache-Control"]


def test_a_view_that_says_nothing_needs_a_login(client, settings):
    settings.ROOT_URLCONF = "tests.dashboard.bare_urls"
    assert client.get("/bare/").status_code == 302
    client.force_login(person(VIEWER))
    assert client.get("/bare/").content == b"bare"


def test_the_admins_own_login_is_none(client):
    person(OPERATOR)
    response = client.post("/admin/login/", {"username": "a operator", "password": "correct horse battery"})
    assert (response.status_code, response.headers["Location"]) == (302, "/login/?next=/admin/")


def test_a_viewer_is_refused_what_is_an_operators(client):
    client.force_login(person(VIEWER))
    for _, path, _ in guarded(OPERATOR):
        for method in (client.get, client.post, client.put, client.delete):
            response = method(path, follow=True)  # the admin sends to its login first, which refuses
            assert response.status_code == 403, (path, response.status_code)
    assert AuditEntry.objects.count() == 0


def test_a_viewer_may_open_the_rest(client):
    client.force_login(person(VIEWER))
    for _, path, _ in guarded(VIEWER):
        for method in (client.get, client.post):
            assert method(path).status_code != 403, path


def test_a_viewer_is_told_why_and_sees_no_button_for_it(client):
    of = world.server()
    [record] = world.keep_findings(of, world.database(of), [world.key_finding()], [])
    client.force_login(person(VIEWER))
    refused = client.post(f"/findings/{record.pk}/mute/", {"reason": "no"})
    assert (refused.status_code, b"Only operators may do this" in refused.content) == (403, True)
    assert b"Mute this finding" not in client.get(f"/findings/{record.pk}/").content
    assert b'href="/users/"' not in client.get("/").content
    record.refresh_from_db()
    assert record.muted_at is None

    client.force_login(person(OPERATOR))
    assert b"Mute this finding" in client.get(f"/findings/{record.pk}/").content
    assert b'href="/users/"' in client.get("/").content


def test_a_change_of_role_holds_at_once(client):
    ada = person(OPERATOR)
    person(OPERATOR, "another")
    client.force_login(ada)
    assert client.get("/users/").status_code == 200
    set_role(ada, VIEWER)
    assert client.get("/users/").status_code == 403
    User.objects.filter(pk=ada.pk).update(is_active=False)
    assert client.get("/").status_code == 302


def test_roles_are_groups_and_a_superuser_is_an_operator():
    # made where they are missing: a test that commits takes the migration's groups away with everything else
    operator, _ = person(OPERATOR), person(VIEWER)
    assert set(Group.objects.values_list("name", flat=True)) == {"viewer", "operator"}
    boss = User.objects.create_superuser("boss")
    plain = User.objects.create_user("plain")
    assert (is_operator(boss), is_operator(plain), is_operator(operator)) == (True, False, True)
    boss.is_active = False
    assert not is_operator(boss)


def test_the_role_costs_no_query(client, django_assert_num_queries):
    client.force_login(person(VIEWER))
    with django_assert_num_queries(3):  # session, user with role, sessions
        client.get("/account/sessions/")


def test_only_a_post_with_its_token_changes_anything():
    client = Client(enforce_csrf_checks=True)
    client.force_login(person(OPERATOR))
    for name, path, role in guarded():
        if role == OPERATOR or name in ("session_end", "sessions_end_others", "password"):
            assert client.post(path).status_code in (403, 405), (name, path)
    assert AuditEntry.objects.count() == 0
