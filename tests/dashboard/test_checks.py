"""The pages of the checks: help and thresholds for everybody, changes for a server by operators."""

import html
import re

import pytest
from django.test import Client
from django.utils import timezone

from analyzer.checks import Rules, all_checks
from analyzer.checks.impact import LIMITS
from analyzer.models import CheckRule, FindingRecord
from analyzer.store.check_rules import rules_of
from dashboard.models import AuditEntry
from dashboard.templatetags.texts import code_marked
from tests.dashboard import world

pytestmark = pytest.mark.django_db


def text_of(response) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split()))


@pytest.fixture
def person(client: Client) -> Client:
    client.force_login(world.user())
    return client


@pytest.fixture
def shop():
    return world.server()


def test_the_list_names_every_check_and_costs_the_same_however_many(person, shop, django_assert_max_num_queries):
    person.get("/checks/")
    with django_assert_max_num_queries(6):
        shown = text_of(person.get("/checks/"))
    for check in all_checks():
        assert f"{check.code} {check.title}" in shown
    assert "Severity by time" in shown


def test_a_checks_page_has_help_thresholds_and_sources(person, shop):
    for check in all_checks():
        shown = text_of(person.get(f"/checks/{check.code}/"))
        assert check.title in shown
        for threshold in check.thresholds.values():
            assert threshold.source in shown
    assert person.get("/checks/XX999/").status_code == 404


def test_code_in_a_checks_help_is_shown_as_code(person):
    of_shop = world.shop(hours=1, every_s=600)
    for check in all_checks():
        assert "``" not in text_of(person.get(f"/checks/{check.code}/"))
    assert "<code>SET LOCAL work_mem</code>" in person.get("/checks/PL050/").content.decode()
    FindingRecord.objects.filter(pk=of_shop.findings[0].pk).update(code="PL050")
    shown = person.get(f"/findings/{of_shop.findings[0].pk}/").content.decode()
    assert "<code>SET LOCAL work_mem</code>" in shown
    assert "``" not in shown
    assert code_marked("``a < b`` <i> `c` ``") == "<code>a &lt; b</code> &lt;i&gt; `c` ``"


def test_a_threshold_is_changed_for_a_server_with_a_reason(person, shop):
    address = f"/checks/PL050/{shop.slug}/"
    refused = person.post(address, {"threshold-disk": "52428800", "reason": " "})
    assert (refused.status_code, "Say why: the next person will ask." in text_of(refused)) == (422, True)
    assert 'value="52428800"' in refused.content.decode()  # what was typed is still there
    assert person.post(address, {"threshold-disk": "52428800", "reason": "reports <spill>"}).status_code == 302
    assert rules_of(shop) == Rules(thresholds={("PL050", "disk"): 52_428_800.0})
    shown = text_of(person.get("/checks/PL050/"))
    assert "by ada: “reports <spill>”" in shown
    assert "Disk 52 428 800 bytes; changed " in shown
    entry = AuditEntry.objects.get(action="check_changed")
    assert (entry.subject, entry.details["server"]) == ("PL050 Sort spilled to disk", shop.name)
    person.post(address, {"threshold-disk": "", "reason": ""})  # as it comes
    assert CheckRule.objects.count() == 0


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("much", "Disk (bytes) has to be a number: “much” is none."),
        ("50 MB", "Disk (bytes) has to be a number: “50 MB” is none."),
        ("5 %", "Disk (bytes) has to be a number: “5 %” is none."),
        ("-1", "disk of PL050 has to be a number of 0 or more."),
        ("nan", "disk of PL050 has to be a number of 0 or more."),
        ("1e999", "disk of PL050 has to be a number of 0 or more."),
    ],
)
def test_a_value_that_is_none_is_refused(person, shop, typed: str, said: str):
    refused = person.post(f"/checks/PL050/{shop.slug}/", {"threshold-disk": typed, "reason": "why"})
    assert (refused.status_code, said in text_of(refused)) == (422, True)
    assert CheckRule.objects.count() == 0


@pytest.mark.parametrize(
    ("code", "name", "typed", "value", "shown"),
    [
        ("PL050", "disk", "52\u202f428\u202f800", 52_428_800.0, "52\u202f428\u202f800"),
        ("PL050", "disk", "52\u00a0428 800", 52_428_800.0, "52\u202f428\u202f800"),  # as copied from elsewhere
        ("PL004", "kept_ratio", "2.5 %", 0.025, "0.025"),
        ("PL004", "kept_ratio", "0.02", 0.02, "0.02"),
    ],
)
def test_a_value_is_typed_as_pages_write_it_and_shown_to_be_typed_again(person, shop, code, name, typed, value, shown):
    assert person.post(f"/checks/{code}/{shop.slug}/", {f"threshold-{name}": typed, "reason": "r"}).status_code == 302
    assert rules_of(shop).thresholds == {(code, name): value}
    assert f'value="{shown}"' in person.get(f"/checks/{code}/").content.decode()


@pytest.mark.parametrize(
    ("code", "within"),
    [("PL004", "2 min"), ("SC010", "10 min"), ("SV020", "10 min"), ("SV007", "10 s"), ("TIME", "2 min")],
)
def test_when_a_change_takes_effect_follows_the_step_that_runs_the_check(person, shop, code, within):
    shown = text_of(person.get(f"/checks/{code}/")).replace("\u202f", " ")
    assert f"next, within {within}." in shown


def test_on_a_server_that_is_not_watched_no_time_is_promised(person):
    world.server(is_active=False)
    assert "next, once this server is watched again." in text_of(person.get("/checks/PL004/"))


def test_muted_findings_are_not_counted_as_open(person):
    shop = world.shop(hours=1, every_s=600)
    code = shop.findings[0].code
    assert "1 open finding" in text_of(person.get(f"/checks/{code}/"))
    person.post(f"/findings/{shop.findings[0].pk}/mute/", {"reason": "known"})
    assert "no open finding" in text_of(person.get(f"/checks/{code}/"))


def test_limits_that_checks_share_are_changed_for_a_server(person, shop):
    world.server("other")
    assert 'href="/checks/TIME/"' in person.get("/checks/").content.decode()
    person.post(f"/checks/TIME/{shop.slug}/", {"threshold-short_ms": "50", "is_off": "on", "reason": "batches"})
    changed = {name: value for name, value in rules_of(shop).severity_limits.items() if value != LIMITS[name]}
    assert (changed, rules_of(shop).off) == ({"short_ms": 50.0}, frozenset())
    shown = text_of(person.get("/checks/TIME/"))
    assert "Short 50 ms; changed " in shown
    assert shown.count("As they come.") == 1
    assert f"changed for {shop.name}" in text_of(person.get("/checks/"))
    assert AuditEntry.objects.get(action="check_changed").subject == "TIME Severity by time"
    refused = person.post(f"/checks/TIME/{shop.slug}/", {"threshold-short": "5", "threshold-short_ms": "x"})
    assert (refused.status_code, "Short (ms) has to be a number: “x” is none." in text_of(refused)) == (422, True)


def test_a_check_is_switched_off_for_a_server(person, shop):
    person.post(f"/checks/SV007/{shop.slug}/", {"is_off": "on", "reason": "a batch server"})
    assert rules_of(shop).off == {"SV007"}
    shown = text_of(person.get("/checks/SV007/"))
    assert "Switched off " in shown
    assert "by ada: “a batch server”" in shown
    assert f"{shop.name} (off)" in text_of(person.get("/checks/"))


def test_what_was_chosen_is_still_there_after_a_refusal(person, shop):
    """And only for the server that it was typed for."""
    world.server("other")
    chosen = '<input type="checkbox" name="is_off" checked>'
    refused = person.post(f"/checks/SV007/{shop.slug}/", {"is_off": "on", "reason": ""}).content.decode()
    assert (refused.count(chosen), refused.count('role="alert"'), refused.count("<details open>")) == (1, 1, 1)
    person.post(f"/checks/SV007/{shop.slug}/", {"is_off": "on", "reason": "a batch server"})
    refused = person.post(f"/checks/SV007/{shop.slug}/", {"threshold-idle": "x", "reason": "y"}).content.decode()
    assert refused.count(chosen) == 0


def test_a_threshold_this_version_does_not_know_is_shown_as_it_was_kept(person, shop):
    CheckRule.objects.create(
        server=shop, code="PL050", is_off=False, thresholds={"spilled": 7.0}, reason="r", changed_by="ada",
        changed_at=timezone.now(),
    )  # fmt: skip
    assert "Spilled 7; changed " in text_of(person.get("/checks/PL050/"))
