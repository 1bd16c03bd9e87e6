"""What PostgreSQL itself sends to look for a deleted row's children, recognised on real servers."""

import pytest

from analyzer.statements.key_checks import KeyCheck, key_check_of

PARENTS = """
create table parent (id int primary key, code varchar(20) unique, a int, b int, unique (a, b));
insert into parent select g, 'c' || g, g, g from generate_series(1, 5) g;
"""
CHILDREN = {
    "refused": "parent_id int references parent",
    "cascaded": "parent_id int references parent on delete cascade",
    "emptied": "parent_id int references parent on delete set null",
    "reset": "parent_id int default 1 references parent on delete set default",
    "by_code": "code varchar(20) references parent (code) on delete cascade",
    "by_two": "a int, b int, foreign key (a, b) references parent (a, b) on delete set null",
    '"Odd ""name"""': '"the Parent" int references parent on delete cascade',
}
EXPECTED = {
    KeyCheck("public", "refused", frozenset({"parent_id"})),
    KeyCheck("public", "cascaded", frozenset({"parent_id"})),
    KeyCheck("public", "emptied", frozenset({"parent_id"})),
    KeyCheck("public", "reset", frozenset({"parent_id"})),
    KeyCheck("public", "by_code", frozenset({"code"})),
    KeyCheck("public", "by_two", frozenset({"a", "b"})),
    KeyCheck("public", 'Odd "name"', frozenset({"the Parent"})),
    KeyCheck("public", "parted", frozenset({"parent_id"})),
}


@pytest.mark.postgres
def test_every_way_to_treat_children_is_recognised_and_nothing_else(scratch_database, any_postgres):
    database = scratch_database(any_postgres)
    tables = [f"create table {name} (id int, {columns})" for name, columns in CHILDREN.items()]
    parted = "create table parted (id int, parent_id int references parent) partition by hash (id)"
    part = "create table parted_0 partition of parted for values with (modulus 1, remainder 0)"
    database.execute(PARENTS, *tables, parted, part)
    with database.connect(autocommit=True) as connection:
        connection.execute("set pg_stat_statements.track = 'all'")
        connection.execute("insert into refused values (1, 1)")  # looks for its parent: that is none of ours
        connection.execute("insert into by_code values (1, 'c1')")
        connection.execute("delete from parent where id = 5")
        rows = connection.execute(
            "select s.query from pg_stat_statements s join pg_database d on d.oid = s.dbid"
            " where d.datname = current_database()"
        ).fetchall()
    found = [check for (text,) in rows if (check := key_check_of(text)) is not None]
    assert set(found) == EXPECTED


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT $2 FROM ONLY "public"."parent" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x',
        "SELECT id FROM public.child WHERE parent_id = $1 FOR KEY SHARE",
        "SELECT $1 FROM public.child WHERE $2 OPERATOR(pg_catalog.=) parent_id",  # locks nothing
        "DELETE FROM ONLY public.child WHERE $1 OPERATOR(pg_catalog.=) parent_id OR $2 OPERATOR(pg_catalog.=) id",
        "DELETE FROM child WHERE $1 OPERATOR(pg_catalog.=) parent_id",  # the server names the schema
        "DELETE FROM ONLY public.child WHERE $1 OPERATOR(pg_catalog.=) parent_id AND",
        "SELECT $1 FROM public.child x, public.parent y WHERE $2 OPERATOR(pg_catalog.=) x.a FOR KEY SHARE OF x",
        "",
    ],
)
def test_other_statements_are_none(sql):
    assert key_check_of(sql) is None
