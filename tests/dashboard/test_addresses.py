"""Any address and any form is answered: found or not, never with an error of ours."""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard.people.accounts import set_role
from dashboard.permissions import OPERATOR
from tests.dashboard import world

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ODD = (
    "\0", "a\0b", "%", "%00", "..%2f", "x" * 3000, "\u202e", "\ud7ff\U0001f600", "'\"><script>", "-1", "9" * 30, "²",
    "q" * 17,
)  # fmt: skip
PARAMETERS = (
    "q", "sort", "page", "window", "role", "database", "table", "next", "from", "to", "columns", "server", "severity",
    "state", "code", "plan", "sql", "index", "budget", "statement", "kind", "format", "tab", "of", "token", "hour",
    "name",
)  # fmt: skip


def patterns(found=None, prefix="/") -> Iterator[str]:
    for pattern in found if found is not None else get_resolver().url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def filled(route: str, part: str, server: str) -> str:
    path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: server if m[1] == "server" else part, route)
    return re.sub(r"\(\?P<\w+>.*\)\$?|\$", lambda m: part, path.replace("^", ""))


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("op", "op@example.com", "correct horse battery")
    set_role(user, OPERATOR)
    client.force_login(user)
    client.raise_request_exception = False
    return client


@pytest.mark.long
def test_no_part_of_an_address_is_an_error(operator: Client) -> None:
    server = world.server()
    tried = 0
    for place, route in enumerate(patterns()):
        names = re.findall(r"<(?:\w+:)?(\w+)>", route)
        for number, odd in enumerate(ODD if names or "(?P" in route else ()):
            path = filled(route, odd, server.slug if len(names) > 1 else odd)
            # most views refuse a POST or read the address as for GET: a third of them, each value on some routes
            for method in (operator.get, operator.post)[: 1 + (place % 3 == number % 3)]:
                response = method(path)
                assert response.status_code < 500, (route, odd[:20])
                if "\0" in odd:
                    assert response.status_code in (400, 404, 405), (route, odd)
                tried += 1
    assert tried > 300


@pytest.mark.long
def test_no_parameter_is_an_error(operator: Client) -> None:
    server = world.server()
    for route in patterns():
        if route.startswith("/admin") or "(?P" in route or "logout" in route:
            continue
        path = filled(route, "1", server.slug)
        for odd in ODD:
            response = operator.get(path, dict.fromkeys(PARAMETERS, odd))
            assert response.status_code < 500, (route, odd[:20])
        response = operator.post(path, dict.fromkeys(PARAMETERS, "a\0"))
        assert response.status_code in (400, 404, 405), route
