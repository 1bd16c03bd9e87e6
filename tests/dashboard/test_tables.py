"""The list of a database's tables and the page of one: what they say of sizes, growth, indexes and statements."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from analyzer.models import Database, Server
from analyzer.schema.cluster import ClusterFacts, DatabaseFacts
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableActivity, TableFacts
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.storage import SizeFacts, StorageFacts
from analyzer.store.clusters import keep_cluster
from analyzer.store.schemas import keep_schema
from dashboard.people.accounts import set_role
from tests.dashboard import world

pytestmark = pytest.mark.django_db
MB = 1 << 20
HOSTILE = "a.b/../\"'><b>x</b>?&#"


@pytest.fixture
def person(client: Client) -> Client:
    viewer = User.objects.create_user("vera", email="vera@example.com", password="correct horse battery")
    set_role(viewer, "viewer")
    client.force_login(viewer)
    return client


def text_of(response, status=200) -> str:
    assert response.status_code == status, response.status_code
    body = re.sub(r"<(title|style|select).*?</\1>", " ", response.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).replace("\u202f", " ").split())


def index(oid: int, name: str, *columns: str, scans: int = 0, **more) -> IndexFacts:
    definition = f"CREATE INDEX {name} ON public.shop_order USING btree ({', '.join(columns)})"
    return IndexFacts(
        oid, "public", name, "btree", columns, opfamilies=(1976,) * len(columns), definition=definition,
        size_bytes=MB, scans=scans, **more,
    )  # fmt: skip


def order_table(**more) -> TableFacts:
    now = timezone.now()
    return replace(
        TableFacts(
            oid=1, schema="public", name="shop_order", kind="r", rows=160_000.0, size_bytes=14 * MB,
            columns=(ColumnFacts("id", 1, "integer", 23, True, 160_000.0),),
            indexes=(
                index(10, "shop_order_pkey", "id", scans=900, is_primary=True, is_unique=True, backs_constraint=True),
                index(11, "ix_placed", "placed_at", scans=4),
                index(12, "ix_placed_status", "placed_at", "status", scans=7),
                index(13, "ix_total", "total"),
            ),
            activity=TableActivity(
                seq_scans=40, seq_rows_read=6_400_000, index_scans=911, updated_rows=200, hot_updated_rows=150,
                live_rows=160_000, dead_rows=40_000,
            ),
            storage=StorageFacts(total_bytes=18 * MB, toast_bytes=0, last_autovacuum=now - timedelta(days=3)),
        ),
        **more,
    )  # fmt: skip


def keep(of: Server, *tables: TableFacts, **more) -> None:
    keep_schema(world.database(of), SchemaFacts("shop", world.SHOP_VERSION_NUM, tables, **more))


def keep_ten_days(of: Server) -> None:
    """The table grows by 1 MB a day, its key by a million."""
    now = timezone.now()
    for day in range(10):
        sizes = SizeFacts(20 * MB + day * MB, MB, 4 * MB)
        sequence = SequenceFacts(9, "public", "shop_order_id_seq", "integer", 10**9 + day * 10**6, True,
                                 table_oid=1, column="id")  # fmt: skip
        facts = SchemaFacts("shop", world.SHOP_VERSION_NUM, (order_table(sizes=sizes),), sequences=(sequence,))
        facts = replace(facts, taken_at=now, days_since_stats_reset=34.2)
        keep_schema(world.database(of), facts, now - timedelta(days=9 - day))


def test_tables_left_out_are_not_none(person):
    shop = world.server("shop")
    keep(shop, left_out=("public.gr\ufffde",))
    page = text_of(person.get(reverse("tables", args=[shop.slug])))
    assert "At least 0 B in" in page
    assert "1 table left out, with names that are no UTF-8 (public.gr\ufffde)." in page
    assert "shop has none else" in page


def test_the_page_of_a_table_says_all_that_is_known(person):
    made = world.shop(hours=2, every_s=600)
    keep_ten_days(made.shop)
    page = text_of(person.get(reverse("table", args=["shop"]), {"name": "shop_order"}))
    assert "Size 34 MB as its files measure" in page
    assert "Heap 29 MB 1 MB of TOAST, 4 MB of indexes besides" in page
    assert "Dead rows 40 k 20 % of the rows" in page
    assert re.search(r"Last VACUUM 3 days ago by autovacuum Last ANALYZE never HOT updates 75 %", page)
    assert "Growth Size over 10 days, from 25 MB to 34 MB" in page
    assert "At +1 MB a day (every day alike, 9 days seen) it takes 124 MB in 90 days." in page
    assert "id (integer) is at 1,009,000,000 of 2,147,483,647; at 1,000,000 a day (9 days seen) it reaches" in page
    assert "in about 3 years." in page
    assert "Scans of 34 days" in page
    assert "if it were written anew Of the heap not known: needs the columns" in page
    assert "ix_placed covered by ix_placed_status" in page
    assert "ix_total no scan in 34 days" in page
    assert "shop_order_pkey primary key CREATE INDEX" in page
    assert "Seq Scan on shop_order o keeps few of the rows it reads" in page
    assert "Index on public.shop_order" in page
    statements = page[page.index("Statements that touch it") :]
    assert statements.index("select o.id, o.placed_at") < statements.index("delete from shop_order")
    assert "shop_customer" not in statements


def test_the_list_says_how_the_database_grows_and_when_the_disk_is_full(person):
    of = world.server(disk_gb=1.0)
    keep(of, order_table())
    now = timezone.now()
    for day in range(10):
        sizes = (DatabaseFacts(5, "shop", size_bytes=(500 + day) * MB), DatabaseFacts(6, "log", size_bytes=day * MB))
        Database.objects.get_or_create(server=of, oid=6, name="log")
        at = now - timedelta(days=9 - day)
        keep_cluster(of, ClusterFacts(at, "15", world.SHOP_VERSION_NUM, "shop", databases=sizes), at)
    page = text_of(person.get(reverse("tables", args=["shop"])))
    assert "At +1 MB a day (every day alike, 9 days seen) the database takes 599 MB in 90 days." in page
    assert (
        "All databases take 518 MB of the 1 GB of their disk, which they fill in about 8 months at +2 MB a day." in page
    )


def test_the_list_is_sorted_searched_and_paged_and_partitions_stand_behind_their_table(person):
    of = world.server()
    world.step(of)
    parted = [
        TableFacts(50, "public", "event", "p", 500.0, 0, partitions=(51, 52), partition_key="RANGE (at)"),
        *(order_table(oid=oid, name=f"event_{oid}", parent_oid=50, indexes=()) for oid in (51, 52)),
    ]
    small = [TableFacts(100 + n, "public", f"small_{n:03}", "r", 1.0, 8192) for n in range(60)]
    keep(of, order_table(rows=7.0), *parted, *small)
    path = reverse("tables", args=["shop"])
    page = text_of(person.get(path))
    assert "1 to 50 of 62 tables" in page
    assert page.index("public.event 2 partitions 36 MB") < page.index("public.shop_order") < page.index("small_000")
    assert "event_51" not in page
    assert "3 days ago by autovacuum never 75 % 911 by index 40 sequential" in page
    assert "public.event_51 partition" in text_of(person.get(path, {"q": "EVENT_5"}))
    by_rows = text_of(person.get(path, {"sort": "rows"}))
    assert by_rows.index("public.event 2 partitions") < by_rows.index("public.shop_order")
    assert "51 to 62 of 62 tables" in text_of(person.get(path, {"page": "9"}))
    event = text_of(person.get(reverse("table", args=["shop"]), {"name": "public.event"}))
    assert "Partitioned table in shop, by RANGE (at)" in event
    assert "public.event_52 18 MB" in event
    assert "Partition of public.event" in text_of(person.get(reverse("table", args=["shop"]), {"name": "event_52"}))


def test_the_total_counts_each_partition_once_and_says_where_a_size_is_missing(person):
    of = world.server()
    parted = TableFacts(50, "public", "event", "p", 500.0, 0, partitions=(51, 52), partition_key="RANGE (at)")
    parts = [order_table(oid=oid, name=f"event_{oid}", parent_oid=50, indexes=()) for oid in (51, 52)]
    path = reverse("tables", args=["shop"])
    keep(of, parted, *parts, order_table())
    assert "36 MB in shop match" in text_of(person.get(path, {"q": "event"}))
    keep(of, parted, parts[0], replace(parts[1], storage=None, size_bytes=None))
    assert "At least 18 MB in shop" in text_of(person.get(path))


def test_a_long_list_costs_no_more_queries_than_a_short_one(person):
    of = world.server()
    counts = []
    for number in (2, 80):
        keep(of, *(order_table(oid=n, name=f"t{n}") for n in range(1, number)))
        person.get(reverse("tables", args=["shop"]))  # the schema is unpacked once per process
        with CaptureQueriesContext(
            connection,
        ) as queries:
            person.get(reverse("tables", args=["shop"]))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 12


def test_a_name_may_hold_anything_and_stands_for_one_table(person):
    of = world.server()
    keep(of, order_table(schema="s", name=HOSTILE), order_table(oid=2, schema="s.a", name=HOSTILE[2:]),
         order_table(oid=3, schema="one", name="twice"), order_table(oid=4, schema="two", name="twice"))  # fmt: skip
    page = person.get(reverse("tables", args=["shop"])).content.decode()
    assert "<b>x</b>" not in page
    link = re.search(r'href="(/servers/shop/table/\?name=s\.a\.b[^"]*)"', page)[1].replace("&amp;", "&")
    assert "Table in shop" in text_of(person.get(link))
    # two tables that are written alike without quotes
    several = person.get(re.sub("&schema=[^&]*", "", link))
    assert "Several tables have that name" in text_of(several)
    urls = re.findall(r'href="(/servers/shop/table/[^"]*)"', several.content.decode())
    pages = [person.get(url.replace("&amp;", "&")) for url in urls]
    assert [page.context["row"].table.oid for page in pages] == [1, 2]
    assert "one.twice · two.twice" in text_of(person.get(reverse("table", args=["shop"]), {"name": "twice"}))
    assert "one.twice Table in shop" in text_of(person.get(reverse("table", args=["shop"]), {"name": "one.twice"}))
    gone = text_of(person.get(reverse("table", args=["shop"]), {"name": "gone"}), 404)
    assert "No such table in shop" in gone


def test_what_was_not_read_is_said(person):
    of = world.server()
    assert "The schema was not read yet" in text_of(person.get(reverse("tables", args=["shop"])))
    world.database(of)
    assert "The schema was not read yet" in text_of(person.get(reverse("table", args=["shop"]), {"name": "t"}))
    keep(of, order_table(storage=None), parts_not_read={"schema_storage": "permission denied"})
    page = text_of(person.get(reverse("tables", args=["shop"])))
    assert "times of VACUUM were not read: permission denied" in page
    assert "public.shop_order 14 MB" in page
    table = text_of(person.get(reverse("table", args=["shop"]), {"name": "shop_order"}))
    assert "TOAST unknown" in table
    assert "Last VACUUM unknown" in table
    assert "Growth is measured of the 200 largest tables" in table


def test_a_table_of_another_database_is_one_link_away(person):
    of = world.server()
    keep(of, order_table())
    other = Database.objects.create(server=of, oid=6, name="log & more", is_inspected=True)
    keep_schema(other, SchemaFacts("log", world.SHOP_VERSION_NUM, (order_table(name="entry"),)))
    page = person.get(reverse("tables", args=["shop"]), {"database": "log & more"}).content.decode()
    assert 'href="/servers/shop/table/?name=public.entry&amp;database=log+%26+more"' in page
    table = person.get("/servers/shop/table/?name=public.entry&database=log+%26+more")
    assert "public.entry Table in log &amp; more" in text_of(table)
