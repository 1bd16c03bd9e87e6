"""The first page: actions by time saved, from findings and suggestions of all servers."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from analyzer.findings import Fix, Severity
from analyzer.models import AdviceRun, Database, FindingRecord, Server, ServerNews, StepStatus, SuggestionRecord
from analyzer.store.finding_life import mute
from analyzer.store.findings import keep_findings
from tests.dashboard import world
from tests.dashboard.test_pages import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Client:
    client = Client()
    client.force_login(world.user())
    return client


def server(name: str = "shop", **fields: object) -> Server:
    of = world.server(name, **fields)
    world.step(of)
    return of


def index(of: Server, table: str, *columns: str, now_s: float | None, then_s: float = 0.0, keys=(), **fields):
    """A suggestion as the planner leaves it."""
    found = world.suggestion(of, world.key_finding(), table, *columns, helps=("ab",))
    found.finding_keys, found.warnings = list(keys), []
    found.helped_time_s_per_day, found.saved_time_s_per_day = now_s, None if now_s is None else now_s - then_s
    found.evidence = {
        "planner": "twin", "together_with": [],
        "statements": [{"fingerprint": "ab", "cost_before": 10.0, "cost_after": 1.0, "change": "A became B"}],
    }  # fmt: skip
    for name, value in fields.items():
        setattr(found, name, value)
    found.save()
    return found


def titles(response) -> list[str]:
    html = response.content.decode()
    rows = re.findall(r'action-row.*?<h3><a href="[^"]*">(.*?)</a></h3>', html, flags=re.DOTALL)
    return [row.replace("\u202f", " ").replace("&#x27;", "'") for row in rows]


def finding(about: str, severity: Severity, impact_s: float | None, **changes):
    return replace(world.key_finding(), about=about, title=about, severity=severity, impact_s_per_day=impact_s,
                   impact_assumed_s_per_day=0.0, **changes)  # fmt: skip


def test_time_goes_before_severity_and_what_is_not_known_comes_last(person):
    of = server()
    keep_findings(of, world.database(of), [
        finding("minutes", Severity.CRITICAL, 120.0), finding("hours", Severity.INFO, 7200.0),
        finding("nobody knows", Severity.CRITICAL, None), finding("an hour", Severity.WARNING, 3600.0),
    ], [])  # fmt: skip
    expected = ["hours", "an hour", "minutes", "nobody knows"]
    assert titles(person.get("/")) == expected
    listed = re.findall(r'finding-row".*?<h3><a[^>]*>(.*?)</a>', person.get("/findings/").content.decode(), re.DOTALL)
    assert listed == expected
    on_server = person.get(f"/servers/{of.slug}/").content.decode()
    assert re.findall(r'finding-row".*?<h3><a[^>]*>(.*?)</a>', on_server, re.DOTALL) == expected


def test_an_index_without_a_finding_stands_where_its_saving_puts_it(person):
    of = server()
    world.figures(of, (("select * from review order by at desc limit $1", 1.0, 20.0, 5.0, 1, 1),), hours=1)
    statement = of.statements.get()
    made = index(of, "public.review", "at", now_s=1800.0, then_s=12.0)
    SuggestionRecord.objects.filter(pk=made.pk).update(
        helps=[{"fingerprint": statement.fingerprint, "total_time_s_per_day": 1800.0}]
    )
    keep_findings(of, world.database(of), [
        finding("above", Severity.INFO, 7200.0), finding("below", Severity.CRITICAL, 60.0),
    ], [])  # fmt: skip
    page = person.get("/")
    assert titles(page) == ["above", "Select from review: index (at), 30 min a day to about 12 s", "below"]
    shown = text_of(page)
    assert "29 min 48 s less a day planned" in shown
    assert "select * from review order by at desc limit $1" in shown
    ready = text_of(person.get(f"/servers/{of.slug}/statements/"))
    assert "index ready" in ready


def test_an_index_takes_the_title_of_the_costliest_finding_it_answers(person):
    of = server()
    found = keep_findings(of, world.database(of), [
        finding("Deletes read all of line", Severity.WARNING, 60.0),
        finding("Seq Scan on line keeps few", Severity.WARNING, 900.0),
    ], [])  # fmt: skip
    index(of, "public.line", "product_id", now_s=1740.0, then_s=13.0, keys=[f.key for f in found])
    assert titles(person.get("/")) == ["Seq Scan on line keeps few: index (product_id), 29 min a day to about 13 s"]
    mute([found[1]], "ada", "soon gone")
    assert titles(person.get("/")) == ["Deletes read all of line: index (product_id), 29 min a day to about 13 s"]
    mute([found[0]], "ada", "soon gone")
    assert titles(person.get("/")) == []  # a person said so of all it answers


def test_title_plan_and_statement_of_an_index_are_of_one_statement(person):
    of = server()
    texts = ("select * from line where product_id = $1", "select * from line where product_id = $1 and n > $2")
    world.figures(of, tuple((text, 1.0, 20.0, 5.0, 1, 1) for text in texts), hours=1)
    dearest, other = (of.statements.get(normalized_sql=text) for text in texts)
    found = keep_findings(of, world.database(of), [
        replace(finding("Seq Scan of the other", Severity.WARNING, 900.0), about=other.fingerprint),
    ], [])  # fmt: skip
    made = index(of, "public.line", "product_id", now_s=1740.0, keys=[f.key for f in found])
    planned = {"cost_before": 10.0, "cost_after": 1.0}
    SuggestionRecord.objects.filter(pk=made.pk).update(
        helps=[{"fingerprint": dearest.fingerprint, "total_time_s_per_day": 1740.0}],
        evidence={"planner": "twin", "together_with": [], "statements": [
            {"fingerprint": other.fingerprint, "change": "Of the other", **planned},
            {"fingerprint": dearest.fingerprint, "change": "Of the dearest", **planned},
        ]},
    )  # fmt: skip
    page = person.get("/")
    assert [title.partition(":")[0] for title in titles(page)] == ["Select from line"]
    row = text_of(page).partition("Select from line")[2].partition("Create the index")[0]
    assert [words in row for words in (texts[0], "Of the dearest", "Of the other")] == [True, True, False]
    FindingRecord.objects.update(statement=dearest)
    assert [title.partition(":")[0] for title in titles(person.get("/"))] == ["Seq Scan of the other"]


def test_less_than_an_hour_says_nothing_of_a_day(person):
    of = server()
    index(of, "public.line", "a", now_s=3600.0, then_s=36.0, watched_s=1440.0)
    bulk = finding("bulk", Severity.WARNING, 7200.0, watched_s=900.0, message="Big.")
    keep_findings(of, world.database(of), [bulk], [])
    page = person.get("/")
    assert titles(page) == ["bulk", "public.line: index (a), 60 s in 24 minutes to about 600 ms"]
    shown = text_of(page)
    assert "75 s in 15 minutes measured" in shown
    assert "59.4 s less in 24 minutes planned" in shown
    assert "a day" not in shown


def result(drops: int = 0, **time: float) -> dict:
    dropped = [
        {"index": f"public.ix{n}", "table": "public.t", "reason": "Never scanned.", "freed_bytes": 1 << 20,
         "statements": [f"DROP INDEX CONCURRENTLY IF EXISTS public.ix{n}"], "undo_statements": []}
        for n in range(drops)
    ]  # fmt: skip
    indexes = [
        {"name": "ix_line_a", "table": "public.line", "definition": "(a)", "size_bytes": 12 << 20, "helps": ["ab"],
         "statements": ["CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_line_a ON public.line (a)"], "worth_per_day": 8.0}
    ]  # fmt: skip
    return {
        "cost_before": 10.0, "cost_after": 2.0, "cost_ratio": 0.2, "bound_ratio": 0.0, "budget_bytes": None,
        "size_bytes": (12 << 20) if time else 0, "indexes": indexes if time else [], "drops": dropped, "hurt": [],
        "at_risk": [], "statements": [], "not_planned": {}, "problems": [], "curve": [],
        "time": {"now_s_per_day": time.get("now"), "then_s_per_day": time.get("then"), "watched_s": 86_400.0},
    }  # fmt: skip


def advised(of: Server, **result_of) -> None:
    now = timezone.now()
    AdviceRun.objects.create(database=world.database(of), made_at=now, tried_at=now, result=result(**result_of))


def test_the_whole_set_is_told_in_time(person):
    of = server()
    advised(of, drops=3, now=7200.0, then=1368.0)
    words = (
        "shop: 1 index to create, 12 MB; 3 to drop, 3 MB freed ; minus 81 % of this server’s statement time,"
        " 2 h a day now ( measured ), about 22 min 48 s with it ( planned )."
    )
    assert words in text_of(person.get("/"))
    shown = text_of(person.get(f"/servers/{of.slug}/indexes/"))
    assert words.removeprefix("shop: ").replace(" ; minus", "; minus").removesuffix(".") in shown


def test_the_sets_of_several_databases_are_told_together(person):
    of, now = server(), timezone.now()
    advised(of, drops=1, now=7200.0, then=3600.0)
    other = Database.objects.create(server=of, oid=77, name="log", is_inspected=True)
    second = AdviceRun(database=other, made_at=now - timedelta(hours=1), tried_at=now)
    second.result = result(drops=2, now=7000.0, then=5200.0)
    second.save()
    AdviceRun.objects.create(database=Database.objects.create(server=of, oid=78, name="idle"), tried_at=now)
    assert (
        "shop: 2 indexes to create, 24 MB; 3 to drop, 3 MB freed ; minus 75 % of this server’s statement time,"
        " 2 h a day now ( measured ), about 30 min with them ( planned )."
    ) in text_of(person.get("/"))
    # unknown; together more than there is now; nothing that is known to be less
    for time in ({"now_s_per_day": None}, {"now_s_per_day": 90_000.0, "then_s_per_day": 1.0}):
        second.result["time"] |= time
        second.save()
        shown = text_of(person.get("/"))
        assert "shop: 2 indexes to create, 24 MB; 3 to drop, 3 MB freed" in shown
        assert "minus" not in shown
    Database.objects.filter(pk=other.pk).update(is_inspected=False)  # left out by now
    assert "shop: 1 index to create, 12 MB; 1 to drop, 1 MB freed" in text_of(person.get("/"))


def test_drops_are_shown_where_there_is_nothing_to_create(person):
    of = server()
    advised(of, drops=65)
    assert "shop: 65 to drop, 65 MB freed ." in text_of(person.get("/"))
    shown = text_of(person.get(f"/servers/{of.slug}/indexes/"))
    assert "No advice yet" not in shown
    assert "65 to drop, 65 MB freed" in shown
    assert shown.count("Never scanned.") == 2 * 65  # in the table, and before each statement of all of it
    assert "DROP INDEX CONCURRENTLY IF EXISTS public.ix64;" in shown
    assert "What a budget buys" not in shown


def test_a_demo_that_is_gone_does_not_lead(person):
    demo, real = server("Demo shop", slug="demo-shop"), server("app")
    for of, impact_s in ((demo, 9000.0), (real, 60.0)):
        keep_findings(of, world.database(of), [finding(f"of {of.name}", Severity.CRITICAL, impact_s)], [])
    advised(demo, now=7200.0, then=60.0)
    assert titles(person.get("/")) == ["of Demo shop", "of app"]
    StepStatus.objects.filter(server=demo).update(failing_since=timezone.now(), last_error="Connection refused")
    page = person.get("/")
    assert titles(page) == ["of app", "of Demo shop"]
    shown = text_of(page)
    assert "Demo shop: 1 index" not in shown
    cards = shown[shown.index("All servers") :]
    assert cards.index("app") < cards.index("Demo shop")
    StepStatus.objects.filter(server=real).update(
        failing_since=timezone.now() - timedelta(minutes=1), last_error="gone"
    )
    cards = text_of(person.get("/")).partition("All servers")[2]
    assert cards.index("app Down") < cards.index("Demo shop Down")


def test_rows_cost_no_queries(person, django_assert_max_num_queries):
    of = server()
    database = world.database(of)
    for n in range(3):
        index(of, f"public.t{n}", "a", now_s=100.0 + n)
    person.get("/")
    with django_assert_max_num_queries(20) as few:
        person.get("/")
    keep_findings(of, database, [finding(f"f{n}", Severity.WARNING, float(n)) for n in range(150)], [])
    SuggestionRecord.objects.bulk_create(
        SuggestionRecord(
            database=database, key=f"k{n}", table="public.t", name=f"ix{n}", method="btree", columns=["a"], ddl="",
            undo_ddl="", level="planned", reason="", helps=[{"fingerprint": f"{n}", "total_time_s_per_day": 1.0}],
            finding_keys=[f"SC001:f{n}:shop_order_line_order_id_fkey"], helped_time_s_per_day=1.0,
            saved_time_s_per_day=1.0, evidence={"statements": []}, first_seen=timezone.now(), last_seen=timezone.now(),
        )
        for n in range(150)
    )  # fmt: skip
    with django_assert_max_num_queries(len(few) + 1):  # which of them are muted
        page = person.get("/")
    assert len(titles(page)) == 5
    assert len(page.content) < 60_000


def test_long_and_hostile_names_stay_inside(person):
    name = "x" * 200 + "<script>alert(1)</script>\u202e"
    of = server()
    found = keep_findings(of, world.database(of), [finding(name[:200], Severity.WARNING, 60.0)], [])
    made = index(of, f"public.{'t' * 60}", "c", now_s=60.0, keys=[f.key for f in found])
    SuggestionRecord.objects.filter(pk=made.pk).update(columns=["c" * 63] * 20)
    html = person.get("/").content.decode()
    assert "<script>alert" not in html
    [title] = titles(person.get("/"))
    assert len(title) < 400


def setting_to_copy(name: str, severity: Severity):
    fix = Fix(f"{name} for the whole server", "sql", f"ALTER SYSTEM SET {name} = on;\nSELECT pg_reload_conf();")
    return replace(finding(name, severity, None, fixes=(fix,)), code="SV020")


def test_a_server_gets_five_sentences_and_the_worst_setting_is_one(person):
    of = server()
    costly = [finding(f"f{n}", Severity.WARNING, 1000.0 - n) for n in range(8)]
    keep_findings(of, world.database(of), costly, [])
    keep_findings(
        of, None, [setting_to_copy("fsync", Severity.WARNING), setting_to_copy("jit", Severity.INFO)], ["SV020"]
    )
    page = person.get("/")
    assert titles(page) == ["f0", "f1", "f2", "f3", "fsync"]
    shown = text_of(page)
    assert "Setting Warning fsync" in shown
    assert re.search(r"ALTER SYSTEM SET +fsync = ", shown)
    assert "All 10 open findings" in shown
    advised(of, now=7200.0, then=1368.0)
    assert titles(person.get("/")) == ["f0", "f1", "f2", "fsync"]  # the whole set is a sentence, too


def test_several_servers_share_the_page(person):
    some = [server(f"s{n}") for n in range(20)]
    for n, of in enumerate(some):
        found = [finding(f"of {of.name} {i}", Severity.WARNING, 1000.0 - n * 10 - i) for i in range(7)]
        keep_findings(of, world.database(of), found, [])
    page = person.get("/")
    assert titles(page) == [f"of s{n} 0" for n in range(15)]
    assert "Findings of 5 more servers" in text_of(page)
    Server.objects.exclude(pk__in=[of.pk for of in some[:2]]).delete()
    page = person.get("/")
    assert titles(page) == [f"of s{n} {i}" for n in range(2) for i in range(5)]
    assert "All 7 open findings of s1" in text_of(page)
    assert page.content.decode().count('class="how" id="') == 10
    assert len(re.findall(r'class="how" id="\w+" open', page.content.decode())) == 1


def test_more_that_are_slower_are_all_listed_with_either_check(person):
    of = server()
    some = [
        replace(finding("f", Severity.WARNING, float(n)), code=("ST010", "ST011")[n % 2], title=f"slower {n}")
        for n in range(7)
    ]
    keep_findings(of, world.database(of), [replace(one, subject=one.title) for one in some], [])
    [path] = re.findall(r'href="([^"]*code=[^"]*)">2 more<', person.get("/").content.decode())
    page = person.get(path.replace("&amp;", "&"))
    assert len(page.context["page"].object_list) == 7
    assert page.content.decode().count('<option value="ST010,ST011" selected>') == 1


def test_new_statements_and_slower_ones_stand_on_overview_and_server(person):
    of = server()
    world.figures(of, world.SHOP[:2], hours=1, every_s=300)
    statement = of.statements.first()
    new = {"fingerprint": statement.fingerprint, "load_ratio": 0.12, "time_s": 90.0, "calls": 7,
           "first_seen": timezone.now().isoformat()}  # fmt: skip
    ServerNews.objects.create(server=of, made_at=timezone.now(), statements=[new] * 7)
    slower = replace(finding(statement.fingerprint, Severity.WARNING, 60.0), code="ST011", message="A call takes 9 ms.")
    keep_findings(of, world.database(of), [slower], [])
    for path in ("/", f"/servers/{of.slug}/"):
        page = person.get(path)
        part = text_of(page).partition("New and worse")[2]
        assert part.count("12 %") == 5
        assert "2 more" in part
        assert "A call takes 9 ms." in part
        assert titles(page) == []
        assert "Nothing to report" not in text_of(page)
        [more] = re.findall(r'href="([^"]*new=1)"', page.content.decode())
        listed = text_of(person.get(more.replace("&amp;", "&")))
        assert "First seen in this span" in listed
    other = server("other")
    ServerNews.objects.create(server=other, made_at=timezone.now(), statements=[{**new, "time_s": 80.0}] * 4)
    page = person.get("/")
    more = re.findall(r'href="/servers/(\w+)/statements/[^"]*new=1">([^<]*)<', page.content.decode())
    assert more == [("other", "4 more of other"), (of.slug, f"2 more of {of.name}")]
    ServerNews.objects.update(made_at=timezone.now() - timedelta(days=2))
    assert "12 %" not in text_of(person.get("/"))
