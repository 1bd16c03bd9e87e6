"""What the planner says of a suggestion on its page, and the plans side by side, from a real twin."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analyzer.models import SuggestionRecord
from analyzer.plans.compare import faster_words
from analyzer.steps import run as pipeline
from analyzer.steps import schema as schema_step
from analyzer.store.parameters import SeenText, keep_samples
from dashboard.figures import gain_line
from dashboard.indexes.suggestion_evidence import evidence_of
from dashboard.permissions import VIEWER
from dashboard.templatetags.quantities import short_count
from tests.dashboard import advised, world
from tests.dashboard.test_pages import text_of
from tests.dashboard.test_permissions import person

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>\u202e</iframe>"


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(person(VIEWER))
    return client


@pytest.fixture
def shop() -> world.World:
    return world.shop(hours=1, every_s=600)


def planned(of: world.World, **changes: object) -> SuggestionRecord:
    """The world's suggestion as the advisor keeps it."""
    first, second = (s.fingerprint for s in of.statements[:2])
    record = of.suggestion
    record.level, record.saved_time_s_per_day = "planned", 29_800.0 * (1 - 2.6 / 4462)
    record.evidence = {
        "planner": "twin",
        "worth_per_day": 2_000_000.0,
        "write_cost_per_day": 5_000.0,
        "writes_per_day": 34_560.0,
        "build_time_s": 39.6,
        "statements": [
            {
                "fingerprint": first,
                "cost_before": 4462.0,
                "cost_after": 2.6,
                "change": "Seq Scan on shop_order o became Index Scan using ix_shop_order_status_placed_at",
            },
            {
                "fingerprint": "public.shop_order.shop_order_customer_fkey",
                "cost_before": 400.0,
                "cost_after": 300.0,
                "change": "a Sort is gone",
            },
        ],
        "hurt": [
            {"fingerprint": second, "values": "sampled1", "cost_before": 10.0, "cost_after": 45.0},
        ],
        "at_risk": [{"fingerprint": first, "reason": "It reads the index to its end when few rows match."}],
        "makes_redundant": [
            {
                "index": "public.ix_placed",
                "reason": "(status, placed_at) serves what it serves.",
                "ddl": "DROP INDEX CONCURRENTLY IF EXISTS public.ix_placed;\n",
            }
        ],
        **changes,
    }
    record.save()
    return record


def page_of(record: SuggestionRecord) -> str:
    return reverse("suggestion", args=[record.pk])


def test_the_page_shows_what_the_planner_found_and_at_what_price(viewer, shop):
    record = planned(shop)
    response = viewer.get(page_of(record))
    shown = text_of(response)
    for words in (
        "Planned: the planner chose it on the twin.",
        "Size about 14 MB up to 28 MB of disk while it is built",
        "Build time about 40 s writes go on meanwhile",
        "Writes to the table 34.6 k a day they take back 0.2 % of what it saves",
        "8 h 17 min a day now ( measured ), about 17.4 s with it ( planned ).",
        "8 h 17 min a day measured 17.4 s a day 1,716x faster, planned Seq Scan on shop_order o became Index Scan",
        "Cost of a call 4 462 → 2.60",
        "Check of the foreign key shop_order_customer_fkey",
        "part of its deletes 25 % cheaper by cost, planned a Sort is gone Cost of a call 400 → 300",
        "1 statement may become dearer",
        "Cost 10.0 → 45.0 a call ( planned ), 4.5x dearer with values that were seen.",
        "Planned cheaper, but at risk",
        "It reads the index to its end when few rows match.",
        "public.ix_placed : (status, placed_at) serves what it serves.",
        "DROP INDEX CONCURRENTLY IF EXISTS public.ix_placed;",
    ):
        assert words in shown, words
    html = response.content.decode()
    plans = [reverse("suggestion_plans", args=[record.pk, s.fingerprint]) for s in shop.statements[:2]]
    assert set(re.findall(r'href="(/suggestions/\d+/plans/.*?)"', html)) == set(plans)


def test_what_is_not_known_is_unknown(viewer, shop):
    nothing = {"hurt": [], "at_risk": [], "makes_redundant": []}
    record = planned(shop, build_time_s=None, writes_per_day=None, write_cost_per_day=0.0, **nothing)
    record.estimated_size_bytes = None
    record.save()
    shown = text_of(viewer.get(page_of(record)))
    for words in ("Size unknown", "Build time unknown", "Writes to the table unknown what they add is not known"):
        assert words in shown, words
    for words in ("may become dearer", "at risk", "No longer needed"):
        assert words not in shown, words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, f"{short_count(34_560)} a day"),
        ({"writes_seen": 12_000, "writes_seen_in_s": 7200}, f"{short_count(34_560)} a day"),
        ({"writes_per_day": None, "writes_seen": 120, "writes_seen_in_s": 300}, "120 in 5 minutes"),
        ({"writes_per_day": None}, "unknown"),
    ],
)
def test_writes_of_a_short_while_are_no_daily_rate(shop, changes, words):
    assert evidence_of(planned(shop, **changes)).writes_words == words


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"write_cost_per_day": 0.0, "writes_per_day": 0.0}, "they add nothing"),
        ({"write_cost_per_day": 1_000.0}, "they add next to nothing: under a thousandth of what it saves"),
        ({"write_cost_per_day": 2_100.0}, "they take back 0.1\u202f% of what it saves"),
        ({"write_cost_per_day": 500_000.0}, "they take back 25\u202f% of what it saves"),
        ({"write_cost_per_day": 5_000_000.0}, "they cost 2.5 times what it saves"),
        ({"writes_per_day": None, "write_cost_per_day": 0.0}, "what they add is not known"),
        ({"writes_per_day": None}, "they take back 0.2\u202f% of what it saves"),  # known from recorded statements
        ({"worth_per_day": 0.0}, "what they add is not known"),
    ],
)
def test_writes_in_words(shop, changes, words):
    assert evidence_of(planned(shop, **changes)).write_words == words


@pytest.mark.parametrize(
    ("build_time_s", "words"),
    [
        (None, "unknown"),
        (0.99, "under a second"),
        (1.0, "about 1\u202fs"),
        (75.0, "about 75\u202fs"),
        (130.0, "about 2\u202fmin 10\u202fs"),
    ],
)
def test_build_time_in_words(shop, build_time_s, words):
    assert evidence_of(planned(shop, build_time_s=build_time_s)).build_words == words


def test_a_rules_suggestion_says_that_no_planner_was_asked(viewer, shop):
    shown = text_of(viewer.get(page_of(shop.suggestion)))
    assert "No planner was asked. 1 statement, the costliest first" in shown
    for words in ("Cost of a call", "Build time", "Plans before and after"):
        assert words not in shown


def test_hypopg_is_named(viewer, shop):
    shown = text_of(viewer.get(page_of(planned(shop, planner="HypoPG"))))
    assert "Planned: the server&#x27;s own planner chose it, asked through HypoPG." in shown


def test_a_statement_that_is_gone_is_still_counted(shop, viewer):
    record = planned(shop, hurt=[], at_risk=[])
    shop.statements[0].delete()
    shown = text_of(viewer.get(page_of(record)))
    assert "no longer kept" in shown
    assert "4 462 → 2.60" in shown
    assert "Plans before and after" not in shown


def test_the_short_form_has_one_line(viewer, shop):
    record = planned(shop)
    line = "8 h 17 min a day now ( measured ), about 17.4 s with it ( planned )"
    on_statement = text_of(viewer.get(reverse("statement", args=["shop", shop.statements[0].fingerprint])))
    assert f"{line}, for this statement." in on_statement
    on_finding = text_of(viewer.get(reverse("finding", args=[shop.findings[0].pk])))
    assert f"{line}." in on_finding
    assert "Build time" not in on_finding
    assert "1,716x" not in on_finding  # one factor at most, and that of the figures beside it
    record.watched_s = 1440.0
    assert gain_line(record).replace("\u202f", " ") == (
        "8 min 17 s in 24 minutes (measured), about 289 ms with it (planned)"
    )
    record.evidence["together_with"] = ["ix_other"]
    assert gain_line(record).endswith("with it and ix_other (planned)")
    record.evidence = {}
    assert gain_line(record).replace("\u202f", " ") == (
        "Statements it helps take 8 min 17 s in 24 minutes; no planner was asked yet"
    )
    record.helped_time_s_per_day = None
    assert gain_line(record) == ""


def test_a_gain_says_whose_it_is(viewer, shop):
    """On the page of a statement whose own costs were not kept the gain is that of all the index helps."""
    record = planned(shop)
    first, other = (s.fingerprint for s in shop.statements[:2])
    record.helps = [{"fingerprint": first, "total_time_s_per_day": 29_800.0}]
    record.helps.append({"fingerprint": other, "total_time_s_per_day": 20.0})
    record.save()
    line = "8 h 17 min a day now ( measured ), about 17.4 s with it ( planned )"
    on_other = text_of(viewer.get(reverse("statement", args=["shop", other])))
    assert f"{line}, for all statements it helps." in on_other
    assert "for this statement" not in on_other
    record.evidence, record.saved_time_s_per_day = {}, None
    assert gain_line(record, other).replace("\u202f", " ") == (
        "Statements it helps take 8 h 17 min a day; no planner was asked yet"
    )
    record.evidence = {"planner": "twin"}  # of a version that did not keep what is saved
    assert gain_line(record, other).replace("\u202f", " ") == "Statements it helps take 8 h 17 min a day"


def test_one_query_more_for_nobody(viewer, shop, django_assert_num_queries):
    record = planned(shop)
    viewer.get(page_of(record))
    # session, user with role, suggestion with database, server and map, newest reading (unpacked before), statements
    with django_assert_num_queries(5):
        viewer.get(page_of(record))


def test_hostile_evidence_is_shown_and_does_nothing(viewer, shop):
    record = planned(shop)
    for statement in record.evidence["statements"]:
        statement["change"] = HOSTILE
    record.evidence["at_risk"] = [{"fingerprint": HOSTILE, "reason": HOSTILE}]
    record.evidence["makes_redundant"] = [{"index": HOSTILE, "reason": HOSTILE, "ddl": HOSTILE}]
    record.outcome = {"statements": [{**measured(HOSTILE, 1.0, 2.0, 3), "plan_change": HOSTILE}]}
    record.save()
    html = viewer.get(page_of(record)).content.decode()
    assert "<script>alert" not in html
    assert "</script>\u202e" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩") >= 6


def measured(fingerprint: str, before_ms: float | None, after_ms: float | None, calls: int) -> dict:
    return {
        "fingerprint": fingerprint,
        "before": {"calls": 900, "mean_exec_time_ms": before_ms, "blocks_per_call": 1204.0},
        "after": {"calls": calls, "mean_exec_time_ms": after_ms, "blocks_per_call": 5.2 if calls else None},
        "plan_change": "Seq Scan on shop_order o became Index Scan using by_status" if calls else "",
    }


def test_a_built_index_shows_each_statement_before_and_after(viewer, shop):
    record = planned(shop)
    first, second, third = (s.fingerprint for s in shop.statements[:3])
    record.state, record.built_at, record.built_index_name = "realised", timezone.now(), "by_status"
    record.outcome = {
        "calls": 62, "calls_wanted": 30, "scans": 62, "drop_ddl": "", "kept_for": "",
        "statements": [measured(third, 10.0, None, 0), measured(second, 2.0, 2.5, 40), measured(first, 41.0, 0.3, 22)],
    }  # fmt: skip
    record.save()
    shown = text_of(viewer.get(page_of(record)))
    table = shown[shown.index("Measured before and after") : shown.index("The same in your code")]
    assert table.index("select o.id") < table.index("select id, name") < table.index("select p.*")
    for words in (
        "41 ms → 300 µs 137x faster 1 204 → 5 22 Seq Scan on shop_order o became Index Scan using by_status",
        "2 ms → 2.5 ms 25 % slower 1 204 → 5 40",
        "10 ms → not yet 1 204 → not yet 0 no plan of both sides yet",
    ):
        assert words in table, words
    assert "As planned before it was built" in shown
    assert "1 statement was expected to become dearer" in shown
    assert shown.index("Measured before and after") < shown.index("The same in your code")
    for words in ("may become dearer", "Build time", "No longer needed then"):
        assert words not in shown


@pytest.mark.parametrize(
    ("verdict", "short", "sentence"),
    [
        ("same plan", "same plan", "The twin plans it the same: advice for it can be trusted. Asked 2 h ago"),
        (
            "same shape, cost within 3 %",
            "same shape, cost within 3 %",
            "The twin plans it the same, cost within 3 %: advice for it can be trusted.",
        ),
        (
            "different: Seq Scan on item became Index Scan using ix<b>",
            "plans it differently",
            "The twin plans it differently: Seq Scan on item became Index Scan using ix&lt;b&gt; there."
            " Advice for it is worth a second look.",
        ),
        (
            "not planned: Type public.geometry does not exist.",
            "cannot plan it",
            "The twin could not plan it: Type public.geometry does not exist.",
        ),
        ("", "not asked yet", "The twin was not asked yet whether it plans this the same."),
    ],
)
def test_a_plan_says_whether_the_twin_plans_alike(viewer, shop, verdict, short, sentence):
    shop.plan.twin_verdict, shop.plan.twin_asked_at = verdict, timezone.now() - timedelta(hours=2) if verdict else None
    shop.plan.save()
    response = viewer.get(reverse("statement", args=["shop", shop.statements[0].fingerprint]))
    shown = text_of(response)
    assert sentence in shown
    assert f"real values, of a run that was seen {short} " in shown
    is_doubted = verdict.startswith(("different", "not planned"))
    assert ("twin-said warning-text" in response.content.decode()) == is_doubted


def test_times_in_words():
    assert [faster_words(2.0, 2.0), faster_words(2.0, 1.5), faster_words(1.0, 12.0)] == [
        "as before", "25 % faster", "12x slower",
    ]  # fmt: skip


# -- plans side by side, on a real twin -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker, postgres):
    with advised.kept(django_db_blocker, postgres(18), advised.advised, "real") as var_dir:
        yield var_dir


@pytest.fixture
def real(kept, settings):
    """To be read only."""
    settings.VAR_DIR = kept


@pytest.fixture
def fresh(postgres18, scratch_database, settings, own_dir):
    settings.VAR_DIR = own_dir
    database = scratch_database(postgres18)
    advised.fill(database)
    advised.advised(database, "shop")
    return database


def suggested(*columns: str) -> SuggestionRecord:
    """That of ``fresh``, where a test asks for it."""
    return SuggestionRecord.objects.filter(columns=list(columns), closed_at=None).latest("pk")


def plans_path(record: SuggestionRecord) -> str:
    [statement] = record.evidence["statements"]
    return reverse("suggestion_plans", args=[record.pk, statement["fingerprint"]])


def frames(response) -> list[str]:  # type: ignore[no-untyped-def]
    return [unescape(frame) for frame in re.findall(r'srcdoc="(.*?)"', response.content.decode(), re.DOTALL)]


@pytest.mark.postgres
def test_both_plans_stand_side_by_side_as_drawing_and_as_text(viewer, real):
    record = suggested("customer_id")
    [statement] = record.evidence["statements"]
    assert "became" in statement["change"]
    assert "cheaper" not in statement["change"]
    response = viewer.get(plans_path(record))
    shown = re.sub(r'srcdoc=".*?"', "", response.content.decode(), flags=re.DOTALL)
    shown = " ".join(re.sub(r"<[^>]+>", " ", shown).replace("\u202f", " ").split())
    assert "Seq Scan on purchase became Bitmap Heap Scan using ix_purchase_customer_id." in shown
    assert re.search(r"in \d+ (s|minutes) \( measured \), about \S+ (µs|ms) with it \( planned \)\.", shown)
    assert re.search(r"Cost of a call 1 432 → 1\d\.\d, \d+x cheaper\.", shown)
    assert "planned with a frequent value from the column statistics, shown as ?" in shown
    assert "Seq Scan on purchase (3 rows expected, cost 1 432)" in shown
    assert "Filter: (purchase.customer_id = ?)" in shown
    without, with_it = frames(response)
    assert '"Node Type": "Seq Scan"' in without
    assert "ix_purchase_customer_id" not in without
    assert '"Node Type": "Bitmap Heap Scan"' in with_it
    assert '"Index Name": "ix_purchase_customer_id"' in with_it
    assert response.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")


@pytest.mark.postgres
def test_values_that_were_seen_are_used_and_not_shown(viewer, real):
    record = suggested("email")
    statement = record.database.server.statements.get(fingerprint=record.evidence["statements"][0]["fingerprint"])
    secret = "somebody-private@example.org"
    sql = f"select * from customer where email = '{secret}'"
    keep_samples(record.database, [SeenText(statement.pk, sql, timezone.now(), 1.0)])
    response = viewer.get(plans_path(record))
    assert "planned with real values that were seen" in text_of(response)
    assert secret not in response.content.decode()
    assert "Filter: ((customer.email)::text = " not in response.content.decode()
    assert "customer.email = &#x27;?&#x27;::text" in response.content.decode()


@pytest.mark.postgres
def test_costs_of_several_values_are_told_from_the_plans_shown(viewer, fresh):
    """20 of some hundred regions hold nearly all rows: a typical value, a rare one and the generic plan differ."""
    fresh.execute(
        "create table visit as select i as id, case when i % 50 = 0 then i % 5000 else i % 20 end as region,"
        " md5(i::text) as note from generate_series(1, 40000) i",
        "analyze visit",
    )
    server = suggested("email").database.server
    with fresh.connect() as connection:
        for n in range(30):
            connection.execute("select note from visit where region = %s", (n,))
    pipeline.take_snapshot(server)
    schema_step.read_schema(server)
    pipeline.advise_on_indexes(server)
    response = viewer.get(plans_path(suggested("region")))
    shown = text_of(response)
    costs = re.search(r"Cost of a call (\S+) → (\S+),", shown)
    drawn = re.search(r"Bitmap Heap Scan on visit \([\d ]+ rows expected, cost (\S+)\)", shown)
    assert costs
    assert drawn
    assert float(costs[2]) < float(drawn[1]) < float(costs[1])
    assert "The cost of a call is that of all values it was planned with" in shown
    assert "planned with a frequent value from the column statistics, shown as ?" in shown


@pytest.mark.postgres
def test_a_built_index_is_hidden_for_the_plan_without_it(viewer, fresh):
    record = suggested("customer_id")
    server = record.database.server
    fresh.execute("create index theirs on purchase (customer_id)", "analyze purchase")
    schema_step.read_schema(server)
    response = viewer.get(plans_path(record))
    assert "Seq Scan on purchase became Bitmap Heap Scan using theirs." in text_of(response)
    without, with_it = frames(response)
    assert '"Node Type": "Seq Scan"' in without
    assert '"Index Name": "theirs"' in with_it


@pytest.mark.postgres
def test_an_index_that_changes_nothing_says_so(viewer, real):
    record = suggested("email")
    other = suggested("customer_id").evidence["statements"][0]["fingerprint"]
    response = viewer.get(reverse("suggestion_plans", args=[record.pk, other]))
    assert "The index alone changes nothing: cost 1 432 a call, with and without it." in text_of(response)
    assert len(frames(response)) == 2


@pytest.mark.postgres
def test_queries_of_the_plans(viewer, real, django_assert_num_queries):
    record = suggested("customer_id")
    viewer.get(plans_path(record))
    # session, user with role, suggestion with database and server, statement, newest reading (unpacked before),
    # totals (5), entries, statements, samples, executed plans; what the person asked lately (2), asks now (2)
    with django_assert_num_queries(20):
        viewer.get(plans_path(record))


@pytest.mark.postgres
def test_the_kept_twin_answers_while_the_server_is_down(viewer, fresh):
    record = suggested("customer_id")
    server = record.database.server
    fresh.drop()
    assert viewer.get(plans_path(record)).status_code == 200
    server.port = 1
    server.save()
    response = viewer.get(plans_path(record))
    assert response.status_code == 503
    assert "The plans cannot be shown now" in response.content.decode()
    assert frames(response) == []


@pytest.mark.postgres
def test_what_cannot_be_planned_says_why(viewer, real):
    record = suggested("customer_id")
    path = plans_path(record)
    statement = record.database.server.statements.get(fingerprint=record.evidence["statements"][0]["fingerprint"])

    def said() -> str:
        response = viewer.get(path)
        assert response.status_code == 422
        return response.content.decode().replace("&#x27;", "'")

    statement.normalized_sql = "select note from gone where customer_id = $1"
    statement.save()
    assert 'role="alert">Relation &quot;gone&quot; does not exist.' in said()
    statement.text_state = "truncated"
    statement.save()
    assert "Its whole text is not kept, or it is of a kind that has no plan." in said()
    record.definition = {}
    record.save()
    assert "The index's table is not in the newest reading of the schema." in said()


def test_plans_of_unknown_things(viewer, shop):
    assert viewer.get("/suggestions/12345/plans/abc/").status_code == 404
    assert viewer.get(reverse("suggestion_plans", args=[shop.suggestion.pk, "abc"])).status_code == 404
    assert viewer.post(reverse("suggestion_plans", args=[shop.suggestion.pk, "abc"])).status_code == 405
    other = world.server("other")
    [statement] = world.figures(other, (("select 1 from other_table", 1.0, 1.0, 1.0, 1, 0),), hours=0)
    assert viewer.get(reverse("suggestion_plans", args=[shop.suggestion.pk, statement.fingerprint])).status_code == 404
