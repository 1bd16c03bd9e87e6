"""Which functions of a condition somebody wrote for the database, and not PostgreSQL or an extension."""

import re
from collections.abc import Collection

from analyzer.schema.facts import SchemaFacts

# cheap ones of PostgreSQL's own that stand in most plans: never the reason
CHEAP = frozenset(
    ("coalesce", "case", "greatest", "least", "nullif", "lower", "upper", "length", "abs", "date_trunc", "now",
     "date_part", "extract", "round", "floor", "ceil", "btrim", "ltrim", "rtrim", "substring", "substr", "concat",
     "left", "right", "timezone", "row", "like_escape")
)  # fmt: skip
OF_OTHERS = re.compile(
    r"(?:_?st_|geometry|geography|to_ts|plainto_|phraseto_|websearch_|ts_|regexp_|jsonb?_|array_|string_|xml|xpath"
    r"|similarity|word_similarity|strict_word_|levenshtein|unaccent|soundex|metaphone|md5|sha\d|digest|crypt|encode"
    r"|decode|to_char|to_date|to_number|replace|translate|split_part|format|repeat|pg_|hash|generate_)"
)


def own_functions(functions: Collection[str], facts: SchemaFacts | None) -> tuple[str, ...]:
    """Where the schema's functions are not known, by how others are called."""
    if facts is not None and facts.functions is not None:
        names = {function.name for function in facts.functions}
        return tuple(name for name in functions if name in names)
    return tuple(name for name in functions if name not in CHEAP and not OF_OTHERS.match(name))


def calls_of(functions: Collection[str]) -> str:
    """ "f(), g()"."""
    return ", ".join(f"{name}()" for name in functions)


def if_immutable(own: Collection[str]) -> str:
    return (
        f"If {calls_of(own)} always gives the same for the same arguments, mark it IMMUTABLE: an index on the"
        " expression then holds its results."
    )
