"""docs/routes.md tried: its files in small real projects, whose statements pgLoupe sees running with their route."""

import os
import subprocess
import textwrap

import pytest

from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.monitored.sample.activity import sample_once
from analyzer.runtime.processes import kill_tree
from analyzer.statements.routes import route_name
from analyzer.statements.secrets import comment_tags
from tests.apps.documented import PYTHON, files_of_the_document
from tests.waiting import wait_for

pytestmark = pytest.mark.postgres
DJANGO = """
    import os, sys, django
    from django.conf import settings
    settings.configure(
        DATABASES={{"default": {{
            "ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PGDATABASE"], "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"]}}}},
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=["{middleware}"],
    )
    django.setup()
    from django.db import connection
    from django.http import HttpResponse
    from django.urls import path

    def order(request, pk):
        with connection.cursor() as cursor:
            cursor.execute("select pg_sleep(%s)", [60])
        return HttpResponse()

    urlpatterns = [path("orders/<int:pk>/", order, name="order-detail")]
    from django.test import Client
    Client().get("/orders/7/")
"""
ENGINE = """
    from sqlalchemy import create_engine, text
    import tagged_sqlalchemy
    engine = create_engine("postgresql+psycopg://")

    def wait():
        with engine.connect() as connection:
            connection.execute(text("select pg_sleep(:seconds)"), {"seconds": 60})
"""
SQLALCHEMY = f"""{ENGINE}
    from tagged import route
    route.set("reports nightly'*/")
    wait()
"""
CELERY = f"""{ENGINE}
    from celery import Celery
    from celery.contrib.testing.worker import start_worker
    import tagged_celery
    app = Celery("shop", broker="memory://", backend="cache+memory://")

    @app.task(name="orders.tasks.close")
    def close():
        wait()

    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=1):
        close.delay()
        import time
        time.sleep(60)
"""
FASTAPI = f"""{ENGINE}
    from fastapi import Depends, FastAPI
    from tagged_fastapi import tag_route
    app = FastAPI(dependencies=[Depends(tag_route)])

    @app.get("/orders/{{pk}}")
    {{kind}} order(pk: int):
        wait()

    async def receive():
        return {{"type": "http.request", "body": b"", "more_body": False}}

    async def send(message):
        pass

    import asyncio
    asyncio.run(app({{
        "type": "http", "asgi": {{"version": "3.0"}}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/orders/7", "raw_path": b"/orders/7", "query_string": b"", "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }}, receive, send))
"""
SQLCOMMENTER = "google.cloud.sqlcommenter.django.middleware.SqlCommenter"
PROJECTS = {
    "django": (DJANGO.format(middleware="tagged_django.Routes"), "order-detail", "django"),
    "django-sqlcommenter": (DJANGO.format(middleware=SQLCOMMENTER), "orders/<int:pk>/", "google.cloud.sqlcommenter"),
    "celery": (CELERY, "orders.tasks.close", "celery"),
    "sqlalchemy": (SQLALCHEMY, "reports_nightly__/", "sqlalchemy"),
    "fastapi": (FASTAPI.replace("{kind}", "def"), "/orders/_pk_", "fastapi"),
    "fastapi-async": (FASTAPI.replace("{kind}", "async def"), "/orders/_pk_", "fastapi"),
}


def is_installed(package: str) -> bool:
    return not subprocess.run([PYTHON, "-c", f"import {package}"], capture_output=True, check=False).returncode


@pytest.mark.parametrize("project", PROJECTS)
def test_statements_of_a_project_name_their_route(project, postgres18, scratch_database, tmp_path):
    code, expected, package = PROJECTS[project]
    if not is_installed(package):
        pytest.skip(f"{package} is not installed for {PYTHON}")
    database = scratch_database(postgres18)
    for name, text in (files_of_the_document() | {"project.py": textwrap.dedent(code)}).items():
        (tmp_path / name).write_text(text)
    parameters = {"PGDATABASE": database.name, "PGUSER": "postgres", "PGHOST": str(postgres18.cluster.socket_dir)}
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    process = subprocess.Popen(
        [PYTHON, "project.py"],
        cwd=tmp_path,
        env={**environment, **parameters, "PGPORT": str(postgres18.cluster.port), "PYTHONPATH": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
            text = seen_running(conn, process)
    finally:
        kill_tree(process.pid)
        process.communicate()
    assert route_name(comment_tags(text)) == expected


def seen_running(conn, process) -> str:  # type: ignore[no-untyped-def]
    def look() -> str:
        assert process.poll() is None, process.stderr.read()[-3000:]
        texts = (row.text or "" for row in sample_once(conn)[1] if row.state == "active")
        return next((text for text in texts if "pg_sleep" in text), "")

    return wait_for(look)
