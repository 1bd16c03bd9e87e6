"""The projects of tests/apps at work: pages repeat what they are there for, and bear the tags of docs/routes.md."""

import subprocess

import pytest

from analyzer.monitored.connection import ConnectionSettings, connect
from analyzer.statements.routes import file_name, route_name
from bench.projects import PROJECTS, Counters, Project
from tests.apps.documented import PYTHON
from tests.apps.recorded import REPEATED

pytestmark = pytest.mark.postgres
NEEDS = {"library": "django", "festival": "fastapi"}
REQUESTS = 3


@pytest.mark.parametrize("name", PROJECTS)
def test_planted_pages_repeat_a_lookup_and_the_others_do_not(name, postgres18, scratch_database, tmp_path):
    if subprocess.run([PYTHON, "-c", f"import {NEEDS[name]}"], capture_output=True, check=False).returncode:
        pytest.skip(f"{NEEDS[name]} is not installed for {PYTHON}")
    database = scratch_database(postgres18)
    with database.connect() as connection:
        (oid,) = connection.execute("select oid from pg_database where datname = current_database()").fetchone()
    project = Project(name, postgres18.cluster, tmp_path, database.name)
    repeating, named = set(), set()
    try:
        with connect(ConnectionSettings.from_dsn(database.dsn)) as conn:
            counters = Counters(conn, oid)
            for page in project.pages:
                counters.more()
                project.request({page: REQUESTS})
                for at, (calls, _rows, _ms) in counters.more().items():
                    text, tags = counters.texts[at].lower(), counters.tags[at]
                    if text.startswith("select") and " for " not in text and calls >= REPEATED * REQUESTS:
                        repeating.add(page)
                    if route_name(tags) == page and file_name(tags).startswith(f"tests/apps/{name}/"):
                        named.add(page)
    finally:
        project.stop()
    planted = {page for page, is_planted in project.pages.items() if is_planted}
    assert (len(planted), len(project.pages)) == (10, 20)
    job = {page for page in project.pages if page.strip("/").partition("/")[0] == "job"}
    assert repeating == planted | job  # which works one row after another by design
    assert named >= planted
