"""An index written anew keeps what it is; names that look like SQL stay names."""

import pytest

from analyzer.statements.index_definition import index_on

EVIL = '"p1 USING btree (id); ALTER ROLE evil SUPERUSER; --"'


@pytest.mark.parametrize(
    ("definition", "written"),
    [
        (
            "CREATE UNIQUE INDEX i ON public.t USING btree (a DESC NULLS LAST, lower(b) text_pattern_ops) INCLUDE (c)"
            " WITH (fillfactor='70') WHERE (x > 0)",
            'CREATE UNIQUE INDEX "n""x" ON ONLY s.par (a DESC NULLS LAST, (lower(b)) text_pattern_ops) INCLUDE (c)'
            " WITH (fillfactor = '70') WHERE x > 0",
        ),
        (f"CREATE INDEX i ON public.{EVIL} USING btree (id)", 'CREATE INDEX "n""x" ON ONLY s.par (id)'),
        (f"CREATE INDEX {EVIL} ON public.t USING hash (id)", 'CREATE INDEX "n""x" ON ONLY s.par USING hash (id)'),
        ("CREATE INDEX i ON public.t (id); DROP TABLE t", None),
        ("DROP TABLE t", None),
        ("", None),
    ],
)
def test_written_anew(definition, written):
    assert index_on(definition, name='n"x', schema="s", table="par", only=True) == written
