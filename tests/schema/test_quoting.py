"""Names as PostgreSQL keeps them."""

import pytest

from analyzer.schema.quoting import MAX_NAME_BYTES, cut_name


@pytest.mark.parametrize(
    ("name", "end", "cut"),
    [
        ("orders_customer_id", "_fkey", "orders_customer_id_fkey"),
        ("a" * 70, "_key", "a" * 59 + "_key"),
        ("ü" * 40, "_idx", "ü" * 29 + "_idx"),  # two bytes each: the thirtieth would be half there
        ("a\ud800", "", "a?"),
    ],
)
def test_a_name_is_cut_at_whole_characters_and_keeps_its_end(name: str, end: str, cut: str) -> None:
    assert cut_name(name, end) == cut
    assert len(cut.encode()) <= MAX_NAME_BYTES
