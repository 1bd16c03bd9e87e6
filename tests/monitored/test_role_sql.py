"""The login's SQL: one recipe wherever one is shown, and grants of no more than is missing."""

import re
import textwrap
from pathlib import Path

from pglast import parse_sql

from analyzer.monitored.access.role_sql import MOST_NAMED, create_login_line, create_login_sql, grant_unreadable_sql
from analyzer.schema.quoting import quote_identifier

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("analyzer", "dashboard", "templates", "docs")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".html", ".md")
]


def test_readme_quotes_the_recipe() -> None:
    (quoted,) = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert textwrap.dedent(quoted).strip() == create_login_sql("pgloupe", "app")


def test_no_other_recipe_is_written_anywhere() -> None:
    recipe = re.compile(r"create role \S+ login.*pg_monitor", re.IGNORECASE | re.DOTALL)
    places = [path.name for path in SOURCES if recipe.search(path.read_text("utf-8"))]
    assert sorted(places) == ["role_sql.py", "shop.py"]  # the demo makes its own server's


def test_the_recipe_for_any_server_names_what_each_version_gets() -> None:
    for version in (130_000, 140_000, 180_000):
        text = create_login_sql("pgloupe", "app")
        for statement in create_login_line("pgloupe", "app", version).split("; "):
            assert statement.rstrip(";") in text


def test_the_line_of_a_sentence_is_whole_and_needs_no_superuser() -> None:
    for login, database in (("pgloupe", "app"), ("pg;x", "a;b"), ('"--', "a -- b")):
        line = create_login_line(login, database, 130_000)
        role, name = quote_identifier(login), quote_identifier(database)
        assert line.startswith(
            f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 5; GRANT CONNECT ON DATABASE {name} TO {role};"
            f" GRANT pg_monitor TO {role}; GRANT USAGE ON SCHEMA public TO {role};"
        )
        assert len(parse_sql(line)) == 10
        assert "temp_file_limit" not in line
        assert "EXTENSION" not in line


def test_few_tables_are_granted_by_name_and_all_data_come_second() -> None:
    few = [("public", f"t{n}") for n in range(MOST_NAMED)]
    assert grant_unreadable_sql("us", 150_000, [("App", "a b")], ["App", "z"], closed=["z"]) == [
        "GRANT USAGE ON SCHEMA z TO us;",
        'GRANT SELECT ON TABLE "App"."a b" TO us;',
        "-- or all data, tables to come included: GRANT pg_read_all_data TO us;",
    ]
    assert len(grant_unreadable_sql("us", 130_000, few, ["public"])) == MOST_NAMED
    many = grant_unreadable_sql("us", 150_000, [*few, ("public", "x")], ["public"])
    assert many[1] == "GRANT SELECT ON ALL TABLES IN SCHEMA public TO us;"
    assert many[-1].startswith("-- or all data")
    assert grant_unreadable_sql("us", 150_000, few, ["public"], are_all=True) == ["GRANT pg_read_all_data TO us;"]
