"""Which extensions a twin may have, and stand-ins for the functions of those it has not.

CREATE EXTENSION runs as superuser, so the list is fixed: types, operators and index methods without a way to files, the
network or SQL given as text by somebody else.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from analyzer.monitored.catalog.planner_facts import ExtensionFunction, PlannerFacts
from analyzer.schema.quoting import qualified, quote_identifier, quote_literal
from analyzer.twin.cluster import ROLE, SCHEMA

ALLOWED = frozenset({
    "bloom", "btree_gin", "btree_gist", "citext", "cube", "dict_int", "dict_xsyn", "earthdistance", "fuzzystrmatch",
    "hstore", "intarray", "isn", "lo", "ltree", "moddatetime", "pg_stat_statements", "pg_trgm", "seg", "tablefunc",
    "tcn", "tsm_system_rows", "tsm_system_time", "unaccent", "vector",
})  # fmt: skip
TRIGRAMS = "pg_trgm"
TRIGRAMS_BEFORE_14 = "1.5"  # what CREATE EXTENSION makes there
BUILT_IN = frozenset({"plpgsql"})
NEEDS = {"earthdistance": ("cube",)}
NOT_HERE = "PGL01"  # SQLSTATE of a stand-in that was called


def create_extensions(connection: "psycopg.Connection[Any]", facts: PlannerFacts) -> dict[str, str]:
    """As superuser, before anything else is in the database. Missing ones with the reason.

    In the server's own version where there is a way to it: pg_trgm knows = from 1.6 on, and a planner that does plans
    what the server cannot.
    """
    versions = connection.execute("select name, version from pg_catalog.pg_available_extension_versions").fetchall()
    available = {name for name, _ in versions}
    installed: set[str] = set()
    missing: dict[str, str] = {}
    schemas = dict(facts.extensions)
    for schema in sorted({schema for _, schema in facts.extensions} - {"public"}):
        if not schema.startswith("pg_"):
            connection.execute(f"create schema if not exists {quote_identifier(schema)} authorization {ROLE}".encode())

    def make(name: str, schema: str, version: str | None) -> None:
        exactly = f" version {quote_literal(version)}" if version and (name, version) in versions else ""
        connection.execute(f'create extension "{name}" with schema {quote_identifier(schema)}{exactly}'.encode())

    def create(name: str) -> None:
        if name in installed or name in BUILT_IN:
            return
        if name not in ALLOWED or name not in available:
            missing[name] = "the twin does not have it"
            return
        for needed in NEEDS.get(name, ()):
            create(needed)
        try:
            make(name, schemas.get(name, "public"), facts.extension_versions.get(name))
            installed.add(name)
        except psycopg.Error as error:
            missing[name] = error.diag.message_primary or "it could not be created"

    for name, _ in facts.extensions:
        create(name)
    if TRIGRAMS not in installed and TRIGRAMS in available:  # beside the server's: to try what CREATE EXTENSION brings
        make(TRIGRAMS, SCHEMA, TRIGRAMS_BEFORE_14 if facts.server_version_num < 140_000 else None)
    return missing


def create_stand_ins(connection: "psycopg.Connection[Any]", functions: Sequence[ExtensionFunction]) -> int:
    """As the role: functions of missing extensions, so that defaults and views which name them can be restored.

    They raise an error when they are called: a plan that needs their result is refused, not guessed. How many exist.
    """
    made = 0
    for number, function in enumerate(functions):
        message = quote_literal(f"The twin does not have the extension {function.extension}")
        body = quote_literal(f"begin raise exception using errcode = '{NOT_HERE}', message = {message}; end")
        options = [
            {"i": "immutable", "s": "stable"}.get(function.volatility, "volatile"),
            {"s": "parallel safe", "r": "parallel restricted"}.get(function.parallel, "parallel unsafe"),
            *(["strict"] if function.is_strict else []),
            f"cost {function.cost:g}",
        ]
        name, arguments, result = qualified(function.schema, function.name), function.arguments, function.result
        how = f"returns {result} language plpgsql {' '.join(options)} as {body}"
        if function.is_aggregate:
            step = qualified(function.schema, f"pgloupe_step_{number}")
            statement = (
                f"create function {step}({', '.join(filter(None, (result, arguments)))}) {how};"
                f" create aggregate {name}({arguments or '*'}) (sfunc = {step}, stype = {result})"
            )
        else:
            statement = f"create function {name}({arguments}) {how}"
        try:
            with connection.transaction():
                connection.execute(statement.encode())
            made += 1
        except psycopg.Error:
            continue  # another type that is missing
    return made
