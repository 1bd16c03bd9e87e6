"""Statements as an application on TPC-H's tables would send them, any number of them, the same on every run.

Look-ups, short lists in an order, joins along the foreign keys, sums, searches, inserts, updates and deletes; a few run
very often, most seldom. Values are parameters, as pg_stat_statements shows them.
"""

import random

from analyzer.advice.rules.suggest import WorkloadStatement

# table -> (columns compared by equality, ranges and orders, columns read, keys to other tables)
TABLES = {
    "orders": (
        ("o_custkey", "o_orderstatus", "o_orderpriority", "o_clerk"), ("o_orderdate", "o_totalprice", "o_orderkey"),
        ("o_orderkey", "o_totalprice", "o_orderdate", "o_comment"), {"o_custkey": "customer.c_custkey"},
    ),
    "lineitem": (
        ("l_partkey", "l_suppkey", "l_returnflag", "l_shipmode", "l_linestatus"),
        ("l_shipdate", "l_receiptdate", "l_commitdate", "l_extendedprice"),
        ("l_orderkey", "l_quantity", "l_extendedprice", "l_discount"),
        {"l_orderkey": "orders.o_orderkey", "l_partkey": "part.p_partkey", "l_suppkey": "supplier.s_suppkey"},
    ),
    "customer": (
        ("c_nationkey", "c_mktsegment", "c_phone", "c_name"), ("c_acctbal", "c_name", "c_custkey"),
        ("c_custkey", "c_name", "c_acctbal"), {"c_nationkey": "nation.n_nationkey"},
    ),
    "part": (
        ("p_brand", "p_type", "p_size", "p_container", "p_mfgr"), ("p_retailprice", "p_size", "p_name"),
        ("p_partkey", "p_name", "p_retailprice"), {},
    ),
    "partsupp": (
        ("ps_suppkey", "ps_partkey"), ("ps_availqty", "ps_supplycost"), ("ps_partkey", "ps_availqty"),
        {"ps_partkey": "part.p_partkey", "ps_suppkey": "supplier.s_suppkey"},
    ),
    "supplier": (
        ("s_nationkey", "s_phone", "s_name"), ("s_acctbal", "s_name"), ("s_suppkey", "s_name", "s_acctbal"),
        {"s_nationkey": "nation.n_nationkey"},
    ),
}  # fmt: skip
WEIGHTS = {"orders": 5, "lineitem": 5, "customer": 3, "part": 2, "partsupp": 2, "supplier": 1}


def statements(count: int, seed: int = 7) -> list[WorkloadStatement]:
    """``count`` different ones."""
    dice = random.Random(seed)
    found: dict[str, WorkloadStatement] = {}
    while len(found) < count:
        sql = _statement(dice)
        calls = 10 ** dice.uniform(1, 6)
        name = f"s{len(found):04}"
        found.setdefault(sql, WorkloadStatement(name, sql, calls, 0.0, 0.0))
    return list(found.values())


def _statement(dice: random.Random) -> str:
    table = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    equal, ordered, read, keys = TABLES[table]
    where, number = [], 0
    for column in dice.sample(equal, dice.choice((0, 1, 1, 2))):
        number += 1
        where.append(f"{column} = ${number}" if dice.random() < 0.85 else f"{column} = any(${number})")
    if dice.random() < 0.4 or not where:
        number += 1
        where.append(f"{dice.choice(ordered)} {dice.choice(('>', '<', '>='))} ${number}")
    condition = " and ".join(where)
    columns = ", ".join(sorted(dice.sample(read, dice.randint(1, len(read)))))
    kind = dice.random()
    if kind < 0.08:
        return f"update {table} set {dice.choice(read[1:])} = ${number + 1} where {condition}"
    if kind < 0.12:
        return f"delete from {table} where {condition}"
    if kind < 0.22:
        return f"select {dice.choice(equal)}, count(*) from {table} where {condition} group by 1"
    if kind < 0.32 and keys:
        key, target = dice.choice(sorted(keys.items()))
        other, _, joined = target.partition(".")
        return f"select {columns} from {table} join {other} on {joined} = {key} where {condition}"
    if kind < 0.42:
        return f"select count(*) from {table} where {condition}"
    order = ""
    if kind < 0.75:
        order = f" order by {dice.choice(ordered)}{dice.choice(('', ' desc'))} limit {dice.choice((1, 20, 50))}"
    return f"select {columns} from {table} where {condition}{order}"
