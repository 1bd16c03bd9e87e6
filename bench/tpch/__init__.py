"""TPC-H: its tables filled by ``tpchgen-cli`` (Apache-2.0), its 22 queries with the specification's validation values.

The queries are those of DuckDB's ``tpch`` extension (MIT), unchanged.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.schema.facts import SchemaFacts

QUERIES = Path(__file__).parent
# Column types as the TPC-H specification names them; all columns NOT NULL, primary keys only.
TABLES = {
    "region": ("r_regionkey integer, r_name char(25), r_comment varchar(152)", "r_regionkey"),
    "nation": ("n_nationkey integer, n_name char(25), n_regionkey integer, n_comment varchar(152)", "n_nationkey"),
    "supplier": (
        "s_suppkey integer, s_name char(25), s_address varchar(40), s_nationkey integer, s_phone char(15),"
        " s_acctbal numeric(15,2), s_comment varchar(101)",
        "s_suppkey",
    ),
    "customer": (
        "c_custkey integer, c_name varchar(25), c_address varchar(40), c_nationkey integer, c_phone char(15),"
        " c_acctbal numeric(15,2), c_mktsegment char(10), c_comment varchar(117)",
        "c_custkey",
    ),
    "part": (
        "p_partkey integer, p_name varchar(55), p_mfgr char(25), p_brand char(10), p_type varchar(25),"
        " p_size integer, p_container char(10), p_retailprice numeric(15,2), p_comment varchar(23)",
        "p_partkey",
    ),
    "partsupp": (
        "ps_partkey integer, ps_suppkey integer, ps_availqty integer, ps_supplycost numeric(15,2),"
        " ps_comment varchar(199)",
        "ps_partkey, ps_suppkey",
    ),
    "orders": (
        "o_orderkey bigint, o_custkey integer, o_orderstatus char(1), o_totalprice numeric(15,2), o_orderdate date,"
        " o_orderpriority char(15), o_clerk char(15), o_shippriority integer, o_comment varchar(79)",
        "o_orderkey",
    ),
    "lineitem": (
        "l_orderkey bigint, l_partkey integer, l_suppkey integer, l_linenumber integer, l_quantity numeric(15,2),"
        " l_extendedprice numeric(15,2), l_discount numeric(15,2), l_tax numeric(15,2), l_returnflag char(1),"
        " l_linestatus char(1), l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct char(25),"
        " l_shipmode char(10), l_comment varchar(44)",
        "l_orderkey, l_linenumber",
    ),
}
# Ten indexes of the kinds people have: table, keys, and what else makes the definition.
TEN_INDEXES: tuple[tuple[str, tuple[IndexColumn, ...], dict[str, Any]], ...] = (
    ("lineitem", (IndexColumn("l_partkey"), IndexColumn("l_suppkey")), {}),
    ("lineitem", (IndexColumn("l_shipdate"),), {"include": ("l_extendedprice", "l_discount", "l_quantity")}),
    ("lineitem", (IndexColumn("l_receiptdate"),), {"method": "brin"}),
    ("lineitem", (IndexColumn("l_orderkey"),), {"predicate": "l_commitdate < l_receiptdate"}),
    ("orders", (IndexColumn("o_custkey"), IndexColumn("o_orderdate", descending=True)), {}),
    ("orders", (IndexColumn("o_orderdate"),), {"method": "gist"}),
    ("customer", (IndexColumn("substring(c_phone from 1 for 2)", is_expression=True), IndexColumn("c_acctbal")), {}),
    ("part", (IndexColumn("p_name", opclass="gin_trgm_ops"),), {"method": "gin"}),
    ("partsupp", (IndexColumn("ps_suppkey"), IndexColumn("ps_partkey")), {"is_unique": True}),
    ("supplier", (IndexColumn("s_nationkey"),), {"method": "hash"}),
)
EXTENSIONS = ("pg_trgm", "btree_gist")


def ten_indexes(facts: SchemaFacts) -> list[IndexDefinition]:
    found = []
    for name, columns, options in TEN_INDEXES:
        table = facts.find_table(name)
        assert table is not None, name
        found.append(IndexDefinition(table, columns, **options))
    return found


def queries() -> dict[str, str]:
    """Label ("01" to "22") -> SQL without the closing semicolon."""
    return {file.stem: file.read_text().strip().rstrip(";") for file in sorted(QUERIES.glob("[0-9][0-9].sql"))}


def load(connection: psycopg.Connection[Any], scale: float, place: Path) -> None:
    """Makes and fills the eight tables; exact row counts in the catalog, statistics as ANALYZE gathers them.

    ``place``: an empty directory for the generated files (1.1 GB at scale 1), emptied again table by table.
    """
    tool = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([tool, "csv", "-s", str(scale), "--output-dir", str(place)], check=True, capture_output=True)
    for table, (columns, key) in TABLES.items():
        body = ", ".join(f"{column} not null" for column in re.split(r", (?=[a-z])", columns))
        connection.execute(f"create table {table} ({body})")
        file = place / f"{table}.csv"
        with file.open("rb") as source, connection.cursor().copy(f"copy {table} from stdin (format csv, header)") as to:
            while chunk := source.read(1 << 20):
                to.write(chunk)
        file.unlink()
        connection.execute(f"alter table {table} add primary key ({key})")
    # VACUUM last: row counts are exact then, and a later CREATE INDEX does not shift them
    connection.execute("analyze")
    connection.execute("vacuum (freeze, disable_page_skipping)")
