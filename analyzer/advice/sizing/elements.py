"""Which keys a GIN index takes from a column's values: elements, lexemes, JSON paths, trigrams, words.

From pg_stats' most common elements where it has them; else from the sample documents among the common values and
histogram bounds, about a hundred, extrapolated to the table.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from analyzer.advice.sizing.gin import GinKeys
from analyzer.advice.sizing.keys import JSONB, KeyColumn, ValueClass, merged
from analyzer.values.documents import HSTORE_PAIR

TSVECTOR = 3614
HASH_BYTES = 4  # jsonb_path_ops and trigrams: an int4
MAX_JSON_KEY_BYTES = 125  # JGIN_MAXLENGTH; longer ones are hashed
# arrays of fixed-width elements, by the name of the element's type
ELEMENT_BYTES = {
    "integer": 4, "bigint": 8, "smallint": 2, "uuid": 16, "date": 4, "real": 4, "double precision": 8, "boolean": 1,
    "timestamp with time zone": 8, "timestamp without time zone": 8,
}  # fmt: skip
LEAST_SHARE = 1e-12
NEARLY_ALL = 0.9
LEXEME = re.compile(r"'((?:[^']|'')*)'")


def gin_keys(column: KeyColumn, rows: float) -> list[GinKeys] | None:
    """The keys of one column; None where the statistics do not tell."""
    present = 1 - column.null_frac
    statistics = column.statistics
    keys: list[GinKeys] | None
    if column.is_text and "trgm" in (column.opclass or ""):
        keys = _from_documents(dict.fromkeys(trigrams(v), HASH_BYTES) for v, _ in statistics.weighted_values())
    elif column.type_oid == JSONB:
        keys = _json_keys(column, rows * present)
    elif column.base_type == "hstore":
        keys = _hstore_keys(column, rows * present)
    elif column.type_oid == TSVECTOR and not column.statistics.most_common_elems:  # an expression's
        documents = (re.findall(LEXEME, v) for v, _ in column.statistics.weighted_values())
        keys = _from_documents({lexeme: 1 + len(lexeme.encode()) for lexeme in lexemes} for lexemes in documents)
    elif column.is_container or column.type_oid == TSVECTOR:
        keys = _common_elements(column, rows * present)
    else:
        width = sum(w * share for w, share in column.widths())
        keys = [GinKeys(values, width) for values in column.value_classes(rows)]
    if not keys:
        return None
    keys = [GinKeys(ValueClass(k.values.count, k.values.share * present), k.key_bytes) for k in keys]
    # rows without a value share one placeholder key
    return keys + ([GinKeys(ValueClass(1.0, column.null_frac), 1)] if column.null_frac else [])


def trigrams(text: str) -> set[str]:
    """As pg_trgm cuts them: words in lower case, two blanks before and one after."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {f"  {word} "[at : at + 3] for word in words for at in range(len(word) + 1)}


def _common_elements(column: KeyColumn, rows: float) -> list[GinKeys] | None:
    """The listed elements, then a tail that goes on falling as the list's second half does."""
    statistics = column.statistics
    elements = statistics.most_common_elems
    shares = sorted(statistics.most_common_elem_freqs[: len(elements)], reverse=True)
    if not shares:
        return None
    width = _element_bytes(column, elements)
    average = _elements_per_row(column, width)
    classes = [ValueClass(1.0, max(share, LEAST_SHARE)) for share in shares]
    left = average - sum(shares)
    # pg_stats rounds, and lists every element when they are few
    if left > 0.02 * average:
        classes += _tail(shares, left, rows)
    return [GinKeys(value_class, width) for value_class in merged(classes, 64)]


def _elements_per_row(column: KeyColumn, width: float) -> float:
    statistics = column.statistics
    if statistics.elem_count_histogram:
        return statistics.elem_count_histogram[-1]
    # a tsvector: 8 bytes, then per lexeme an entry of 4, its text, and a position with its count
    return max(1.0, ((statistics.avg_width_bytes or 8) - 8) / (4 + math.ceil(width - 1) + 4))


def _element_bytes(column: KeyColumn, elements: Collection[str]) -> float:
    fixed = ELEMENT_BYTES.get(column.type_name.removesuffix("[]"))
    if fixed:
        return fixed
    return sum(1 + len(e.encode()) for e in elements) / len(elements)


def _tail(shares: list[float], left: float, rows: float) -> list[ValueClass]:
    """Elements too rare to be listed: Zipf's law with the exponent of the list's second half."""
    last, rank = shares[-1], len(shares)
    slope = math.log(max(1.0, shares[rank // 2] / last)) / math.log(2) if rank > 1 else 0.0
    classes: list[ValueClass] = []
    while left > 1e-6 and len(classes) < 60:
        share = max(last * (1.25**0.5) ** -slope, 1 / rows)
        count = min(rank * 0.25, left / share)
        classes.append(ValueClass(count, share))
        left -= count * share
        rank, last = math.ceil(rank * 1.25), last * 1.25**-slope
    if left > 1e-6:
        classes.append(ValueClass(left * rows, 1 / rows))
    return classes


def _json_keys(column: KeyColumn, rows: float) -> list[GinKeys] | None:
    """Each path's values are estimated on their own, as a column's would be."""
    by_path: dict[str, list[set[Any]]] = {}
    documents = column.statistics.weighted_values()
    for text, _ in documents:
        for path, values in _leaves(json.loads(text, parse_float=Decimal), "").items():
            by_path.setdefault(path, []).append(values)
    hashes = column.opclass == "jsonb_path_ops"
    keys: list[GinKeys] = []
    for values_of_path in by_path.values():
        keys += _path_keys(values_of_path, len(documents), rows, _most_values(column, rows), hashes=hashes)
    if not hashes:
        names = Counter(name for text, _ in documents for name in _names(json.loads(text)))
        keys += [GinKeys(ValueClass(1.0, n / len(documents)), 2 + len(name)) for name, n in names.items()]
    return keys


def _most_values(column: KeyColumn, rows: float) -> float:
    """No part of a document has more values than there are documents; where nearly all differ, that says nothing."""
    distinct = column.statistics.distinct_values(rows) or rows
    return distinct if distinct < NEARLY_ALL * rows else math.inf


def _hstore_keys(column: KeyColumn, rows: float) -> list[GinKeys]:
    """hstore_gin.c: each key and each value is one, with a letter before it."""
    documents = [HSTORE_PAIR.findall(text) for text, _ in column.statistics.weighted_values()]
    keys: list[GinKeys] = []
    for at in (0, 1):
        words = [{pair[at] for pair in pairs} for pairs in documents]
        if any(words):
            keys += _path_keys(words, len(documents), rows, _most_values(column, rows), hashes=False)
    return keys


def _path_keys(
    values: list[set[Any]], documents: int, rows: float, most_values: float, *, hashes: bool
) -> list[GinKeys]:
    seen = Counter(value for some in values for value in some)
    single = [v for v, n in seen.items() if n == 1]
    twice = sum(1 for n in seen.values() if n == 2)
    width = HASH_BYTES if hashes else sum(_json_key_bytes(v) for v in seen) / len(seen)
    keys = [GinKeys(ValueClass(1.0, n / documents), width) for n in seen.values() if n > 1]
    if not single:
        return keys
    mass = len(single) / documents
    count = min(most_values, _unlisted(len(single), twice, mass * rows))
    if (numbers := _number_range(seen)) is not None:
        count = numbers - len(keys) if twice == 0 else min(count, numbers)
    count = max(float(len(single)), count)
    return [*keys, GinKeys(ValueClass(count, mass / count), width)]


def _unlisted(single: int, twice: int, most: float) -> float:
    """Values as rare as those seen once, seen or not: Chao's estimate; all different when none came twice."""
    return min(most, single + single * single / (2 * twice)) if twice else most * 1e3


def _number_range(values: Mapping[Any, int]) -> float | None:
    """How many numbers of as many decimals lie between the least and the greatest seen."""
    numbers = [Decimal(v) for v in values if isinstance(v, (int, Decimal)) and not isinstance(v, bool)]
    if len(numbers) < len(values):
        return None
    decimals = max(0, *(-int(n.normalize().as_tuple().exponent) for n in numbers)) if numbers else 0
    return float((max(numbers) - min(numbers)) * 10**decimals) * (1 + 1 / len(numbers)) + 1


def _leaves(value: Any, path: str) -> dict[str, set[Any]]:
    """Scalars of a document by their path; an array's elements share one."""
    leaves: dict[str, set[Any]] = {}
    if isinstance(value, dict):
        parts = [(f"{path}.{name}", inner) for name, inner in value.items()]
    elif isinstance(value, list):
        parts = [(f"{path}[]", inner) for inner in value]
    else:
        return {path: {value}}
    for inner_path, inner in parts:
        for leaf, values in _leaves(inner, inner_path).items():
            leaves.setdefault(leaf, set()).update(values)
    return leaves


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(_names(inner) for inner in value.values()))
    return set().union(*(_names(inner) for inner in value)) if isinstance(value, list) else set()


def _json_key_bytes(value: Any) -> int:
    """A short header, a flag, and the scalar's text."""
    text = {True: "t", False: "f", None: ""}.get(value) if value is None or isinstance(value, bool) else str(value)
    size = len((text or "").encode())
    return 2 + (size if size <= MAX_JSON_KEY_BYTES else 8)


def _from_documents(documents: Iterable[Mapping[str, int]]) -> list[GinKeys] | None:
    """Keys of sampled documents: each a mapping of key to its bytes."""
    sample = [document for document in documents if document]
    if not sample:
        return None
    seen = Counter(key for document in sample for key in document)
    width = sum(sum(document.values()) for document in sample) / sum(len(document) for document in sample)
    classes = [ValueClass(1.0, n / len(sample)) for n in seen.values() if n > 1]
    single, twice = sum(n == 1 for n in seen.values()), sum(n == 2 for n in seen.values())
    if single:
        count = single + single * single / (2 * max(1, twice))
        classes.append(ValueClass(count, single / len(sample) / count))
    return [GinKeys(value_class, width) for value_class in merged(classes, 64)]
