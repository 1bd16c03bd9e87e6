"""What is on the twin, by its own oids and by the monitored server's: both are needed, and they never clash.

An index that the server has keeps its oid from there as its name towards callers; hypothetical ones are numbered from
``FIRST_ID`` on, above every oid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg

from analyzer.monitored.catalog.planner_facts import PlannerFacts

FIRST_ID = 1 << 32

_RELATIONS = """
select c.oid::int8, n.nspname, c.relname, c.relkind::text, pg_relation_filepath(c.oid), i.indrelid::int8,
    c.reltuples::float8,
    array(select h.inhrelid::int8 from pg_inherits as h where h.inhparent = c.oid order by 1)
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_index as i on i.indexrelid = c.oid
where c.relkind in ('r', 'm', 'p', 'v', 'i', 'I') and c.oid >= 16384 and n.nspname !~ '^pg_'
    and n.nspname not in ('information_schema', 'pgloupe_twin')
order by c.oid
"""


@dataclass(frozen=True, slots=True)
class TwinRelation:
    """``oid`` here; ``server_oid`` there (None: a view, or not known); ``path`` below the data directory."""

    oid: int
    server_oid: int | None
    schema: str
    name: str
    kind: str
    path: str | None
    table_oid: int | None
    blocks: int
    rows: float  # reltuples, -1 never analysed
    children: tuple[int, ...]
    is_foreign: bool = False


class TwinCatalog:
    def __init__(self, connection: "psycopg.Connection[Any]", facts: PlannerFacts) -> None:
        known = {(relation.schema, relation.name): relation for relation in facts.relations}
        self.by_oid: dict[int, TwinRelation] = {}
        for oid, schema, name, kind, path, table_oid, rows, children in connection.execute(_RELATIONS).fetchall():
            there = known.get((schema, name))
            self.by_oid[oid] = TwinRelation(
                oid, there.oid if there else None, schema, name, kind, path, table_oid,
                there.blocks if there else 0, rows, tuple(children), there is not None and there.kind == "f",
            )  # fmt: skip
        everything = self.by_oid.values()
        self.tables = {(r.schema, r.name): r for r in everything if r.table_oid is None}
        self.by_server_oid = {r.server_oid: r for r in everything if r.server_oid is not None}
        self.parents: dict[int, list[int]] = {}
        for relation in self.by_oid.values():
            for child in relation.children:
                self.parents.setdefault(child, []).append(relation.oid)
        names = [r.name for r in self.by_oid.values() if r.table_oid is not None]
        self.has_ambiguous_names = len(names) != len(set(names))
        self.indexes_by_name: dict[str, list[TwinRelation]] = {}
        for relation in self.by_oid.values():
            if relation.table_oid is not None:
                self.indexes_by_name.setdefault(relation.name, []).append(relation)

    def below(self, oid: int) -> Iterable[TwinRelation]:
        """The relation and everything that inherits from it, each once."""
        seen: set[int] = set()
        waiting = [oid]
        while waiting:
            at = waiting.pop()
            if at in seen or at not in self.by_oid:
                continue
            seen.add(at)
            yield self.by_oid[at]
            waiting.extend(reversed(self.by_oid[at].children))

    def above(self, oid: int) -> Iterable[int]:
        """The relation's own oid and those of everything it inherits from."""
        seen: set[int] = set()
        waiting = [oid]
        while waiting:
            at = waiting.pop()
            if at not in seen:
                seen.add(at)
                yield at
                waiting.extend(self.parents.get(at, ()))
