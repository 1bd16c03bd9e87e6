"""A planner by table: each query has ways to be planned, each with a cost and the indexes it needs."""

import random

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.planner import HypotheticalIndex, Planned, Query
from tests.advice.builders import facts, index, table


class TablePlanner:
    """``ways[key]``: (cost, bodies of new indexes and names of existing ones that it needs); the cheapest that can be
    had is taken. ``works``: by query key and the bodies that a plan needs, its work; others have none."""

    def __init__(self, ways, sizes, existing=None, works=None, rows_written=None):
        self.ways, self.sizes, self.existing = ways, sizes, existing or {}
        self.works = works or {}
        self.rows_written = rows_written or {}
        self.plans_made = 0
        self._ids = {}
        self.asked = []

    def hypothesize(self, definitions):
        found = []
        for definition in definitions:
            body = definition.body()
            id_ = self._ids.setdefault((definition.table.name, body), 9_000_000 + len(self._ids))
            found.append(HypotheticalIndex(id_, definition, self.sizes.get(body, 1_000_000)))
        return found

    def plan(self, query, indexes=frozenset(), without=frozenset()):
        self.plans_made += 1
        there = {body: id_ for (_, body), id_ in self._ids.items() if id_ in indexes}
        there |= {name: oid for name, oid in self.existing.items() if oid not in without}
        possible = [(c, len(n), sorted(n)) for c, n in self.ways[query.key] if all(x in there for x in n)]
        cost, _, needed = min(possible)
        self.asked.append((query.key, frozenset(indexes), frozenset(without)))
        work = self.works.get((query.key, *needed))
        return Planned(cost, frozenset(there[x] for x in needed), work=work)

    def explain(self, query, indexes=frozenset(), without=frozenset(), *, names=None):
        table = query.sql.partition(" FROM ")[2].partition(",")[0].strip()
        scan = {"Node Type": "Seq Scan", "Relation Name": table, "Plan Rows": self.rows_written.get(query.key, 1)}
        return {"Plan": {"Plans": [scan]}}


def shop(*tables, **more):
    """Tables ``t0``, ``t1``, ... with columns a to f."""
    made = tables or tuple(
        table(f"t{n}", ["id|bigint|-1", *(f"{c}|integer|1000" for c in "abcdef")], oid=100 + n) for n in range(3)
    )
    return facts(*made, **more)


def definition(on, *columns, include=(), predicate=None):
    return IndexDefinition(on, tuple(IndexColumn(c) for c in columns), include=tuple(include), predicate=predicate)


def random_task(seed):
    """Queries, candidates, planner and facts, with indexes that help only together, small enough for brute force."""
    dice = random.Random(seed)
    schema = shop()
    columns = "abcdef"
    candidates = [
        definition(
            dice.choice(schema.tables), *dice.sample(columns, dice.randint(1, 2)), include=dice.choice([(), ("id",)])
        )
        for _ in range(dice.randint(3, 8))
    ]
    candidates = list({(c.table.name, c.body()): c for c in candidates}.values())
    # bodies must tell indexes apart in this planner
    candidates = list({c.body(): c for c in candidates}.values())
    sizes = {c.body(): dice.randint(1, 40) * 1_000_000 for c in candidates}
    queries, ways = [], {}
    for number in range(dice.randint(1, 6)):
        read = dice.sample(range(3), dice.randint(1, 3))
        key = f"q{number}"
        sql = "SELECT id, a, b, c, d, e, f FROM " + ", ".join(f"t{n}" for n in read)
        queries.append(Query(key, key, sql, dice.choice([1.0, 10.0, 250.0])))
        here = [c.body() for c in candidates if c.table.name in {f"t{n}" for n in read}]
        base = dice.uniform(100, 10_000)
        ways[key] = [(base, ())]
        for _ in range(dice.randint(0, 7)):
            if here:
                needed = tuple(sorted(dice.sample(here, min(len(here), dice.randint(1, 3)))))
                ways[key].append((base * dice.uniform(0.02, 1.1), needed))
    return queries, candidates, TablePlanner(ways, sizes), schema


__all__ = ["TablePlanner", "definition", "index", "random_task", "shop"]
