"""Plans that people paste, and stored ones: findings, the drawing, a second plan; what is no plan; nothing is kept."""

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from analyzer.checks import AS_THEY_COME
from analyzer.models import FindingRecord, PlanRecord
from analyzer.plans import parse_plans
from analyzer.plans.exclusive import own_share
from analyzer.plans.show import plan_as_text
from analyzer.steps import judgement
from analyzer.words.durations import THIN
from dashboard.statements import plan_reader
from dashboard.statements.icicle import icicle
from tests.dashboard import world
from tests.statements.equivalents.tables import FACTS

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parent.parent / "plans" / "data"
SLOW = (DATA / "leading_wildcard_like.pg15.json").read_text()
SPILLED = """{"Plan": {"Node Type": "Sort", "Sort Key": ["t.a", "t.secret"], "Sort Method": "external merge",
 "Sort Space Used": 20480, "Sort Space Type": "Disk", "Actual Startup Time": 300.0, "Actual Total Time": 400.0,
 "Actual Rows": 200000, "Actual Loops": 1, "Plans": [{"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t",
 "Actual Startup Time": 0.01, "Actual Total Time": 50.0, "Actual Rows": 200000, "Actual Loops": 1,
 "Parent Relationship": "Outer"}]}, "Execution Time": 410.0}"""


@pytest.fixture
def signed_in(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("ada"))
    return client


def test_a_pasted_plan_is_read_with_its_findings_and_not_kept(signed_in):
    page = signed_in.post(reverse("read_plan"), {"plan": SPILLED, "sql": "select a from t order by a, secret"})
    text = page.content.decode()
    assert page.status_code == 200
    assert "Sort spilled to disk" in text
    assert "SET LOCAL work_mem" in text
    assert 'href="#1-node-1" data-node="1"' in text
    assert "Seq Scan on t" in text
    assert (PlanRecord.objects.count(), FindingRecord.objects.count()) == (0, 0)
    assert "no-store" in page.headers["Cache-Control"]


def test_a_file_goes_before_what_is_pasted(signed_in):
    upload = SimpleUploadedFile("plan.txt", b"\xef\xbb\xbf" + SPILLED.encode())
    page = signed_in.post(reverse("read_plan"), {"plan": "no plan at all", "plan_file": upload})
    assert (page.status_code, "Sort spilled to disk" in page.content.decode()) == (200, True)


CAST = {
    "Plan": {"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t", "Actual Startup Time": 0.01,
             "Actual Total Time": 50.0, "Actual Rows": 1, "Actual Loops": 1, "Rows Removed by Filter": 200000,
             "Filter": "((ts)::date = '2024-01-01'::date)", "Shared Hit Blocks": 1234, "Shared Read Blocks": 5},
    "Execution Time": 51.0,
}  # fmt: skip
OF_DAY = "select id from t where ts::date = '2024-01-01'"


def test_the_query_is_that_of_the_log_or_of_a_file(signed_in, monkeypatch):
    monkeypatch.setattr(plan_reader, "kept_schema", lambda _: FACTS)
    known = {"plan": json.dumps(CAST), "database": world.database(world.server()).pk}
    assert "The same rows" not in signed_in.post(reverse("read_plan"), known).content.decode()
    logged = known | {"plan": json.dumps({"Query Text": OF_DAY} | CAST)}
    upload = SimpleUploadedFile("q.sql", OF_DAY.encode("utf-16"))
    for form in (logged, known | {"sql_file": upload}, known | {"sql": OF_DAY}):
        assert "The same rows" in signed_in.post(reverse("read_plan"), form).content.decode()


def test_the_table_has_conditions_and_blocks(signed_in):
    text = signed_in.post(reverse("read_plan"), {"plan": json.dumps(CAST)}).content.decode().replace(THIN, " ")
    assert "Filter: ((ts)::date = &#x27;2024-01-01&#x27;::date)" in text
    assert 'data-label="Blocks touched"><span>1 239</span>' in text
    assert "Blocks touched" not in signed_in.post(reverse("read_plan"), {"plan": SPILLED}).content.decode()


DROPPED = """
Hash Join  (cost=100.00..9000.00 rows=375 width=8) (actual time=1.000..180.000 rows=375 loops=1)
  Hash Cond: (s.day_id = d.id)
  ->  Seq Scan on sale s  (cost=0.00..5000.00 rows=288464 width=8) (actual time=0.100..58.000 rows=288464 loops=1)
  ->  Hash  (cost=90.00..90.00 rows=365 width=4) (actual time=0.900..0.900 rows=3650 loops=1)
        Buckets: 4096  Batches: 1  Memory Usage: 121kB
        ->  Seq Scan on day d  (cost=0.00..90.00 rows=365 width=4) (actual time=0.010..0.800 rows=3650 loops=1)
Execution Time: 190.0 ms
"""


def test_a_finding_of_the_whole_plan_lights_up_the_first_node_that_it_explains(signed_in):
    text = signed_in.post(reverse("read_plan"), {"plan": DROPPED}).content.decode()
    assert 'href="#1-node-1" data-node="1">Hash Join</a>' in text
    lost = "\n".join(line.strip() for line in DROPPED.splitlines())
    assert 'data-node="1">Hash Join</a>' in signed_in.post(reverse("read_plan"), {"plan": lost}).content.decode()


def test_of_several_plans_it_is_said_which_are_compared(signed_in):
    several = json.dumps([json.loads(SPILLED), CAST])
    text = signed_in.post(reverse("read_plan"), {"plan": several, "other": SPILLED}).content.decode()
    assert "Compared: the first of 2 plans with the first of 1." in text
    text = signed_in.post(reverse("read_plan"), {"plan": SPILLED, "other": SPILLED}).content.decode()
    assert "Compared:" not in text


def test_too_much_to_paste_is_sent_as_a_file(signed_in):
    assert "More than 1,000 kB as a file." in signed_in.get(reverse("read_plan")).content.decode()
    page = signed_in.post(reverse("read_plan"), {"plan": " " * 1_000_001})
    assert (page.status_code, "can be sent as a file" in page.content.decode()) == (413, True)


def test_what_is_no_plan_gets_one_sentence_and_stays_in_the_form(signed_in):
    page = signed_in.post(reverse("read_plan"), {"plan": "select <b>1</b>", "sql": "select 1"})
    text = page.content.decode()
    assert page.status_code == 422
    assert 'role="alert"' in text
    assert "select &lt;b&gt;1&lt;/b&gt;" in text
    empty = signed_in.post(reverse("read_plan"), {"plan": "  "})
    assert "Paste a plan, or choose a file with one." in empty.content.decode()


def test_too_large_a_file_is_refused(signed_in):
    for field, noun in (("plan_file", "plan"), ("other_file", "plan"), ("sql_file", "query")):
        upload = SimpleUploadedFile("huge.json", b" " * (10 * 1024 * 1024 + 1))
        page = signed_in.post(reverse("read_plan"), {"plan": SPILLED, field: upload})
        assert f"huge.json is larger than 10 MB, which is no {noun} to look at." in page.content.decode()


def test_a_second_plan_is_compared_in_words(signed_in):
    faster = SPILLED.replace('"external merge"', '"quicksort"').replace('"Disk"', '"Memory"').replace("410.0", "100.0")
    faster = faster.replace("400.0", "95.0").replace("300.0", "90.0").replace('"Seq Scan"', '"Index Scan"')
    faster = faster.replace('"Alias": "t"', '"Alias": "t", "Index Name": "ix_t_a"')
    text = signed_in.post(reverse("read_plan"), {"plan": SPILLED, "other": faster}).content.decode().replace(THIN, " ")
    assert "What the second plan does differently" in text
    assert "It took 100 ms instead of 410 ms." in text
    assert "Seq Scan on t became Index Scan using ix_t_a" in text
    assert "The Sort of t stays in memory instead of going to disk (20 MB)" in text
    rows = re.findall(r'<tr( data-change="\w+")?>\s*<th scope="row"><span class="plan-node">(.*?)</span>', text)
    assert rows == [
        ("", "Sort"), (' data-change="gone"', "\u2007\u2007→ Seq Scan on t"),
        (' data-change="new"', "\u2007\u2007→ Index Scan using ix_t_a on t"),
    ]  # fmt: skip
    assert '<td class="number" data-label="Own time"><span>350 ms → 45 ms</span></td>' in text


def test_of_plans_too_large_to_pair_the_words_alone_are_shown(signed_in):
    scans = ", ".join(['{"Node Type": "Seq Scan", "Relation Name": "t", "Alias": "t"}'] * 1100)
    large = '{"Plan": {"Node Type": "Append", "Plans": [' + scans + "]}}"
    text = signed_in.post(reverse("read_plan"), {"plan": large, "other": large}).content.decode()
    assert "Both are the same plan." in text
    assert "too many nodes to pair" in text


def test_a_share_that_rounding_hides_is_none_and_no_share_is_above_the_whole(signed_in):
    for path in sorted(DATA.glob("*.pg1[58].json")):
        for plan in parse_plans(path.read_bytes()):
            shares = [own_share(node, plan.execution_time_ms or plan.root.total_time_ms) for node in plan]
            assert all(share is None or 0 <= share <= 1 for share in shares), path
            assert not re.search(r"\b(?!100%)\d{3,}%", "\n".join(plan_as_text(plan))), path
    plan = (DATA / "fractional_rows.pg18.json").read_text()
    text = signed_in.post(reverse("read_plan"), {"plan": plan}).content.decode().replace(THIN, " ")
    assert 'data-label="Own time"><span>200 ms ± 100 ms</span>' in text
    assert "its own time is lost in rounding" in text


def test_nothing_found_says_how_much_was_looked_at(signed_in):
    calm = SPILLED.replace("external merge", "quicksort").replace("Disk", "Memory").replace("200000", "2000")
    text = signed_in.post(reverse("read_plan"), {"plan": calm}).content.decode()
    assert "Nothing found" in text
    assert "checks looked at it" in text
    planned = '{"Plan": {"Node Type": "Result", "Total Cost": 0.01, "Plan Rows": 1}}'
    text = signed_in.post(reverse("read_plan"), {"plan": planned}).content.decode()
    assert "Most of what is wrong with a plan shows when it runs" in text


def test_checks_know_the_chosen_database(signed_in):
    shop = world.shop(hours=1, every_s=600)
    database = world.database(shop.shop)
    page = signed_in.post(reverse("read_plan"), {"plan": SLOW, "database": database.pk})
    assert f'<option value="{database.pk}" selected>' in page.content.decode()


def test_a_stored_plan_is_read_the_same(signed_in):
    shop = world.shop(hours=1, every_s=600)
    page = signed_in.get(reverse("stored_plan", args=[shop.plan.pk]))
    assert page.status_code == 200
    assert "Node by node" in page.content.decode()
    back = reverse("statement", args=[shop.shop.slug, shop.plan.statement.fingerprint])
    assert back in page.content.decode()
    statement = signed_in.get(back).content.decode()
    assert reverse("stored_plan", args=[shop.plan.pk]) in statement


def test_bars_lie_inside_the_chart_and_side_by_side():
    plans = [(path, plan) for path in sorted(DATA.glob("*.pg1[58].json")) for plan in parse_plans(path.read_bytes())]
    for path, plan in plans:
        chart = icicle(plan)
        assert chart is not None
        levels: dict[int, list[tuple[float, float]]] = {}
        for bar in chart.bars:
            assert 0 <= float(bar.x) <= float(bar.x) + float(bar.width) <= 100.01, path
            levels.setdefault(bar.y, []).append((float(bar.x), float(bar.x) + float(bar.width)))
        for of_level in levels.values():
            assert all(left[1] <= right[0] + 0.01 for left, right in pairwise(sorted(of_level))), path


def test_a_stored_plan_shows_the_judgement_kept_with_it_as_long_as_nothing_changed(signed_in):
    plan = world.shop(hours=1).plan
    kept = {"findings": [replace(world.scan_finding("f"), message="As it was kept.").to_json()]}
    current = judgement.judged_with(plan.database, AS_THEY_COME)
    for judged_with, is_shown in ((current, True), ("other checks", False)):
        PlanRecord.objects.filter(pk=plan.pk).update(judged_with=judged_with, judgement=kept)
        page = signed_in.get(reverse("stored_plan", args=[plan.pk])).content.decode()
        assert ("As it was kept." in page) is is_shown
