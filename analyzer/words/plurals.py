"""English nouns as tables and attributes are named: one of them, and several.

A library is not worth it for some hundred words: what follows no rule is listed, as far as tables are called so.
"""

IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "salesmen": "salesman", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "mice": "mouse", "dice": "die", "oxen": "ox", "quizzes": "quiz",
    "media": "medium", "criteria": "criterion", "phenomena": "phenomenon", "bacteria": "bacterium", "errata": "erratum",
    "curricula": "curriculum", "addenda": "addendum", "memoranda": "memorandum", "corpora": "corpus", "genera": "genus",
    "stimuli": "stimulus", "alumni": "alumnus", "nuclei": "nucleus", "radii": "radius", "fungi": "fungus",
    "indices": "index", "matrices": "matrix", "vertices": "vertex", "appendices": "appendix", "axes": "axis",
    "theses": "thesis", "hypotheses": "hypothesis", "syntheses": "synthesis", "parentheses": "parenthesis",
    "diagnoses": "diagnosis", "prognoses": "prognosis", "crises": "crisis", "oases": "oasis", "synopses": "synopsis",
    "emphases": "emphasis", "formulae": "formula", "antennae": "antenna", "larvae": "larva",
    "knives": "knife", "lives": "life", "wives": "wife", "shelves": "shelf", "halves": "half",
    "wolves": "wolf", "calves": "calf", "loaves": "loaf", "thieves": "thief", "scarves": "scarf", "hooves": "hoof",
}  # fmt: skip
UNCOUNTABLE = frozenset({
    "news", "series", "timeseries", "species", "chassis", "data", "metadata", "information", "equipment", "feedback",
    "sheep", "fish", "deer", "aircraft", "software", "hardware", "analytics", "logistics", "mathematics", "physics",
    "economics", "politics", "headquarters", "goods", "sms", "dns", "gps", "chaos", "kudos",
})  # fmt: skip
# words for one that end as others do for several
SINGULAR = frozenset({"alias", "canvas", "atlas", "bias", "gas", "pancreas", "lens", "iris", "ethos"})
# words for several whose s is all that was added, where their ending says otherwise
ADDED_S = frozenset({
    "movies", "cookies", "zombies", "calories", "selfies", "hoodies", "smoothies", "rookies", "brownies", "sorties",
    "indies", "goalies", "groupies", "pies", "ties", "lies", "prairies", "genies", "newbies", "freebies",
    "caches", "niches", "headaches", "aches", "avalanches", "quiches", "cliches", "psyches", "moustaches",
    "uses", "fuses", "muses", "abuses", "excuses", "reuses", "ruses", "menus", "skus", "gurus", "cpus", "gpus", "emus",
    "apis", "kpis", "uris", "wikis", "taxis", "emojis", "skis", "kiwis", "pois", "safaris", "alibis",
    "shoes", "toes", "foes", "hoes", "canoes", "oboes", "horseshoes", "woes",
})  # fmt: skip
ADDED_ES = frozenset({
    "heroes", "potatoes", "tomatoes", "echoes", "vetoes", "torpedoes", "embargoes", "cargoes", "volcanoes", "dominoes",
    "mosquitoes", "buffaloes",
})  # fmt: skip
HARD_CH = ("stomach", "monarch", "patriarch", "epoch", "tech", "loch")  # an s is all that they get
# endings of several, and of one; the first that fits
ENDINGS = (
    ("yses", "ysis"), ("ouses", "ouse"), ("auses", "ause"), ("uses", "us"), ("ies", "y"), ("sses", "ss"),
    ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("zzes", "zz"), ("tzes", "tz"),
)  # fmt: skip
PLURALS = {singular: plural for plural, singular in IRREGULAR.items()}


def singular(word: str) -> str:
    """``movies`` -> ``movie``; a word for one as it is."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in UNCOUNTABLE or word in SINGULAR:
        return word
    if word in ADDED_S:
        return word[:-1]
    if word in ADDED_ES or (word.endswith("es") and word[:-2].endswith(tuple(SINGULAR))):
        return word[:-2]
    for ending, of_one in ENDINGS:
        if word.endswith(ending) and len(word) > max(len(ending), 4):
            return word[: -len(ending)] + of_one
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def plural(name: str) -> str:
    """``order_item`` -> ``order_items``: of its last word; what means several already stays."""
    head, underscore, word = name.rpartition("_")
    return f"{head}{underscore}{_plural(word)}"


def _plural(word: str) -> str:
    if word in PLURALS:
        return PLURALS[word]
    if word in UNCOUNTABLE or singular(word) != word:
        return word
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    if word.endswith(("sis", "xis")):
        return f"{word[:-2]}es"
    if f"{word}es" in ADDED_ES or (word.endswith(("s", "x", "z", "ch", "sh")) and not word.endswith(HARD_CH)):
        return f"{word}es"
    return f"{word}s"
