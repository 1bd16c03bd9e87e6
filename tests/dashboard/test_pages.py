"""Every page with rows, without, and while things go wrong; how many queries each takes."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views.defaults import server_error

from analyzer.checks import all_checks
from analyzer.findings import Fix
from analyzer.models import CheckRule, FindingRecord, Server, StepStatus, SuggestionRecord
from analyzer.store.findings import keep_findings
from analyzer.store.series.rollups import roll_up
from tests.dashboard import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def person(client: Client) -> Client:
    client.force_login(world.user())
    return client


@pytest.fixture
def shop() -> world.World:
    return world.shop(hours=3, every_s=600)


def text_of(response) -> str:
    """What a reader sees: without markup, on one line."""
    assert response.status_code == 200, response.status_code
    body = re.sub(r"<script.*?</script>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("\u202f", " ").split())


def test_overview_puts_the_worst_first_with_the_ddl_to_copy(person, shop):
    page = person.get("/").content.decode()
    assert page.index("keeps few of the rows") < page.index("N+1") < page.index("Deletes from")
    assert "ix_shop_order_status_placed_at" in page
    shown = text_of(person.get("/"))
    assert "8 h 17 min a day" in shown
    assert "Critical" in shown
    assert "PostgreSQL 15.14" in shown


def test_overview_offers_the_first_fix_where_no_index_answers(person, shop):
    page = person.get("/").content.decode()
    assert page.count('class="code-block"') == 4  # two indexes, the N+1's Django line, how to watch another
    assert "Product.objects.annotate(review_count=Count" in page
    assert "outerjoin(Review)" not in page
    shown = text_of(person.get("/"))
    assert "seen in an executed plan" in shown
    assert "by rule, from statistics and the catalog" in shown


def test_overview_shows_an_index_once_and_what_else_it_answers(person, shop):
    other = replace(world.key_finding(), about="public.shop_order.fk2", subject="shop_order_customer_fkey")
    [record] = keep_findings(shop.shop, world.database(shop.shop), [other], [])
    shop.suggestion.finding_keys = [*shop.suggestion.finding_keys, record.key]
    shop.suggestion.save()
    page = person.get("/").content.decode()
    assert page.count("action-row") == 3
    assert page.count("IF NOT EXISTS</span> ix_shop_order_status_placed_at") == 1
    [row] = [r for r in page.split("<article") if "ix_shop_order_status_placed_at" in r]
    assert row.count('href="/findings/') == 2


def test_overview_shows_five_and_leads_to_the_rest(person, shop):
    more = [replace(world.key_finding(), about=f"public.t{i}.fk", impact_s_per_day=0.2) for i in range(4)]
    keep_findings(shop.shop, world.database(shop.shop), more, [])
    page = person.get("/")
    assert page.content.count(b"action-row") == 5
    assert "All 7 open findings" in text_of(page)
    assert "200 ms a day" in text_of(page)


def test_transaction_control_weighs_less_in_the_list(person):
    of = world.server()
    world.figures(of, (("COMMIT", 5.0, 3.0, 0.0, 0, 0), *world.SHOP[:1]), hours=1, every_s=300)
    page = person.get(f"/servers/{of.slug}/statements/").content.decode()
    [dimmed] = re.findall(r'<tr class="dimmed">(.*?)</tr>', page, flags=re.DOTALL)
    assert "COMMIT" in dimmed


def test_overview_refreshes_only_what_changed(person, shop):
    page = person.get("/").content.decode()
    have = re.search(r"_findings/\?have=(\w+)", page)[1]
    assert person.get(f"/_findings/?have={have}").status_code == 204
    FindingRecord.objects.filter(code="SC001").update(closed_at=timezone.now())
    changed = person.get(f"/_findings/?have={have}")
    assert changed.status_code == 200
    assert b"Deletes from" not in changed.content
    assert b"<html" not in changed.content


def test_server_page_says_what_to_run(person, shop):
    shown = text_of(person.get("/servers/shop/?window=24h"))
    assert "2 of 4 preflight points need something from you" in shown
    assert "ALTER SYSTEM SET track_io_timing = on" in shown
    assert "2 checks are fine" in shown
    assert "2 statements were only planned: they call volatile functions" in shown
    assert "the server's statistics were reset" in shown.replace("&#x27;", "'")


def test_statements_are_sorted_by_total_time_with_their_share(person, shop):
    page = person.get("/servers/shop/statements/?window=24h")
    shown = text_of(page)
    assert shown.index("from shop_order o") < shown.index("from shop_review") < shown.index("from job_queue")
    assert "1 finding" in shown
    assert shown.count("index ready") == 1
    assert page.content.count(b"<polyline") >= 10
    by_calls = text_of(person.get("/servers/shop/statements/?window=24h&sort=calls"))
    assert by_calls.index("from shop_customer") < by_calls.index("from shop_order o")


def test_statements_are_found_by_text_table_and_fingerprint(person, shop):
    def found(q: str) -> int:
        page = person.get("/servers/shop/statements/", {"window": "24h", "q": q})
        return page.content.count(b'class="statement-name"')

    assert found("ilike") == 1
    assert found("shop_product") == 3
    assert found(shop.statements[0].fingerprint) == 1
    assert found("100%_no such") == 0
    assert "No statement matches" in text_of(person.get("/servers/shop/statements/?window=24h&q=nothing-like-it"))


def test_statement_page_tells_what_why_and_what_to_do(person, shop):
    statement = shop.statements[0]
    page = person.get(f"/servers/shop/statements/{statement.fingerprint}/?window=24h")
    shown = text_of(page)
    assert "Select from shop_order" in shown
    assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_shop_order_status_placed_at" in shown
    assert "DROP INDEX CONCURRENTLY" in shown
    assert "Seq Scan on shop_order o keeps few" in shown
    assert "values: real values, of a run that was seen" in shown
    assert "Seq Scan on shop_order" in shown
    assert f'src="/plans/{shop.plan.pk}/"'.encode() in page.content
    assert b'id="statement-load"' in page.content
    assert "public.shop_order Statements that touch it 160 000 14 MB CREATE INDEX shop_order_pkey" in shown


def _ran(fingerprint, before_ms, after_ms):
    figures = {key: {"calls": 900, "mean_exec_time_ms": ms, "blocks_per_call": None}
               for key, ms in (("before", before_ms), ("after", after_ms))}  # fmt: skip
    return {"fingerprint": fingerprint, **figures, "plan_change": ""}


SLOWER, FASTER = _ran("a", 10.0, 20.0), _ran("b", 41.0, 1.0)


def _outcome(suggestion, state, **outcome):
    figures = {"before": {"calls": 900, "mean_exec_time_ms": 41.0, "blocks_per_call": 1204.0},
               "after": {"calls": 12, "mean_exec_time_ms": 0.3, "blocks_per_call": 5.2}}  # fmt: skip
    change = "Seq Scan on shop_order o became Index Scan using theirs"
    statement = {"fingerprint": suggestion.helps[0]["fingerprint"], **figures, "plan_change": change}
    suggestion.outcome = {"calls": 12, "calls_wanted": 30, "scans": 12, "statements": [statement], **outcome}
    suggestion.state, suggestion.closed_at = state, timezone.now()
    suggestion.built_at, suggestion.built_index_name = timezone.now().replace(month=11, day=24), "theirs\u202e"
    suggestion.save()


@pytest.mark.parametrize(
    ("state", "outcome", "words"),
    [
        ("built", {}, "Built on 24 Nov as theirs⟨U+202E⟩, waiting for calls (12 of 30)."),
        ("built", {"calls": 40}, "Built on 24 Nov as theirs⟨U+202E⟩, 12 scans in 40 calls so far; too early to tell."),
        ("built", {"calls": 119, "scans": 1},
         "Built on 24 Nov as theirs⟨U+202E⟩, hardly used: 1 scan in 119 calls of the statements it was made for."),
        ("built", {"calls": 900, "scans": 1000, "statements": [_ran("a", 10.0, 9.9)]},
         "used, by what is not known: 1 000 scans in 900 calls of the statements it was made for, but none of them is"
         " measurably faster or was planned with it since."),
        ("realised", {"shared_with": ["ix_b", "ix_c"]}, "using theirs. Built about the same time for the same"
         " statements: ix_b and ix_c; what changed is theirs together."),
        ("realised", {"statements": [SLOWER]}, "Used, but slower than before: mean 10 ms → 20 ms."),
        ("realised", {"statements": [SLOWER, FASTER]},
         "Realised: mean 41 ms → 1 ms. One of its statements became slower since: mean 10 ms → 20 ms."),
        ("built", {"statements": []}, "Built on 24 Nov as theirs⟨U+202E⟩, waiting for its first scan."),
        ("realised", {}, "Realised: mean 41 ms → 300 µs, blocks 1 204 → 5 per call,"
                         " Seq Scan on shop_order o became Index Scan using theirs."),
        ("realised", {"statements": []}, "Realised: scanned 12 times since it was built;"
                                         " how long it took before is not known."),
        ("not_used", {"drop_ddl": "DROP INDEX CONCURRENTLY IF EXISTS public.theirs;", "calls": 31},
         "Not used: built on 24 Nov as theirs⟨U+202E⟩, no scan in 31 calls since. It only costs:"),
        ("not_used", {"kept_for": "It is unique: the table's rows are checked by it."},
         "no scan in 12 calls since. It is unique: the table&#x27;s rows are checked by it."),
    ],
)  # fmt: skip
def test_statement_says_what_became_of_its_index(person, shop, state, outcome, words):
    _outcome(shop.suggestion, state, **outcome)
    response = person.get(f"/servers/shop/statements/{shop.statements[0].fingerprint}/")
    shown, page = text_of(response), response.content.decode()
    assert words in shown
    assert "What became of it" in shown
    assert "Why no index is suggested" in shown  # nothing is to be created any more
    assert ("Drop it" in shown) == bool(outcome.get("drop_ddl"))
    assert 'id="suggestions"' not in page
    assert shop.suggestion.ddl not in text_of(person.get("/"))  # not among what is to be done


def test_statement_without_a_suggestion_says_why(person, shop):
    statement = shop.statements[2]
    shown = text_of(person.get(f"/servers/shop/statements/{statement.fingerprint}/"))
    assert "Why no index is suggested" in shown
    assert "leading wildcard: no B-tree index can serve it" in shown
    assert "No plan yet" in shown


def test_a_statement_that_did_not_run_in_the_window_has_a_page(person, shop):
    of = shop.shop
    later = world.figures(of, (*world.SHOP, ("select 1 from t_once where id = $1", 0.0, 1.0, 1.0, 1, 0)), hours=0)
    assert len(later) == 11
    shown = text_of(person.get(f"/servers/shop/statements/{later[-1].fingerprint}/?window=1h"))
    assert "It did not run in 1h" in shown
    assert "Calls 0" in shown


def test_finding_page_shows_evidence_thresholds_and_fixes(person, shop):
    record = next(f for f in shop.findings if f.code == "ST001")
    check = next(c for c in all_checks() if c.code == "ST001")
    shown = text_of(person.get(f"/findings/{record.pk}/"))
    assert "Impact 4 h 33 min a day: 3 h 58 min on the server measured , 35 min waiting assumed" in shown
    assert "Assumed round trip 500 µs" in shown
    assert "Calls per parent call 20" in shown
    assert "review_count=Count(&quot;review&quot;)" in shown
    assert "select count(*) from shop_review" in shown
    for threshold in check.thresholds.values():
        assert threshold.source.split(":")[0].split("'")[0] in shown.replace("&#x27;", "'")


def test_muting_needs_a_reason_and_takes_it_off_the_overview(person, shop):
    record = next(f for f in shop.findings if f.code == "SC001")
    refused = person.post(f"/findings/{record.pk}/mute/", {"reason": "  "})
    assert refused.status_code == 422
    assert b"Say why" in refused.content
    person.post(f"/findings/{record.pk}/mute/", {"reason": "archived table, <dropped> in June"})
    record.refresh_from_db()
    assert (record.muted_by, record.mute_reason) == ("ada", "archived table, <dropped> in June")
    assert "Deletes from" not in text_of(person.get("/"))
    assert "“archived table, &lt;dropped&gt; in June”" in text_of(person.get(f"/findings/{record.pk}/"))
    assert "Deletes from" in text_of(person.get("/findings/?state=muted"))
    person.post(f"/findings/{record.pk}/unmute/")
    assert "Deletes from" in text_of(person.get("/"))


def test_findings_are_filtered(person, shop):
    def found(**query: str) -> int:
        return person.get("/findings/", query).content.count(b'class="finding-row"')

    assert found() == 3
    assert found(severity="critical") == 1
    assert found(code="SC001") == 1
    assert found(server="shop") == 3
    assert found(severity="info") == 0
    FindingRecord.objects.filter(code="SC001").update(closed_at=timezone.now())
    assert (found(), found(state="closed")) == (2, 1)


def test_the_filter_offers_the_checks_that_found_something(person, shop):
    def offered(**query: str) -> set[str]:
        page = person.get("/findings/", query).content.decode()
        return set(re.findall(r'<option value="([A-Z]{2}\d{3})"', page))

    codes = set(FindingRecord.objects.values_list("code", flat=True))
    assert offered() == codes
    assert offered(code="PL056", state="closed") == codes | {"PL056"}  # chosen by its address


def test_all_of_a_filtered_list_are_muted_for_a_while(person, shop):
    refused = person.post("/findings/mute/", {"reason": "all of them"})
    assert refused.status_code == 422
    assert b"Filter the list first" in refused.content
    assert person.post("/findings/mute/", {"code": "SC001", "reason": ""}).status_code == 422
    assert FindingRecord.objects.filter(muted_at__isnull=False).count() == 0
    table = FindingRecord.objects.get(code="SC001").table
    schema = table.partition(".")[0]
    assert person.get("/findings/", {"table": schema}).content.count(b'class="finding-row"') >= 1
    assert person.get("/findings/", {"table": schema[:-1]}).content.count(b'class="finding-row"') == 0
    answer = person.post(
        "/findings/mute/", {"code": "SC001", "table": table, "reason": "old", "until": "30"}, follow=True
    )
    assert "1 finding muted." in text_of(answer)
    muted = FindingRecord.objects.get(muted_at__isnull=False)
    assert (muted.code, muted.muted_by, muted.mute_reason) == ("SC001", "ada", "old")
    assert 29 < (muted.muted_until - timezone.now()).total_seconds() / 86_400 < 30
    assert "or sooner when it costs twice as much" in text_of(person.get(f"/findings/{muted.pk}/"))


def test_a_finding_is_assigned_and_its_history_shown(person, shop):
    record = shop.findings[0]
    person.post(f"/findings/{record.pk}/assign/", {"to": "ada"})
    shown = text_of(person.get(f"/findings/{record.pk}/"))
    assert "For ada" in shown
    assert "Assigned to ada by ada" in shown
    assert "Found" in shown
    assert person.get("/findings/", {"assigned": "me"}).content.count(b'class="finding-row"') == 1
    assert person.post(f"/findings/{record.pk}/assign/", {"to": "nobody-here"}).status_code == 422
    record.refresh_from_db()
    assert record.assigned_to == "ada"


def test_a_closed_finding_is_no_longer_offered_to_mute(person, shop):
    record = shop.findings[0]
    FindingRecord.objects.filter(pk=record.pk).update(closed_at=timezone.now() - timedelta(hours=2))
    shown = text_of(person.get(f"/findings/{record.pk}/"))
    assert "Closed 2 h ago" in shown
    assert "Mute this finding" not in shown


def test_without_a_server_every_page_says_how_to_add_one(person):
    for path in ("/", "/servers/", "/statements/", "/indexes/"):
        shown = text_of(person.get(path))
        assert "No server is watched yet" in shown, path
        assert "make up DSN=" in shown, path
    assert "no server is watched yet" in text_of(person.get("/findings/"))


def test_a_new_server_is_waited_for(person):
    world.server(preflight=[], preflight_at=None, server_version_num=None)
    assert "First sample in a few seconds" in text_of(person.get("/"))
    shown = text_of(person.get("/servers/shop/"))
    assert "First sample in a few seconds" in shown
    assert "Not checked yet" in shown
    assert "No figures in this span yet" in shown
    assert "First sample in a few seconds" in text_of(person.get("/servers/shop/statements/"))


def test_a_server_that_is_down_says_since_when_and_why(person, shop):
    error = "Cannot connect to db.example.com:5432: Connection refused"
    StepStatus.objects.filter(server=shop.shop, step="snapshot").update(
        failing_since=timezone.now() - timedelta(minutes=5), last_error=error
    )
    page = text_of(person.get("/servers/shop/"))
    since = r"(\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d)"  # with the date in the first minutes of a day
    assert re.search(f"This server is down since {since} Cannot connect to db.example.com:5432", page)
    assert page.index("This server is down") < page.index("Statement time")
    assert error in text_of(person.get("/servers/shop/_now/"))
    assert error in text_of(person.get("/"))
    fingerprint = shop.statements[0].fingerprint
    for path in ("/servers/shop/statements/", f"/servers/shop/statements/{fingerprint}/"):
        assert error in text_of(person.get(path)), path


def test_a_server_without_findings_says_what_looks_at_it(person, shop):
    FindingRecord.objects.all().delete()
    on = f"{sum(check.module.split('.')[-2] == 'plan' for check in all_checks())} checks of plans, "
    shown = text_of(person.get("/servers/shop/"))
    assert f"No finding is open. {on}" in shown
    assert "switched off" not in shown
    CheckRule.objects.create(
        server=shop.shop, code="SV007", is_off=True, reason="r", changed_by="ada", changed_at=timezone.now()
    )
    assert "look at this server; 1 is switched off for it. What could not be" in text_of(person.get("/servers/shop/"))


def test_a_server_whose_texts_are_being_read_says_how_far_it_is(person, shop):
    progress = "Reading texts (1,200 of 4,500)"
    world.step(shop.shop, "texts", note=progress)
    for path in ("/", "/servers/", "/servers/shop/", "/servers/shop/_now/", "/servers/shop/statements/"):
        assert progress in text_of(person.get(path)), path
    assert "This server is down" not in text_of(person.get("/servers/shop/"))
    new = world.server("new")
    world.step(new)
    world.step(new, "texts", note=progress)
    shown = text_of(person.get("/servers/new/statements/"))
    assert progress in shown
    assert "Nothing ran" not in shown


@pytest.mark.parametrize("was_sampled", [True, False])
def test_without_findings_a_server_that_is_down_is_no_good_news(person, was_sampled):
    down = world.server(f"down{was_sampled}")
    StepStatus.objects.update_or_create(
        server=down,
        step="snapshot",
        defaults={
            "failing_since": timezone.now(),
            "last_error": "Cannot connect to db.example.com:5432: Connection refused",
            "last_success_at": timezone.now() if was_sampled else None,
        },
    )
    overview, findings = text_of(person.get("/")), text_of(person.get("/findings/"))
    assert "a server cannot be sampled now: its card below says why" in overview
    assert "a server cannot be sampled now. See which and why" in findings
    assert not [page for page in (overview, findings) if "Nothing to report" in page or "First sample in a few" in page]
    statements = text_of(person.get(f"/servers/{down.slug}/statements/"))
    assert "Nothing could be read in that time" in statements
    assert "Nothing ran" not in statements
    down.is_active = False  # paused: somebody wanted it so
    down.save()
    assert "cannot be sampled" not in text_of(person.get("/")).partition("Servers")[0]


def test_with_many_servers_one_is_chosen_from_a_list(person):
    for i in range(7):
        world.server(f"shop{i}")
    assert b'<option value="shop6">' in person.get("/servers/shop3/statements/").content
    chosen = person.get("/statements/?server=shop6&window=7d")
    assert chosen.headers["Location"] == "/servers/shop6/statements/?window=7d"
    assert person.get("/statements/?server=//evil.example").headers["Location"] == "/servers/shop0/statements/"


def test_windows_are_kept_in_the_address(person, shop):
    for window in ("1h", "6h", "24h", "7d", "30d"):
        for path in ("/servers/shop/", "/servers/shop/statements/"):
            page = person.get(path, {"window": window})
            assert f'href="?window={window}" aria-current="true"'.encode() in page.content, (path, window)
    assert b'href="?window=24h" aria-current="true"' in person.get("/servers/shop/?window=nonsense").content


def test_a_server_watched_for_minutes_is_shown_in_the_shortest_window(person, shop):
    Server.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert b'href="?window=1h" aria-current="true"' in person.get("/servers/shop/").content


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' \u202eevil\u202c"


def test_hostile_texts_are_shown_and_never_run(person):
    of = world.server(name=HOSTILE[:100], slug="hostile", preflight=[{"name": HOSTILE, "status": "missing",
                      "detail": HOSTILE * 9, "sql": HOSTILE}])  # fmt: skip
    world.step(of, error=HOSTILE * 50, failing_s=30)
    name = '"' + "n" * 60 + HOSTILE.replace('"', "") + '"'
    long_text = f'select {name} from "{"t" * 63}" where a = $1 or ' + " or ".join(f"b{i} = $1" for i in range(1500))
    [statement] = world.figures(of, ((long_text, 5.0, 3.0, 2.0, 20, 3),), hours=1, every_s=300)
    finding = replace(
        world.scan_finding(statement.fingerprint),
        subject=HOSTILE,
        message=HOSTILE * 100,
        hint=HOSTILE,
        evidence={HOSTILE: HOSTILE},
        fixes=(Fix(HOSTILE, "sql", HOSTILE * 100),),
    )
    [record] = keep_findings(of, world.database(of), [finding], [])
    world.suggestion(of, finding, "public." + "t" * 63, "a", helps=(statement.fingerprint,))
    SuggestionRecord.objects.update(ddl=HOSTILE, reason=HOSTILE, warnings=[HOSTILE])
    plan = world.plan_of(statement)
    paths = [
        "/",
        "/servers/",
        "/servers/hostile/",
        "/servers/hostile/statements/",
        f"/servers/hostile/statements/{statement.fingerprint}/",
        "/findings/",
        f"/findings/{record.pk}/",
        f"/plans/{plan.pk}/",
        "/servers/hostile/statements/?q=" + "%3Cscript%3Ealert(1)%3C/script%3E",
        "/findings/?server=%3Cscript%3E&code=%27&severity=%22",
    ]
    for path in paths:
        page = person.get(path)
        body = page.content.decode()
        assert page.status_code == 200, path
        assert "alert(1)</script>" not in body.replace("&lt;", "<<"), path
        assert "<img src=x" not in body, path
        copied = re.sub(r'data-copy="[^"]*"', "", body)  # copied as it is, and said so
        assert "\u202e" not in re.sub(r"<script.*?</script>", "", copied, flags=re.DOTALL), path


QUERIES = {  # with session and user; none of them depends on the number of rows
    "/": 12,
    "/_findings/": 10,
    "/servers/": 6,
    "/servers/shop/": 17,
    "/servers/shop/_now/": 4,
    "/servers/shop/statements/": 21,  # four of them for the window before, one for the tables that names stand for
    "/findings/": 8,
}


@pytest.mark.parametrize("path", QUERIES)
def test_queries_of_a_page_do_not_grow_with_its_rows(person, path, django_assert_max_num_queries):
    of = world.server()
    world.step(of)
    world.figures(of, world.SHOP[:2], hours=1, every_s=300)
    keep_findings(of, world.database(of), [world.key_finding()], [])
    with django_assert_max_num_queries(QUERIES[path]) as few:
        assert person.get(path).status_code == 200

    for i in range(6):
        other = world.server(f"shop{i}")
        world.step(other)
        keep_findings(other, world.database(other), [world.key_finding()], [])
    keep_findings(
        of,
        world.database(of),
        [replace(world.key_finding(), about=f"public.t{i}.fk", subject=f"fk{i}") for i in range(60)],
        [],
    )
    more = tuple((f"select c{i} from t{i} where id = $1", 3.0, 2.0, 1.0, 5, 1) for i in range(80))
    world.figures(of, more, hours=0.5, every_s=300)
    with django_assert_max_num_queries(QUERIES[path]) as many:
        assert person.get(path).status_code == 200
    assert len(many) <= len(few) + 1  # a table that was empty before


def test_queries_of_a_statement_and_a_finding_page(person, shop, django_assert_max_num_queries):
    statement, record = shop.statements[0], shop.findings[0]
    page = f"/servers/shop/statements/{statement.fingerprint}/?window="
    person.get(page + "1h")  # the schema is unpacked once
    with django_assert_max_num_queries(30):
        person.get(page + "7d")
    with django_assert_max_num_queries(7):
        person.get(f"/findings/{record.pk}/")
    with django_assert_max_num_queries(3):
        person.get(f"/plans/{shop.plan.pk}/")

    roll_up(shop.shop)  # then days, hours and minutes of sums are read, twice: for the totals and for the chart
    with django_assert_max_num_queries(36):
        person.get(page + "30d")
    with django_assert_max_num_queries(27):
        person.get("/servers/shop/statements/?window=30d")


def test_the_policy_is_strict_on_every_page(person, shop):
    strict = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
        " connect-src 'self'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    for path in ("/", "/servers/shop/", "/findings/", "/no/such/page", "/login/"):
        assert person.get(path).headers["Content-Security-Policy"] == strict
    plan = person.get(f"/plans/{shop.plan.pk}/")
    assert plan.headers["Content-Security-Policy"] == strict.replace("ancestors 'none'", "ancestors 'self'")
    assert plan.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_what_is_not_there_is_a_page_too(person):
    for path in ("/servers/none/", "/servers/none/statements/abc/", "/findings/1/", "/plans/1/", "/nowhere"):
        page = person.get(path)
        assert page.status_code == 404
        assert b"There is nothing here" in page.content


def test_a_broken_page_is_shown_without_the_store():
    page = server_error(RequestFactory().get("/"))
    assert page.status_code == 500
    assert b"Something broke" in page.content


def test_pages_are_sent_compressed_and_libraries_are_kept(person, shop):
    page = person.get("/servers/shop/statements/?window=24h", headers={"Accept-Encoding": "gzip"})
    assert page.headers["Content-Encoding"] == "gzip"
    assert len(page.content) < 30_000
    library = person.get("/static/vendor/htmx-2.0.11/htmx.min.js")
    assert "immutable" in library.headers["Cache-Control"]


def test_odd_addresses_are_answered(person, shop):
    for query in ("page=0", "page=-3", "page=99999999999", "page=x", "sort=;drop", "window=", "q=%00%00", "q=%25_%5C"):
        assert person.get(f"/servers/shop/statements/?{query}").status_code == 200, query
    for query in ("page=999", "state=x", "severity=x", "code=%00", "server=%00"):
        assert person.get(f"/findings/?{query}").status_code == 200, query
