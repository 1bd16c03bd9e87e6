"""The twin plans as the server does: same shape, same cost, before and after indexes exist for real."""

import pytest

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import Query, Refused
from analyzer.monitored.catalog.planner_facts import read_planner_facts
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.twin import lease
from analyzer.twin.hypothetical_size import Size, estimate_size
from tests.servers import ScratchDatabase
from tests.twin.conftest import SCHEMA, settings_of, shape

pytestmark = pytest.mark.postgres

QUERIES = (
    'select * from account where profile @> \'{"city": "c17"}\'',
    "select * from account where tags @> array['x77']",
    "select * from account where search @@ to_tsquery('simple', 'bob')",
    "select * from account where name like '%c4ca4%'",
    "select * from account where email = 'user77@example.com'",
    "select id from account where deleted_at is null and mood = 'happy' order by created_at desc limit 10",
    "select count(*) from account where lower(name) = 'ann 0'",
    "select * from app.orders where account_id = 12 order by placed desc limit 3",
    "select account_id, sum(amount) from app.orders where placed >= '2024-06-01' group by account_id",
    "select * from app.orders where status = 'open' and placed < '2023-03-01'",
    "select a.name, o.amount from account as a join app.orders as o on o.account_id = a.id where o.note = 'Note 3'",
    "select * from event where at >= '2024-02-01' and at < '2024-02-02'",
    "select count(*) from event where account_id = 44",
    "select * from event where kind = 'k3' and at > '2024-09-01'",
    "select * from place where area = 7 order by id",
    "select * from spent where amount > 4000",
    "select email, amount from open_orders where placed > '2024-01-01' order by amount desc limit 5",
    "select max(id) from app.orders where app.cents(amount) > 100000 and account_id between 5 and 9",
    "select account_id from app.orders o where not exists (select from event e where e.account_id = o.account_id)",
    "with s as (select status, count(*) as n from app.orders group by status) select * from s where n > 100",
    "update app.orders set note = 'x' where account_id = 99",
    "delete from account where created_at < '2023-01-05'",
    "insert into place select 5000 + id, name, area from place where area = 3",
)
INDEXES = (
    ("public", "account", {"method": "gin"}, [("profile", {"opclass": "jsonb_path_ops"})]),
    ("public", "account", {"method": "gin"}, [("tags", {})]),
    ("public", "account", {"method": "gin"}, [("search", {})]),
    ("public", "account", {"method": "gin"}, [("name", {"opclass": "gin_trgm_ops"})]),
    ("public", "account", {"predicate": "deleted_at IS NULL"}, [("mood", {}), ("created_at", {"descending": True})]),
    ("public", "account", {}, [("lower(name)", {"is_expression": True})]),
    ("app", "orders", {"include": ("amount",)}, [("account_id", {}), ("placed", {"descending": True})]),
    ("app", "orders", {"predicate": "status = 'open'"}, [("placed", {})]),
    ("app", "orders", {"method": "hash"}, [("note", {})]),
    ("public", "event", {}, [("account_id", {})]),
    ("public", "event", {"method": "brin"}, [("at", {})]),
    ("public", "place", {"is_unique": True}, [("area", {}), ("id", {})]),
    ("public", "spent", {}, [("amount", {})]),
)  # fmt: skip

NO_AUTOVACUUM = """
do $$ declare t regclass; begin
    for t in select c.oid from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and n.nspname in ('public', 'app')
    loop execute format('alter table %s set (autovacuum_enabled = off)', t); end loop;
end $$
"""


def query(sql):
    return Query(key=sql, statement=sql, sql=sql, weight=1.0)


def definitions(facts):
    return [
        IndexDefinition(facts.find_table(table, schema), tuple(IndexColumn(n, **c) for n, c in columns), **options)
        for schema, table, options, columns in INDEXES
    ]


def explained(connection, sql, names=None):
    (((answer,),),) = connection.execute(f"explain (format json) {sql}").fetchall()
    return shape(answer["Plan"], names), answer["Plan"]["Total Cost"]


@pytest.fixture(scope="module")
def filled(postgres):
    database = ScratchDatabase(postgres(18))
    database.execute("create extension pageinspect")
    with database.connect() as connection:
        connection.execute(SCHEMA)
        # between the twin's reading and the server's plan autovacuum would make pages all-visible
        connection.execute(NO_AUTOVACUUM)
    database.vacuum()
    yield database
    database.drop()


@pytest.fixture(scope="module")
def compared(filled, var_dir):
    """Shapes and costs of every query: on both, before and after; (twin, server) pairs."""
    settings = settings_of(filled.superuser_dsn)
    with connect(settings) as connection:
        facts = read_schema(connection)
    wanted = definitions(facts)
    before, after, estimated = {}, {}, {}
    with lease(settings, var_dir) as twin, filled.connect() as server:
        assert twin.missing == ()
        for sql in QUERIES:
            before[sql] = _twin(twin, sql), explained(server, sql)
        names = {}
        for number, definition in enumerate(wanted):
            unique = "unique " if definition.is_unique else ""
            table = f"{definition.table.schema}.{definition.table.name}"
            server.execute(f"create {unique}index real{number} on {table} {definition.body()}")
        server.execute("analyze")
        with connect(settings) as connection:
            real = {(r.schema, r.name): r for r in read_planner_facts(connection).relations}
        by_definition = _real_names(server, wanted)

        def real_size(definition, _statistics, _rows):
            relation = real[by_definition[definition.table.qualified_name, definition.body()]]
            return Size(relation.blocks, relation.level, relation.gin)

        twin._hypothetical.estimator = real_size
        made = twin.hypothesize(wanted)
        for (table, body), (_, name) in by_definition.items():
            names[name] = (table, body)
        ids = [index.id for index in made]
        for sql in QUERIES:
            after[sql] = _twin(twin, sql, ids, names=_hypothetical_names(twin)), explained(server, sql, names)
        twin._hypothetical.drop_all()
        twin._plans.clear()
        twin._hypothetical.estimator = estimate_size
        ids = [index.id for index in twin.hypothesize(wanted)]
        for sql in QUERIES:
            estimated[sql] = _twin(twin, sql, ids, names=_hypothetical_names(twin)), explained(server, sql, names)
    return {"before": before, "after": after, "estimated": estimated}


def _twin(twin, sql, ids=(), names=None):
    shown, hidden = twin._relevant(query(sql), ids, ())
    answer = twin._explain(query(sql), shown, hidden)
    assert not isinstance(answer, Refused), (sql, answer)
    return shape(answer["Plan"], names), answer["Plan"]["Total Cost"]


def _hypothetical_names(twin):
    return {
        part.name: (f"{part.table.schema}.{part.table.name}", made.index.definition.body())
        for made in twin._hypothetical.made.values()
        for part in made.parts
    }


def _real_names(server, wanted):
    """(table, body) of each real index, partitions' too -> (schema, name)."""
    rows = server.execute(
        "select n.nspname, t.relname, i.relname, coalesce(p.relname, i.relname) from pg_index x"
        " join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid"
        " join pg_namespace n on n.oid = t.relnamespace left join pg_inherits h on h.inhrelid = i.oid"
        " left join pg_class p on p.oid = h.inhparent where coalesce(p.relname, i.relname) ~ '^real[0-9]+$'"
    ).fetchall()
    return {
        (f"{schema}.{table}", wanted[int(root.removeprefix("real"))].body()): (schema, index)
        for schema, table, index, root in rows
    }


def differing(pairs, within):
    """Queries whose plans are not of one shape, or whose costs are further apart."""
    found = {}
    for sql, (twin, server) in pairs.items():
        if twin[0] != server[0]:
            found[sql] = (twin, server)
        elif abs(twin[1] / server[1] - 1) > within:
            found[sql] = (twin[1], server[1])
    return found


def test_plans_are_the_servers_without_further_indexes(compared):
    assert differing(compared["before"], 0.001) == {}


def test_plans_are_the_servers_with_indexes_of_every_kind(compared):
    assert differing(compared["after"], 0.001) == {}


def test_plans_are_nearly_the_servers_with_estimated_sizes(compared):
    assert differing(compared["estimated"], 0.05) == {}
