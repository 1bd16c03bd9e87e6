"""Below a path of a proxy: links, cookies and static files begin with it, whether the proxy cuts it off or not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment import IN_VAIN_S
from tests.servers import child_environment

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import json, sys
from dashboard.wsgi import application
from django.conf import settings
from django.urls import reverse

def get(path):
    seen = {}
    def start(status, headers, *_):
        seen.update(status=status.split()[0], headers=[*map(list, headers)])
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_PORT": "80",
               "SERVER_NAME": "localhost", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
               "wsgi.input": sys.stdin.buffer, "REMOTE_ADDR": "127.0.0.1"}
    seen["body"] = b"".join(application(environ, start)).decode("utf-8", "replace")
    return seen

print(json.dumps({"pages": {path: get(path) for path in json.loads(sys.argv[1])}, "base": settings.PGLOUPE_BASE_URL,
                  "command": settings.LOGIN_COMMAND}))
"""
PATHS = ("/pgloupe/login/", "/login/", "/pgloupe", "/", "/pgloupe/static/css/tokens.css", "/static/css/tokens.css",
         "/pgloupe/healthz", "/pgloupeX/login/")  # fmt: skip


def ask(**environment: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(PATHS)], cwd=ROOT, capture_output=True, text=True, timeout=IN_VAIN_S,
        env={**os.environ, **child_environment(), **environment}, check=False,
    )  # fmt: skip
    return json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip().splitlines()[-1]}


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize(
    "environment",
    [{"PGLOUPE_BASE_URL": "http://tools.example.com/pgloupe/"},
     {"PGLOUPE_BASE_URL": "http://tools.example.com", "PGLOUPE_URL_PREFIX": "pgloupe"}],
)  # fmt: skip
def test_everything_is_below_the_path(environment: dict[str, str]) -> None:
    answer = ask(**environment)
    pages = answer["pages"]
    assert {path: page["status"] for path, page in pages.items()} == {
        "/pgloupe/login/": "200", "/login/": "200", "/pgloupe": "302", "/": "302", "/pgloupe/healthz": "200",
        "/pgloupe/static/css/tokens.css": "200", "/static/css/tokens.css": "200", "/pgloupeX/login/": "404",
    }  # fmt: skip
    assert answer["base"] == "http://tools.example.com"
    for path in ("/", "/pgloupe"):
        assert dict(pages[path]["headers"])["Location"] == "/pgloupe/login/?next=/pgloupe/"
    for path in ("/login/", "/pgloupe/login/"):
        body = pages[path]["body"]
        assert 'href="/pgloupe/static/css/' in body
        assert 'href="/static' not in body
        cookies = [value for name, value in pages[path]["headers"] if name == "Set-Cookie"]
        assert cookies
        assert all("Path=/pgloupe/" in cookie for cookie in cookies)
        assert answer["command"] in body


@pytest.mark.slow
def test_a_path_that_is_none_is_refused() -> None:
    for bad in ("http://x.example/a b", "http://x.example/pgloupe?x=1", "http://x.example//a"):
        assert "PGLOUPE_BASE_URL has to be where people open pgLoupe" in ask(PGLOUPE_BASE_URL=bad)["error"]
    assert "PGLOUPE_BASE_URL has to be" in ask(PGLOUPE_BASE_URL="http://x.example/a", PGLOUPE_URL_PREFIX="b")["error"]


@pytest.mark.slow
def test_a_container_names_its_own_command() -> None:
    answer = ask(PGLOUPE_IN_CONTAINER="1")
    assert answer["command"] == "docker compose exec web python manage.py login_link"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "is_alone"),
    [
        ({"PGLOUPE_LISTENS_ON": "127.0.0.1"}, True),
        ({"PGLOUPE_LISTENS_ON": "::1"}, True),
        ({}, False),
        ({"PGLOUPE_LISTENS_ON": "0.0.0.0"}, False),
        ({"PGLOUPE_LISTENS_ON": "127.0.0.1", "PGLOUPE_BASE_URL": "https://loupe.example.com"}, False),
        ({"PGLOUPE_LISTENS_ON": "127.0.0.1", "PGLOUPE_BEHIND_TLS": "1"}, False),
        ({"PGLOUPE_LISTENS_ON": "127.0.0.1", "PGLOUPE_TRUSTED_PROXIES": "1"}, False),
        ({"PGLOUPE_LISTENS_ON": "127.0.0.1", "PGLOUPE_ALLOWED_ADDRESSES": "10.0.0.0/8"}, False),
    ],
)
def test_this_machine_may_be_added_where_nobody_else_reaches_the_page(
    environment: dict[str, str], is_alone: bool
) -> None:
    script = (
        "from django.conf import settings; from ipaddress import ip_address as a;"
        "print(*(bool(settings.ADDRESS_POLICY.why_refused(a(x))) for x in ('127.0.0.1', '::1', '169.254.169.254')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", "import django,os; os.environ['DJANGO_SETTINGS_MODULE']='dashboard.settings';" + script],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, **child_environment(), **environment}, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(not is_alone), str(not is_alone), "True"]
