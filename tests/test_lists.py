import pytest

from analyzer.words.lists import and_list


@pytest.mark.parametrize(
    ("names", "words"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (("a", "b", "c"), "a, b and c")]
)
def test_things_in_a_sentence(names, words):
    assert and_list(names) == words
