"""What one person may ask of the twins, and how large a page with plans may become."""

import os
import re
import subprocess
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analyzer.models import PlanRecord, Server
from analyzer.store.plans import MOST_BYTES, keep_plan
from analyzer.store.servers import stored_settings
from analyzer.twin import Twin
from dashboard.indexes import question_limit
from dashboard.models import AuditEntry, TwinQuestion
from dashboard.people.accounts import set_role
from dashboard.statements import plan_text
from dashboard.statements.plan_view import plan_document
from tests.dashboard import advised, world
from tests.environment import reachable_dir

pytestmark = pytest.mark.django_db

SQL = "select note from purchase where customer_id = 7"


def login_of(name: str) -> Client:
    viewer = User.objects.create_user(name, email=f"{name}@example.com", password="correct horse battery")
    set_role(viewer, "viewer")
    client = Client()
    client.force_login(viewer)
    return client


@pytest.fixture
def person(db) -> Client:
    return login_of("vera")


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker, postgres):
    more = (
        "create table parts (k int, v text) partition by range (k)",
        "do $$ begin for i in 1..600 loop execute format('create table part_%s partition of parts"
        " for values from (%s) to (%s)', i, i * 10, i * 10 + 10); end loop; end $$",
        "create function swallows(int) returns int language plpgsql immutable as $$ begin loop begin loop end loop;"
        " exception when query_canceled then null; end; end loop; end $$",
    )
    with advised.kept(django_db_blocker, postgres(18), advised.recorded, "real", *more) as var_dir:
        yield var_dir


@pytest.fixture
def real(kept, settings):
    settings.VAR_DIR = kept


def ask(client: Client, sql: str, page: str = "query"):
    return client.post(reverse(page, args=["real"]), {"sql": sql})


def problem_of(response, status: int) -> str:
    assert response.status_code == status, response.status_code
    return re.search(r'<p class="form-error" role="alert">(.*?)</p>', response.content.decode())[1]


# -- how much one person may ask


def asked_before(name: str, times: int, took_s: float, ago_s: float = 60.0) -> None:
    user = User.objects.get(username=name)
    TwinQuestion.objects.bulk_create(TwinQuestion(user=user, took_s=took_s) for _ in range(times))
    TwinQuestion.objects.filter(user=user).update(at=timezone.now() - timedelta(seconds=ago_s))


@pytest.mark.parametrize(
    ("times", "took_s", "says"),
    [
        (60, 0.1, "You have asked 60 questions in five minutes"),
        (5, 31.0, "Your questions of the last five minutes took 155 s to plan"),
    ],
)
@pytest.mark.postgres
def test_a_person_who_asks_too_much_is_told_when_to_ask_again(person, real, times, took_s, says):
    assert ask(person, SQL).status_code == 200
    asked_before("vera", times - 1, took_s)
    TwinQuestion.objects.update(took_s=took_s)
    sent = TwinQuestion.objects.count()
    assert sent == times
    for _ in range(2):
        response = ask(person, SQL)
        told = problem_of(response, 429)
        assert re.fullmatch(rf"{says}, which is the most for one person; ask again in 2(39|40) s\.", told), told
        assert f">{SQL}</textarea>" in response.content.decode()
    what_if = person.post(reverse("what_if", args=["real"]), {"index": "purchase (customer_id)"})
    assert problem_of(what_if, 429).startswith(says)
    assert TwinQuestion.objects.count() == sent  # knocking does not keep the door closed
    entries = AuditEntry.objects.filter(action="questions_limited")
    assert [entry.user_name for entry in entries] == ["vera"]  # once, not for each knock
    # somebody else is not concerned, and she may ask again later
    assert ask(login_of("olga"), SQL).status_code == 200
    TwinQuestion.objects.update(at=timezone.now() - question_limit.WITHIN)
    assert ask(person, SQL).status_code == 200


@pytest.mark.postgres
def test_what_a_question_took_is_kept_also_of_those_that_fail(person, real, monkeypatch):
    monkeypatch.setattr("analyzer.twin.limits.TIMEOUT_MS", 500)
    assert ask(person, SQL).status_code == 200
    told = problem_of(ask(person, "select note from purchase where id = swallows(1)"), 422)
    assert told == "Planning it took longer than 0 s on the twin and was ended."
    quick, slow = TwinQuestion.objects.order_by("pk")
    assert 0 < quick.took_s < question_limit.LONGEST_S
    assert slow.took_s > 1.5
    assert ask(person, SQL).status_code == 200


def test_what_is_no_question_does_not_count(person):
    world.shop(hours=1, every_s=600)
    for sql in ("", "x" * 100_001):
        assert person.post(reverse("query", args=["shop"]), {"sql": sql}).status_code == 422
    assert not TwinQuestion.objects.exists()


# -- how much may be sent


def test_a_text_that_is_too_long_stays_in_the_box(person):
    world.shop(hours=1, every_s=600)
    for text in ("select " + "x" * 100_000, "select '" + "€" * 33_400 + "'"):
        response = person.post(reverse("query", args=["shop"]), {"sql": text})
        assert problem_of(response, 422) == "The statement is longer than 100 kB."
        assert text.replace("'", "&#x27;") in response.content.decode()


def test_far_too_much_is_refused_before_it_is_read(person):
    world.shop(hours=1, every_s=600)
    response = person.post(reverse("query", args=["shop"]), {"sql": "x" * 1_000_001})
    assert response.status_code == 413
    assert "At most 1000 kB of text can be sent at once." in response.content.decode()
    assert "as a file" not in response.content.decode()


# -- how large a page becomes


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("sql", "says"),
    [
        (f"select * from parts where v = '{'x' * 90_000}'", "Its plan is too large: 54.6 MB, where 8 MB can be read."),
        (" union all ".join(["select * from parts"] * 20), "Its plan has 12,001 nodes, where 10,000 can be read."),
    ],
    ids=["bytes", "nodes"],
)
def test_a_plan_that_is_too_large_is_a_sentence(person, real, sql, says):
    response = ask(person, sql)
    told = problem_of(response, 422)
    assert re.sub(r"\d\d\.\d MB", "54.6 MB", told) == says
    assert len(response.content) < 200_000


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("sql", "is_drawn"),
    [
        (SQL, True),
        (" union all ".join(["select * from purchase where id = 1"] * 400), True),
        ("select * from parts", False),  # 601 nodes
        (f"select * from parts where k < 1000 and v = '{'<' * 6_000}'", False),
        (" union all ".join([f"select * from purchase where note = '{chr(0x202E) * 60}'"] * 100), True),
        (f"select * from purchase where note = '{chr(34) * 90_000}'", True),
    ],
    ids=["one", "400 nodes", "partitions", "escaped", "hidden", "quotes"],
)
def test_pages_with_plans_stay_small(person, real, sql, is_drawn):
    response = ask(person, sql)
    assert response.status_code == 200
    page = response.content.decode()
    assert len(response.content) < 4_000_000
    assert ("too large to draw" not in page) == is_drawn
    assert ("plan-json" in page) == is_drawn


def plan_of(nodes: int, text: str = "x") -> list:
    scan = {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Filter": text, "Plan Rows": 1}
    return [{"Plan": {"Node Type": "Append", "Plan Rows": 1, "Plans": [scan] * (nodes - 1)}}]


def test_the_text_of_a_plan_is_cut_and_says_so():
    lines = plan_text.plan_text(plan_of(1_000)).splitlines()
    assert lines[-1] == "... and 600 more"
    long = plan_text.plan_text(plan_of(300, "y" * 5_000))
    assert len(long) < 70_000
    assert "... and 3,000 more characters" in long
    assert re.search(r"\.\.\. and 2\d\d more\Z", long)
    assert plan_text.plan_text(plan_of(3)).count("\n") == 4


@pytest.mark.parametrize(
    ("nodes", "text"), [(501, "x"), (400, "<" * 2_000), (3, "x" * 500_000)], ids=["nodes", "escaped", "one text"]
)
def test_what_is_too_large_to_draw_is_shown_as_text(nodes, text):
    document = plan_document("select 1", plan_of(nodes, text))
    assert "This plan is too large to draw: " in document
    assert "plan-json" not in document
    assert "<script" not in document
    assert len(document) < 400_000


def test_a_plan_of_500_nodes_is_drawn():
    document = plan_document("select 1", plan_of(500))
    assert "plan-json" in document
    assert len(document) < 200_000


def test_a_plan_that_is_too_large_is_not_kept_and_the_page_says_why(person):
    made = world.shop(hours=1, every_s=600)
    statement = made.shop.statements.first()

    def keep(plan):
        return keep_plan(
            statement, world.database(made.shop), shape="s" * 32, plan=plan, values_source="none", is_analyzed=True,
            server_version_num=180_000, rewrites=["a rewrite"], total_cost=5.0, execution_time_ms=7.0,
        )  # fmt: skip

    for plan, size in (
        (plan_of(21, "x" * 1_000_000), "21 nodes in 19.1 MB"),
        (plan_of(10_001), "10,001 nodes in 918 kB"),
    ):
        kept = keep(plan)
        assert kept.plan == []
        assert kept.rewrites == ["a rewrite", f"the plan itself is not kept, because it is too large ({size})"]
        page = person.get(reverse("statement", args=["shop", statement.fingerprint]) + f"?plan={kept.pk}")
        assert f"because it is too large ({size})" in page.content.decode()
        drawn = person.get(reverse("plan", args=[kept.pk])).content.decode()
        assert "The plan itself is not kept, because it is too large." in drawn
    small = plan_of(3)
    assert keep(small).plan == small
    assert PlanRecord.objects.get(pk=kept.pk).rewrites == ["a rewrite"]
    assert MOST_BYTES == 4_000_000


# -- no room for a twin, and none left


@pytest.fixture
def small_disk():
    """A file system of 6 MB."""
    place = reachable_dir("small") / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=6m,mode=755", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mount is not allowed here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.postgres
def test_a_full_disk_is_a_sentence_on_pages_and_for_commands(person, real, small_disk, settings, tmp_path):
    settings.VAR_DIR = small_disk
    says = f"The twin's files under {small_disk} cannot be written: No space left on device"
    assert unescape(problem_of(ask(person, SQL), 503)) == f"{says}."
    what_if = person.post(reverse("what_if", args=["real"]), {"index": "purchase (customer_id)"})
    assert unescape(problem_of(what_if, 503)) == f"{says}."
    file = tmp_path / "new.sql"
    file.write_text(SQL)
    dsn = stored_settings(Server.objects.get(slug="real"))
    dsn = f"postgresql://{dsn.user}:{dsn.password}@{dsn.host}:{dsn.port}/{dsn.dbname}"
    for command in (["predict", dsn, str(file)], ["advise", dsn, "--workload", str(tmp_path)]):
        with pytest.raises(CommandError) as caught:
            call_command(*command)
        assert str(caught.value) == says


@pytest.mark.postgres
def test_a_twin_that_is_killed_is_a_sentence_and_the_next_one_answers(person, real, monkeypatch):
    plan = Twin.explain

    def killed(twin, *arguments, **options):
        twin._watch._cluster.kill()
        return plan(twin, *arguments, **options)

    monkeypatch.setattr(Twin, "explain", killed)
    told = unescape(problem_of(ask(person, SQL), 422))
    assert told == "The twin's planner gave up on it: it needed too much memory, or it crashed."
    monkeypatch.undo()
    assert ask(person, SQL).status_code == 200
