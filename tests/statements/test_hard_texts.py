"""What PostgreSQL's grammar has to offer, read with everything that pgLoupe reads statements and indexes with."""

from pathlib import Path

import pytest
from pglast.stream import RawStream

from analyzer.statements.index_expressions import can_be_key, comparable, unqualified
from analyzer.statements.split import split_statements
from analyzer.statements.tree import Unparsable, parse
from tests.statements.survey import faults, schema_of

TEXTS = [piece.sql for piece in split_statements((Path(__file__).parent / "hard_texts.sql").read_text())]


def test_no_text_is_too_hard() -> None:
    assert [sql for sql in TEXTS if isinstance(parse(sql), Unparsable)] == []
    schema = schema_of(TEXTS)
    assert sum(len(table.indexes) for table in schema) == 11
    assert [(place, repr(error), sql) for place, error, sql in faults(TEXTS, schema)] == []


@pytest.mark.parametrize(
    ("printed", "typed"),
    [
        ("(status OPERATOR(public.=) ANY (ARRAY['a'::public.citext, 'b'::public.citext]))", "status IN ('a', 'b')"),
        ("(status OPERATOR(pg_catalog.=) ANY (ARRAY['a', 'b']))", "status IN ('a', 'b')"),
        ("(status OPERATOR(ext.=) 'a'::ext.citext)", "o.status = 'a'"),
        ("(a OPERATOR(pg_catalog.+) 1)", "a + 1"),
        ("(attrs OPERATOR(public.->) 'a'::text)", "attrs -> 'a'"),  # hstore
    ],
)
def test_an_operator_is_the_same_with_the_schema_that_its_types_find(printed: str, typed: str) -> None:
    assert comparable(printed) == comparable(typed)


def test_an_operator_of_another_schema_is_another_one() -> None:
    mine = "(status OPERATOR(mine.=) ANY (ARRAY['a'::text, 'b'::text]))"
    assert comparable(mine) != comparable("status IN ('a', 'b')")
    assert "OPERATOR(mine.=) ANY" in comparable(mine)


@pytest.mark.parametrize(
    ("printed", "typed"),
    [
        ("public.immutable_unaccent(email)", "immutable_unaccent(u.email)"),
        ("lower(ext.unaccent('ext.unaccent'::regdictionary, (email)::text))", "lower(unaccent('ext.unaccent', email))"),
        ("tenant.norm(lower(email))", '"tenant".norm(lower(email))'),
        ("(public.norm(a) || ' '::text)", "norm(a) || ' '"),
    ],
)
def test_a_function_is_the_same_with_its_schema(printed: str, typed: str) -> None:
    assert comparable(printed) == comparable(typed)


def test_a_function_named_as_one_of_postgresql_is_another_one() -> None:
    assert comparable("mine.lower(email)") != comparable("lower(email)")
    assert comparable("pg_catalog.lower(email)") == comparable("lower(email)")
    for own in ("app.encode(x)", "app.sha256(x)", "app.to_tsvector(x)", "app.date(x)", "app.jsonb_path_query_first(x)"):
        assert comparable(own) != comparable(own.removeprefix("app.")), own


def test_what_cannot_be_written_stays_as_it_is_and_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise TypeError

    monkeypatch.setattr(RawStream, "__call__", failing)
    odd = "lower(o.never_seen_before)"
    assert (comparable(odd), unqualified(odd), can_be_key(odd)) == (odd, odd, False)
    for cache in (comparable, unqualified, can_be_key):
        cache.cache_clear()
