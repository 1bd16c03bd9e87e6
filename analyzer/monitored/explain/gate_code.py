"""Which code a statement can reach, by being executed or planned, and whether all of it is PostgreSQL's own.

Planning is running code: it works out constants, asks the functions of operator classes and partition keys, reads
indexes' predicates and checks, and expands policies. So nothing is sent whose text can reach a function, operator, cast
or type of a database user, who could have it read with our login's rights; the planner twin, which holds no rows, plans
it. Names are taken at their worst, over all overloads along the application's search_path; types down to their ground.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pglast import ast
from pglast.stream import RawStream

from analyzer.monitored.connection import MonitoredConnection, Row
from analyzer.monitored.explain.gate_limits import EXTENSIONS_WITH_SCHEMAS, HARMLESS_VOLATILE, TRUSTED_EXTENSIONS
from analyzer.statements.names import Call, StatementNames
from analyzer.statements.safety import Decision, check_expressions, function_objection, worse
from analyzer.statements.tree import Unparsable, parse

MOST_SQL_BYTES = 100_000  # of all expressions; judgement: as of a statement
OWN = "is not PostgreSQL's own, so it may do anything"


@dataclass(frozen=True, slots=True)
class ReachableObjects:
    """``search_path``: what the text, once its names have their schemas, still needs: the schemas of known extensions'
    operators, and of functions that have namesakes among PostgreSQL's own. In none of them is a user's of those names.

    ``type_schemas``, ``function_schemas``: of names without one.
    """

    decision: Decision = "analyze"
    reason: str = ""
    search_path: tuple[str, ...] = ("pg_catalog",)
    type_schemas: Mapping[str, str] = field(default_factory=dict)
    function_schemas: Mapping[str, str] = field(default_factory=dict)
    own_operator: bool = False  # an operator of a user's would do where PostgreSQL has none


def read_reach(
    connection: MonitoredConnection,
    names: StatementNames,
    attributes: Sequence[str],
    relations: Sequence[int],
    path: Sequence[str],
) -> ReachableObjects:
    """``attributes``: those that no column excuses; ``relations``: oids of all tables and views that are read."""
    rows = _read(connection, names, attributes, relations, path)
    judged: tuple[Decision, str] = ("analyze", "")
    for attribute in attributes:
        judged = worse(judged, function_objection(attribute))
    judged = worse(judged, _not_found(names, rows))
    function_schemas, search_path = _schemas(names, rows, path)
    named = {(schema, name) for schema, name, _ in names.calls if schema}
    named |= {(schema, name) for name, schema in function_schemas.items()}  # they are written so into what is sent
    for row in rows:
        if row.kind in ("function", "operator") and row.schema and row.doubt in ("foreign", "only"):
            is_named = bool(row.text) if row.kind == "operator" else (row.schema, row.name) in named
            is_looked_up = row.schema in search_path
            if is_named or is_looked_up or not (row.apart or row.doubt == "only"):
                judged = worse(judged, _doubt(row._replace(doubt="foreign")))
        else:
            judged = worse(judged, _doubt(row))
        if row.is_attribute and row.schema != "pg_catalog" and row.doubt != "foreign":
            judged = worse(judged, ("twin", f"The attribute {row.name} may be a function of an extension."))
    judged = worse(judged, _expressions(connection, rows, path))
    return ReachableObjects(
        *judged,
        search_path=search_path,
        type_schemas={row.name: row.schema for row in rows if row.kind == "named type" and not row.text},
        function_schemas=function_schemas,
        own_operator=any(row.doubt == "only" for row in rows),
    )


def _schemas(names: StatementNames, rows: Sequence[Row], path: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Schemas of functions that can be written down, and the search_path that is needed for the rest.

    Every schema that is left out of it is one in which nobody can put a function in the way.
    """
    unqualified = {name for schema, name, _ in names.calls if not schema}
    known: dict[str, set[str]] = {}
    needed: set[str] = set()
    takes_names = any(name.startswith("reg") for _, name in names.types)
    takes_names = takes_names or any(row.kind == "column of names" for row in rows)
    for row in rows:
        if row.doubt in ("foreign", "only") or row.apart or not row.schema:
            continue
        if row.kind == "function" and row.name in unqualified and not row.is_attribute:
            known.setdefault(row.name, set()).add(row.schema)
            takes_names = takes_names or bool(row.text)
        elif row.kind == "operator" and not row.text and row.schema != "pg_catalog":
            needed.add(row.schema)
    written = {}
    for name, schemas in known.items():
        if len(schemas) == 1:
            (schema,) = schemas
            if schema != "pg_catalog":
                written[name] = schema
        else:
            needed |= schemas
    if takes_names:
        return written, tuple(path)
    return written, ("pg_catalog", *(schema for schema in path[1:] if schema in needed))


def _expressions(connection: MonitoredConnection, rows: Sequence[Row], path: Sequence[str]) -> tuple[Decision, str]:
    """What the expressions of tables and types (indexes, checks, policies) call; the server writes their schemas."""
    judged: tuple[Decision, str] = ("analyze", "")
    names = StatementNames()
    texts = {row.text: row.label for row in rows if row.kind in ("expression", "statistics")}
    if sum(map(len, texts)) > MOST_SQL_BYTES:
        return "twin", f"The expressions of its tables and types are longer than {MOST_SQL_BYTES // 1000} kB."
    for text, label in texts.items():
        decision, reason, named = _expression(text)
        names |= named
        if decision != "analyze":
            judged = worse(judged, (decision, f"It works with {label}. {reason}"))
    if judged[0] in ("refuse", "twin") or not names.calls:
        return judged
    for row in _read(connection, names, (), (), path):
        if not row.apart and row.kind in ("function", "operator"):
            decision, reason = _doubt(row)
            if decision != "analyze":
                judged = worse(judged, (decision, f"It works with an expression of its tables or types. {reason}"))
    return judged


def _read(
    connection: MonitoredConnection,
    names: StatementNames,
    attributes: Sequence[str],
    relations: Sequence[int],
    path: Sequence[str],
) -> list[Row]:
    calls = [*map(_as_called, names.calls), *(("", name, 1) for name in attributes)]
    # f(x) is a cast where f is a type
    types = list(dict.fromkeys((*names.types, *((schema, name) for schema, name, _ in names.calls))))
    return connection.run(
        "gate_code",
        {
            "extensions": list(TRUSTED_EXTENSIONS),
            "extensions_with_schemas": list(EXTENSIONS_WITH_SCHEMAS),
            "harmless": list(HARMLESS_VOLATILE),
            "search_path": list(path),
            "relations": list(relations),
            "function_schemas": [schema for schema, _, _ in calls],
            "functions": [name for _, name, _ in calls],
            "argument_counts": [count for _, _, count in calls],
            "are_attributes": [at >= len(names.calls) for at in range(len(calls))],
            "operator_schemas": [schema for schema, _ in names.operators],
            "operators": [name for _, name in names.operators],
            "type_schemas": [schema for schema, _ in types],
            "types": [name for _, name in types],
        },
        action="looking up the functions of a statement",
    )


def _as_called(call: Call) -> Call:
    """EXTRACT is date_part() before 14; both compute the same."""
    return ("pg_catalog", "date_part", call[2]) if call[:2] == ("pg_catalog", "extract") else call


def _not_found(names: StatementNames, rows: Sequence[Row]) -> tuple[Decision, str]:
    """Asking all the same would put an error into the server's log."""
    known = {(row.kind, row.name) for row in rows if not (row.apart and row.doubt == "foreign")}
    functions = {name for kind, name in known if kind == "function"}
    types = {row.name for row in rows if row.kind == "named type"}
    for _, name, _ in map(_as_called, names.calls):
        if name not in functions and name not in types:
            return "twin", f"The function {name} is not found along the application's search_path."
    for _, name in names.types:
        if name not in types:
            return "twin", f"The type {name} is not found along the application's search_path."
    for _, name in names.operators:
        if ("operator", name) not in known:
            return "twin", f"The operator {name} is not found along the application's search_path."
    return "analyze", ""


def untrusted(subject: str, owner: str) -> str:
    return (
        f"{subject} belongs to {owner}, who is neither the database's owner nor the only one with tables, and could put"
        " code on it while it is planned."
    )


def _doubt(row: Row) -> tuple[Decision, str]:
    via = f" (by {row.label})" if row.label else ""
    if row.doubt == "foreign":
        if row.kind == "function":
            return "twin", f"The function {row.name}{via} {OWN}."
        if row.kind == "type":
            return "twin", f"The type {row.name}{via} is an unknown base type, whose functions may do anything."
        if row.kind == "operator class":
            return "twin", f"The operator class {row.name}{via} {OWN}."
        return "twin", f"The {row.kind} {row.name}{via} can lead to a function that {OWN}."
    if row.doubt == "untrusted":
        return "twin", untrusted(f"The type {row.name}{via}", row.text)
    if row.doubt == "forbidden":
        return "twin", f"This login may not call {row.name}()."
    if row.doubt == "internal":
        return "twin", f"It calls {row.name}(), with which types read their values."
    if row.doubt == "volatile":
        return "plan", f"The {row.kind} {row.name} is volatile: it may do more than compute a value."
    return "analyze", ""


def _expression(text: str) -> tuple[Decision, str, StatementNames]:
    if text.startswith("CREATE STATISTICS"):
        return _statistics(text)
    verdict = check_expressions(text)
    return verdict.decision, verdict.reason, verdict.names.of_postgresql()


def _statistics(text: str) -> tuple[Decision, str, StatementNames]:
    statements = parse(text)
    if isinstance(statements, Unparsable) or not isinstance(statements[0].stmt, ast.CreateStatsStmt):
        return "twin", "pgLoupe cannot read what CREATE STATISTICS says.", StatementNames()
    worst: tuple[Decision, str] = ("analyze", "")
    names = StatementNames()
    for expression in _stated(statements[0].stmt):
        verdict = check_expressions(expression)
        worst = worse(worst, (verdict.decision, verdict.reason))
        names |= verdict.names.of_postgresql()
    return *worst, names


def _stated(statement: object) -> Iterator[str]:
    for element in getattr(statement, "exprs", None) or ():
        if element.expr is not None:
            yield RawStream()(element.expr)
