"""Tables of the corpus, the indexes that a good administrator would make, and which of them grow."""

FILLED: dict[str, tuple[str, ...]] = {
    "pgbench": (  # as pgbench -i -s 5 makes them
        "create table pgbench_branches (bid int primary key, bbalance int, filler char(88)) with (fillfactor = 100)",
        "create table pgbench_tellers (tid int primary key, bid int, tbalance int, filler char(84))",
        "create table pgbench_accounts (aid int primary key, bid int, abalance int, filler char(84))",
        "create table pgbench_history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
        "insert into pgbench_branches select b, 0 from generate_series(1, 5) b",
        "insert into pgbench_tellers select t, (t - 1) / 10 + 1, 0 from generate_series(1, 50) t",
        "insert into pgbench_accounts select a, (a - 1) / 100000 + 1, a % 977 - 400, ''"
        " from generate_series(1, 500000) a",
        "insert into pgbench_history select h % 50 + 1, h % 5 + 1, h * 7919 % 500000 + 1, h % 999 - 500,"
        " timestamp '2026-11-01' + h * interval '9 seconds' from generate_series(1, 200000) h",
    ),
    "star": (
        "create table day (day_id int primary key, day date not null, year int not null, month int not null,"
        " weekday int not null, is_holiday boolean not null)",
        "create table store (store_id int primary key, name text not null, city text not null, state char(2) not null)",
        "create table item (item_id int primary key, brand text not null, category text not null, class text not null,"
        " price numeric(9, 2) not null, color text)",
        "create table customer (customer_id int primary key, name text not null, email text not null,"
        " state char(2) not null, born int, joined date not null)",
        "create table promotion (promotion_id int primary key, channel text not null, is_active boolean not null)",
        "create table sale (ticket int not null, item_id int not null references item,"
        " day_id int not null references day, store_id int not null references store,"
        " customer_id int references customer, promotion_id int references promotion, quantity int not null,"
        " paid numeric(9, 2) not null, profit numeric(9, 2) not null, sold_at timestamp not null,"
        " primary key (ticket, item_id))",
        "create table refund (ticket int not null, item_id int not null, day_id int not null, refunded numeric(9, 2),"
        " reason text, primary key (ticket, item_id), foreign key (ticket, item_id) references sale)",
        "insert into day select n, date '2022-01-01' + n, extract(year from date '2022-01-01' + n),"
        " extract(month from date '2022-01-01' + n), extract(isodow from date '2022-01-01' + n), n % 30 = 0"
        " from generate_series(1, 1460) n",
        "insert into store select n, 'Store ' || n, 'City ' || n % 20, chr(65 + n % 12) || 'A'"
        " from generate_series(1, 60) n",
        "insert into item select n, 'brand' || n % 200,"
        " (array['Books', 'Music', 'Shoes', 'Home', 'Sports'])[1 + n % 5],"
        " 'class' || n % 40, (n * 37 % 20000) / 100.0, (array['red', 'blue', 'green', null])[1 + n % 4]"
        " from generate_series(1, 9000) n",
        "insert into customer select n, 'Customer ' || n, 'c' || n || '@example.org', chr(65 + n % 25) || 'A',"
        " 1940 + n % 65, date '2020-01-01' + n % 1800 from generate_series(1, 50000) n",
        "insert into promotion select n, (array['mail', 'tv', 'web'])[1 + n % 3], n % 4 = 0"
        " from generate_series(1, 150) n",
        "insert into sale select n / 4, 1 + (n * 7919::bigint) % 9000, 1 + n / 275, 1 + n % 60,"
        " case when n % 20 > 0 then 1 + (n / 4 * 31::bigint) % 50000 end,"
        " case when n % 9 = 0 then 1 + n % 150 end, 1 + n % 6, (n * 13 % 9000) / 50.0, (n * 17 % 3000) / 50.0 - 12,"
        " timestamp '2022-01-02' + n * interval '5 minutes' from generate_series(1, 400000) n",
        "insert into refund select ticket, item_id, least(1460, day_id + 9), paid,"
        " (array['broken', 'too small', 'late'])[1 + ticket % 3] from sale where ticket % 25 = 0",
    ),
}
INDEXES = {
    "pgbench": (
        "create index on pgbench_tellers (bid)",
        "create index on pgbench_history (aid, mtime)",
        "create index on pgbench_history (mtime)",
    ),
    "tpch": (
        "create index on lineitem (l_partkey, l_suppkey)",
        "create index on lineitem (l_shipdate)",
        "create index on orders (o_custkey, o_orderdate)",
        "create index on orders (o_orderdate)",
        "create index on partsupp (ps_suppkey)",
        "create index on customer (c_nationkey)",
        "create index on supplier (s_nationkey)",
    ),
    "tpcds": (
        "create index on store_sales (ss_sold_date_sk)",
        "create index on store_sales (ss_customer_sk)",
        "create index on store_sales (ss_ticket_number)",
        "create index on store_sales (ss_addr_sk)",
        "create index on store_sales (ss_cdemo_sk)",
        "create index on catalog_sales (cs_sold_date_sk)",
        "create index on catalog_sales (cs_ship_date_sk)",
        "create index on catalog_sales (cs_bill_customer_sk)",
        "create index on catalog_sales (cs_ship_customer_sk)",
        "create index on catalog_sales (cs_order_number)",
        "create index on catalog_sales (cs_bill_cdemo_sk)",
        "create index on web_sales (ws_sold_date_sk)",
        "create index on web_sales (ws_ship_date_sk)",
        "create index on web_sales (ws_bill_customer_sk)",
        "create index on web_sales (ws_order_number)",
        "create index on store_returns (sr_returned_date_sk)",
        "create index on store_returns (sr_customer_sk)",
        "create index on store_returns (sr_cdemo_sk)",
        "create index on catalog_returns (cr_returned_date_sk)",
        "create index on catalog_returns (cr_returning_customer_sk)",
        "create index on catalog_returns (cr_order_number)",
        "create index on web_returns (wr_returned_date_sk)",
        "create index on web_returns (wr_returning_customer_sk)",
        "create index on web_returns (wr_order_number)",
        "create index on inventory (inv_item_sk, inv_date_sk)",
        "create index on date_dim (d_date)",
        "create index on date_dim (d_year, d_moy)",
        "create index on date_dim (d_month_seq)",
        "create index on date_dim (d_week_seq)",
        "create index on time_dim (t_hour, t_minute)",
        "create index on item (i_category, i_class)",
        "create index on item (i_manufact_id)",
        "create index on item (i_manager_id)",
        "create index on item (i_brand_id)",
        "create index on item (i_item_id)",
        "create index on customer (c_customer_id)",
        "create index on customer (c_current_addr_sk)",
        "create index on customer (c_current_cdemo_sk)",
        "create index on customer (c_current_hdemo_sk)",
        "create index on customer_address (ca_state, ca_county)",
        "create index on customer_address (ca_city)",
        "create index on customer_demographics (cd_marital_status, cd_education_status, cd_gender)",
    ),
    "star": (
        "create index on sale (day_id)",
        "create index on sale (item_id, day_id)",
        "create index on sale (customer_id, sold_at)",
        "create index on sale (store_id, sold_at)",
        "create index on sale (sold_at)",
        "create index on sale (promotion_id) where promotion_id is not null",
        "create index on refund (day_id)",
        "create index on day (day)",
        "create index on item (category, class)",
        "create index on item (brand)",
        "create unique index on customer (email)",
        "create index on customer (state, joined)",
    ),
}
LARGE = {
    "pgbench": ("pgbench_accounts", "pgbench_history"),
    "tpch": ("lineitem", "orders"),
    "star": ("sale", "refund", "customer", "item"),
    "tpcds": (),  # its statistics are fresh in both
}
