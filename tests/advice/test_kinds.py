"""Every kind of index, asked for, built on a real server and used by its planner; and what refuses no row."""

from datetime import UTC, datetime

import psycopg
import pytest

from analyzer.advice.advise import advise
from analyzer.advice.cause_in_plan import over_tables
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_json, advice_as_sql, advice_as_text
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.questions.predict import predict
from analyzer.twin import lease
from tests.servers import ScratchDatabase

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 11, 30, tzinfo=UTC)
SCHEMA = (
    "create domain longtext as varchar(4000)",
    "create domain deeper as longtext",
    """create table people (id int primary key, email text, city varchar(40), code char(9), plain text collate "C",
        tags text[], doc jsonb, during tstzrange, loc point, ip inet, body text, at timestamptz, made timestamp,
        n numeric, kind text, mail varchar(4000), note deeper, words varchar(3000)[], a varchar(400),
        b varchar(400))""",
    """insert into people select g, 'e' || g, 'city' || g, 'x' || g, 'p' || g, array['t' || g % 3000, 'z'],
        jsonb_build_object('sku', 'S' || g, 'k', g % 1000),
        tstzrange(timestamptz '2020-01-01' + g * interval '1 h', timestamptz '2020-01-01' + (g + 2) * interval '1 h'),
        point(g % 200, g / 200), ('10.' || g % 250 || '.' || g % 200 || '.1')::inet, 'hello world word' || g,
        timestamptz '2024-01-01' + g * interval '10 min', timestamp '2024-01-01' + g * interval '10 min', g / 7.0,
        'k' || g % 9, 'm' || g, 'n' || g, array['w' || g], 'a' || g % 200, 'b' || g % 300
        from generate_series(1, 30000) as g""",
    "create table logs (id int primary key, who int, what int, text text)",
    "create table pages (id int primary key, url text, token text, filler varchar(2000))",
    """insert into pages select g, case when g % 9999 = 0 then (select string_agg(md5(n::text || g), '')
        from generate_series(1, 128) as n) else 'https://example.org/' || md5(g::text) || md5((g + 1)::text) end,
        't' || g, repeat('f', 40) from generate_series(1, 30000) as g""",
    "insert into logs select g, g % 5000, g % 4000, 't' || g from generate_series(1, 30000) as g",
    "create table spans (id int primary key, start timestamp, stop timestamp)",
    """insert into spans select g, timestamp '2024-01-01' + g * interval '1 h', timestamp '2024-01-01' + (g + 1)
        * interval '1 h' from generate_series(1, 30000) as g""",
)
KINDS = {
    # text that starts with something, where the collation is not C
    "email like 'e77%'": "(email text_pattern_ops)",
    "city like 'city77%'": "(city text_pattern_ops) INCLUDE (id)",
    "code like 'x77%'": "(code bpchar_pattern_ops) INCLUDE (id)",
    "plain like 'p77%'": "(plain) INCLUDE (id)",
    "starts_with(email, 'e77')": "(email text_pattern_ops)",
    "email ^@ 'e77'": "(email text_pattern_ops)",
    "email ~ '^e77'": "(email text_pattern_ops)",
    "email similar to 'e77%'": "(email text_pattern_ops)",
    "upper(city::text) like upper('city77%')": "((upper(CAST(city AS text))) text_pattern_ops)",
    "lower(email) like lower('E77') || '%'": "((lower(email)) text_pattern_ops)",
    "email like concat('e777', '%')": "USING gin (email gin_trgm_ops)",
    "id::text like '777%'": "((CAST(id AS text)) text_pattern_ops)",
    # inside texts
    "email ilike '%777%'": "USING gin (email gin_trgm_ops)",
    "upper(city::text) like upper('%y777%')": "USING gin ((upper(CAST(city AS text))) gin_trgm_ops)",
    "email like any (array['e77%', '%778'])": "USING gin (email gin_trgm_ops)",
    "email ilike any ('{%777%,%778%}')": "USING gin (email gin_trgm_ops)",
    "lower(email) ~ any (array['^e77', '8888$'])": "USING gin ((lower(email)) gin_trgm_ops)",
    "email ilike all (array['%777%', '%e%'])": None,
    "to_tsvector('english', body) @@ to_tsquery('english', 'word77')": "USING gin ((to_tsvector('english', body)))",
    # expressions
    "doc ->> 'sku' = 'S77'": "((doc ->> 'sku'))",
    "doc #>> '{sku}' = 'S77'": "((doc #>> '{sku}'))",
    "(doc ->> 'k')::int = 7": "((CAST(doc ->> 'k' AS integer)))",
    "md5(body) = 'abc'": "((md5(body)))",
    "made::date = date '2024-03-01'": "((CAST(made AS date)))",
    "date_trunc('day', made) = timestamp '2024-03-01'": "((date_trunc('day', made)))",
    "(at at time zone 'UTC')::date = date '2024-03-01'": "((CAST(pg_catalog.timezone('UTC', at) AS date)))",
    "coalesce(n, 0) = 7": "((COALESCE(n, 0)))",
    "lower(kind || city) = 'k1city10'": "((lower(kind || city)))",
    "(id % 1000, id) in ((7, 7))": None,
    # contents, ranges, networks
    "tags @> array['t7']": "USING gin (tags)",
    "array['t7'] <@ tags": "USING gin (tags)",
    "doc @> '{\"sku\": \"S77\"}'": "USING gin (doc jsonb_path_ops)",
    "doc ? 'nothing'": "USING gin (doc)",
    "during && tstzrange('2021-01-01', '2021-01-02')": "USING gist (during)",
    "during @> timestamptz '2021-01-01'": "USING gist (during)",
    "loc <@ box '((3,3),(4,4))'": "USING gist (loc)",
    "ip && inet '10.3.3.0/24'": "USING gist (ip inet_ops)",
    "true order by loc <-> point(3, 4) limit 5": "USING gist (loc)",
    "true order by lower(email) limit 5": "((lower(email)))",
    # what a B-tree may refuse
    "mail = 'm77'": "USING hash (mail)",
    "note = 'n77'": "USING hash (note)",
    "lower(mail) = 'm77'": "USING hash ((lower(mail)))",
    "mail like 'm77%'": "USING gin (mail gin_trgm_ops)",
    "doc = '{}'": "USING hash (doc)",
    "words && array['w7']::varchar[]": None,
    "mail > 'm9' order by mail limit 9": None,
}  # fmt: skip


@pytest.fixture(scope="module", params=[15, 18], ids=["pg15", "pg18"])
def known(request, postgres, var_dir):
    database = ScratchDatabase(postgres(request.param))
    database.execute(*SCHEMA)
    database.vacuum()
    server = ConnectionSettings.from_dsn(database.dsn)
    with connect(server) as connection:
        facts = read_schema(connection)
    with lease(server, var_dir) as twin:
        yield database, twin, facts
    database.drop()


def test_each_kind_is_proposed_built_and_used(known):
    database, twin, facts = known
    found = {}
    for where, wanted in KINDS.items():
        sql = f"select id from people where {where}"
        foretold = predict(twin, facts, sql, now=NOW)
        found[where] = next((like.definition for like in foretold.likes), None)
        if wanted is None:
            found[where] = None if foretold.likes == () or where.startswith("(id %") else foretold.likes
            continue
        with database.connect() as connection:
            for statement in (s for like in foretold.likes for s in like.ddl.statements):
                connection.execute(statement)
            plan = str(connection.execute(f"explain (format json) {sql}").fetchone()[0])
            assert all(like.ddl.name in plan for like in foretold.likes), (where, plan)
            for statement in (s for like in foretold.likes for s in like.ddl.undo_statements):
                connection.execute(statement)
    assert found == KINDS


def test_what_is_built_as_told_refuses_no_row(known):
    """Values as wide as the columns take them, of characters of four bytes that do not compress."""
    database, twin, facts = known
    asked = ["mail = 'm77'", "note = 'n77'", "a = 'a7' and b = 'b7'", "a = 'a7' and lower(mail) = 'm77'"]
    texts = [WorkloadStatement(w, f"select b from people where {w}", 10, 1, 1) for w in asked]
    advice = advise(twin, texts, facts, SelectionOptions(), now=NOW)
    assert len(advice.proposals) >= 3
    wide = "(select string_agg(chr(65536 + (random() * 20000)::int), '') from generate_series(1, {}))"
    with database.connect() as connection:
        for proposal in advice.proposals:
            for statement in proposal.ddl.statements:
                connection.execute(statement)
        columns = {"mail": 4000, "note": 4000, "a": 400, "b": 400}
        values = ", ".join(wide.format(length) for length in columns.values())
        connection.execute(f"insert into people (id, {', '.join(columns)}) select -1, {values}")
        for proposal in advice.proposals:
            for statement in proposal.ddl.undo_statements:
                connection.execute(statement)
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):  # so the row is what a B-tree refuses
            connection.execute("create index refuses on people (a, mail)")
        connection.execute("delete from people where id < 0")


def test_texts_without_declared_length_are_hashed_or_cautioned(known):
    """A few values of 4 kB that do not compress are stored out of line: ANALYZE counts each as 18 bytes."""
    database, twin, facts = known
    asked = ["url = 'u77'", "token = 't77'", "token > 't9' order by token limit 9"]
    texts = [WorkloadStatement(w, f"select id from pages where {w}", 1000, 1, 1) for w in asked]
    advice = advise(twin, texts, facts, SelectionOptions(), now=NOW)
    bodies = {p.chosen.index.definition.body(): p.ddl for p in advice.proposals}
    assert "USING hash (url)" in bodies
    [said] = next(ddl for body, ddl in bodies.items() if body.startswith("(token")).cautions
    assert said == (
        "token has no declared length: with this index an INSERT of a value above 2,704 bytes (compressed) would fail,"
        " and its build where one is there."
    )
    script = advice_as_sql(advice)
    assert f"-- {said}\nCREATE INDEX" in script
    assert f"   {said}\n" in advice_as_text(advice)
    assert said in {remark for index in advice_as_json(advice)["indexes"] for remark in index["remarks"]}
    long = "(select string_agg(md5(n::text || random()), '') from generate_series(1, 128) as n)"
    with database.connect() as connection:
        for statement in script.split(";\n"):
            connection.execute(statement) if statement.strip() else None
        connection.execute(f"insert into pages (id, url) select -1, {long}")
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):  # as the caution says
            connection.execute(f"insert into pages (id, token) select -2, {long}")
        for proposal in advice.proposals:
            for statement in proposal.ddl.undo_statements:
                connection.execute(statement)
        connection.execute("delete from pages where id < 0")


REASONS = {
    "people where id = 7": "people_pkey on public.people serves it already; no other index makes it cheaper.",
    "people where id = 7.0": (
        "The value that id is compared with is of type numeric, so the server casts id (integer) for each row, and an"
        " index on it cannot serve that. Send the value as integer, or write it ::integer. One with a fraction, which"
        " that would round, equals none."
    ),
    """people where city = 'x' collate "POSIX\"""": (
        'It compares city in collation "POSIX", and no index in another one serves that. An index on (city COLLATE'
        ' "POSIX") does.'
    ),
    "people where at::date = date '2024-03-01'": (
        "CAST(at AS date) depends on the session's TimeZone, so no index can hold it. A range of at itself can ask for"
        " the same rows (at >= start AND at < end), and an index on at serves that."
    ),
    "people where extract(hour from at) = 3": (
        "EXTRACT(HOUR FROM at) depends on the session's TimeZone, so no index can hold it. With the zone named, as in"
        " at AT TIME ZONE 'UTC' in the place of at, an index on the expression can."
    ),
    "people where to_tsvector(body) @@ to_tsquery('word77')": (
        "to_tsvector(body) depends on default_text_search_config, so no index can hold it. With the configuration"
        " named, as in to_tsvector('english', ...), in the statement and in a GIN index, it can."
    ),
    "people where 't7' = any (tags)": (
        "No index serves = ANY (tags). tags @> ARRAY[...] asks for the same rows, and a GIN index on tags serves that."
    ),
    "people where id + 0 = (random() * 1000)::int": (
        "It compares id with random(), which is volatile: computed anew for each row, so no index can be searched for"
        " it. As (SELECT random()) it is computed once."
    ),
    "people where doc ->> $1 = $2": (
        "An index on doc ->> $1 would need the constant in the place of $1, which the recorded text does not hold. It"
        " is told by a run seen in pg_stat_activity, or by asking with the values in the text (manage.py predict, or"
        " Try a statement)."
    ),
    "people where abs(n - 52.51) < 0.001": (
        "abs(n - ?) is computed with a constant: an index would hold what comes of that, and serve no other value. A"
        " condition on n itself could use one, where the rest can be computed on the other side."
    ),
    "people where kind <> 'k1'": "Its conditions on public.people exclude values of kind: no index narrows that down.",
    "people p join logs l on l.id = p.id where p.body = 'x' or l.text = 'y'": (
        "Its OR joins conditions on l and p: until the rows are joined none of them can leave any out, whatever indexes"
        " there are. One query for each side of the OR, joined by UNION, lets each use its own."
    ),
    "people where id = 7 or kind in (select text from logs)": (
        "Its OR joins a condition with a subquery, which is looked up for each row. One query for each side of the OR,"
        " joined by UNION, lets each use an index."
    ),
    "people where n is not distinct from 7": (
        "No index serves IS NOT DISTINCT FROM. Where the value is never NULL, = asks the same; else (x = $1 OR (x IS"
        " NULL AND $1 IS NULL))."
    ),
    "people where kind is distinct from 'k1' limit 10": (
        "It stops as soon as it has the rows it asks for: the planner expects it to read at most 1% of public.people,"
        " row after row, and no index to find them sooner."
    ),
    "people where length(body) > 3": (
        "The planner expects 10,000 of about 30,000 rows of public.people to be wanted (33%): reading it whole is"
        " cheaper than fetching so many through an index."
    ),
    "people where a = coalesce(null, a)": (
        "a = COALESCE(NULL, a) compares a with itself, which a IS NOT NULL asks as well. In code: Django's filter() or"
        " SQLAlchemy's where(), called only when there is a value."
    ),
    "people where a = case when $1 then $2 else a end": (
        "a = CASE WHEN $1 THEN $2 ELSE a END compares a with itself in one of its cases, which leaves out its NULLs"
        " alone. Send a IS NOT NULL there and a = $2 otherwise: an index on a serves the latter. In code: Django's"
        " filter() or SQLAlchemy's where(), called only when there is a value."
    ),
    "people where case when $1 then a = $2 else true end": (
        "CASE WHEN $1 THEN a = $2 ELSE TRUE END is true of every row in one of its cases. Send a = $2 alone, and only"
        " in the other: an index can serve that. In code: Django's filter() or SQLAlchemy's where(), called only when"
        " there is a value."
    ),
    "people where coalesce(a = $1, true)": (
        "COALESCE(a = $1, TRUE) is true of every row where there is no value. Send (a = $1 OR a IS NULL) only when"
        " there is one: an index can serve that. In code: Django's filter() or SQLAlchemy's where(), called only when"
        " there is a value."
    ),
    "people where a = b": (
        "a = b compares columns of the same row, of which an index on either tells nothing. A partial index with WHERE"
        " a = b holds just the rows that it asks for."
    ),
    "people where n > id + 5": (
        "n > id + ? compares columns of the same row, of which an index on either tells nothing."
    ),
    "people where exists (select 1 from unnest(tags) t where t = 'x')": (
        "unnest(tags) takes tags apart for each row, and no index knows what comes of it. tags @> ARRAY[...] asks for"
        " the rows that hold such an element, and a GIN index on tags serves that."
    ),
    "people where exists (select from unnest(tags) t where t like 'x%')": (
        "unnest(tags) takes tags apart for each row, and no index knows what comes of it."
    ),
    "people p cross join jsonb_array_elements(p.doc -> 'x') as e where e ->> 'a' = 'b'": (
        "jsonb_array_elements(doc -> 'x') takes doc -> 'x' apart for each row, and no index knows what comes of it. doc"
        " -> 'x' @> '[...]' asks for the rows that hold such an element, and a GIN index on ((doc -> 'x'))"
        " (jsonb_path_ops) serves that."
    ),
    "people where random() < 0.01": (
        "random() is volatile: computed anew for each row, so all of them are read. TABLESAMPLE SYSTEM (n) reads n"
        " percent of its pages instead."
    ),
    "spans where (start, stop) overlaps ($1, $2)": (
        "OVERLAPS is a function to PostgreSQL, and no index serves it. tsrange(start, stop) && tsrange(...) asks the"
        " same where each start is before its stop, and a GiST index on ((tsrange(start, stop))) serves that."
    ),
    "spans where stop > start + interval '90 minutes'": (
        "stop > start + CAST('?' AS interval) compares columns of the same row, of which an index on either tells"
        " nothing. Asked as stop - start compared with a value, it is served by an index on ((stop - start))."
    ),
    "people where mail > 'm9' order by mail limit 9": (
        "mail is a character varying(4000) and can take 16,000 bytes; a B-tree entry holds 2,704, and with an index on"
        " it a row that is wider could not be written any more."
    ),
}


def test_no_index_has_a_cause_and_a_cure(known):
    _, twin, facts = known
    said = {text: predict(twin, facts, f"select * from {text}", now=NOW).why_none for text in REASONS}
    assert said == REASONS


@pytest.mark.parametrize(
    "condition",
    [
        "a = coalesce($1, a)", "$1 is null or a = $1", "(a = $1 or $1 is null) and (n = $2 or $2 is null)",
        "$1::text is null or a = $1", "nullif($1, '') is null or a = $1",
    ],
)  # fmt: skip
def test_what_may_be_left_out_is_indexed_for_where_it_is_not(known, condition):
    _, twin, facts = known
    liked = predict(twin, facts, f"select * from people where {condition}", now=NOW).likes
    assert [each.definition for each in liked] in (["(a)"], ["(n)"])


CURES = {  # what is to be asked, and the index that is to serve it
    "people where a = b": "people (id) where a = b",
    "people where tags @> array['x']": "people using gin (tags)",
    """people where doc -> 'x' @> '[{"a": "b"}]'""": "people using gin ((doc -> 'x') jsonb_path_ops)",
    "spans where tsrange(start, stop) && tsrange('2024-01-02', '2024-01-03')": (
        "spans using gist ((tsrange(start, stop)))"
    ),
    "spans where stop - start > interval '90 minutes'": "spans ((stop - start))",
    "people where a = 'a7' or a is null": "people (a)",
    """people where city = 'x' collate "POSIX\"""": """people (city collate "POSIX")""",
}


def test_the_index_of_a_cure_serves_what_it_says_to_ask(known):
    database, _, _ = known
    with database.connect() as connection:
        for asked, index in CURES.items():
            connection.execute(f"create index cure on {index}")
            connection.execute("analyze people, spans")
            plan = str(connection.execute(f"explain (format json) select * from {asked}").fetchone()[0])
            connection.execute("drop index cure")
            assert "'cure'" in plan, (asked, plan)


def test_a_subquery_that_must_not_be_true_is_no_arm_for_a_union(known):
    _, twin, facts = known
    for arm in ("kind not in (select text from logs)", "not exists (select from logs where what = n and id > 3)"):
        said = predict(twin, facts, f"select * from people where id = 7 or {arm}", now=NOW).why_none
        assert "UNION" not in said, said


@pytest.mark.parametrize(
    ("condition", "is_told"),
    [
        ("((kind = 'x'::text) OR (hashed SubPlan 1))", True),
        ("((kind = 'x'::text) OR (SubPlan 1))", True),
        ("((kind = 'x'::text) OR (alternatives: SubPlan 1 or hashed SubPlan 2))", True),
        ("((kind = 'x'::text) OR (ANY (id = (hashed SubPlan 1).col1)))", True),
        ("((kind = 'x'::text) OR EXISTS(SubPlan 1))", True),
        ("((kind = 'x'::text) OR (ANY ((id = (SubPlan 1).col1) AND (n = (SubPlan 1).col2))))", True),
        ("((kind = 'x'::text) OR (NOT (hashed SubPlan 1)))", False),
        ("((kind = 'x'::text) OR (NOT EXISTS(SubPlan 1)))", False),
        ("((kind = 'x'::text) OR (NOT (ANY (id = (hashed SubPlan 1).col1))))", False),
        ("((hashed SubPlan 1) OR (hashed SubPlan 2))", False),
        ("((hashed SubPlan 1) AND ((kind = 'x'::text) OR (id = 7)))", False),
        ("((kind = 'x'::text) OR (id = (InitPlan 1).col1))", False),
        ("((kind = 'x'::text) OR (id = $0))", False),
        ("((kind = ' OR SubPlan 1'::text) AND (id = 7))", False),
    ],
)
def test_an_or_with_a_subquery_is_read_as_each_version_prints_it(condition, is_told):
    said = over_tables({"Node Type": "Seq Scan", "Relation Name": "people", "Filter": condition})
    assert (said is not None and "UNION" in said) == is_told, said


def test_each_arm_of_an_or_gets_its_index(known):
    _, twin, facts = known
    sql = "select * from logs where (who = 3 and id > 7) or (text = 't7' and what < 3900)"
    found = predict(twin, facts, sql, now=NOW)
    assert len(found.likes) == 2, found.why_none
    # a restriction that the planner takes out of an OR over a join
    sql = (
        "select * from people p join logs l on l.id = p.id where (p.kind = 'k1' and p.a = 'a7' and l.who = 3)"
        " or (p.kind = 'k2' and p.a = 'a9' and l.who = 4)"
    )
    assert {like.table for like in predict(twin, facts, sql, now=NOW).likes} & {"public.logs", "public.people"}


def test_a_constant_that_a_run_showed_becomes_a_part_of_the_index(known):
    _, twin, facts = known
    sql = "select * from people where doc ->> $1 = $2"
    sample = "select * from people where doc ->> 'sku' = 'S77'"
    like = WorkloadStatement("like", "select * from people where upper(city) like upper($1)", 10, 1, 1,
                             samples=("select * from people where upper(city) like upper('city77%')",))  # fmt: skip
    told = advise(
        twin, [WorkloadStatement("a", sql, 10, 1, 1, samples=(sample,)), like], facts, SelectionOptions(), now=NOW
    )
    assert sorted(p.chosen.index.definition.body() for p in told.proposals) == [
        "((doc ->> 'sku'))", "((upper(city)) text_pattern_ops)",
    ]  # fmt: skip
    silent = advise(twin, [WorkloadStatement("a", sql, 10, 1, 1)], facts, SelectionOptions(), now=NOW)
    assert silent.proposals == ()


def test_a_constant_in_which_runs_differ_is_no_part_of_an_index(known):
    _, twin, facts = known
    runs = tuple(f"select * from people where doc ->> '{key}' = 'S77'" for key in ("sku", "name"))
    sql = "select * from people where doc ->> $1 = $2"
    advice = advise(twin, [WorkloadStatement("a", sql, 10, 1, 1, samples=runs)], facts, SelectionOptions(), now=NOW)
    assert advice.proposals == ()
    assert advice.effects[0].why_not in {
        f"An index on doc ->> '{key}' would be for one constant alone, and the runs that were seen differ in it, or it"
        " may be somebody's data. doc @> jsonb_build_object(field, value) asks for any field's text, and a GIN index on"
        " doc serves that."
        for key in ("sku", "name")
    }
