"""Numbers of distinct combinations of columns, where more is known than that of each column.

From CREATE STATISTICS on the server; and from foreign keys: one of several columns has no more combinations than the
referenced table rows, and a column that repeats one of the referenced row (an order's tenant is its customer's) adds
none to the key. Without this an index on them looks several times as large as it gets.
"""

import math
import re
from typing import Any

import psycopg

from analyzer.monitored.catalog.planner_facts import PlannerFacts
from analyzer.twin.catalog import TwinCatalog
from analyzer.twin.statistics import StatisticsReader

Groups = dict[frozenset[str], float]
# Keys of one column, with what is named alike in both tables and a reference itself: a foreign key to the same table in
# both, or by name. Others that are named alike (status, created_at) are each table's own.
_REPEATED = """
select n.nspname, c.relname, k.attname, b.attname, pn.nspname, p.relname
from pg_constraint as f
join pg_class as c on c.oid = f.conrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_class as p on p.oid = f.confrelid
join pg_namespace as pn on pn.oid = p.relnamespace
join pg_attribute as k on k.attrelid = c.oid and k.attnum = f.conkey[1]
join pg_attribute as b on b.attrelid = c.oid and b.attnum > 0 and not b.attisdropped and b.attnum <> k.attnum
join pg_attribute as o on o.attrelid = p.oid and o.attname = b.attname and o.atttypid = b.atttypid
    and not o.attisdropped
left join pg_constraint as bf on bf.conrelid = c.oid and bf.contype = 'f' and bf.conkey = array[b.attnum]
left join pg_constraint as of on of.conrelid = p.oid and of.contype = 'f' and of.conkey = array[o.attnum]
where f.contype = 'f' and cardinality(f.conkey) = 1 and p.oid <> c.oid
    and (bf.confrelid = of.confrelid or (bf.oid is null and of.oid is null and b.attname like '%\\_id'))
order by 1, 2, 3, 4
"""
_COMPOSITE = """
select n.nspname, c.relname, p.reltuples::float8, array(
    select a.attname from unnest(f.conkey) with ordinality as k (number, place)
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number order by k.place
)::text[]
from pg_constraint as f
join pg_class as c on c.oid = f.conrelid
join pg_namespace as n on n.oid = c.relnamespace
join pg_class as p on p.oid = f.confrelid
where f.contype = 'f' and cardinality(f.conkey) > 1 and p.reltuples > 0
"""
_KEYS = """
select n.nspname, c.relname, x.stxname, array(
    select a.attname from unnest(x.stxkeys::int2[]) with ordinality as k (number, place)
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number order by k.place
)::text[]
from pg_statistic_ext as x
join pg_class as c on c.oid = x.stxrelid
join pg_namespace as n on n.oid = c.relnamespace
"""
_COMBINATION = re.compile(r'"(?P<columns>[\d, ]+)": (?P<distinct>[\d.e+]+)')


def distinct_groups(
    connection: "psycopg.Connection[Any]", catalog: TwinCatalog, facts: PlannerFacts, statistics: StatisticsReader
) -> dict[tuple[str, str], Groups]:
    """By schema and table."""
    groups: dict[tuple[str, str], Groups] = {}
    for schema, table, key, repeated, *parent in connection.execute(_REPEATED).fetchall():
        relation, referenced = catalog.tables.get((schema, table)), catalog.tables.get((parent[0], parent[1]))
        if relation is None or referenced is None:
            continue
        here, there = statistics.columns(schema, table), statistics.columns(*parent)
        if not {key, repeated} <= here.keys() or repeated not in there:
            continue
        keys, mine = (here[name].distinct_values(relation.rows) for name in (key, repeated))
        theirs = there[repeated].distinct_values(referenced.rows)
        if keys and mine and theirs and mine <= theirs * 1.1:
            groups.setdefault((schema, table), {})[frozenset({key, repeated})] = max(keys, mine)
    for schema, table, rows, columns in connection.execute(_COMPOSITE).fetchall():
        here = statistics.columns(schema, table)
        if (relation := catalog.tables.get((schema, table))) is not None and here.keys() >= set(columns):
            values = [here[name].distinct_values(relation.rows) or relation.rows for name in columns]
            groups.setdefault((schema, table), {})[frozenset(columns)] = min(rows, math.prod(values))
    known = {(one.schema, one.name): one for one in facts.extended_statistics}
    for schema, table, name, columns in connection.execute(_KEYS).fetchall():
        one = known.get((schema, name))
        if one is None or len(one.keys) != len(columns):
            continue
        names = dict(zip(one.keys, columns, strict=True))
        for match in _COMBINATION.finditer(one.n_distinct or ""):
            numbers = [int(number) for number in match["columns"].split(",")]
            if all(number in names for number in numbers):
                group = frozenset(names[number] for number in numbers)
                groups.setdefault((schema, table), {})[group] = float(match["distinct"])
    return groups
