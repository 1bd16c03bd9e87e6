"""The page of a suggestion: the change as texts to copy, what became of it, and the map of models."""

import re
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from analyzer.models import ModelsMap, SuggestionRecord
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.store.schemas import keep_schema, newest_schema
from dashboard.models import AuditEntry
from dashboard.permissions import OPERATOR, VIEWER
from tests.dashboard import world
from tests.dashboard.test_pages import text_of
from tests.dashboard.test_permissions import person

pytestmark = pytest.mark.django_db
TABS = ["SQL", "Rollout script", "Django", "Alembic", "SQLAlchemy", "SQLModel", "SQL files"]
HOSTILE = 'it\'s "<b>bold</b>" \\g :x %s\n</script>\u202e'


@pytest.fixture
def shop() -> world.World:
    return world.shop(hours=1, every_s=600)


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(person(VIEWER))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(person(OPERATOR))
    return client


def page_of(suggestion: SuggestionRecord, tab: str = "") -> str:
    return reverse("suggestion", args=[suggestion.pk]) + (f"?tab={tab}" if tab else "")


def panels(response) -> dict[str, str]:  # type: ignore[no-untyped-def]
    """What each tab's panel shows, by its label."""
    assert response.status_code in (200, 422)
    html = response.content.decode()
    found = re.findall(
        r'<label for="tab-[\w-]+">(.*?)</label>\s*<div class="panel".*?>(.*?)\n    </div>', html, re.DOTALL
    )
    assert len(found) == html.count('class="panel"')
    plain = {name: re.sub(r"<[^>]+>", "", panel) for name, panel in found}
    return {
        name: text.replace("&quot;", '"').replace("&#x27;", "'").replace("&amp;", "&") for name, text in plain.items()
    }


def test_only_tabs_that_name_models_ask_for_a_map(viewer, shop):
    asking = [name for name, text in panels(viewer.get(page_of(shop.suggestion))).items() if "Give the map" in text]
    assert asking == ["Django", "SQLAlchemy", "SQLModel"]


def test_the_change_stands_in_every_way(viewer, shop):
    found = panels(viewer.get(page_of(shop.suggestion)))
    assert list(found) == TABS
    index = "ix_shop_order_status_placed_at"
    create = f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON public.shop_order (status, placed_at)"
    drop = "DROP INDEX CONCURRENTLY IF EXISTS public.ix_shop_order_status_placed_at;"
    assert create in found["SQL"]
    assert drop in found["SQL"]
    for words in (create, "psql -X -d shop -f", ".rollout.sql", ".undo.sql", "up to 3 tries"):
        assert words in found["Rollout script"]
    assert "14680064::bigint" in found["Rollout script"]
    for words in (
        "AddIndexConcurrently(",
        "shop/migrations/NNNN_add_ix_shop_order_status",
        "Meta.indexes",
        "shop/models.py",
    ):
        assert words in found["Django"]
    for words in ("def upgrade()", "def downgrade()", "autocommit_block()", "postgresql_concurrently=True"):
        assert words in found["Alembic"]
    assert re.search(r"\d{4}_\d\d_\d\d_\d{4}_[0-9a-f]{12}_add_ix_shop_order_status_placed_at\.py", found["Alembic"])
    assert "from sqlalchemy import Index" in found["SQLAlchemy"]
    assert "from sqlmodel import Index" in found["SQLModel"]
    assert ".up.sql" in found["SQL files"]
    assert ".down.sql" in found["SQL files"]


def test_the_head_says_what_why_and_how_sure(viewer, shop):
    shown = text_of(viewer.get(page_of(shop.suggestion)))
    for words in (
        "Index on public.shop_order", "btree (status, placed_at)", "Equality on status; no existing index starts with",
        "By rule: from the catalog and the statistics alone.", "Size about 14 MB.",
        "Each insert into the table writes one more index.",
        "Statements it helps No planner was asked. 1 statement, the costliest first",
        "select o.id, o.placed_at", "8 h 17 min",
    ):  # fmt: skip
        assert words in shown, words
    statement = reverse("statement", args=["shop", shop.statements[0].fingerprint])
    assert f'href="{statement}"' in viewer.get(page_of(shop.suggestion)).content.decode()


def test_the_statement_and_the_finding_lead_to_it(viewer, shop):
    link = f'href="{page_of(shop.suggestion)}"'
    statement = reverse("statement", args=["shop", shop.statements[0].fingerprint])
    assert link in viewer.get(statement).content.decode()
    assert link in viewer.get(reverse("finding", args=[shop.findings[0].pk])).content.decode()


def test_the_most_helpful_comes_first_and_what_is_unknown_last(viewer, shop):
    """On the pages of the statement and of the finding; one for a foreign key alone has no measured time."""
    finding = shop.findings[0]
    for table in ("public.a_unknown", "public.z_unknown"):
        record = world.suggestion(shop.shop, world.scan_finding(shop.statements[0].fingerprint), table, "status")
        assert (record.helped_time_s_per_day, record.finding_keys) == (None, [finding.key])
    names = [shop.suggestion.name, "ix_a_unknown_status", "ix_z_unknown_status"]
    for page in (
        reverse("statement", args=["shop", shop.statements[0].fingerprint]), reverse("finding", args=[finding.pk]),
    ):  # fmt: skip
        assert re.findall(r"IF NOT EXISTS (\w+)", text_of(viewer.get(page))) == names


@pytest.mark.parametrize(("wanted", "chosen"), [("", "ddl"), ("alembic", "alembic"), ("'><b>", "ddl")])
def test_the_address_chooses_the_tab(viewer, shop, wanted, chosen):
    html = viewer.get(reverse("suggestion", args=[shop.suggestion.pk]), {"tab": wanted}).content.decode()
    assert re.findall(r'id="tab-([\w-]+)" checked', html) == [chosen]


def test_queries(viewer, shop, django_assert_num_queries):
    viewer.get(page_of(shop.suggestion))
    # session, user with role, suggestion with database, server and map, newest reading (unpacked before), statements
    with django_assert_num_queries(5):
        viewer.get(page_of(shop.suggestion))


def test_a_suggestion_that_is_no_longer_made_says_so(viewer, shop):
    shop.suggestion.state, shop.suggestion.closed_at = "closed", timezone.now()
    shop.suggestion.save()
    response = viewer.get(page_of(shop.suggestion))
    assert "No longer suggested" in text_of(response)
    assert list(panels(response)) == TABS


def test_unknown_suggestion(viewer):
    assert viewer.get("/suggestions/12345/").status_code == 404


def test_without_a_schema_or_a_table_the_ddl_stands_alone_and_says_why(viewer, shop):
    shop.suggestion.definition = {}
    shop.suggestion.save()
    response = viewer.get(page_of(shop.suggestion))
    assert list(panels(response)) == ["SQL"]
    assert "An older version made this suggestion, so the code to commit cannot be written." in text_of(response)
    other = world.suggestion(shop.shop, world.key_finding(), "public.gone", "a")
    response = viewer.get(page_of(other))
    assert list(panels(response)) == ["SQL"]
    assert "The table is not in the newest reading of the schema." in text_of(response)
    other = world.suggestion(world.server("fresh"), world.key_finding(), "public.gone", "a")
    response = viewer.get(page_of(other))
    assert list(panels(response)) == ["SQL"]
    assert "There is no reading of the schema, so the code to commit cannot be written." in text_of(response)
    assert "ix_gone_a" in panels(response)["SQL"]


def test_a_predicate_that_is_no_sql_leaves_the_ddl(viewer, shop):
    shop.suggestion.definition["predicate"] = "a = 'open"
    shop.suggestion.save()
    response = viewer.get(page_of(shop.suggestion))
    assert list(panels(response)) == ["SQL"]
    assert "This index cannot be read as SQL" in text_of(response)


def build(shop: world.World, state: str, **outcome: object) -> SuggestionRecord:
    """The suggestion's index is on the server, by another name."""
    facts = newest_schema(world.database(shop.shop))
    assert facts is not None
    order = facts.find_table("shop_order")
    assert order is not None
    index = IndexFacts(
        oid=4711, schema="public", name="by_status", method="btree", columns=("status", "placed_at"),
        definition="CREATE INDEX by_status ON public.shop_order USING btree (status, placed_at)",
    )  # fmt: skip
    tables = [replace(t, indexes=(*t.indexes, index)) if t is order else t for t in facts]
    keep_schema(world.database(shop.shop), replace(facts, tables=tuple(tables)))
    record = shop.suggestion
    record.state, record.built_index_name = state, "by_status"
    record.built_at = record.closed_at = timezone.now()
    record.outcome = {"calls": 100, "calls_wanted": 30, "scans": 0, "statements": [], "kept_for": "", **outcome}
    record.save()
    return record


def test_a_built_index_shows_its_outcome_and_the_code_that_knows_it(viewer, shop):
    response = viewer.get(page_of(build(shop, "built")))
    shown = text_of(response)
    assert "Built on" in shown
    assert "as by_status" in shown
    assert "The same in your code" in shown
    assert "apply the migration with migrate --fake" in shown.replace("Apply", "apply")
    assert 'name="by_status"' in panels(response)["Django"]


def test_an_index_found_not_used_shows_its_drop(viewer, shop):
    response = viewer.get(
        page_of(build(shop, "not_used", drop_ddl="DROP INDEX CONCURRENTLY IF EXISTS public.by_status;"))
    )
    shown, found = text_of(response), panels(response)
    assert "Unused index on public.shop_order" in shown
    assert "Not used: built on" in shown
    assert "Drop it" in shown
    again = "CREATE INDEX CONCURRENTLY IF NOT EXISTS by_status ON public.shop_order USING btree (status, placed_at)"
    assert found["SQL"].count("DROP INDEX CONCURRENTLY IF EXISTS public.by_status;") == 1
    assert again in found["SQL"]
    script, undo = found["Rollout script"].split("Rollout script: Undo", 1)
    assert "DROP INDEX CONCURRENTLY IF EXISTS public.by_status" in script
    assert again in undo
    assert "RemoveIndexConcurrently(" in found["Django"]
    assert "op.drop_index(" in found["Alembic"]
    assert "delete this entry from" in found["SQLAlchemy"]


def test_an_unused_index_that_must_stay_is_not_dropped(viewer, shop):
    record = build(shop, "not_used", kept_for="It is unique: the table's rows are checked by it.")
    response = viewer.get(page_of(record))
    assert "It is unique: the table&#x27;s rows are checked by it." in response.content.decode()
    assert "RemoveIndexConcurrently" not in response.content.decode()
    assert "AddIndexConcurrently" in panels(response)["Django"]


def test_an_unused_index_that_went_in_between_keeps_its_ddl(viewer, shop):
    record = build(shop, "not_used", drop_ddl="DROP INDEX CONCURRENTLY IF EXISTS public.by_status;")
    record.built_index_name = "another"
    record.save()
    response = viewer.get(page_of(record))
    assert "The index is not in the newest reading." in text_of(response)
    assert list(panels(response)) == ["SQL"]


def test_hostile_names_are_shown_and_nothing_else(viewer):
    of = world.server()
    columns = (ColumnFacts(HOSTILE, 1, "text", 25, False, 10.0),)
    table = TableFacts(1, "public", HOSTILE, "r", 10.0, 8192, columns)
    keep_schema(world.database(of), SchemaFacts("shop", 150000, (table,)))
    record = world.suggestion(of, world.key_finding(), f"public.{HOSTILE}", HOSTILE)
    html = viewer.get(page_of(record)).content.decode()
    assert html.count('class="panel"') == len(TABS)
    assert "<b>bold" not in html
    assert "</script>\u202e" not in html
    assert "⟨U+202E⟩" in html
    assert "Look twice before you run this" in html


MAP = '{"shop_order": {"model": "sales.Purchase", "fields": {"status": "state", "placed_at": "placed"}}}'


def upload(client: Client, suggestion: SuggestionRecord, **data: object):  # type: ignore[no-untyped-def]
    return client.post(reverse("suggestion_models", args=[suggestion.pk]), data)


def test_a_map_is_kept_and_makes_the_migration_right(operator, shop):
    before = operator.get(page_of(shop.suggestion))
    assert "No map yet: app and model are guessed" in text_of(before)
    assert "App shop and model Order are read from the table's name" in panels(before)["Django"]
    assert "apps.get_models(" in before.content.decode()
    response = upload(operator, shop.suggestion, map=MAP)
    assert (response.status_code, response.headers["Location"]) == (302, page_of(shop.suggestion) + "#content")
    after = operator.get(response.headers["Location"])
    assert "The map of 1 table is kept." in text_of(after)
    assert re.search(r"1 table, uploaded .* by a operator", text_of(after))
    django = panels(after)["Django"]
    assert 'model_name="purchase"' in django
    assert 'fields=["state", "placed"]' in django
    assert "sales/migrations/" in django
    assert "read from the table's name" not in django
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject, entry.details) == ("models_map_kept", "shop, database shop", {"tables": 1})
    assert "uploaded the map of models for" in text_of(operator.get("/audit/"))

    response = upload(operator, shop.suggestion, forget="1")
    assert "is forgotten" in text_of(operator.get(response.headers["Location"]))
    assert ModelsMap.objects.count() == 0
    assert AuditEntry.objects.filter(action="models_map_forgotten").count() == 1


def test_the_databases_orm_is_chosen_once_and_its_tabs_lead(operator, shop):
    assert next(iter(panels(operator.get(page_of(shop.suggestion))))) == "SQL"
    for orm, tabs in (("sqlmodel", ["Alembic", "SQLModel"]), ("django", ["Django", "SQL"]), ("", ["SQL"])):
        assert upload(operator, shop.suggestion, orm=orm).status_code == 302
        response = operator.get(page_of(shop.suggestion))
        assert list(panels(response))[: len(tabs)] == tabs
        assert 'id="tab-' + {"sqlmodel": "alembic", "django": "django", "": "ddl"}[orm] + '" checked' in str(
            response.content
        )
    assert [entry.action for entry in AuditEntry.objects.all()] == ["orm_chosen"] * 3
    assert upload(operator, shop.suggestion, orm="hibernate").status_code == 422
    shop.suggestion.database.refresh_from_db()
    assert shop.suggestion.database.orm == ""


def test_a_map_of_classes_gives_the_class_and_its_module(operator, shop):
    upload(operator, shop.suggestion, map="shop_order = shop.models:Order")
    found = panels(operator.get(page_of(shop.suggestion)))
    assert list(found)[:2] == ["Alembic", "SQLAlchemy"]
    assert "shop/models.py" in found["SQLAlchemy"]
    assert "class Order(Base):" in found["SQLAlchemy"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_map_comes_as_a_file(operator, shop, encoding):
    upload(operator, shop.suggestion, map="", file=SimpleUploadedFile("models.json", MAP.encode(encoding)))
    assert ModelsMap.objects.get().tables == 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"map": "orders = Order"}, "Line 1 of the map of models: 'Order' is not of the form app.Model"),
        ({"map": ""}, "The map of models names no table."),
        ({"map": '{"a": '}, "The map of models is not valid JSON at line 1"),
        ({"file": SimpleUploadedFile("m", b"\xff\xff\xff")}, "The file is no text in UTF-8."),
        ({"file": SimpleUploadedFile("m", b"#" * 2_100_000)}, "The file is larger than 2 MB."),
        ({"map": "<b>x</b> = a"}, "'a' is not of the form app.Model"),
    ],
    ids=["form", "empty", "json", "bytes", "large", "markup"],
)
def test_a_bad_map_is_told_in_one_sentence_and_changes_nothing(operator, shop, data, message):
    upload(operator, shop.suggestion, map=MAP)
    response = upload(operator, shop.suggestion, **data)
    html = response.content.decode().replace("&#x27;", "'")
    assert response.status_code == 422
    assert message in html
    assert html.count('role="alert"') == 1
    assert "<b>x" not in html
    assert ModelsMap.objects.get().text == MAP
    assert AuditEntry.objects.count() == 1


def test_a_viewer_sees_no_form_and_may_not_upload(viewer, shop):
    assert "An operator can upload it here." in text_of(viewer.get(page_of(shop.suggestion)))
    assert b"<textarea" not in viewer.get(page_of(shop.suggestion)).content
    assert upload(viewer, shop.suggestion, map=MAP).status_code == 403
    assert ModelsMap.objects.count() == 0
