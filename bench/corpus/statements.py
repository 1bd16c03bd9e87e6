"""What the corpus asks: a text and how often it is asked, each time with other values (``with_values``)."""

import random
import re

from bench import tpcds
from bench.tpch import queries

VALUE = re.compile(r"\{([a-z_]+)(\d?)\}")
RANGES = {
    "aid": 500_000, "tid": 50, "bid": 5, "order": 50_000, "cust": 7_500, "part": 10_000, "supp": 500,
    "ticket": 99_000, "item": 9_000, "customer": 50_000, "store": 60, "day_id": 1_400, "brand": 199, "class": 39,
    "month": 12, "dd": 28, "delta": 500, "promotion": 150,
}  # fmt: skip
Asked = tuple[tuple[str, int], ...]  # text, times

PGBENCH: Asked = (
    ("select abalance from pgbench_accounts where aid = {aid}", 5),
    ("update pgbench_accounts set abalance = abalance + {delta} where aid = {aid}", 5),
    ("update pgbench_tellers set tbalance = tbalance + {delta} where tid = {tid}", 3),
    ("update pgbench_branches set bbalance = bbalance + {delta} where bid = {bid}", 3),
    ("insert into pgbench_history (tid, bid, aid, delta, mtime) values ({tid}, {bid}, {aid}, {delta}, now())", 3),
    ("select a.aid, b.bbalance from pgbench_accounts a join pgbench_branches b using (bid) where a.aid = {aid}", 3),
    ("select sum(abalance) from pgbench_accounts where aid between {aid} and {aid} + 2000", 3),
    ("select * from pgbench_accounts where aid in ({aid}, {aid2}, {aid3}, {aid4})", 3),
    ("select max(aid) from pgbench_accounts", 1),
    ("select * from pgbench_accounts order by aid desc limit 20", 1),
    ("select t.tid, b.bbalance from pgbench_tellers t join pgbench_branches b using (bid) where t.bid = {bid}", 3),
    ("select * from pgbench_history where aid = {aid} order by mtime desc limit 10", 5),
    ("select sum(delta), count(*) from pgbench_history where aid = {aid}", 5),
    ("select * from pgbench_history order by mtime desc limit 50", 1),
    ("select tid, sum(delta) from pgbench_history where mtime >= '2026-11-{dd}' and mtime < timestamp '2026-11-{dd}'"
     " + interval '1 hour' group by tid", 3),
    ("select a.aid, a.abalance, h.delta from pgbench_accounts a join pgbench_history h using (aid)"
     " where h.mtime between '2026-11-05 10:00' and '2026-11-05 10:10'", 3),
    ("select exists (select 1 from pgbench_history where aid = {aid})", 3),
    ("insert into pgbench_accounts values ({aid}, 1, 0) on conflict (aid) do update set abalance = 0", 3),
    ("delete from pgbench_accounts where aid = {aid}", 3),
    ("select * from pgbench_accounts where aid = {aid} for update", 3),
)  # fmt: skip
TPCH: Asked = (
    *((sql, 1) for sql in queries().values()),
    ("select * from lineitem where l_orderkey = {order} order by l_linenumber", 3),
    ("select o_orderkey, o_totalprice from orders where o_custkey = {cust} order by o_orderdate desc limit 5", 5),
    ("select s_name, ps_supplycost from partsupp join supplier on s_suppkey = ps_suppkey where ps_partkey = {part}", 5),
    ("select count(*), sum(l_quantity) from lineitem where l_partkey = {part}", 5),
    ("select l_shipmode, count(*) from lineitem where l_shipdate = date '1995-03-{dd}' group by 1", 3),
    ("select o_orderpriority, count(*) from orders where o_orderdate >= date '1996-{month}-01' and o_orderdate <"
     " date '1996-{month}-01' + 7 group by 1 order by 1", 3),
    ("select c_name, c_acctbal from customer where c_custkey = {cust}", 3),
    ("select c_name, o_orderkey from customer join orders on o_custkey = c_custkey where c_custkey = {cust}", 5),
    ("select p_name, ps_availqty from partsupp join part on p_partkey = ps_partkey where ps_suppkey = {supp}"
     " order by p_name limit 20", 3),
    ("select * from orders order by o_orderdate desc limit 20", 1),
    ("select c_custkey from customer where c_custkey between {cust} and {cust} + 50 and not exists (select 1 from"
     " orders where o_custkey = c_custkey)", 3),
    ("select o_orderkey, (select count(*) from lineitem where l_orderkey = o_orderkey) from orders"
     " where o_custkey = {cust}", 3),
    ("update orders set o_orderstatus = 'F' where o_orderkey = {order}", 3),
    ("select l_orderkey, l_quantity from lineitem where l_partkey = {part} and l_suppkey = {supp}", 3),
)  # fmt: skip
STAR: Asked = (
    ("select * from sale where ticket = {ticket}", 3),
    ("select i.brand, s.quantity, s.paid from sale s join item i using (item_id) where s.ticket = {ticket}", 3),
    ("select sold_at, paid from sale where customer_id = {customer} order by sold_at desc limit 10", 5),
    ("select count(*), sum(paid) from sale where customer_id = {customer}", 3),
    ("select * from customer where email = 'c{customer}@example.org'", 3),
    ("select customer_id, name from customer where state = 'CA' and joined >= '2023-{month}-01' and joined <"
     " date '2023-{month}-01' + 14", 3),
    ("select i.brand, sum(s.paid) from sale s join item i using (item_id) join day d using (day_id)"
     " where d.day = date '2024-{month}-{dd}' group by i.brand order by 2 desc limit 10", 5),
    ("select d.day, sum(s.paid) from sale s join day d using (day_id) where s.item_id = {item} and d.year = 2024"
     " group by d.day order by d.day", 3),
    ("select st.state, sum(s.profit) from sale s join store st using (store_id) join day d using (day_id) where d.day"
     " between '2024-{month}-01' and date '2024-{month}-01' + 6 group by st.state", 3),
    ("select sum(paid) from sale where store_id = {store} and sold_at >= '2024-{month}-{dd}' and sold_at <"
     " date '2024-{month}-{dd}' + 1", 5),
    ("select item_id, brand, price from item where category = 'Books' and class = 'class{class}' order by price limit"
     " 20", 3),
    ("select count(*) from item where brand = 'brand{brand}'", 3),
    ("select s.ticket, r.reason from refund r join sale s using (ticket, item_id) where r.day_id = {day_id}", 3),
    ("select * from sale order by sold_at desc limit 20", 1),
    ("select * from sale where (sold_at, ticket) < ('2024-{month}-{dd}', {ticket}) order by sold_at desc, ticket desc"
     " limit 20", 3),
    ("select distinct customer_id from sale where promotion_id = {promotion} and sold_at >= '2025-06-01'", 3),
    ("select c.name from customer c where c.customer_id between {customer} and {customer} + 20 and exists (select 1"
     " from sale s where s.customer_id = c.customer_id and s.paid > 100)", 3),
    ("select c.name, s.sold_at from customer c cross join lateral (select sold_at from sale where customer_id ="
     " c.customer_id order by sold_at desc limit 1) s where c.customer_id between {customer} and {customer} + 9", 3),
    ("select i.category, d.month, sum(s.paid) from sale s join item i using (item_id) join day d using (day_id) where"
     " d.year = 2024 group by i.category, d.month order by 1, 2", 1),
    ("with weekly as (select store_id, sum(paid) as paid from sale where sold_at >= '2024-{month}-01' and sold_at <"
     " date '2024-{month}-01' + 7 group by store_id) select name, paid from weekly join store using (store_id) where"
     " paid > (select 1.2 * avg(paid) from weekly)", 3),
    ("select item_id, sum(quantity), rank() over (order by sum(quantity) desc) from sale where sold_at >="
     " '2024-{month}-{dd}' and sold_at < date '2024-{month}-{dd}' + 1 group by item_id limit 10", 3),
    ("select d.weekday, avg(s.paid) from sale s join day d using (day_id) where d.is_holiday group by d.weekday", 1),
    ("update sale set quantity = quantity + 1 where ticket = {ticket}", 3),
    ("insert into refund select ticket, item_id, day_id, paid, 'late' from sale where ticket = {ticket} on conflict do"
     " nothing", 3),
)  # fmt: skip


def databases() -> dict[str, Asked]:
    """What each is asked; without TPC-DS where DuckDB is not there."""
    reports = {"tpcds": tuple((sql, 1) for sql in tpcds.queries().values())} if tpcds.is_there() else {}
    return {"pgbench": PGBENCH, "tpch": TPCH, "star": STAR, **reports}


def with_values(sql: str, chance: random.Random) -> str:
    """A name has one value in a text; ``{aid2}`` is another of ``{aid}``'s."""
    values = {found[0]: f"{chance.randint(1, RANGES[found[1]]):02}" for found in VALUE.finditer(sql)}
    return VALUE.sub(lambda found: values[found[0]], sql)
