"""The second opinion on an index: HypoPG on the monitored server, where the twin cannot plan a statement.

HypoPG (an extension that the server's owner installed; we never do) lets the planner of one session see B-trees that do
not exist. It keeps them in that session's memory: nothing is written, and nobody else sees them. Each plan is asked for
as the gate asks for its plans: text, tree and catalog layers first, then a read-only transaction with its limits and
EXPLAIN without ANALYZE; HypoPG forgets the indexes before the transaction ends. Plans are without parallel workers.
The catalog layer is asked again before each plan: an answer may be minutes old when the next plan needs it.
"""

import contextlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from analyzer.advice.ddl import name_columns
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import NO_NAMES, NONE, HypotheticalIndex, Names, Planned, Query, Refused
from analyzer.errors import ConnectionLost, MonitoredServerError, ServerUnreachable
from analyzer.monitored.connection import MonitoredConnection, connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.monitored.explain.attempts import Checked, read_plan
from analyzer.monitored.explain.explain import check_names, check_request, explain_generically, need_unchanged
from analyzer.monitored.explain.gate import ExplainOutcome, ExplainRequest
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.monitored.explain.gate_login import login_objection
from analyzer.monitored.explain.session import RECHECK_AFTER_S, ExplainSession, explain_session
from analyzer.monitored.watchdog import Watchdog, watchdog
from analyzer.plans.rename import renamed
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.index_names import index_name
from analyzer.schema.quoting import qualified
from analyzer.statements.safety import sizes_with_values
from analyzer.statements.tree import Unparsable, fresh_parse

FIRST_ID = 1 << 32  # above every oid
Answer = Mapping[str, Any] | Refused


@contextlib.contextmanager
def hypothetical_planner(
    settings: ConnectionSettings,
    facts: SchemaFacts,
    search_path: Sequence[str] = ("public",),
    limits: ExplainLimits | None = None,
) -> Iterator["HypotheticalPlanner | Refused"]:
    """Refused where the database has no HypoPG. Raises ServerUnreachable."""
    limits = limits or ExplainLimits()
    with connect(settings, statement_timeout_ms=limits.plan_timeout_ms) as connection:
        with connection.transaction_read_only():
            rows = connection.run("extension", {"name": "hypopg"}, action="looking for HypoPG")
        if not rows:
            yield Refused(f"HypoPG is not installed in database {connection.dbname!r}.")
            return
        objection = login_objection(connection)
        if objection is not None:
            yield Refused(objection)
            return
        with watchdog(settings, limits) as guard:
            yield HypotheticalPlanner(connection, guard, rows[0].schema, facts, search_path, limits)


class HypotheticalPlanner:
    """Implements ``analyzer.advice.planner.Planner`` for B-trees. Existing indexes cannot be hidden."""

    def __init__(
        self,
        connection: MonitoredConnection,
        guard: Watchdog,
        schema: str,
        facts: SchemaFacts,
        search_path: Sequence[str],
        limits: ExplainLimits,
    ) -> None:
        self._connection, self._watchdog, self._schema = connection, guard, schema
        self._facts, self._search_path, self._limits = facts, tuple(search_path), limits
        self._made: dict[int, HypotheticalIndex] = {}
        self._answers: dict[str, HypotheticalIndex | Refused] = {}
        self._checked: dict[str, Checked | Refused] = {}
        self._of_definitions: dict[str, Checked] = {}  # a statement that names what the definition does
        self._plans: dict[tuple[object, ...], Answer] = {}
        self._existing = {(t.schema, i.name): i.oid for t in facts for i in t.indexes}
        self.plans_made = 0

    def hypothesize(self, definitions: Sequence[IndexDefinition]) -> list[HypotheticalIndex | Refused]:
        for definition in definitions:
            text = _create(definition)
            if text not in self._answers:
                self._answers[text] = self._hypothesize(definition, text)
        return [self._answers[_create(definition)] for definition in definitions]

    def plan(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
    ) -> Planned | Refused:
        answer = self._explain(query, indexes, without)
        if isinstance(answer, Refused):
            return answer
        top = answer["Plan"]
        used = frozenset(_used(top, {_name(self._made[id]): id for id in indexes}, self._existing, None))
        return Planned(top["Total Cost"], used, top["Plan Rows"])

    def explain(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
        *,
        names: Names = NO_NAMES,
    ) -> Mapping[str, Any] | Refused:
        """Without literals, as all plans of the server's."""
        answer = self._explain(query, indexes, without)
        if isinstance(answer, Refused):
            return answer
        made = [self._made[id] for id in indexes]
        called = {_name(i): names.get(i.id, {}).get(i.definition.table.qualified_name, _name(i)) for i in made}
        plan: Mapping[str, Any] = renamed(answer, called)
        return plan

    # -- how ----------------------------------------------------------------------------------------------

    def _hypothesize(self, definition: IndexDefinition, text: str) -> HypotheticalIndex | Refused:
        if definition.method != "btree":
            return Refused(f"HypoPG is asked for B-trees only, not for {definition.method}.")
        refused = self._objection(definition, text)
        if refused is not None:
            return refused
        try:
            with self._session([text]) as session, self._created(session, [text]) as created:
                ((_, size_bytes),) = created
        except MonitoredServerError as error:
            return _refused(error)
        made = HypotheticalIndex(FIRST_ID + len(self._made), definition, size_bytes)
        self._made[made.id] = made
        return made

    def _objection(self, definition: IndexDefinition, text: str) -> Refused | None:
        """Its expressions and predicate are judged as those of a statement are: the planner evaluates constants."""
        parsed = fresh_parse(text)
        if isinstance(parsed, Unparsable) or len(parsed) != 1:
            return Refused("The definition is not one CREATE INDEX.")
        expressions = [f"({c.name}) is null" for c in definition.columns if c.is_expression]
        conditions = [*expressions, *([f"({definition.predicate})"] if definition.predicate else [])]
        table = qualified(definition.table.schema, definition.table.name)
        checked = self._check(f"select from {table}" + (f" where {' and '.join(conditions)}" if conditions else ""))
        if isinstance(checked, Refused):
            return checked
        self._of_definitions[text] = checked
        return None

    def _check(self, sql: str) -> Checked | Refused:
        if sql not in self._checked:
            request = ExplainRequest(sql, "", mode="plain", search_path=self._search_path, facts=self._facts)
            checked = check_request(request, self._limits)
            if isinstance(checked, ExplainOutcome):
                self._checked[sql] = Refused(checked.reason)
            else:
                refused = check_names(self._connection, checked)
                self._checked[sql] = Refused(refused.reason) if refused is not None else checked
        return self._checked[sql]

    def _explain(self, query: Query, indexes: Collection[int], without: Collection[int]) -> Answer:
        if without:
            return Refused("HypoPG plans with the indexes that exist; they are not hidden from it.")
        shown = [self._made[id] for id in sorted(indexes)]
        key = (query.sql, query.values, frozenset(indexes))
        if key not in self._plans:
            try:
                self._plans[key] = self._ask(query, shown)
            except (ConnectionLost, ServerUnreachable):
                raise
            except MonitoredServerError as error:
                self._plans[key] = _refused(error)
        return self._plans[key]

    def _ask(self, query: Query, shown: Sequence[HypotheticalIndex]) -> Answer:
        checked = self._check(query.sql)
        if isinstance(checked, Refused):
            return checked
        texts = [_create(index.definition) for index in shown]
        with self._session(texts, checked) as session:
            if session.is_pooled:
                return Refused("A connection pooler is in between; HypoPG needs the server's own address.")
            with self._created(session, texts) as created:
                self.plans_made += 1
                if query.values is not None and checked.has_parameters:
                    with session.prepared(checked.text) as name:
                        values = query.values[: len(session.parameter_types(name))]
                        sizes = sizes_with_values(checked.text, values, checked.catalog.views)
                        if problem := checked.catalog.objection_to(sizes):
                            return Refused(problem)
                        answer = session.explain_prepared(name, values, analyze=False)
                else:
                    answer = explain_generically(session, checked)
        plan_json, _ = read_plan(answer)
        names = {theirs: _name(index) for (theirs, _), index in zip(created, shown, strict=True)}
        (top,) = plan_json if isinstance(plan_json, list) else [plan_json]
        found: Mapping[str, Any] = renamed(top, names)
        return found

    @contextlib.contextmanager
    def _session(self, definitions: Sequence[str], checked: Checked | None = None) -> Iterator[ExplainSession]:
        """Its search_path holds what the statement and the definitions' expressions need, and no more."""
        everything = [*(self._of_definitions[text] for text in definitions), *([checked] if checked else [])]
        path = dict.fromkeys(schema for each in everything for schema in each.catalog.search_path)

        def recheck_catalog() -> None:
            for each in everything:
                if time.monotonic() - each.catalog_checked_at > RECHECK_AFTER_S:
                    need_unchanged(self._connection, each)

        with explain_session(
            self._connection,
            self._watchdog,
            self._limits,
            list(path),
            self._limits.plan_timeout_ms,
            recheck_catalog,
        ) as session:
            yield session

    @contextlib.contextmanager
    def _created(self, session: ExplainSession, definitions: Sequence[str]) -> Iterator[list[tuple[str, int]]]:
        """HypoPG's names and sizes of these indexes, which it knows until the end. An error ends the transaction, and
        what HypoPG remembers then is forgotten before the next."""
        schema = {"schema": self._schema}
        session.recheck_before_sending()  # HypoPG reads the definitions' expressions
        # also what an error left: HypoPG's memory does not roll back
        session.connection.run("hypothetical_reset", identifiers=schema, action="letting HypoPG forget")
        rows = session.connection.run(
            "hypothetical_create", {"definitions": list(definitions)}, identifiers=schema, action="telling HypoPG"
        )
        yield [(row.name, row.size_bytes) for row in rows]
        session.connection.run("hypothetical_reset", identifiers=schema, action="letting HypoPG forget")


def _create(definition: IndexDefinition) -> str:
    unique = "UNIQUE " if definition.is_unique else ""
    return f"CREATE {unique}INDEX ON {qualified(definition.table.schema, definition.table.name)} {definition.body()}"


def _name(index: HypotheticalIndex) -> str:
    """As a person would call it; the number keeps those of the same columns apart."""
    definition = index.definition
    return f"{index_name(definition.table.name, name_columns(definition))} (hypothetical {index.id - FIRST_ID + 1})"


def _used(
    node: Mapping[str, Any], made: Mapping[str, int], existing: Mapping[tuple[str, str], int], schema: str | None
) -> Iterator[int]:
    """A bitmap index scan shows no schema: it is that of the heap scan above it."""
    schema = node.get("Schema", schema)
    name = node.get("Index Name")
    if name is not None and name in made:
        yield made[name]
    elif name is not None and schema is not None and (schema, name) in existing:
        yield existing[schema, name]
    for child in node.get("Plans", ()):
        yield from _used(child, made, existing, schema)


def _refused(error: MonitoredServerError) -> Refused:
    text = str(error)
    return Refused(f"{text[:1].upper()}{text[1:].rstrip('.')}.")
