"""What psql itself prints, in every format, border and style of lines: each reads as the plan it shows."""

import itertools
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from analyzer.plans import parse_plans
from analyzer.runtime.postgres import embedded_bin_dir
from tests.plans.test_read_text import SETUP
from tests.servers import DEBIAN_15, Server

STATEMENT = """
select * from k join t on t.a = k.id where v = E'a\\nb: "c" -> <x> & y | z' and b > (select 5) order by b, v || '+'
"""
LINES = ("ascii", "old-ascii", "unicode")
STYLES = [
    *(f"\\pset border {border}\n\\pset linestyle {style}\n\\pset format {form}"
      for border, style, form in itertools.product((0, 1, 2), LINES, ("aligned", "wrapped"))),
    "\\pset border 2\n\\pset linestyle unicode\n\\pset unicode_border_linestyle double\n"
    "\\pset unicode_column_linestyle double",
    "\\pset format csv", "\\pset format unaligned", "\\pset format unaligned\n\\pset tuples_only on",
    "\\pset tuples_only on", "\\pset format html", "\\pset format html\n\\pset border 0",
]  # fmt: skip


@pytest.fixture
def explain(postgres18: Server) -> Iterator[Callable[[str, str, str], str]]:
    with postgres18.connect() as connection:
        connection.execute("drop schema if exists psql cascade; create schema psql; set search_path = psql")
        connection.execute("create table t as select i % 1000 a, i b from generate_series(1, 4000) i")
        connection.execute(SETUP)

        def run(options: str, commands: str, program: str) -> str:
            script = f"set search_path = psql;\n{commands}\nexplain ({options}) {STATEMENT};"
            done = subprocess.run(
                [program, "-X", "-q", "-d", postgres18.socket_dsn()], input=script, text=True, capture_output=True,
                check=True, env={"COLUMNS": "70", "LANG": "C.UTF-8", "PGCLIENTENCODING": "UTF8"},
            )  # fmt: skip
            return done.stdout

        yield run
        connection.execute("drop schema psql cascade")


def read(text: str) -> list[object]:
    return [[(n.depth, n.label, n.raw) for n in plan] + [plan.raw] for plan in parse_plans(text)]


@pytest.mark.postgres
@pytest.mark.parametrize("form", ["text", "json", "yaml", "xml"])
@pytest.mark.parametrize("expanded", ["off", "on"])
def test_reads_what_psql_prints(explain: Callable[[str, str, str], str], form: str, expanded: str) -> None:
    for options in (f"verbose, format {form}", f"costs off, settings, format {form}"):
        bare = read(explain(options, "\\pset format unaligned\n\\pset tuples_only on", str(DEBIAN_15 / "psql")))
        for style in STYLES:
            for program in (str(DEBIAN_15 / "psql"), str(embedded_bin_dir() / "psql")):
                printed = explain(options, f"{style}\n\\pset expanded {expanded}", program)
                assert read(printed) == bare, f"{style}: {printed}"


@pytest.mark.postgres
def test_reads_a_plan_in_one_cell_beside_others(explain: Callable[[str, str, str], str]) -> None:
    program = str(embedded_bin_dir() / "psql")
    styles = [style for style in STYLES if not re.search("tuples_only|old-ascii|wrapped|html", style)]
    for options in ("verbose", "costs off", "format json"):
        plan = explain(options, "\\pset format unaligned\n\\pset tuples_only on", program).rstrip()
        for columns in (
            "7 queryid, line plan, E'a\\nb' note",
            "7 queryid, line plan",
            "line plan",
            'line "QUERY PLAN"',
        ):
            for style, expanded in itertools.product(styles, ("off", "on")):
                if expanded == "on" and re.search("border 0|csv|unaligned", style):
                    continue
                if "unaligned" in style and columns != "line plan":  # one cell cannot be told from the next
                    continue
                select = f"select {columns} from (select $line${plan}$line$ line) as explained;"
                printed = explain("costs off", f"{style}\n\\pset expanded {expanded}\n{select}\n\\q", program)
                assert read(printed) == read(plan), printed
