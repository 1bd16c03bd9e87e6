"""Record what each request of an application's pages asks: how tests/behaviour/pages/*.json.gz were made.

    PYTHONPATH=. DJANGO_SETTINGS_MODULE=SETTINGS python record_pages.py PAGES OUT.json

runs in the application's own environment (django-oscar 4.2.1, pretix 2026.8.0, some hundreds of made rows a table) on a
PostgreSQL 18 of its own, whose pg_stat_statements it resets before each request. PAGES is a module with
``pages() -> [(name, user or None, [url, ...])]``. Packed with the facts that ``read_schema`` gives of the database:
{"texts": [...], "requests": [{"page": name, "counts": {place of the text: [calls, rows, ms]}}], "facts": {...}}.
"""

import importlib
import json
import sys
from pathlib import Path

import django
import psycopg
from django.db import connection
from django.test import Client

COUNTERS = """
select queryid, query, calls, rows, total_exec_time from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database()) and toplevel
    and query not like '%pg_stat_statements%'
"""


def record(pages, statistics):
    places, texts, requests = {}, [], []
    for name, user, urls in pages:
        client = Client(raise_request_exception=False)
        if user is not None:
            client.force_login(user)
        client.get(urls[0])  # content types, sites and templates are cached from here on
        for url in urls:
            statistics.execute("select pg_stat_statements_reset()")
            response = client.get(url)
            if response.status_code != 200:
                raise SystemExit(f"{name}: {url} answers {response.status_code}")
            counts = {}
            for queryid, text, calls, rows, ms in statistics.execute(COUNTERS).fetchall():
                if queryid not in places:
                    places[queryid] = len(texts)
                    texts.append(text)
                counts[places[queryid]] = [calls, rows, round(ms, 3)]
            requests.append({"page": name, "counts": counts})
    return {"texts": texts, "requests": requests}


if __name__ == "__main__":
    django.setup()
    where = connection.get_connection_params()
    dsn = {key: where[key] for key in ("host", "port", "user", "password", "dbname") if where.get(key)}
    with psycopg.connect(**dsn, autocommit=True) as statistics:
        found = record(importlib.import_module(sys.argv[1]).pages(), statistics)
    Path(sys.argv[2]).write_text(json.dumps(found))
