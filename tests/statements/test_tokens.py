"""The scanner says the same of texts beyond ASCII as pglast's own, whose time grows with their square."""

import random

import pglast
import pytest
from pglast import parser

from analyzer.statements.preparable import preparable_sql
from analyzer.statements.tokens import MOST_WITH_TAG, scan
from analyzer.statements.tree import Unparsable, parse

PARTS = (
    "select", "uni", "ue", "é", "ü", "€", "\u00a0", "\u202e", "😀", "'", '"', "$", "$1", "1", "e", "E'", "b'", "x'",
    "u&'", "n'", "--", "\n", "/*", "*/", " ", "::", ",", "(", "\\", "0x", "1e", "q", "$é$", "$ü$", "$a$", "_", ".",
)  # fmt: skip


def said(scanner, text):
    try:
        return list(scanner(text))
    except parser.ParseError:
        return "error"


def test_tokens_are_those_of_pglast():
    draw = random.Random(5)
    for _ in range(20_000):
        text = "".join(draw.choice(PARTS) for _ in range(draw.randint(1, 12)))
        assert said(scan, text) == said(pglast.scan, text), text


def test_a_word_that_the_mask_makes_a_keyword_is_none():
    assert [t.name for t in scan("select uniüue from t")] == ["SELECT", "IDENT", "FROM", "IDENT"]


def test_long_texts_beyond_ascii_do_not_take_the_square_of_their_length():
    """It took 40 s: then nobody would wait for this test."""
    numbers = ",".join(["1"] * 24_000)
    text = f"select * from t where a in ({numbers}) and b = '{'é' * 24_000}'"
    found = scan(text)
    assert len(found) == 48_012
    assert text[found[-1].start : found[-1].end + 1] == f"'{'é' * 24_000}'"


def test_what_would_take_too_long_to_parse_is_refused():
    columns = ", ".join(["a"] * 12_000)
    refused = parse(f"select {columns} from t where b = '{'é' * 24_000}'")
    assert isinstance(refused, Unparsable)
    assert refused.reason == "The text holds too many characters beyond ASCII to be read in time."
    assert not isinstance(parse(f"select {columns} from t where b = '{'é' * 1_000}'"), Unparsable)
    assert not isinstance(parse(f"select '{'é' * 24_000}', {columns} from t"), Unparsable)
    values = ", ".join(["(1, 'Добрый день')"] * 800)
    assert not isinstance(parse(f"insert into t values {values}"), Unparsable)


def test_what_cannot_be_scanned_in_time_is_refused():
    text = "select $é$" + "ü" * MOST_WITH_TAG + "$é$"
    with pytest.raises(parser.ParseError):
        scan(text)
    assert preparable_sql(text).sql is None
    with pytest.raises(UnicodeEncodeError):
        scan("\ud800")
