"""Which tables a query can touch, so that indexes of other tables need not be planned with again.

Never too few: views are followed to their tables, parents to their children, and where a SQL function might be
inlined everything counts.
"""

from typing import Any

import psycopg

from analyzer.statements.safety import Verdict
from analyzer.twin.catalog import TwinCatalog

# what each view or rule mentions: relations, and SQL functions of the schema's own
_MENTIONED = """
select r.ev_class::int8, d.refobjid::int8, d.refclassid = 'pg_proc'::regclass
from pg_rewrite as r
join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
where r.ev_class >= 16384 and (
    d.refclassid = 'pg_class'::regclass or d.refclassid = 'pg_proc'::regclass and d.refobjid in (
        select p.oid from pg_proc as p join pg_language as l on l.oid = p.prolang
        where p.oid >= 16384 and l.lanname = 'sql'
    )
)
"""
# SQL functions with a query inside, by name; and whether an operator stands on one
_SQL_FUNCTIONS = """
select p.proname, exists (select from pg_operator as o where o.oprcode = p.oid)
from pg_proc as p join pg_language as l on l.oid = p.prolang
where p.oid >= 16384 and l.lanname = 'sql' and not exists (
    select from pg_depend as d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
)
"""


class Relevance:
    def __init__(self, connection: "psycopg.Connection[Any]", catalog: TwinCatalog) -> None:
        self.catalog = catalog
        self._mentions: dict[int, set[int]] = {}
        self._calls: set[int] = set()  # views that call SQL functions
        for view, mentioned, is_function in connection.execute(_MENTIONED).fetchall():
            if is_function:
                self._calls.add(view)
            else:
                self._mentions.setdefault(view, set()).add(mentioned)
        functions = connection.execute(_SQL_FUNCTIONS).fetchall()
        self._functions = {name for name, _ in functions}
        self._has_operators = any(has_operator for _, has_operator in functions)
        self._by_name: dict[str, list[int]] = {}
        for relation in catalog.tables.values():
            self._by_name.setdefault(relation.name, []).append(relation.oid)

    def tables(self, verdict: Verdict) -> frozenset[int] | None:
        """Oids on the twin; None: it may be any table."""
        names = verdict.names
        if self._has_operators or any(name in self._functions for _, name in names.functions):
            return None
        if any(name in self._functions for name in names.attributes):
            return None
        waiting = [
            oid
            for schema, name in names.relations
            for oid in self._by_name.get(name, ())
            if not schema or self.catalog.by_oid[oid].schema == schema
        ]
        oids: set[int] = set()
        while waiting:
            oid = waiting.pop()
            if oid in oids or oid not in self.catalog.by_oid:
                continue
            if oid in self._calls:
                return None
            oids.add(oid)
            waiting.extend(self.catalog.by_oid[oid].children)
            waiting.extend(self._mentions.get(oid, ()))
        return frozenset(oids)
