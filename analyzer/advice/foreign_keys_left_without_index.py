"""Foreign keys whose check nothing would serve any more: no plan shows what a cascading delete would then cost."""

from collections.abc import Sequence
from dataclasses import replace

from analyzer.advice.candidates.typed import Typed
from analyzer.advice.definition import IndexDefinition
from analyzer.schema.facts import ForeignKeyFacts
from analyzer.schema.foreign_keys import supporting_index, would_serve


def unserved_keys(typed: Typed) -> dict[int, list[ForeignKeyFacts]]:
    """By oid of the hidden index that serves it now; not those that another index, or one to be, serves too."""
    hidden = {existing.index.oid for existing in typed.hides}
    keys_of: dict[int, list[ForeignKeyFacts]] = {}
    for table in {existing.table.oid: existing.table for existing in typed.hides}.values():
        left = replace(table, indexes=tuple(i for i in table.indexes if i.oid not in hidden))
        adds = [w.definition for w in typed.adds if w.definition.table.oid == table.oid]
        for key in table.foreign_keys:
            serving = supporting_index(table, key)
            if serving is None or supporting_index(left, key) is not None or _is_served(key, adds):
                continue
            keys_of.setdefault(serving.oid, []).append(key)
    return keys_of


def _is_served(key: ForeignKeyFacts, adds: Sequence[IndexDefinition]) -> bool:
    return any(would_serve(key, d.method, d.plain_columns, d.predicate) for d in adds)
