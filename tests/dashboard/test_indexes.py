"""The index page in every state, the what-if box and the query box: what they say, and what they cost."""

import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analyzer.models import AdviceRun, Server, SuggestionRecord
from analyzer.questions import ask as asking
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store.schemas import keep_schema, newest_schema
from analyzer.store.servers import add_server_from_dsn
from dashboard.models import TwinQuestion
from dashboard.people.accounts import set_role
from tests.dashboard import advised, world
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(client: Client) -> Client:
    viewer = User.objects.create_user("vera", email="vera@example.com", password="correct horse battery")
    set_role(viewer, "viewer")
    client.force_login(viewer)
    return client


@pytest.fixture
def shop() -> Server:
    return world.shop(hours=1, every_s=600).shop


def text_of(response, status=200) -> str:
    """What a reader sees: without markup, on one line."""
    assert response.status_code == status, response.status_code
    body = re.sub(r"<script.*?</script>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("\u202f", " ").split())


def point(size_mb: float, cost_ratio: float, *columns: str, drops=(), budget_mb=None) -> dict:
    return {
        "budget_bytes": None if budget_mb is None else int(budget_mb * (1 << 20)),
        "size_bytes": int(size_mb * (1 << 20)),
        "cost_ratio": cost_ratio,
        "bound_ratio": 0.012,
        "indexes": [index(column, size_mb / len(columns)) for column in columns],
        "drops": list(drops),
    }


def index(column: str, size_mb: float, helps=()) -> dict:
    return {
        "key": f"public.shop_order ({column})",
        "name": f"ix_shop_order_{column}",
        "table": "public.shop_order",
        "definition": f"({column})",
        "statements": [
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_order_{column} ON public.shop_order ({column})"
        ],
        "undo_statements": [f"DROP INDEX CONCURRENTLY IF EXISTS public.ix_shop_order_{column}"],
        "size_bytes": int(size_mb * (1 << 20)),
        "worth_per_day": 250.0,
        "helps": list(helps),
        "remarks": ["No value above\n2,704 bytes."] if column == "total" else [],
    }


DROP = {
    "index": "public.ix_placed",
    "table": "public.shop_order",
    "reason": "The new index (placed_at, id) begins with the same columns and does its work.",
    "freed_bytes": 3 << 20,
    "statements": ["DROP INDEX CONCURRENTLY IF EXISTS public.ix_placed"],
    "undo_statements": ["CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_placed ON public.shop_order (placed_at)"],
}


def run_of(server: Server, *curve: dict, **result) -> AdviceRun:
    now = timezone.now()
    said = {"cost_before": 1000.0, "statements": [], "hurt": [], "at_risk": [], "not_planned": {}, "problems": []}
    return AdviceRun.objects.create(
        database=world.database(server),
        made_at=now - timedelta(minutes=3),
        tried_at=now - timedelta(minutes=3),
        duration_s=4.2,
        statements=120,
        candidates=310,
        plans_made=2345,
        result={**said, **result, "curve": list(curve)},
    )


def page_of(person: Client, server: Server, more: str = "") -> str:
    return text_of(person.get(reverse("indexes", args=[server.slug]) + more))


# -- states


def test_before_the_first_run_it_says_when_it_comes(person, shop):
    world.step(shop, "advise", note="waiting for statements")
    shown = page_of(person, shop)
    said = r"No advice yet The first run needs a recorded workload and the schema; it comes in 4\d s ?\."
    assert re.search(said, shown)
    assert "waiting for statements" in shown
    world.step(shop, "texts", note="The statements' texts cannot be read here: why.")
    assert "cannot be read here: why." in page_of(person, shop)


def test_a_server_that_was_never_reached(person):
    shown = page_of(person, world.server("fresh"))
    assert "No advice yet" in shown
    assert "it comes with the next samples." in shown
    assert "What if" not in shown


def test_a_failed_run_says_why_and_keeps_the_last_good_one(person, shop):
    run = run_of(shop, point(2, 0.6, "status"))
    AdviceRun.objects.filter(pk=run.pk).update(problem="The twin cannot be made: disk full", tried_at=timezone.now())
    shown = page_of(person, shop)
    assert "The last run failed just now : The twin cannot be made: disk full. What follows is of" in shown
    assert "1 index to create, 2 MB: 40 % of the planned cost saved" in shown


def test_a_first_run_that_failed(person, shop):
    AdviceRun.objects.create(database=world.database(shop), tried_at=timezone.now(), problem="No rights.")
    world.step(shop, "advise")
    shown = page_of(person, shop)
    assert "The last run failed just now : No rights." in shown
    assert "No advice yet It is tried again in 4" in shown


def test_nothing_to_advise_is_a_good_state(person, shop):
    run_of(shop, {**point(0, 1.0, "x"), "indexes": []})
    shown = page_of(person, shop)
    assert "Nothing to do" in shown
    assert "The indexes that are there serve this workload" in shown
    assert "What a budget buys" not in shown


def test_the_run_in_figures(person, shop):
    run_of(shop, point(2, 0.6, "status"))
    shown = page_of(person, shop)
    for said in ("Advised 3 min ago in 4.2 s", "Statements 120", "Candidates 310", "Plans made 2 345",
                 "How good within 1.2 % of the best possible with these candidates"):  # fmt: skip
        assert said in shown


# -- the curve and the plan


def curve(shop):
    return run_of(
        shop,
        {**point(0, 1.0, "x"), "indexes": [], "budget_bytes": 100},
        point(1, 0.8, "status", budget_mb=1),
        point(1, 0.8, "status", budget_mb=2),
        point(3, 0.5, "status", "total", drops=[DROP]),
    )


def test_the_last_point_is_shown_and_another_can_be_chosen(person, shop):
    curve(shop)
    shown = page_of(person, shop)
    assert "2 indexes to create, 3 MB; 1 to drop, 3 MB freed: 50 % of the planned cost saved" in shown
    assert "Drop public.ix_placed The new index (placed_at, id) begins with the same columns" in shown
    assert "1 index to create, 1 MB: 20 % of the planned cost saved" in page_of(person, shop, "?point=1")
    assert "Nothing fits into this budget" in page_of(person, shop, "?point=0")
    for odd in ("?point=99", "?point=-1", "?point=x", "?point=", "?point=٣", "?point=99999999999999999999"):
        assert "2 indexes to create" in page_of(person, shop, odd), odd


def test_what_is_built_is_not_to_create_any_more(person, shop):
    run = curve(shop)
    suggested = world.suggestion(shop, world.key_finding(), "public.shop_order", "status")
    more = {"key": "public.shop_order (status)", "last_seen": run.made_at, "estimated_size_bytes": 3 << 19}
    built = {"state": "built", "built_at": timezone.now(), "built_index_name": "x", "evidence": {"planner": "twin"}}
    SuggestionRecord.objects.filter(pk=suggested.pk).update(**more, **built)
    AdviceRun.objects.update(
        result={**run.result, "indexes": run.result["curve"][-1]["indexes"], "size_bytes": 3 << 20}
    )
    assert (
        "1 index to create, 1.5 MB; 1 to drop, 3 MB freed; 1 of 2 indexes is there already. The next run says what the"
        " others would save"
    ) in page_of(person, shop)
    smaller = page_of(person, shop, "?point=1").partition("The plan")[2].partition("1. Index on")[0]
    assert " ".join(smaller.split()) == "1 of 1 indexes is there already"
    # built under another name it would be built twice
    for which, left in (("", {"total"}), ("?point=1", set())):
        shown = page_of(person, shop, which)
        assert set(re.findall(r"IF NOT EXISTS ix_shop_order_(\w+)", shown)) == left
        assert "On the server as x ." in shown
        assert ("All that is left" in shown, "rollout script:" in shown) == (bool(left), False)
    assert "shop: 1 index to create, 1.5 MB" in text_of(person.get("/"))
    SuggestionRecord.objects.update(evidence={})  # by a rule: not of this set
    assert "shop: 2 indexes to create, 3 MB" in text_of(person.get("/"))
    SuggestionRecord.objects.update(evidence={"planner": "twin"}, last_seen=run.made_at - timedelta(days=1))
    assert "shop: 2 indexes to create, 3 MB" in text_of(person.get("/"))  # of an earlier run, neither


def test_many_drops_are_one_thing_to_do(person, shop):
    several = [
        {**DROP, "index": f"public.ix_{n}", "statements": [f"DROP INDEX CONCURRENTLY IF EXISTS public.ix_{n}"]}
        for n in range(4)
    ]
    run_of(shop, point(1, 0.8, "status", drops=several))
    page = person.get(reverse("indexes", args=[shop.slug])).content.decode()
    assert page.count('class="suggestion suggestion-drop"') == 1
    shown = page_of(person, shop)
    assert "Drop 4 indexes" in shown
    assert "All of them free 12 MB." in shown
    for dropped in several:
        assert f"{dropped['index']} {DROP['reason']} 3 MB" in shown
    (code,) = re.findall(r'aria-label="Drop them, one after another"><code>(.*?)</code>', page, re.S)
    assert re.sub(r"<[^>]+>", "", code).split("\n\n") == [f"{d['statements'][0]};" for d in several[:3]] + [
        f"{several[3]['statements'][0]};\n"
    ]


def test_budgets_that_buy_the_same_are_one_step(person, shop):
    curve(shop)
    page = person.get(reverse("indexes", args=[shop.slug])).content.decode()
    assert 'id="point" name="point" min="0" max="2" step="1" value="2"' in page
    assert 'aria-valuetext="3\u202fMB: 50\u202f% of the planned cost saved"' in page


def test_points_that_another_version_kept_are_read_or_left_out(person, shop):
    run_of(shop, point(1.00001, 0.6, "a") | {"size_bytes": 1048586.5}, {"size_bytes": "much"}, point(3, 0.4, "a", "b"))
    page = page_of(person, shop)
    assert "1 point of the curve cannot be read and is left out: another version of pgLoupe kept it." in page
    assert "1 MB" in page
    AdviceRun.objects.all().delete()
    run_of(shop, {"size_bytes": "much"})
    assert "No advice that can be read Another version of pgLoupe kept it; it is made anew" in page_of(person, shop)


def test_all_of_it_can_be_copied_and_rolled_out(person, shop):
    curve(shop)
    page = person.get(reverse("indexes", args=[shop.slug])).content.decode()
    everything = re.findall(r'<pre tabindex="0" role="region" aria-label="([^"]+)"><code>(.*?)</code>', page, re.S)
    texts = {label: re.sub(r"<[^>]+>", "", code) for label, code in everything}
    assert texts["Copy all, run it outside a transaction"] == (
        "-- 1.5 MB, helps 0 statements\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_order_status ON public.shop_order (status);\n\n"
        "-- 1.5 MB, helps 0 statements\n-- No value above 2,704 bytes.\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_order_total ON public.shop_order (total);\n\n"
        "-- The new index (placed_at, id) begins with the same columns and does its work.\n"
        "DROP INDEX CONCURRENTLY IF EXISTS public.ix_placed;\n"
    )
    script = texts["Rollout script"]
    assert "Step 1 of 3" in script
    assert "ix_shop_order_total" in script
    assert script.index("ix_shop_order_total") < script.rindex("ix_placed")
    assert "Undo: Create index ix_shop_order_status" in texts["Undo"]


def test_a_plan_that_the_schema_has_outrun_has_no_rollout_script(person, shop):
    run_of(shop, point(2, 0.6, "status", drops=[{**DROP, "index": "public.gone"}]))
    shown = page_of(person, shop)
    assert "No rollout script: the newest reading of the schema does not hold all of it." in shown
    assert "DROP INDEX CONCURRENTLY" in shown


def test_each_index_names_the_statements_it_helps_and_leads_to_its_suggestion(person):
    made = world.shop(hours=1, every_s=600)
    known, other = made.statements[:2]
    helped = index("status", 2, helps=[known.fingerprint, "feedfacecafebeef"])
    helped["key"] = made.suggestion.key
    warnings = {
        "hurt": [{"statement": known.fingerprint, "cost_before": 100.0, "cost_after": 150.0}],
        "at_risk": [{"statement": other.fingerprint, "reason": "In memory it may run slower."}],
    }
    run_of(made.shop, point(1, 0.8, "status"), {**point(2, 0.6, "status"), "indexes": [helped], **warnings},
           statements=[{"statement": other.fingerprint, "weight": 10, "cost_before": 4.0, "cost_after": 4.0,
                        "why_not": "Reading it whole is quick."}],
           not_planned={"feedfacecafebeef": "The twin lacks postgis."},
           problems=["The twin lacks extension postgis"])  # fmt: skip
    response = person.get(reverse("indexes", args=[made.shop.slug]))
    page, shown = response.content.decode(), text_of(response)
    assert f'href="{reverse("suggestion", args=[made.suggestion.pk])}"' in page
    assert f'href="{reverse("statement", args=[made.shop.slug, known.fingerprint])}"' in page
    assert "without it alone 25 % of the planned cost would come back · helps 2 statements" in shown
    assert "no longer kept: feedfacecafebeef" in shown
    assert "Dearer ( planned ): cost 100 becomes 150" in shown
    assert "In memory it may run slower." in shown
    assert "Reading it whole is quick." in shown
    assert "Not planned: The twin lacks postgis." in shown
    assert "What the copy lacks" in shown
    assert "Planned dearer" not in page_of(person, made.shop, "?point=0")  # a smaller set, which makes nothing dearer


def test_names_that_are_html_stay_text(person, shop):
    bad = index("status", 2)
    bad |= {"name": "<script>alert(1)</script>", "table": 'public."><img src=x>'}
    run_of(shop, {**point(2, 0.6, "status"), "indexes": [bad]}, problems=["<b>bold</b>"])
    page = person.get(reverse("indexes", args=[shop.slug])).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>bold" not in page


def test_the_page_takes_few_queries_however_many_indexes(person, shop, django_assert_max_num_queries):
    columns = [f"c{n}" for n in range(30)]
    run_of(shop, point(30, 0.4, *columns))
    person.get(reverse("indexes", args=[shop.slug]))  # the schema is unpacked once per process
    with django_assert_max_num_queries(10):
        response = person.get(reverse("indexes", args=[shop.slug]))
    assert len(response.content) < 600_000


# -- the boxes, without a twin


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"index": ""}, "Type an index, or tick one to hide."),
        ({"index": "shop_order (nope)"}, "public.shop_order has no column nope."),
        ({"index": "shop_ordr (id)"}, "There is no table shop_ordr; did you mean shop_order?"),
        ({"hide": "4711"}, "An index that was ticked is not there any more; look through the list again."),
        ({"hide": "x"}, "An index that was ticked is not there any more; look through the list again."),
    ],
)
def test_what_cannot_be_tried_is_said_and_stays_in_the_box(person, shop, data, says):
    response = person.post(reverse("what_if", args=[shop.slug]), data)
    assert f'<p class="form-error" role="alert">{says}</p>'.replace("'", "&#x27;") in response.content.decode()
    assert response.status_code == 422
    assert data.get("index", "") in response.content.decode()
    part = person.post(reverse("what_if", args=[shop.slug]), data, headers={"HX-Request": "true"})
    assert part.content.decode().startswith('\n<div id="what-if-answer"') or b"<html" not in part.content


def test_before_the_schema_is_read_the_boxes_say_so(person):
    fresh = world.server("fresh")
    for name in ("what_if", "query"):
        for method in (person.get, person.post):
            assert "The schema has not been read yet" in text_of(method(reverse(name, args=[fresh.slug])))


def test_what_is_ticked_and_typed_stays(person, shop):
    address = reverse("what_if", args=[shop.slug])
    assert "CREATE INDEX x ON shop_order (id)" in text_of(
        person.get(address, {"index": "CREATE INDEX x ON shop_order (id)"})
    )
    page = person.get(address, {"hide": "101"}).content.decode()  # the second index of the first table
    assert 'value="101" checked' in page
    assert "(1 ticked)" in page


@pytest.mark.parametrize(("sql", "says"), [("  ", "Type a statement."), ("x" * 100_001, "longer than 100 kB")])
def test_a_statement_that_is_none(person, shop, sql, says):
    assert says in text_of(person.post(reverse("query", args=[shop.slug]), {"sql": sql}), 422)


def test_without_the_right_to_read_statistics_nothing_is_planned(person, shop):
    database = world.database(shop)
    keep_schema(database, replace(newest_schema(database), statistics_readable=False))
    says = (
        "This login may not read the statistics of database 'shop', without which no plan can be made; grant it SELECT"
        " on the tables that the statements read (from 14 on, pg_read_all_data opens all)."
    ).replace("'", "&#x27;")
    for name, data in (("query", {"sql": "select 1 from shop_order"}), ("what_if", {"hide": "101"})):
        assert says in text_of(person.post(reverse(name, args=[shop.slug]), data), 422), name


def test_a_server_that_cannot_be_reached_and_has_no_twin(person, shop, settings, own_dir):
    settings.VAR_DIR = own_dir
    Server.objects.filter(pk=shop.pk).update(host="127.0.0.1", port=1, sslmode="disable", is_address_trusted=True)
    response = person.post(reverse("query", args=[shop.slug]), {"sql": "select 1 from shop_order"})
    assert "Cannot connect to 127.0.0.1:1/shop: " in text_of(response, 503)
    assert "select 1 from shop_order" in response.content.decode()


# -- the boxes, on a real twin


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker, postgres):
    with advised.kept(django_db_blocker, postgres(18), advised.recorded, "real") as var_dir:
        yield var_dir


@pytest.fixture
def real(kept, settings):
    settings.VAR_DIR = kept


@pytest.mark.postgres
def test_what_if_and_query_are_answered_also_while_the_server_is_down(
    person, private_postgres, settings, own_dir, django_assert_max_num_queries
):
    settings.VAR_DIR = own_dir
    database = ScratchDatabase(private_postgres(18))
    advised.fill(database)
    advised.recorded(database, "real")
    address = reverse("what_if", args=["real"])
    ask = {"index": "create index mine on purchase (customer_id) include (note)"}
    with django_assert_max_num_queries(20):
        shown = text_of(person.post(address, ask))
    assert "1 of 4 statements change" in shown
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS mine ON public.purchase (customer_id) INCLUDE (note)" in shown
    assert "became Index Only Scan" in shown
    assert "Filter: (purchase.customer_id = " in shown

    database.server.cluster.kill()
    assert "1 of 4 statements change" in text_of(person.post(address, ask))
    found = person.post(reverse("query", args=["real"]), {"sql": "select * from purchase where customer_id = 7"})
    assert "It would like this index" in text_of(found)


@pytest.mark.postgres
def test_what_no_plan_shows_is_said_too(person, postgres18, scratch_database, settings, own_dir):
    """A statement that would fail, and a foreign key's check that nothing would serve."""
    settings.VAR_DIR = own_dir
    database = scratch_database(postgres18)
    advised.fill(
        database,
        "create unique index customer_email on customer (email)",
        "create index purchase_customer on purchase (customer_id)",
        "alter table purchase add constraint bought foreign key (customer_id) references customer on delete cascade",
        "select pg_stat_statements_reset()",
    )
    server = advised.recorded(database, "real")
    with database.connect() as connection:
        connection.execute("insert into customer values (1, 'user1@example.org', 'DE') on conflict (email) do nothing")
    pipeline.take_snapshot(server)
    shown = text_of(person.post(reverse("what_if", args=["real"]), {"index": "hide customer_email"}))
    said = "It would fail: There is no unique or exclusion constraint matching the ON CONFLICT specification."
    assert said in shown
    assert "It enforces something, so it cannot simply be dropped." in shown
    lost = (
        "Nothing else serves foreign key bought: each delete from public.customer would read the whole table,"
        " which no plan shows."
    )
    assert lost in text_of(person.post(reverse("what_if", args=["real"]), {"index": "hide purchase_customer"}))
    both = {"index": "hide purchase_customer\npurchase (customer_id, placed)"}
    assert lost not in text_of(person.post(reverse("what_if", args=["real"]), both))


@pytest.mark.postgres
def test_values_of_the_workload_stay_hidden_and_typed_ones_are_shown(person, real):
    page = person.post(
        reverse("what_if", args=["real"]), {"index": "purchase (placed, note)\nhide purchase_placed_idx"}
    )
    assert "2024-" not in text_of(page)
    found = person.post(
        reverse("query", args=["real"]), {"sql": "select * from customer where email = 'user7@example.org'"}
    )
    assert "email = &#x27;user7@example.org&#x27;" in found.content.decode()
    generic = person.post(reverse("query", args=["real"]), {"sql": "select * from customer where email = $1"})
    assert "user" not in re.sub(r"user\w*-|users?/", "", text_of(generic)).replace("pgLoupe", "")


@pytest.mark.postgres
def test_one_question_waits_for_another_and_gives_up_in_words(person, real, monkeypatch):
    monkeypatch.setattr(asking, "WAIT_S", 0.01)
    vera = User.objects.get(username="vera").pk
    for others, says in (((-1, -2), "Other questions are being"), ((vera,), "Your last question is still being")):
        with ExitStack() as held:
            for other in others:
                held.enter_context(asking._turn(other))
            response = person.post(reverse("query", args=["real"]), {"sql": "select 1 from purchase"})
            assert f"{says} answered; ask again in a moment." in text_of(response, 503)
    assert {question.took_s for question in TwinQuestion.objects.all()} == {0.0}  # to wait costs nothing
    with asking._turn(-1):
        assert person.post(reverse("query", args=["real"]), {"sql": "select 1 from purchase"}).status_code == 200


@pytest.mark.postgres
def test_an_answer_that_takes_too_long_is_stopped(person, real, monkeypatch):
    monkeypatch.setattr(asking, "LIMIT_S", 0.0)
    response = person.post(reverse("what_if", args=["real"]), {"index": "purchase (customer_id)"})
    assert "It took longer than 0 s and was stopped; ask for less at a time." in text_of(response, 503)
    assert asking._asking == []


def test_a_server_behind_a_pooler_is_promised_no_first_run(person, postgres15, scratch_database, pgbouncer):
    database = scratch_database(postgres15)
    database.execute("create table t as select g as a from generate_series(1, 3000) as g", "analyze t")
    server = add_server_from_dsn(pgbouncer(database).dsn())
    schema_step.read_schema(server)
    page = text_of(person.get(reverse("indexes", args=[server.slug])))
    assert "No advice for this server as it is Advice and what-if need the server&#x27;s own address" in page
    assert "No advice yet" not in page
    assert "The first run" not in page
    with database.connect() as connection:
        for _ in range(3):
            connection.execute("select * from t where a = 5")
    pipeline.take_snapshot(server)
    pipeline.take_snapshot(server)
    if note := pipeline.advise_on_indexes(server):  # a note of the step, no failure that is tried again and again
        assert "is a connection pooler" in note or note == "waiting for statements"
    assert "No advice for this server as it is" in text_of(person.get(reverse("indexes", args=[server.slug])))
