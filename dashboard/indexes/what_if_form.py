"""What the what-if box offers and what was asked in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import QueryDict

from analyzer.advice.candidates.typed import Existing, Typed, read_typed
from analyzer.errors import BadInput
from analyzer.schema.facts import SchemaFacts

OFFERED = 60  # to tick; any other can be named


@dataclass(frozen=True, slots=True)
class Offered:
    existing: Existing
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class WhatIfForm:
    """``offered``: what is ticked, then the largest of the others. ``total``: of the database's own indexes."""

    text: str
    offered: tuple[Offered, ...]
    total: int
    ticked: int


def what_if_form(facts: SchemaFacts, data: QueryDict) -> WhatIfForm:
    ticked = set(data.getlist("hide"))
    everything = list(_existing(facts))
    everything.sort(
        key=lambda e: (str(e.index.oid) not in ticked, -(e.index.size_bytes or 0), e.table.qualified_name, e.index.name)
    )
    chosen = sum(str(e.index.oid) in ticked for e in everything)
    return WhatIfForm(
        text=data.get("index", ""),
        offered=tuple(Offered(e, str(e.index.oid) in ticked) for e in everything[: max(OFFERED, chosen)]),
        total=len(everything),
        ticked=chosen,
    )


def read_form(facts: SchemaFacts, data: QueryDict) -> Typed:
    """Raises BadInput where it cannot be tried, or asks for nothing."""
    typed = read_typed(data.get("index", ""), facts)
    known = {str(e.index.oid): e for e in _existing(facts)}
    ticked = data.getlist("hide")
    if any(oid not in known for oid in ticked):
        raise BadInput("An index that was ticked is not there any more; look through the list again.")
    hides = {e.index.oid: e for e in (*typed.hides, *(known[oid] for oid in ticked))}
    if not typed.adds and not hides:
        raise BadInput("Type an index, or tick one to hide.")
    return Typed(typed.adds, tuple(hides.values()))


def _existing(facts: SchemaFacts) -> Sequence[Existing]:
    """Those that can be thought away: usable, and no part of a partitioned table's index."""
    return [
        Existing(table, index)
        for table in facts
        for index in table.indexes
        if index.is_usable and index.parent_oid is None
    ]
