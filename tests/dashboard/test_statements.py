"""The list of statements sorted, narrowed and paged; plans and related statements; what is new since yesterday."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from analyzer.checks import all_checks
from analyzer.models import Database, FindingRecord, Role, Server, Statement
from analyzer.monitored.readings import COUNTERS, KEY_DTYPE, ServerState, StatementReading, StatementText
from analyzer.store.findings import keep_findings
from analyzer.store.plans import keep_plan
from analyzer.store.schemas import keep_schema
from analyzer.store.series import timelines, totals
from analyzer.store.series.snapshots import keep_reading
from analyzer.store.texts import keep_texts
from dashboard.statements.list_view import SORTS
from dashboard.statements.tables import notes_of
from tests.advice.builders import facts, table
from tests.dashboard import world

pytestmark = pytest.mark.django_db

PATH = "/servers/shop/statements/"
APP, REPORTS = 10, 11  # roles
SHOP, SALES = 5, 6  # databases
# text, role, database, and what each counter grows by; every sort has another first statement
MIXED = (
    ("select a from t_time where id = $1", APP, SHOP, {"calls": 10, "total_exec_time_ms": 9000.0, "rows": 10}),
    ("select b from t_mean where id = $1", APP, SHOP, {"calls": 1, "total_exec_time_ms": 5000.0, "rows": 1}),
    ("select c from t_calls where id = $1", APP, SHOP, {"calls": 90_000, "total_exec_time_ms": 900.0, "rows": 9}),
    ("select d from t_rows", APP, SALES, {"calls": 5, "total_exec_time_ms": 500.0, "rows": 4_000_000}),
    (
        "select e from t_io where x = $1",
        REPORTS,
        SALES,
        {"calls": 5, "total_exec_time_ms": 400.0, "shared_read_blocks": 10, "shared_read_time_ms": 350.0},
    ),
    ("select f from t_read where x = $1", REPORTS, SALES, {"calls": 5, "total_exec_time_ms": 300.0,
                                                         "shared_read_blocks": 131_072}),
    ("insert into t_wal values ($1)", APP, SHOP, {"calls": 5, "total_exec_time_ms": 200.0, "wal_bytes": 5 << 20}),
    ("select g from t_temp order by g", REPORTS, SHOP, {"calls": 5, "total_exec_time_ms": 100.0,
                                                       "temp_written_blocks": 2560}),
)  # fmt: skip
FIRST = {
    "total_exec_time": "t_time",
    "mean_exec_time": "t_mean",
    "calls": "t_calls",
    "rows": "t_rows",
    "io_time": "t_io",
    "shared_read": "t_read",
    "wal": "t_wal",
    "temp_written": "t_temp",
}
SHOWN = {  # in the first row
    "total_exec_time": "9 s",
    "mean_exec_time": "5 s",
    "calls": "90 k",
    "rows": "4 M",
    "io_time": "350 ms",
    "shared_read": "1 GB",
    "wal": "5 MB",
    "temp_written": "20 MB",
}


@pytest.fixture
def person(client: Client) -> Client:
    client.force_login(world.user())
    return client


def run(of: Server, statements, *, minutes: int = 10) -> None:  # type: ignore[no-untyped-def]
    """Two readings: what the statements did in between."""
    keys = np.zeros(len(statements), KEY_DTYPE)
    counters = np.zeros((len(statements), len(COUNTERS)))
    for i, (_, role, database, _) in enumerate(statements):
        keys[i] = (role, database, 1000 + i, True)
    end = timezone.now()
    for at in (end - timedelta(minutes=minutes), end):
        state = ServerState(at, world.SHOP_VERSION_NUM, end - timedelta(days=30), "1.10", end - timedelta(days=30), 0)
        nothing = np.full(len(statements), np.nan)
        keep_reading(of, StatementReading(state, keys, counters.copy(), nothing, COUNTERS, 30.0), taken_at=at)
        for i, (*_, grown) in enumerate(statements):
            for name, value in grown.items():
                counters[i, COUNTERS.index(name)] += value
    keep_texts(of, [StatementText(r, d, 1000 + i, True, text) for i, (text, r, d, _) in enumerate(statements)])


@pytest.fixture
def mixed() -> Server:
    of = world.server()
    world.step(of)
    run(of, MIXED)
    Role.objects.bulk_create(
        Role(server=of, oid=oid, name=name) for oid, name in ((APP, "app"), (REPORTS, "reports"), (99, "never_ran"))
    )
    Database.objects.bulk_create(
        Database(server=of, oid=oid, name=name) for oid, name in ((SHOP, "shop"), (SALES, "sales"), (99, "template1"))
    )
    return of


def rows_of(page) -> list[str]:
    assert page.status_code == 200
    body = page.content.decode().split("<tbody>")
    rows = re.findall(r"<tr.*?</tr>", body[1], flags=re.DOTALL) if len(body) > 1 else []
    return [unescape(" ".join(re.sub(r"<[^>]+>", " ", row).replace("\u202f", " ").split())) for row in rows]


def tables_of(page) -> set[str]:
    return {re.search(r"(?:from|into) (t_\w+)", row)[1] for row in rows_of(page)}


def test_every_sort_is_offered():
    assert set(FIRST) == set(SORTS)


@pytest.mark.parametrize("sort", FIRST)
def test_the_list_is_sorted_and_shows_what_it_is_sorted_by(person, mixed, sort):
    page = person.get(PATH, {"sort": sort, "window": "1h"})
    first = rows_of(page)[0]
    assert FIRST[sort] in first
    assert SHOWN[sort] in first
    body = page.content.decode()
    [head] = re.findall(r'<th[^>]*aria-sort="descending">(.*?)</th>', body)
    assert f"sort={sort}" in head
    assert f'<option value="{sort}" selected>' in body  # on a phone the heads are hidden
    words = re.search(r"<p>By ([^;]+);", body)[1]
    assert words == {"io_time": "I/O time", "wal": "WAL"}.get(sort, SORTS[sort].lower())


def test_time_nobody_took_is_unknown_and_not_nothing(person, mixed):
    rows = {
        name: row for row in rows_of(person.get(PATH, {"sort": "io_time"})) for name in FIRST.values() if name in row
    }
    assert "unknown not timed" in rows["t_read"]
    assert "unknown" not in rows["t_wal"]  # it read nothing


def test_the_list_is_narrowed_by_role_database_and_table(person, mixed):
    assert tables_of(person.get(PATH, {"role": str(REPORTS)})) == {"t_io", "t_read", "t_temp"}
    assert tables_of(person.get(PATH, {"database": str(SALES)})) == {"t_rows", "t_io", "t_read"}
    assert tables_of(person.get(PATH, {"role": str(REPORTS), "database": str(SALES)})) == {"t_io", "t_read"}
    assert tables_of(person.get(PATH, {"table": "t_wal"})) == {"t_wal"}
    assert tables_of(person.get(PATH, {"role": str(APP), "q": "t_mean"})) == {"t_mean"}
    nothing = person.get(PATH, {"role": str(REPORTS), "table": "t_wal"})
    assert rows_of(nothing) == []
    assert b"No statement matches" in nothing.content


def test_only_roles_and_databases_that_ran_something_are_offered(person, mixed):
    page = person.get(PATH).content.decode()
    for name in ("app", "reports", "shop", "sales", "t_temp"):
        assert f">{name}</option>" in page, name
    assert "never_ran" not in page
    assert "template1" not in page


def test_bad_values_give_the_default(person, mixed):
    usual = rows_of(person.get(PATH))
    assert len(usual) == len(MIXED)
    for query in ("sort=%3Bdrop", "sort=", "role=x", "role=99", "role=-1", "role=99999999999999999999", "database=%00",
                  "table=none", "table=%00", "page=x", "page=0", "page=-1", "page=77", "page=1e9", "window=1y",
                  "role=10%27--&database=&table="):  # fmt: skip
        assert rows_of(person.get(f"{PATH}?{query}")) == usual, query


def test_links_keep_everything_else(person, mixed):
    asked = {"window": "6h", "sort": "wal", "role": str(APP), "database": str(SHOP), "q": "t_"}
    page = person.get(PATH, asked).content.decode()
    links = [parse_qs(urlsplit(unescape(link)).query) for link in re.findall(r'href="(\?[^"]*)"', page)]
    by_sort = next(link for link in links if link.get("sort") == ["calls"])
    assert by_sort == {name: [value] for name, value in {**asked, "sort": "calls"}.items()}
    by_window = next(link for link in links if link.get("window") == ["30d"])
    assert by_window == {name: [value] for name, value in {**asked, "window": "30d"}.items()}
    form = re.search(r'<form class="narrow".*?</form>', page, flags=re.DOTALL)[0]
    assert '<input type="hidden" name="window" value="6h">' in form
    for kept in ('value="t_"', '<option value="wal" selected>', f'<option value="{APP}" selected>'):
        assert kept in form


def many(n: int):  # type: ignore[no-untyped-def]
    return tuple(
        (f"select c{i} from t{i} where id = $1", APP, SHOP, {"calls": 1 + i, "total_exec_time_ms": 10.0 * (n - i)})
        for i in range(n)
    )


def test_fifty_a_page_and_paging_keeps_the_rest(person):
    of = world.server()
    run(of, many(120))
    first = person.get(PATH, {"sort": "calls", "q": "from t", "window": "6h"})
    assert len(rows_of(first)) == 50
    assert "from t119" in rows_of(first)[0]
    following = unescape(re.search(r'rel="next" href="([^"]+)"', first.content.decode())[1])
    assert parse_qs(urlsplit(following).query) == {
        "sort": ["calls"], "q": ["from t"], "window": ["6h"], "page": ["2"]
    }  # fmt: skip
    second = person.get(PATH + following)
    assert "from t69 " in rows_of(second)[0]
    last = person.get(PATH, {"page": "3"})
    assert len(rows_of(last)) == 20
    assert rows_of(person.get(PATH, {"page": "4000"})) == rows_of(last)
    assert b"101 to 120 of 120" in person.get(PATH, {"page": "4000"}).content


def in_schemas(text: str, *times_s: int):  # type: ignore[no-untyped-def]
    """The text in as many schemas, the first time without any."""
    names = ["inv", *(f"tenant_{n}.inv" for n in range(10, 9 + len(times_s)))]
    return tuple(
        (
            text.format(name),
            APP,
            SHOP,
            {"calls": 10, "total_exec_time_ms": 1000.0 * s, "rows": 5, "wal_bytes": 8192 * s},
        )
        for name, s in zip(names, times_s, strict=True)
    )


ALIKE = (
    *in_schemas("select a from {} where id = $1", 3, 4, 5),
    ("select a from other.inv_2 where id = $1", APP, SHOP, {"calls": 1, "total_exec_time_ms": 11_000.0}),
    ("select a, b from inv where id = $1", APP, SHOP, {"calls": 1, "total_exec_time_ms": 10.0}),
    ("select a from log_2025 where id = $1", APP, SHOP, {"calls": 1, "total_exec_time_ms": 9.0}),
    ("select a from log_2026 where id = $1", APP, SHOP, {"calls": 1, "total_exec_time_ms": 8.0}),
)


INV = ("id|bigint|-1", "a|text|-1")


def with_tables(of, *names: str, columns: tuple[str, ...] = INV, **more):  # type: ignore[no-untyped-def]
    """Keep a schema of these tables, all with the same columns, and of ``more``."""
    tables = [table(name.rpartition(".")[2], columns, schema=name.rpartition(".")[0] or "public") for name in names]
    keep_schema(world.database(of), facts(*tables, **more))


def test_statements_alike_but_for_schemas_are_one_row_with_each_below(person):
    of = world.server()
    run(of, ALIKE)
    with_tables(of, "inv", "tenant_10.inv", "tenant_11.inv", "other.inv_2", "log_2025", "log_2026")
    page = person.get(PATH, {"window": "1h"})
    rows = rows_of(page)
    assert [re.search(r"from (\S+)", row)[1] if "select" in row else row.split()[3] for row in rows] == [
        "tenant_11.inv", "tenant_11.inv", "tenant_10.inv", "inv", "other.inv_2", "inv", "log_2025", "log_2026",
    ]  # fmt: skip
    assert "3 statements alike but for their tables' schemas" in rows[0]
    assert " 12 s " in rows[0]
    assert [re.search(r" \d s ", row)[0] for row in rows[1:4]] == [" 5 s ", " 4 s ", " 3 s "]
    assert b"1 to 5 of 5 statements" in page.content
    body = unescape(page.content.decode())
    for statement in Statement.objects.filter(server=of):
        assert body.count(f"/statements/{statement.fingerprint}/?") >= 1, statement.normalized_sql
    by_calls = rows_of(person.get(PATH, {"window": "1h", "sort": "calls", "columns": ["calls", "wal", "mean"]}))
    assert re.search(r" 30 400 ms 96 kB$", by_calls[0])
    alone = person.get(PATH + re.search(r'href="(\?[^"]*alike=[^"]+)"', body)[1])
    assert [("inv" in row, "alike but" in row) for row in rows_of(alone)] == [(True, False)] * 3
    assert b"1 to 3 of 3 statements" in alone.content
    for narrowed, count in (({"table": "tenant_10.inv"}, 1), ({"q": "tenant"}, 3), ({"alike": "none"}, 8)):
        assert len(rows_of(person.get(PATH, {"window": "1h", **narrowed}))) == count
    csv_rows = person.get(PATH, {"window": "1h", "format": "csv"}).getvalue().decode()
    assert csv_rows.count("\r\n") == 1 + len(ALIKE)


def test_groups_are_paged_as_rows_and_show_their_first_members(person, monkeypatch):
    of = world.server()
    run(of, (*many(60), *in_schemas("select z from {} where id = $1", *range(1, 9))))
    with_tables(of, "inv", *(f"tenant_{n}.inv" for n in range(10, 17)))
    cheap = Statement.objects.get(normalized_sql__contains="tenant_10")
    found = [world.scan_finding(cheap.fingerprint)]
    keep_findings(of, world.database(of), found, [check.code for check in all_checks()])
    world.suggestion(of, found[0], "tenant_10.inv", "id", helps=(cheap.fingerprint,))
    page = person.get(PATH, {"window": "1h"})
    rows = rows_of(page)
    assert len(rows) == 50 + 5
    assert "8 statements alike but for their tables' schemas, the first 5 below, all of them · 1 finding" in rows[0]
    assert rows[0].count("index ready") == 1  # of one that is not shown
    for module in (timelines, totals):
        monkeypatch.setattr(module, "MOST_NAMED", 10)
    assert rows_of(person.get(PATH, {"window": "1h"})) == rows
    assert "of 61 statements" in page.content.decode()
    assert len(rows_of(person.get(PATH, {"window": "1h", "page": "2"}))) == 11


def test_a_statement_is_found_by_a_fingerprint_with_its_tables(person):
    of = world.server()
    run(of, ALIKE)
    marked = Statement.objects.get(normalized_sql__contains="tenant_10")
    assert "-" in marked.fingerprint
    assert len(rows_of(person.get(PATH, {"q": marked.fingerprint}))) == 1


def test_one_name_of_tables_that_differ_is_never_one_row(person):
    of = world.server()
    other = Database.objects.update_or_create(server=of, oid=SALES, defaults={"name": "blog"})[0]
    Role.objects.update_or_create(server=of, oid=REPORTS, defaults={"name": "auth_admin"})
    sql = "select a from {} where id = $1"
    ran = {"calls": 1, "total_exec_time_ms": 1000.0}
    run(of, [
        *((sql.format(f"t{n}.inv"), APP, SHOP, {**ran, "calls": n}) for n in (1, 2, 6, 4)),
        *((sql.format("users"), role, base, {**ran, "calls": calls})
          for role, base, calls in ((APP, SHOP, 10), (REPORTS, SHOP, 20), (APP, SALES, 40), (APP, 99, 80))),
        (sql.format("auth.users"), APP, SHOP, {**ran, "calls": 160}),
    ])  # fmt: skip
    others = ("k|text|-1", "a|text|-1")
    tables = [table("inv", INV, schema=schema) for schema in ("t1", "t2")]
    tables += [table("inv", others, schema="t6"), table("users", INV), table("users", others, schema="auth")]
    keep_schema(world.database(of), facts(*tables, role_paths={"": ("public",), "auth_admin": ("auth",)}))
    keep_schema(other, facts(table("users", ("nick|text|-1",))))
    page = person.get(PATH, {"window": "1h", "sort": "calls", "columns": ["calls"]})
    assert [re.sub(r".*\$1 select ·|Of these, on", "", row).split() for row in rows_of(page)] == [
        ["2", "statements", "alike", "but", "for", "their", "tables'", "schemas", "180"],
        ["auth.users", "160"],
        ["auth.users", "in", "shop", "20"],
        ["users", "in", "99", "80"],
        ["public.users", "in", "blog", "40"],
        ["public.users", "in", "shop", "10"],
        ["t6.inv", "6"],
        ["t4.inv", "4"],
        ["2", "statements", "alike", "but", "for", "their", "tables'", "schemas", "3"],
        ["t2.inv", "2"],
        ["t1.inv", "1"],
    ]  # fmt: skip
    several = Statement.objects.get(normalized_sql__contains=" users")
    assert notes_of(several) == [
        "Its text reads tables that have other columns: public.users in shop; auth.users in shop; public.users in blog;"
        " users in 99. The figures here are of all of them."
    ]
    assert len(rows_of(person.get(PATH, {"window": "1h", "database": SALES}))) == 1
    csv_rows = person.get(PATH, {"window": "1h", "format": "csv"}).getvalue().decode()
    assert csv_rows.count("\r\n") == 1 + 9
    scan = [world.scan_finding(several.fingerprint)]
    keep_findings(of, world.database(of), scan, [check.code for check in all_checks()])
    found = rows_of(person.get(PATH, {"window": "1h"}))
    assert [" in shop" in row for row in found if "1 finding" in row and "alike" not in row] == [True, True]
    finding = FindingRecord.objects.get(code=scan[0].code)
    world.suggestion(of, finding, "public.users", "id", helps=(several.fingerprint,))
    found = rows_of(person.get(PATH, {"window": "1h"}))
    assert [" in shop" in row for row in found if "index ready" in row and "alike" not in row] == [True, True]


def test_a_name_that_a_roles_path_does_not_find_is_none_of_another_roles_tables(person):
    of = world.server()
    roles = {APP: "app", REPORTS: "reports", 99: "pool"}
    for oid, name in roles.items():
        Role.objects.update_or_create(server=of, oid=oid, defaults={"name": name})
    run(of, [
        ("select a from users where id = $1", oid, SHOP, {"calls": calls, "total_exec_time_ms": 1000.0})
        for oid, calls in ((APP, 40), (REPORTS, 20), (99, 10))
    ])  # fmt: skip
    tables = table("users", INV, schema="t1"), table("users", ("k|text|-1", "a|text|-1"), schema="t2")
    paths = {"": ("public",), "app": ("t1",), "reports": ("t2",)}
    keep_schema(world.database(of), facts(*tables, search_path=("t1", "t2", "public"), role_paths=paths))
    page = person.get(PATH, {"window": "1h", "sort": "calls", "columns": ["calls"]})
    assert [re.sub(r".*\$1 select ·", "", row).split() for row in rows_of(page)] == [
        ["t1.users", "40"],
        ["t2.users", "20"],
        ["users", "10"],
    ]


def test_the_order_of_columns_does_not_tell_tables_apart(person):
    of = world.server()
    run(of, in_schemas("select a from {} where id = $1", 10, 11))
    tables = table("inv", INV), table("inv", INV[::-1], schema="tenant_10")
    keep_schema(world.database(of), facts(*tables))
    assert "2 statements alike but for their tables' schemas" in rows_of(person.get(PATH, {"window": "1h"}))[0]


QUERIES = {  # with session and user; those that match a filter are looked up, and the last page after one beyond it
    "": 21,
    "?sort=wal&page=2": 21,
    f"?role={APP}&database={SHOP}&table=t1&q=select": 23,
    "?page=9999": 26,
}


def test_queries_do_not_depend_on_the_number_of_statements(person, django_assert_max_num_queries):
    of = world.server()
    taken = []
    for n in (60, 400):
        run(of, many(n))
        for query, most in QUERIES.items():
            with django_assert_max_num_queries(most) as captured:
                assert person.get(PATH + query).status_code == 200
            taken.append((query, len(captured)))
    assert taken[: len(QUERIES)] == taken[len(QUERIES) :]


def test_queries_do_not_depend_on_the_number_of_schemas(person, django_assert_max_num_queries):
    of = world.server()
    taken = []
    for n in (3, 40):
        run(of, in_schemas("select z from {} where id = $1", *range(n)))
        with_tables(of, "inv", *(f"tenant_{m}.inv" for m in range(10, 9 + n)))
        with django_assert_max_num_queries(QUERIES[""] + 5) as captured:  # whose search_path says what table it is
            assert person.get(PATH).status_code == 200
        taken.append(len(captured))
    assert taken[0] == taken[1]


def at(moment) -> str:  # type: ignore[no-untyped-def]
    return moment.strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def changing(monkeypatch: pytest.MonkeyPatch) -> Server:
    """Two hours: one statement doubles, one halves, one is new, one stays. The clock stands: a minute that turns while
    the hours are made would put one reading into another window."""
    moment = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: moment)
    of = world.server()
    world.step(of)
    Server.objects.filter(pk=of.pk).update(created_at=timezone.now() - timedelta(days=2))
    texts = [f"select {name} from t where id = $1" for name in ("doubles", "halves", "fresh", "stays")]
    keys, counters = np.zeros(4, KEY_DTYPE), np.zeros((4, len(COUNTERS)))
    for i in range(4):
        keys[i] = (APP, SHOP, 1000 + i, True)
    end = timezone.now().replace(second=0, microsecond=0)
    for minute in range(-122, 1):
        now = end + timedelta(minutes=minute)
        state = ServerState(now, world.SHOP_VERSION_NUM, end - timedelta(days=30), "1.10", end - timedelta(days=30), 0)
        reading = StatementReading(state, keys, counters.copy(), np.full(4, np.nan), COUNTERS, 30.0)
        keep_reading(of, reading, taken_at=now)
        is_late = minute >= -60
        for i, ms in enumerate(((100, 200), (200, 100), (0, 50), (80, 80))):
            counters[i, COUNTERS.index("total_exec_time_ms")] += ms[is_late]
            counters[i, COUNTERS.index("calls")] += 1 if ms[is_late] else 0
    keep_texts(of, [StatementText(APP, SHOP, 1000 + i, True, text) for i, text in enumerate(texts)])
    return of


def test_change_against_the_window_before(person, changing):
    end = timezone.now().replace(second=0, microsecond=0)
    for query in ("?window=1h", f"?from={at(end - timedelta(hours=1))}&to={at(end)}"):
        rows = {row.split()[1]: row for row in rows_of(person.get(PATH + query))}
        assert set(rows) == {"doubles", "halves", "fresh", "stays"}
        assert re.search(r"\+(9\d|100) % from (6|6\.\d) s", rows["doubles"]), rows["doubles"]
        assert re.search(r"−(49|5\d) % from 12 s", rows["halves"]), rows["halves"]
        assert " new " in rows["fresh"]
        assert " as before " in rows["stays"]
    # of the first hour nothing was measured before
    early = person.get(f"{PATH}?from={at(end - timedelta(hours=2))}&to={at(end - timedelta(hours=1))}")
    assert all("– not known" in row for row in rows_of(early))


def test_a_window_of_ones_own_is_kept_by_every_link(person, changing):
    end = timezone.now().replace(second=0, microsecond=0)
    own = f"from={at(end - timedelta(minutes=90))}&to={at(end - timedelta(minutes=30))}"
    page = person.get(f"{PATH}?{own}&sort=calls")
    body = unescape(page.content.decode())
    encoded = own.replace(":", "%3A")
    links = re.findall(r'href="(/servers/shop/statements/[0-9a-f]+/\?[^"]*)"', body)
    assert links
    assert all(encoded in link for link in links)
    assert f"{at(end - timedelta(minutes=90)).replace('T', ' ')} to" in body
    assert person.get(links[0]).status_code == 200
    total = page.context["total_ms"]
    assert 0 < total < person.get(f"{PATH}?window=6h").context["total_ms"]
    for bad in ("from=x&to=y", "from=2026-13-01T00:00", f"from={at(end)}&to={at(end - timedelta(hours=1))}", "to=1",
                "from=0001-01-01T00:00&to=0001-01-01T00:01", "from=9999-12-31T23:59"):  # fmt: skip
        assert person.get(f"{PATH}?{bad}").status_code == 200


def test_columns_are_chosen_and_kept(person, mixed):
    page = person.get(f"{PATH}?columns=calls&columns=wal&columns=nonsense")
    body = page.content.decode()
    shown = [column["key"] for column in page.context["columns"]]
    assert shown == ["total", "calls", "wal"]  # with what it is sorted by
    assert "Trend</th>" not in body
    assert "columns=calls&amp;columns=wal" in body


def test_export_as_csv(person, mixed):
    Statement.objects.filter(server=mixed, tables__contains=["t_mean"]).update(
        normalized_sql="=cmd|'/C calc'!A1, \"x\"\n@second", kind="+kind"
    )
    response = person.get(f"{PATH}?format=csv&window=6h&sort=calls")
    assert response.streaming
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="statements-shop-\w+-\w+\.csv"', response.headers["Content-Disposition"])
    rows = list(csv.DictReader(io.StringIO(response.getvalue().decode(), newline="")))
    assert len(rows) == len(MIXED)
    assert rows[0]["sql"] == "select c from t_calls where id = $1"
    figures = [rows[0][name] for name in ("calls", "total_exec_time_ms", "mean_exec_time_ms")]
    assert figures == ["90000", "900.000", "0.010"]
    assert rows[0]["total_exec_time_before_ms"] == ""
    harmful = next(row for row in rows if "calc" in row["sql"])
    assert harmful["sql"] == "'=cmd|'/C calc'!A1, \"x\"\n@second"
    assert harmful["kind"] == "'+kind"
    narrowed = person.get(f"{PATH}?format=csv&window=6h&q=t_wal").getvalue().decode()
    assert narrowed.count("\r\n") == 2


def test_an_empty_list_names_what_keeps_statements_out(person):
    of = world.server()
    world.step(of)
    run(of, [])
    missing = {"name": "Right to statistics", "status": "missing", "detail": "The login sees its own statements only.",
               "sql": 'GRANT pg_monitor TO "pgloupe";'}  # fmt: skip
    Server.objects.filter(pk=of.pk).update(preflight=[missing, {**missing, "status": "ok", "detail": "fine"}])
    body = unescape(re.sub(r"<[^>]+>", "", person.get(PATH).content.decode()))
    assert "No statement is counted" in body
    assert "The login sees its own statements only." in body
    assert 'GRANT pg_monitor TO "pgloupe";' in body


def test_the_statement_page_begins_with_its_text(person, mixed):
    found = Statement.objects.filter(server=mixed).first()
    body = person.get(f"{PATH}{found.fingerprint}/").content.decode()
    assert body.index('id="sql"') < body.index('aria-label="Summary"') < body.index('id="findings"')
    assert body.count('id="sql"') == 1


def test_plans_over_time(person):
    of = world.server()
    world.step(of)
    [statement] = world.figures(of, world.SHOP[:1], hours=1, every_s=300)
    executed = world.plan_of(statement)
    planned = keep_plan(
        statement, world.database(of), shape="feedbeef" * 4, plan=world.real_plan(), values_source="statistics",
        is_analyzed=False, not_analyzed_because="it calls a volatile function", total_cost=1234.5,
        server_version_num=world.SHOP_VERSION_NUM, now=timezone.now() + timedelta(hours=2),
    )  # fmt: skip
    path = f"{PATH}{statement.fingerprint}/?window=6h"
    page = person.get(path).content.decode()
    table = re.search(r'<div class="table-box plans-table">.*?</table>', page, flags=re.DOTALL)[0]
    rows = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)[1:]
    assert "Planned" in rows[0]  # the latest first
    assert "not executed" in rows[0]
    assert "Executed" in rows[1]
    assert 'aria-current="true"' in rows[1]  # but the one with measured times is drawn
    assert f'src="/plans/{executed.pk}/"' in page
    assert f'href="?window=6h&amp;plan={planned.pk}#plan"' in rows[0]
    other = person.get(f"{path}&plan={planned.pk}").content.decode()
    assert f'src="/plans/{planned.pk}/"' in other
    assert "it calls a volatile function" in other
    for odd in ("x", "0", "%00", "99999999999999999999"):
        assert f'src="/plans/{executed.pk}/"' in person.get(f"{path}&plan={odd}").content.decode(), odd


def test_an_n_plus_1_leads_from_child_to_parent_and_back(person):
    shop = world.shop(hours=3)
    child, parent = shop.statements[3], shop.statements[2]
    for here, there in ((child, parent), (parent, child)):
        page = person.get(f"{PATH}{here.fingerprint}/?window=6h").content.decode()
        assert f'href="{PATH}{there.fingerprint}/?window=6h"' in page
        assert "Statements in the same findings" in page
    alone = person.get(f"{PATH}{shop.statements[0].fingerprint}/").content.decode()
    assert "Statements in the same findings" not in alone


def test_of_findings_as_severe_one_without_a_time_comes_last(person):
    shop = world.shop(hours=1, every_s=600)
    timed, copy = (FindingRecord.objects.get(pk=shop.findings[0].pk) for _ in range(2))
    copy.pk, copy.key, copy.impact_s_per_day = None, "another", None
    copy.save()
    page = person.get(f"/servers/shop/statements/{shop.statements[0].fingerprint}/").content.decode()
    linked = list(dict.fromkeys(re.findall(r'href="/findings/(\d+)/"', page)))
    assert linked == [str(timed.pk), str(copy.pk)]


def test_a_table_leads_to_the_statements_that_touch_it(person):
    shop = world.shop(hours=3)
    page = person.get(f"{PATH}{shop.statements[0].fingerprint}/?window=6h").content.decode()
    link = unescape(re.search(r'href="([^"]+table=[^"]+)"', page)[1])
    found = rows_of(person.get(link))
    assert len(found) == Statement.objects.filter(tables__contains=["shop_order"]).count() == 2
    assert all("shop_order" in row for row in found)


def test_a_table_is_one_with_and_without_its_schema(person):
    shop = world.shop(hours=3)
    before = rows_of(person.get(f"{PATH}?window=6h&table=shop_order"))
    Statement.objects.filter(pk=shop.statements[0].pk).update(tables=["public.shop_order"])
    elsewhere = shop.statements[1]
    Statement.objects.filter(pk=elsewhere.pk).update(tables=["audit.shop_order", "audit.only_there"])
    page = person.get(f"{PATH}?window=6h").content.decode()
    assert re.findall(r'<option value="([\w.]*shop_order)"', page) == ["audit.shop_order", "shop_order"]
    for asked in ("shop_order", "public.shop_order"):
        answer = person.get(f"{PATH}?window=6h&table={asked}")
        assert len(rows_of(answer)) == len(before)
        assert '<option value="shop_order" selected>' in answer.content.decode()
    assert len(rows_of(person.get(f"{PATH}?window=6h&table=audit.shop_order"))) == 1


def test_the_overview_marks_what_is_new_since_yesterday(person):
    of = world.server()
    world.step(of)
    world.figures(of, world.SHOP[:4], hours=1, every_s=300)
    found = [world.scan_finding("f1"), world.key_finding(), world.nplusone_finding("f2", "f3")]
    codes = [check.code for check in all_checks()]
    keep_findings(of, world.database(of), found, codes, now=timezone.now() - timedelta(days=3))
    assert "none new since yesterday" in person.get("/").content.decode()
    assert "New</span>" not in person.get("/").content.decode()

    digest = re.search(r"_findings/\?have=(\w+)", person.get("/").content.decode())[1]
    FindingRecord.objects.filter(code="PL004").update(first_seen=timezone.now() - timedelta(hours=23))
    FindingRecord.objects.filter(code="SC001").update(reopened_at=timezone.now() - timedelta(hours=1))
    page = person.get("/").content.decode()
    rows = re.findall(r'<article class="finding-row action-row".*?</article>', page, flags=re.DOTALL)
    assert [("New</span>" in row, "Came back</span>" in row) for row in rows] == [
        (True, False), (False, False), (False, True),
    ]  # fmt: skip
    assert "3 open findings, 2 new since yesterday" in page
    assert page.count("2 new since yesterday") == 2  # the heading and the server's card
    assert b"New</span>" in person.get(f"/_findings/?have={digest}").content
