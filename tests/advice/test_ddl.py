"""DDL, run as it would be copied, on real servers."""

import pytest

from analyzer.advice.ddl import create_index, equal_index
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.shapes import is_replaced_by, is_same_definition
from analyzer.advice.sizing.size import btree_index_size
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_names import index_name
from analyzer.schema.quoting import quote_identifier
from analyzer.values.column_statistics import ColumnStatistics

HOSTILE_NAMES = [
    "plain", "Mixed", "select", "user", "two words", 'quo"te', "dotted.name", "ümläut", "日本語" * 7, "1st", "$dollar",
    "semi;drop table x;--", "back\\slash", "it's", "percent%s", "a" * 63, "ü" * 31, "between", "primary", "_", "é́",
    "😀",     "new\nline", "interval", "window", "filter", "LIMIT",
]  # fmt: skip


def facts_of(database):
    with connect(ConnectionSettings.from_dsn(database.superuser_dsn, allow_local=True)) as session:
        return read_schema(session)


def run(database, statements):
    with database.connect() as connection:
        for statement in statements:
            connection.execute(statement.encode())


def valid_indexes(database, table="%"):
    with database.connect() as connection:
        connection.prepare_threshold = None
        return dict(
            connection.execute(
                "select c.relname, i.indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid"
                " join pg_class t on t.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace"
                " where n.nspname !~ '^pg_' and t.relname like %s and not i.indisprimary",
                (table,),
            ).fetchall()
        )


@pytest.mark.postgres
def test_hostile_names_are_quoted_and_undone(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    with database.connect() as connection:
        for name in HOSTILE_NAMES:
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"create schema {quoted}".encode())
            connection.execute(f"create table {quoted}.{quoted} ({quoted} int, other text)".encode())
    facts = facts_of(database)
    made = []
    for name in HOSTILE_NAMES:
        table = facts.find_table(name, name)
        assert table is not None, name
        ddl = create_index(IndexDefinition(table, (IndexColumn(name), IndexColumn("other", descending=True))), facts)
        assert len(ddl.name.encode()) <= 63
        run(database, ddl.statements)
        run(database, ddl.statements)  # IF NOT EXISTS
        made.append(ddl)
    assert valid_indexes(database) == {ddl.name: True for ddl in made}
    for ddl in made:
        run(database, ddl.undo_statements)
    assert valid_indexes(database) == {}


@pytest.mark.postgres
def test_quoting_agrees_with_the_server(scratch_database, any_postgres):
    """Keywords that are plain on this version may still be quoted: the parser's list is that of 18."""
    database = scratch_database(any_postgres)
    with database.connect() as connection:
        words = [row[0] for row in connection.execute("select word from pg_get_keywords()").fetchall()]
        for name in [*HOSTILE_NAMES, *words]:
            (quoted,) = connection.execute("select quote_ident(%s)", (name,)).fetchone()
            assert quote_identifier(name) in (quoted, '"' + name.replace('"', '""') + '"')
            if quoted != name:
                assert quote_identifier(name) == quoted


@pytest.mark.postgres
def test_every_kind_of_definition_is_accepted(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    database.execute(
        "create extension pg_trgm", "create table t (a int, b timestamptz not null, c text, d jsonb, e int[], f int)"
    )
    facts = facts_of(database)
    table = facts.find_table("t")
    definitions = [
        IndexDefinition(table, (IndexColumn("a"), IndexColumn("b", descending=True))),
        IndexDefinition(table, (IndexColumn("a", nulls_first=True),)),
        IndexDefinition(table, (IndexColumn("b", descending=True, nulls_first=False),)),
        IndexDefinition(table, (IndexColumn("c", opclass="text_pattern_ops"),)),
        IndexDefinition(table, (IndexColumn("c", opclass="gin_trgm_ops"),), "gin"),
        IndexDefinition(table, (IndexColumn("upper(c)", opclass="gin_trgm_ops", is_expression=True),), "gin"),
        IndexDefinition(table, (IndexColumn("lower(c)", is_expression=True), IndexColumn("a"))),
        IndexDefinition(table, (IndexColumn("d", opclass="jsonb_path_ops"),), "gin"),
        IndexDefinition(table, (IndexColumn("e"),), "gin"),
        IndexDefinition(table, (IndexColumn("a"),), include=("f", "c")),
        IndexDefinition(table, (IndexColumn("f"),), predicate="a IS NOT NULL"),
    ]
    names = set()
    for definition in definitions:
        ddl = create_index(definition, facts)
        run(database, ddl.statements)
        facts = facts_of(database)
        names.add(ddl.name)
    assert valid_indexes(database) == dict.fromkeys(names, True)
    assert len(names) == len(definitions)


@pytest.mark.postgres
def test_partitioned_table_with_two_levels(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    database.execute(
        "create table events (at date not null, kind int, payload text) partition by range (at)",
        "create table events_2023 partition of events for values from ('2023-01-01') to ('2024-01-01')",
        "create table events_2024 partition of events for values from ('2024-01-01') to ('2025-01-01')"
        " partition by list (kind)",
        "create schema archive",
        'create table archive."Events 1" partition of events_2024 for values in (1)',
        "create table events_2024_rest partition of events_2024 default",
        "create index by_hand on events_2023 (kind, at desc)",
        "insert into events values ('2023-05-05', 1, 'a'), ('2024-05-05', 1, 'b'), ('2024-05-05', 2, 'c')",
    )
    facts = facts_of(database)
    definition = IndexDefinition(facts.find_table("events"), (IndexColumn("kind"), IndexColumn("at", descending=True)))
    ddl = create_index(definition, facts)
    run(database, ddl.statements)
    assert valid_indexes(database) == {
        "ix_events_kind_at": True,
        "ix_events_2024_kind_at": True,
        "by_hand": True,
        "ix_Events 1_kind_at": True,
        "ix_events_2024_rest_kind_at": True,
    }
    assert ddl.notes[-1] == ("Becomes part of the new index, and would be dropped with it by the undo: public.by_hand.")
    run(database, ddl.undo_statements)
    assert valid_indexes(database) == {}


@pytest.mark.postgres
@pytest.mark.parametrize("column", ["kind", "k" * 60])
def test_two_indexes_of_the_same_columns_of_a_partitioned_table(scratch_database, postgres18, column):
    """Planned together, of the first only the whole table's name is handed over."""
    database = scratch_database(postgres18)
    database.execute(
        f"create table events (at date not null, {column} int) partition by range (at)",
        "create table events_2023 partition of events for values from ('2023-01-01') to ('2024-01-01')",
    )
    facts = facts_of(database)
    table = facts.find_table("events")
    first = create_index(IndexDefinition(table, (IndexColumn(column),)), facts)
    second = create_index(IndexDefinition(table, (IndexColumn(column, descending=True),)), facts, {first.name})
    run(database, [*first.statements, *second.statements])
    found = valid_indexes(database)
    assert {first.name, second.name} <= set(found)
    assert list(found.values()) == [True] * 4
    run(database, [*second.undo_statements, *first.undo_statements])
    assert valid_indexes(database) == {}


@pytest.mark.postgres
def test_invalid_leftover_is_dropped_first(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    database.execute("create table t (a int)", "insert into t values (1), (1)")
    with database.connect() as connection, pytest.raises(Exception, match="could not create unique index"):
        connection.execute("create unique index concurrently ix_t_a on t (a)")
    assert valid_indexes(database) == {"ix_t_a": False}
    facts = facts_of(database)
    ddl = create_index(IndexDefinition(facts.find_table("t"), (IndexColumn("a"),)), facts)
    assert ddl.statements == (
        "DROP INDEX CONCURRENTLY IF EXISTS public.ix_t_a",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_t_a ON public.t (a)",
    )
    run(database, ddl.statements)
    assert valid_indexes(database) == {"ix_t_a": True}


@pytest.mark.parametrize("name", ["select", "Order", "a b", 'a"b', "a.b", "", "ä", "1a", "user", "between", "left"])
def test_names_that_need_quotes(name):
    assert quote_identifier(name) == '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("name", ["a", "_a1", "a$", "status", "name", "type", "date"])
def test_names_that_need_none(name):
    assert quote_identifier(name) == name


def test_name_is_unlike_those_taken():
    assert index_name("t", ["a"]) == "ix_t_a"
    assert index_name("t", ["a"], {"ix_t_a"}) == "ix_t_a_2"
    assert index_name("t", ["a"], {"ix_t_a", "ix_t_a_2"}) == "ix_t_a_3"


@pytest.mark.parametrize("letter", ["x", "ü", "日", "😀"])
def test_long_names_are_cut_at_a_character_and_stay_distinct(letter):
    first = index_name(letter * 40, ["column_one", "column_two"])
    second = index_name(letter * 40, ["column_one", "column_tree"])
    assert first != second
    assert len(first.encode()) <= 63
    assert first.startswith(f"ix_{letter}")
    third = index_name(letter * 40, ["column_one", "column_two"], {first})
    assert third not in {first, second}


def table_with(*indexes):
    columns = (ColumnFacts("a", 1, "integer", 23, False, 1e6), ColumnFacts("b", 2, "integer", 23, True, 1e6))
    return TableFacts(10, "public", "t", "r", 1e6, 10**8, columns, indexes)


def test_script_ends_each_statement():
    table = table_with()
    facts = SchemaFacts("d", 150000, (table,))
    ddl = create_index(IndexDefinition(table, (IndexColumn("a"), IndexColumn("b", True))), facts)
    assert ddl.text == "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_t_a_b ON public.t (a, b DESC);\n"
    assert ddl.undo_text == "DROP INDEX CONCURRENTLY IF EXISTS public.ix_t_a_b;\n"


@pytest.mark.parametrize(
    ("index", "same"),
    [
        (IndexFacts(1, "public", "i", "btree", ("a",), options=(0,)), True),
        (IndexFacts(1, "public", "i", "btree", ("a",), options=(3,)), False),
        (IndexFacts(1, "public", "i", "hash", ("a",)), False),
        (IndexFacts(1, "public", "i", "btree", ("a", "b")), False),
        (IndexFacts(1, "public", "i", "btree", ("a",), predicate="(a > 1)"), False),
        (IndexFacts(1, "public", "i", "btree", ("a",), include=("b",)), False),
        (IndexFacts(1, "public", "i", "btree", ("a",), is_default_opclass=(False,)), False),
    ],
)
def test_same_definition(index, same):
    assert is_same_definition(IndexDefinition(table_with(), (IndexColumn("a"),)), index) is same


@pytest.mark.parametrize(
    ("built", "asked", "same"),
    [
        ("a.norm(b)", "a.norm(b)", True),
        ("a.norm(b)", "norm(b)", True),  # as a statement names it
        ("a.norm(b)", "c.norm(b)", False),
        ("lower(a.norm(b))", "lower(c.norm(b))", False),
        ("((b)::a.mood)", "b::a.mood", True),
        ("((b)::a.mood)", "b::c.mood", False),
    ],
)
def test_functions_and_types_of_another_schema_are_others(built, asked, same):
    by_key = IndexFacts(1, "public", "i", "btree", (None,), expressions=(built,))
    by_predicate = IndexFacts(2, "public", "j", "btree", ("a",), predicate=f"({built} > 'x')")
    table = table_with(by_key, by_predicate)
    keyed = IndexDefinition(table, (IndexColumn(asked, is_expression=True),))
    partial = IndexDefinition(table, (IndexColumn("a"),), predicate=f"{asked} > 'x'")
    assert [equal_index(keyed, table), equal_index(partial, table)] == ([by_key, by_predicate] if same else [None] * 2)
    longer = table_with(IndexFacts(3, "public", "k", "btree", (None, "a"), expressions=(built,)))
    wanted = IndexDefinition(longer, (IndexColumn(asked, is_expression=True),))
    assert is_replaced_by(wanted, longer.indexes[0]) is same
    statistics = {built: ColumnStatistics(n_distinct=9.0, avg_width_bytes=5, type_oid=25, type_name="text")}
    assert (btree_index_size(wanted, statistics) is not None) is same


def test_attach_partition_takes_no_unique_index():
    for unique in (False, True):
        table = table_with(IndexFacts(1, "public", "i", "btree", ("a",), is_unique=unique))
        assert (equal_index(IndexDefinition(table, (IndexColumn("a"),)), table) is None) is unique


@pytest.mark.parametrize(
    ("column", "predicate", "left"),
    [
        (IndexColumn("a"), "b = 'open'", {"columns": ("a",), "predicate": "(b = 'open'::text)"}),
        (IndexColumn("lower(b)", is_expression=True), None, {"columns": (None,), "expressions": ("lower(b)",)}),
    ],
)
def test_what_a_failed_build_left_is_dropped_first(column, predicate, left):
    table = table_with(IndexFacts(1, "public", "broken", "btree", is_valid=False, **left))
    ddl = create_index(IndexDefinition(table, (column,), predicate=predicate), SchemaFacts("d", 150000, (table,)))
    assert "DROP INDEX CONCURRENTLY IF EXISTS public.broken;\n" in ddl.text
