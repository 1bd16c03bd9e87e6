"""From a slow statement to its index and back: the scripts of the suggestion's page, run by psql on the server."""

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from analyzer.models import SuggestionRecord
from analyzer.steps import run as pipeline
from tests.advice.test_rollout import Psql
from tests.dashboard import world
from tests.steps.test_following import call, look, suggested
from tests.steps.test_following import shop18 as shop18

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def texts(client: Client, record: SuggestionRecord, tab: str) -> list[str]:
    """What the tab's copy buttons copy."""
    page = client.get(reverse("suggestion", args=[record.pk])).content.decode()
    panel = page.partition(f'id="panel-{tab}"')[2].partition('<div class="panel"')[0].partition("</fieldset>")[0]
    return [
        html.unescape(re.sub(r"<[^>]+>", "", code)) for code in re.findall(r"<pre.*?>(.*?)</pre>", panel, re.DOTALL)
    ]


def indexes(database: Any) -> list[str]:
    with database.connect() as connection:
        rows = connection.execute(
            "select indexrelid::regclass::text from pg_index"
            " where indrelid = 'item'::regclass and indisvalid order by 1"
        )
        return [name for (name,) in rows.fetchall()]


def test_the_scripts_of_the_page_create_and_drop(shop18: Any, client: Client, tmp_path: Path, settings: Any) -> None:
    settings.ANALYZER_OUTCOME_CALLS, settings.ANALYZER_OUTCOME_WAIT_S = 5, 0
    client.force_login(world.user())
    server, record = suggested(shop18)
    psql = Psql(tmp_path, shop18)
    script, undo = texts(client, record, "rollout")
    before = psql.dump()
    psql.succeeds(script)
    assert indexes(shop18) == ["item_pkey", "ix_item_kind"]
    psql.succeeds(undo)
    assert psql.dump() == before

    psql.succeeds(script)
    assert look(server, record).state == "built"
    pipeline.take_snapshot(server)
    call(shop18, 10, "set enable_indexscan = off", "set enable_bitmapscan = off")
    pipeline.take_snapshot(server)
    assert look(server, record).state == "not_used"
    drop, again = texts(client, record, "rollout")
    psql.succeeds(drop)
    assert indexes(shop18) == ["item_pkey"]
    psql.succeeds(again)
    assert indexes(shop18) == ["item_pkey", "ix_item_kind"]
    assert texts(client, record, "ddl") == [
        "DROP INDEX CONCURRENTLY IF EXISTS public.ix_item_kind;\n",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_item_kind ON public.item USING btree (kind);\n",
    ]
