"""Keys, members and parts of documents: jsonb, hstore, arrays and texts to search in, from their common values.

``meta ->> $1 = $2`` wants a key that documents have and a value under it; ``(meta ->> $1)::int`` a key under which
there are numbers only, since anything else would be an error.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from analyzer.statements.blocks import ParameterUse
from analyzer.statements.type_rules import NUMBERS, plain_type
from analyzer.values.assumed import array_literal
from analyzer.values.column_values import Statistics

HSTORE_PAIR = re.compile(r'"((?:[^"\\]|\\.)*)"=>(?:"((?:[^"\\]|\\.)*)"|NULL)')  # as hstore_out() writes it
WORD = re.compile(r"\w{4,}")  # judgement: shorter ones are mostly stop words
LISTED = frozenset({"in", "not_in"})
Scalar = str | int | float | bool
Path = tuple[str, ...]


def contained(values: Sequence[str], type_name: str) -> str | None:
    """A part of a document that some documents hold: the first plain member of a common one; its key for ``?``."""
    for text in values:
        if type_name.endswith("[]"):
            return text if text.startswith("{") else None
        if type_name not in ("jsonb", "text", "jsonpath", "tsquery"):
            return text  # ltree, ranges, networks: a value holds itself
        document = read_document(text)
        if isinstance(document, dict):
            for key, member in document.items():
                if isinstance(member, Scalar):
                    parts = {"jsonb": json.dumps({key: member}), "jsonpath": f"$.{json.dumps(key)}"}
                    return parts.get(type_name, key)
        elif isinstance(document, list) and document:
            return json.dumps(document[:1]) if type_name == "jsonb" else str(document[0])
        elif word := WORD.search(text):
            return word[0] if type_name in ("text", "tsquery") else None
    return None


def read_document(text: str) -> Any:
    """jsonb, or hstore as a dict; None for what is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pairs = HSTORE_PAIR.findall(text)
    return {_unescaped(k): _unescaped(v) for k, v in pairs} or None


def values_at_paths(uses: Mapping[int, ParameterUse], statistics: Statistics, is_rare: bool) -> dict[int, str]:
    """Parameters that are keys, or are compared with what lies under keys (``ParameterUse.path``)."""
    values: dict[int, str] = {}
    used: set[tuple[str, Path]] = set()
    chosen: dict[tuple[str | int, ...], Path] = {}
    # paths whose member has to be of a type first: fewer keys fit them
    for use in sorted(uses.values(), key=lambda u: (u.member_type is None, -len(u.path), u.number)):
        known = statistics.get((use.schema or "", use.table or "", use.column or ""))
        if not use.path or known is None:
            continue
        texts = [*known.most_common_values, *known.histogram_bounds]
        members = _members([d for t in texts if (d := read_document(t)) is not None], use.member_type)
        fitting = [path for path in members if _fits(path, use.path, values)]
        fresh = [path for path in fitting if (use.column or "", path) not in used]
        if not fitting:
            continue
        is_whole = use.path[0] == "*"
        path = chosen.get(use.path, ())
        if path not in members:
            path = chosen[use.path] = (fresh or fitting)[-1 if is_whole else 0]  # whole paths lead deep
        used.add((use.column or "", path))
        if is_whole:
            values[int(use.path[1])] = array_literal(path)
        for key, part in zip(use.path, () if is_whole else path, strict=False):
            if isinstance(key, int):
                values.setdefault(key, part)
        if use.operator == "member":
            values[use.number] = _member(members[path], use, is_rare, taken=len(values))
    return values


def _fits(path: Path, asked: Sequence[str | int], values: Mapping[int, str]) -> bool:
    if asked[0] == "*":
        return True
    return len(path) == len(asked) and all(
        part == (key if isinstance(key, str) else values.get(key, part)) for part, key in zip(path, asked, strict=True)
    )


def _members(documents: Sequence[Any], member_type: str | None) -> dict[Path, Counter[str]]:
    """Path -> its members as text, how often; the paths most documents have first, of numbers where those are asked."""
    members: dict[Path, Counter[str]] = {}
    for document in documents:
        for path, member in _scalars(document, ()):
            members.setdefault(path, Counter())[member] += 1
    kind = plain_type(member_type) if member_type else None
    if kind in NUMBERS:
        members = {p: c for p, c in members.items() if all(_is_number(m, kind) for m in c)}
    elif kind == "boolean":
        members = {p: c for p, c in members.items() if set(c) <= {"true", "false", "t", "f", "1", "0"}}
    elif kind is not None and kind not in ("text", "character varying", "citext", "jsonb"):
        members = {}  # a date or a uuid: whether all of a key's are, the few common ones do not tell
    return dict(sorted(members.items(), key=lambda item: (len(item[0]), -item[1].total(), item[0])))


def _scalars(document: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(document, dict):
        for key, member in document.items():
            if isinstance(member, bool):
                yield (*path, key), str(member).lower()
            elif isinstance(member, Scalar):
                yield (*path, key), str(member)
            else:
                yield from _scalars(member, (*path, key))


def _member(counted: Counter[str], use: ParameterUse, is_rare: bool, taken: int) -> str:
    """The commonest, or the rarest; of an ordered comparison one from the middle."""
    ordered = [m for m, _ in counted.most_common()]
    if use.compared in ("lt", "gt", "between_low", "between_high"):
        ordered.sort(key=lambda m: (0, float(m), "") if _is_number(m, "numeric") else (1, 0.0, m))
        shares = {"gt": (0.5, 0.9), "lt": (0.5, 0.1), "between_low": (0.4, 0.8), "between_high": (0.6, 0.9)}
        value = ordered[int((len(ordered) - 1) * shares[use.compared][is_rare])]
    else:
        at = taken if use.compared in LISTED else 0
        value = ordered[-1 - at % len(ordered) if is_rare else at % len(ordered)]
    if use.is_json_member:
        return value if _is_number(value, "numeric") or value in ("true", "false") else json.dumps(value)
    return value


def _is_number(text: str, kind: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return kind not in ("smallint", "integer", "bigint") or re.fullmatch(r"[+-]?\d{1,18}", text) is not None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)
