import pytest

from analyzer.schema.facts import ColumnFacts, SchemaFacts, TableFacts
from analyzer.statements.variables import with_parameters


def table(name: str, *columns: str) -> TableFacts:
    return TableFacts(
        hash(name) % 10_000,
        "public",
        name,
        "r",
        100,
        8192,
        tuple(ColumnFacts(c, n, "integer", 23, False, 100) for n, c in enumerate(columns, start=1)),
    )


FACTS = SchemaFacts("d", 180000, (table("o", "id", "cust", "note"), table("p", "id", "o_id")))
SAME = None


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("select count(*) from o where cust = c", "select count(*) from o where cust = $1"),
        (
            "select count(*) from o where cust = c and note = $1 || c",
            "select count(*) from o where cust = $2 and note = $1 || $2",
        ),
        ("update o set note = v_note where id = NEW.o_id", "update o set note = $1 where id = $2"),
        (
            "select o.id from o join p on p.o_id = o.id where o.cust = p_cust",
            "select o.id from o join p on p.o_id = o.id where o.cust = $1",
        ),
        ("insert into p select id, v from o", "insert into p select id, $1 from o"),
        (
            "select id from o where exists (select 1 from p where o_id = o.id and p.id = x)",
            "select id from o where exists (select 1 from p where o_id = o.id and p.id = $1)",
        ),
        ("select * from o where cust = $1", SAME),
        ("with c as (select cust as k from o) select k from c where c.k > 3", SAME),
        ("select x.n from (select note as n from o) x order by n", SAME),
        ("select g from generate_series(1, 3) g, o where o.id = g", SAME),
        ("select ctid, o from o", SAME),
        ("select * from elsewhere where cust = c", SAME),  # its columns are not known
        ('select * from o where cust = "C d"', SAME),  # not written plainly
    ],
)
def test_what_is_no_column_is_a_variable_of_the_function(sql, wanted):
    assert with_parameters(sql, FACTS) == (sql if wanted is SAME else wanted)
