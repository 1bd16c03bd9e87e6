"""TPC-DS: its tables filled by dsdgen and its 99 queries, both of DuckDB's ``tpcds`` extension (MIT).

The wheel of DuckDB 1.0.0 has it built in; later ones would load it from the network.
"""

import importlib
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

PRIMARY_KEYS = {  # of other tables the first column
    "catalog_returns": "cr_item_sk, cr_order_number",
    "catalog_sales": "cs_item_sk, cs_order_number",
    "inventory": "inv_date_sk, inv_item_sk, inv_warehouse_sk",
    "store_returns": "sr_item_sk, sr_ticket_number",
    "store_sales": "ss_item_sk, ss_ticket_number",
    "web_returns": "wr_item_sk, wr_order_number",
    "web_sales": "ws_item_sk, ws_order_number",
}
REFERENCED = {  # how a column that refers to a table ends
    "date_sk": "date_dim", "time_sk": "time_dim", "item_sk": "item", "customer_sk": "customer",
    "cdemo_sk": "customer_demographics", "hdemo_sk": "household_demographics", "addr_sk": "customer_address",
    "store_sk": "store", "promo_sk": "promotion", "call_center_sk": "call_center",
    "catalog_page_sk": "catalog_page", "ship_mode_sk": "ship_mode", "warehouse_sk": "warehouse",
    "reason_sk": "reason", "web_page_sk": "web_page", "web_site_sk": "web_site", "income_band_sk": "income_band",
}  # fmt: skip
SALES = {"catalog_returns": "catalog_sales", "store_returns": "store_sales", "web_returns": "web_sales"}


def is_there() -> bool:
    try:
        _filled_with(0.0)
    except Exception:  # no DuckDB, or one without the extension and without the network
        return False
    return True


def queries() -> dict[str, str]:
    """Label ("01" to "99") -> SQL without the closing semicolon; PostgreSQL takes each as DuckDB has it."""
    rows = _filled_with(0.0).execute("select query_nr, query from tpcds_queries()").fetchall()
    return {f"{number:02}": sql.strip().rstrip(";") for number, sql in rows}


def load(connection: psycopg.Connection[Any], scale: float, place: Path) -> None:
    """Makes and fills the 24 tables, with primary keys; ``place``: a directory for one table's file at a time."""
    source = _filled_with(scale)
    for table, definition in source.execute("select table_name, sql from duckdb_tables() order by 1").fetchall():
        connection.execute(definition)
        file = place / f"{table}.csv"
        source.execute(f"copy {table} to '{file}' (format csv, header false)")
        with file.open("rb") as rows, connection.cursor().copy(f"copy {table} from stdin (format csv)") as to:
            while chunk := rows.read(1 << 20):
                to.write(chunk)
        file.unlink()
        connection.execute(f"alter table {table} add primary key ({_primary_key(connection, table)})")


def foreign_keys(connection: psycopg.Connection[Any]) -> list[str]:
    """The statements that add them."""
    columns = connection.execute(
        "select table_name, column_name from information_schema.columns where table_schema = 'public'"
        " and column_name like '%\\_sk' order by 1, ordinal_position"
    ).fetchall()
    added = [
        f"alter table {table} add foreign key ({column}) references {referenced}"
        for table, column in columns
        if (referenced := _referenced(column)) is not None and referenced != table
    ]
    sales = [
        f"alter table {table} add foreign key ({PRIMARY_KEYS[table]}) references {of}" for table, of in SALES.items()
    ]
    return added + sales


def _referenced(column: str) -> str | None:
    return next((table for end, table in REFERENCED.items() if column.endswith(f"_{end}")), None)


def _primary_key(connection: psycopg.Connection[Any], table: str) -> str:
    if table in PRIMARY_KEYS:
        return PRIMARY_KEYS[table]
    row = connection.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1", [table]
    ).fetchone()
    assert row is not None
    return str(row[0])


@cache
def _filled_with(scale: float) -> Any:
    source = importlib.import_module("duckdb").connect()
    source.execute("load tpcds")
    source.execute(f"call dsdgen(sf={scale})")
    return source
