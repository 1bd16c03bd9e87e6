"""Tables' names in the singular, attributes' in the plural."""

import pytest

from analyzer.words.plurals import plural, singular

PAIRS = """
    movie movies, cookie cookies, category categories, company companies, tie ties, key keys, query queries
    cache caches, batch batches, branch branches, headache headaches, epoch epochs, dish dishes
    alias aliases, canvas canvases, bus buses, status statuses, bonus bonuses, lens lenses, gas gases, class classes
    address addresses, case cases, house houses, warehouse warehouses, clause clauses, database databases, use uses
    license licenses, release releases, purchase purchases, response responses
    box boxes, tax taxes, index indices, axis axes, matrix matrices, quiz quizzes, prize prizes, size sizes
    analysis analyses, diagnosis diagnoses, crisis crises, iris irises
    hero heroes, photo photos, shoe shoes, tomato tomatoes, menu menus, sku skus, api apis, taxi taxis
    child children, person people, man men, woman women, mouse mice, medium media, criterion criteria
    archive archives, move moves, knife knives, shelf shelves, leave leaves
    news news, series series, species species, data data, equipment equipment, order orders, metric metrics
""".replace("\n", ",").split(",")


@pytest.mark.parametrize("pair", [p.strip() for p in PAIRS if p.strip()])
def test_one_and_several_of_a_noun(pair):
    of_one, several = pair.split()
    assert (singular(several), singular(of_one)) == (of_one, of_one)
    assert (plural(of_one), plural(several)) == (several, several)
    assert plural(f"shop_{of_one}") == f"shop_{several}"
