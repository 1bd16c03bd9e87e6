"""A column of a type or a collation that the twin lacks: its table is there, and what hangs on the column is said."""

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

# base types of nobody's extension, as a superuser makes them of C functions: one of varying size, one of 8 bytes
TYPES = """
create type spot; create type serial_ip;
create function spot_in(cstring) returns spot language internal immutable strict as 'byteain';
create function spot_out(spot) returns cstring language internal immutable strict as 'byteaout';
create function ip_in(cstring) returns serial_ip language internal immutable strict as 'int8in';
create function ip_out(serial_ip) returns cstring language internal immutable strict as 'int8out';
create type spot (input = spot_in, output = spot_out, like = bytea);
create type serial_ip (input = ip_in, output = ip_out, like = int8);
create function same_ip(serial_ip, serial_ip) returns bool language internal immutable strict as 'int8eq';
create function less_ip(serial_ip, serial_ip) returns bool language internal immutable strict as 'int8lt';
create function compare_ip(serial_ip, serial_ip) returns int language internal immutable strict as 'btint8cmp';
create operator = (leftarg = serial_ip, rightarg = serial_ip, function = same_ip, restrict = eqsel, join = eqjoinsel);
create operator < (leftarg = serial_ip, rightarg = serial_ip, function = less_ip, restrict = scalarltsel);
create operator class ip_order default for type serial_ip using btree as
    operator 1 <, operator 3 =, function 1 compare_ip(serial_ip, serial_ip);
create domain office as spot check (value is not null);
create type stop as (label text, at spot);
create function near(spot, int) returns bool language plpgsql stable as 'begin return true; end';
create table place (
    id int primary key, owner int not null, at spot, main office, stop stop, spots spot[], ip serial_ip, name text,
    check (at is null or near(at, 5))
);
create index place_owner on place (owner) include (at);
create index place_ip on place (ip);
create table address (ip serial_ip primary key, place_id int not null);
create view shown as select id, owner, near(at, 3) as is_near from place;
insert into place select g, g % 500, ('spot' || g)::spot, ('main' || g)::spot, row('s', ('x' || g)::spot)::stop,
    array[('y' || g)::spot], (g::text)::serial_ip, 'n' || g from generate_series(1, 20000) as g;
insert into address select ((g + 7)::text)::serial_ip, g from generate_series(1, 5000) as g;
"""
PLANNED = (
    "select * from place where id = 7",
    "select id, at, near(at, 4) from place where owner = 3",
    "select count(main) from place where owner between 203 and 209 and name > 'n5'",
    "select * from address where place_id = 4",
    "select p.spots, p.stop, a.ip from place as p join address as a on a.place_id = p.id where p.owner = 4",
    "select owner, is_near from shown where id < 50",
    "update place set at = at, name = 'x' where owner = 6",
)
REFUSED = {
    "select id from place where at is null": "Column at has type spot, which the twin lacks",
    "select id from place where near(at, 4)": "Column at has type spot, which the twin lacks",
    "select id from place where near(spots[1], 4)": "Column spots has type spot, which the twin lacks",
    "select id from place where (stop).label = 's'": "Column stop has type spot, which the twin lacks",
    "select id from place where main is not null": "Column main has type spot, which the twin lacks",
    "select id from shown where is_near": "Column at has type spot, which the twin lacks",
    "select id from place where ip = '7'": "Column ip has type serial_ip, which the twin lacks",
    "select ip from place order by ip limit 4": "Column ip has type serial_ip, which the twin lacks",
    "select distinct ip from place": "Column ip has type serial_ip, which the twin lacks",
    "select place_id from place join address using (ip)": "Column ip has type serial_ip, which the twin lacks",
}
ICU = """
create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation numbers (provider = icu, locale = 'en-u-kn-true');
create domain title as text collate "de-x-icu" check (length(value) < 50);
create table person (id int primary key, name text collate loose, other text, k int);
create table book (id int primary key, title title not null, code text collate numbers, plain text);
create index person_name on person (name);
create index book_title on book (title);
create index book_french on book (plain collate "fr-x-icu");
create index book_swedish on book (lower(plain collate "sv-x-icu"));
create table part (name text collate "de-x-icu", k int) partition by range (name);
create table part_1 partition of part for values from ('a') to ('m');
create table part_2 partition of part for values from ('m') to ('z');
create table mixed (name text collate "de-x-icu", k int) partition by range (name);
create table mixed_1 partition of mixed for values from ('a') to ('B');
create table mixed_2 partition of mixed for values from ('B') to ('z');
create view turned as select id, name collate "it-x-icu" as name from person;
insert into person select g, 'Name' || g, 'O' || g, g from generate_series(1, 20000) as g;
insert into book select g, 'T' || g, 'c' || g, 'p' || g from generate_series(1, 20000) as g;
insert into part select 'b' || g, g from generate_series(1, 3000) as g;
insert into mixed select 'b' || g, g from generate_series(1, 3000) as g;
"""
EXACT = (
    "select * from person where k = 7",
    "select * from person where other like 'O77%'",
    "select * from book where title = 'T7'",
    "select * from book where plain = 'p8' collate \"fr-x-icu\"",
    "select * from book where lower(plain collate \"sv-x-icu\") = 'p8'",
    "select * from part where name = 'b7' and k > 5",
    "select * from turned where id = 7",
)
ASSUMED = (
    "select * from person where name = 'NAME7'",  # equal for the server, whatever its case
    "select * from person order by name limit 5",
    "select * from book where title like 'T7%'",
    "select * from book where code between 'c5' and 'c6'",
    "select title as t from book order by t limit 3",
    "select title, id from book order by 1 limit 3",
    "select max(code) from book",
    'select * from book order by plain collate "fr-x-icu" limit 4',
)


def query(sql, values=None):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0, values=values)


def servers_plan(server, sql):
    ((((answer,)),),) = server.execute(f"explain (format json) {sql}").fetchall()
    return answer["Plan"]


@pytest.fixture
def filled(request, any_postgres, scratch_database):
    database = scratch_database(any_postgres)
    with database.connect() as connection:
        connection.execute(request.param)
    database.vacuum()
    return database


@pytest.mark.parametrize("filled", [TYPES], ids=["types"], indirect=True)
def test_a_column_of_an_unknown_type_costs_only_what_uses_it(filled, var_dir):
    with connect(settings_of(filled.dsn)) as connection:
        place = read_schema(connection).find_table("place")
    with lease(settings_of(filled.dsn), var_dir) as twin, filled.connect() as server:
        for sql in PLANNED:
            planned, there = twin.explain(query(sql)), servers_plan(server, sql)
            assert not isinstance(planned, Refused), (sql, planned)
            rel = 0.001 if filled.server.version == 18 else 0.05  # of another version
            assert planned["Plan"]["Total Cost"] == pytest.approx(there["Total Cost"], rel=rel), sql
            assert sql.startswith("update") or planned["Plan"]["Plan Width"] == there["Plan Width"], sql
        for sql, reason in REFUSED.items():
            planned = twin.plan(query(sql))
            assert isinstance(planned, Refused), sql
            assert f"{reason} (made of C functions)." in planned.reason, sql
        said = [line for line in twin.limitations() if " type " in line]
        assert said == [
            "The twin lacks type serial_ip (made of C functions): address.ip and place.ip have a stand-in; what"
            " filters, joins or sorts by it is not planned",
            "The twin lacks type spot (made of C functions): place.at, place.main, place.stop and 1 other column"
            " have a stand-in; what filters, joins or sorts by it is not planned",
        ]
        # the other losses follow from these: no index is named that is on such a column
        assert {m.kind for m in twin.missing} <= {"function", "operator", "operator class", "operator family"}
        (index,) = twin.hypothesize([IndexDefinition(place, (IndexColumn("name"),), include=("at",))])
        named = query("select at from place where name = 'n77'")
        assert twin.plan(named, [index.id]).used == {index.id}


KEYS = (
    TYPES
    + """
create function at_most_ip(serial_ip, serial_ip) returns bool language internal immutable strict as 'int8le';
create function at_least_ip(serial_ip, serial_ip) returns bool language internal immutable strict as 'int8ge';
create function more_ip(serial_ip, serial_ip) returns bool language internal immutable strict as 'int8gt';
create operator <= (leftarg = serial_ip, rightarg = serial_ip, function = at_most_ip);
create operator >= (leftarg = serial_ip, rightarg = serial_ip, function = at_least_ip);
create operator > (leftarg = serial_ip, rightarg = serial_ip, function = more_ip);
alter operator family ip_order using btree add operator 2 <= (serial_ip, serial_ip),
    operator 4 >= (serial_ip, serial_ip), operator 5 > (serial_ip, serial_ip);
create function hash_ip(serial_ip, int8) returns int8 language internal immutable strict as 'hashint8extended';
create operator class ip_hash default for type serial_ip using hash as
    operator 1 =, function 2 hash_ip(serial_ip, int8);
create table ranged (ip serial_ip, k int) partition by range (ip);
create table ranged_1 partition of ranged for values from ('0') to ('3000');
create table ranged_2 partition of ranged default;
create table listed (k int, ip serial_ip) partition by list (ip);
create table listed_1 partition of listed for values in ('1', '2');
create table listed_2 partition of listed for values in ('3');
create table hashed (ip serial_ip, k int) partition by hash (ip);
create table hashed_1 partition of hashed for values with (modulus 2, remainder 0);
create table hashed_2 partition of hashed for values with (modulus 2, remainder 1) partition by range (ip, k);
create table hashed_3 partition of hashed_2 for values from (minvalue, minvalue) to (maxvalue, maxvalue);
create index on ranged (k);
insert into ranged select (g::text)::serial_ip, g % 900 from generate_series(1, 9000) as g;
insert into listed select g % 900, ((1 + g % 3)::text)::serial_ip from generate_series(1, 9000) as g;
insert into hashed select (g::text)::serial_ip, g % 900 from generate_series(1, 9000) as g;
"""
)


@pytest.mark.parametrize("filled", [KEYS], ids=["keys"], indirect=True)
def test_a_partition_key_of_an_unknown_type_costs_only_what_uses_it(filled, var_dir):
    with lease(settings_of(filled.dsn), var_dir) as twin, filled.connect() as server:
        for table in ("ranged", "listed", "hashed"):
            sql = f"select * from {table} where k = 7"
            planned, there = twin.explain(query(sql)), servers_plan(server, sql)
            assert not isinstance(planned, Refused), (sql, planned)
            assert planned["Plan"]["Total Cost"] == pytest.approx(there["Total Cost"], rel=0.05), sql
            assert len(planned["Plan"]["Plans"]) == len(there["Plans"]) == 2
            refused = twin.plan(query(f"select * from {table} where ip = '7' and k = 7"))
            assert isinstance(refused, Refused)
            assert "Column ip has type serial_ip, which the twin lacks" in refused.reason
        assert {m.kind for m in twin.missing} <= {"function", "operator", "operator class", "operator family"}


@pytest.mark.parametrize("filled", [ICU], ids=["icu"], indirect=True)
@pytest.mark.parametrize("any_postgres", [13, 15], indirect=True)  # the 18 of the tests is built without ICU
def test_a_column_of_an_icu_collation_keeps_its_table(filled, var_dir):
    # (an ordinary login on 13 may not read the statistics of an index's expressions)
    with lease(settings_of(filled.superuser_dsn), var_dir) as twin, filled.connect() as server:
        for sql in EXACT + ASSUMED:
            planned, there = twin.explain(query(sql)), servers_plan(server, sql)
            assert not isinstance(planned, Refused), (sql, planned)
            assert planned["Plan"]["Node Type"] == there["Node Type"], sql
            if sql in EXACT:
                assert planned["Plan"]["Total Cost"] == pytest.approx(there["Total Cost"], rel=0.02), sql
            assert (twin.assumed(sql) is None) == (sql in EXACT), sql
        assert twin.assumed(ASSUMED[0]) == (
            "It sorts or compares by collation loose (ICU, not deterministic), which the twin lacks and takes C.UTF-8"
            " for: its rows are assumed"
        )
        said = twin.limitations()
        assert (
            "The twin lacks collation loose (ICU, not deterministic): person.name has C.UTF-8 instead; estimates for"
            " what sorts, compares by range or matches patterns there are assumed" in said
        )
        # bounds that are in order by ICU alone: a plan of less than the whole would be a wrong one
        answer = twin.plan(query("select * from mixed where k = 7"))
        assert isinstance(answer, Refused)
        assert answer.reason.startswith("A partition of mixed is not on the twin: empty range bound")


def test_checks_and_domains_that_call_a_missing_function_cost_no_statistics(postgres18, scratch_database, var_dir):
    """Restoring sample values evaluates a domain's check, and an operator in a check cannot be looked up."""
    database = scratch_database(postgres18)
    database.execute(
        TYPES.partition("create domain office")[0],
        "create function is_short(serial_ip) returns bool language internal immutable strict as 'int8up'",
        "create domain small as serial_ip check (value = value)",
        "create table host (id int primary key, ip small, other serial_ip default '5', kind int, check (other = '5'))",
        "insert into host select g, (g::text)::serial_ip, '5', g % 40 from generate_series(1, 4000) as g",
    )
    database.vacuum()
    with lease(settings_of(database.dsn), var_dir) as twin, database.connect() as server:
        sql = "select * from host where kind = 4"
        planned = twin.explain(query(sql))["Plan"]
        there = servers_plan(server, sql)
        assert {k: planned[k] for k in ("Total Cost", "Plan Rows", "Plan Width")} == {
            k: there[k] for k in ("Total Cost", "Plan Rows", "Plan Width")
        }
        (lost,) = [str(m) for m in twin.missing if "host" in m.name]
        assert lost.startswith("checks and defaults of public.host: operator does not exist")


def test_stand_ins_hold_after_the_twin_was_kept_on_disk(postgres15, scratch_database, var_dir):
    database = scratch_database(postgres15)
    database.execute(ICU, TYPES)
    database.vacuum()
    for _ in range(2):
        with lease(settings_of(database.dsn), var_dir) as twin:
            assert "which the twin lacks" in twin.plan(query("select id from place where at is null")).reason
            assert twin.assumed("select * from book order by code") is not None
            assert isinstance(twin.plan(query("select * from mixed")), Refused)
    assert twin.timing.build_s == 0
