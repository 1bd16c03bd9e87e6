"""Explain a statement on a monitored server, through every layer of the gate.

Nothing else in pgLoupe sends EXPLAIN. What may be executed is executed once per set of values (at most two); the rest
gets plain EXPLAIN, or nothing, with the reason: what even planning must not touch is left to the planner twin. Cold or
warm cache is not known: a warm-up would double the load.

Long: the layers stand here in the order in which a statement passes them, so that it shows that none is left out.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from psycopg.errors import UndefinedFunction

from analyzer.errors import (
    ConnectionLost,
    MissingRight,
    MonitoredServerError,
    ServerUnreachable,
    StatementCancelled,
    StatementFailed,
)
from analyzer.monitored.connection import ConnectionSettings, MonitoredConnection, connect
from analyzer.monitored.explain.attempts import Checked, ExplainCandidate, read_plan, text_hash
from analyzer.monitored.explain.gate import ExplainOutcome, ExplainRequest, plan_objection
from analyzer.monitored.explain.gate_catalog import CatalogVerdict, check_catalog
from analyzer.monitored.explain.gate_limits import ExplainLimits
from analyzer.monitored.explain.gate_login import login_objection
from analyzer.monitored.explain.load_guard import load_objection
from analyzer.monitored.explain.session import ExplainSession, explain_session, read_right_sql
from analyzer.monitored.explain.values import (
    same_statement,
    usable_sample,
    value_sets,
    values_objection,
    with_long_lists,
)
from analyzer.monitored.watchdog import Watchdog, watchdog
from analyzer.plans.shape import shape_of
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.qualify import qualified_sql
from analyzer.statements.safety import check_statement, sizes_with_values
from analyzer.values.choose import LIST_ELEMENTS, NoValues

__all__ = ["ExplainLimits", "ExplainOutcome", "ExplainRequest", "explain_statement"]

GENERIC_PLAN_FROM = 160_000
# what is sent finds PostgreSQL's own and known extensions' alone
OLDER_JSON = "This version of the server takes SQL/JSON constructs for calls of functions of those names."
NO_OWN_OPERATOR = "PostgreSQL has no operator or function of its own for the types it works with."
# undefined or ambiguous function or operator, a type that does not match or cannot be found: of a text that the
# application runs, it is the literals' types that are missing
NO_TYPE = ("42883", "42725", "42804", "42P18")
NO_TYPE_FOUND = (
    "pgLoupe did not find out the types of its literals, which pg_stat_statements leaves out ({}): a run seen with its"
    " values would tell them."
)


def explain_statement(
    settings: ConnectionSettings, request: ExplainRequest, limits: ExplainLimits | None = None
) -> list[ExplainOutcome]:
    """One outcome, or two for two sets of values. Raises only when the server cannot be reached at all."""
    limits = limits or ExplainLimits()
    checked = check_request(request, limits)
    if isinstance(checked, ExplainOutcome):
        return [checked]
    with watchdog(settings, limits) as guard:
        try:
            with connect(settings, statement_timeout_ms=limits.plan_timeout_ms) as connection:
                outcomes, approved = _plan(connection, guard, checked)
        except MonitoredServerError as error:
            return [checked.outcome("failed", _layer(error, guard), explained_failure(error, guard))]
        for candidate in approved:
            outcome = _execute(settings, guard, checked, candidate)
            outcomes.append(outcome)
            if outcome.decision == "failed":
                break  # the other set of values would be as likely to burden the server
    return outcomes


def check_request(request: ExplainRequest, limits: ExplainLimits) -> Checked | ExplainOutcome:
    """The layers that need no server. Refused here, nothing was sent."""

    def refused(layer: str, reason: str) -> ExplainOutcome:
        return ExplainOutcome("refused", layer, reason, text_hash=text_hash(request.sql))

    verdict = check_statement(request.sql)
    if verdict.decision == "refuse":
        return refused(verdict.layer, verdict.reason)
    preparable = preparable_sql(request.sql, facts=request.facts, samples=same_statement(request))
    if preparable.sql is None:
        return refused("text", preparable.reason or "The text cannot be made plannable.")
    verdict = check_statement(preparable.sql)  # what is sent is what is judged
    if verdict.decision == "refuse":
        return refused(verdict.layer, verdict.reason)
    checked = Checked(request, limits, preparable.sql, preparable, verdict)
    if verdict.decision == "twin":
        return checked.for_twin(verdict.layer, verdict.reason)
    if verdict.decision == "analyze" and verdict.parameter_count:
        checked.sampled = usable_sample(request)
        if checked.sampled is None and (request.rows_per_call or 0.0) > LIST_ELEMENTS:
            checked.long_text = with_long_lists(checked)
    return checked


def _plan(
    connection: MonitoredConnection, guard: Watchdog, checked: Checked
) -> tuple[list[ExplainOutcome], list[ExplainCandidate]]:
    """Catalog, plan and load layers: outcomes of what is not executed, candidates for what is."""
    limits = checked.limits
    objection = login_objection(connection)
    if objection is not None:
        return [checked.for_twin("login", objection)], []
    refused = check_names(connection, checked)
    if refused is not None:
        return [refused], []
    with session_for(connection, guard, checked, limits.plan_timeout_ms) as session:
        try:
            with _spending(checked, session):
                _read_generic(session, checked)
        except MissingRight as error:
            return [checked.outcome("refused", "rights", str(error))], []
        if checked.needs_foreign_code:
            return [checked.for_twin("catalog", NO_OWN_OPERATOR)], []
        if checked.is_too_much:
            return [checked.outcome("failed", "plan", checked.generic_error)], []
        if checked.verdict.decision == "plan":
            return [_planned(checked, checked.verdict.layer, checked.verdict.reason)], []
        if checked.catalog.decision == "plan":
            return [_planned(checked, "catalog", checked.catalog.reason)], []
        with _spending(checked, session):
            candidates = _candidates(session, checked)
        if isinstance(candidates, NoValues):
            return [_planned(checked, "values", candidates.reason)], []
        outcomes, approved = _judge(session, checked, candidates)
    if approved:
        with connection.transaction_read_only():
            objection = load_objection(connection, limits)
        if objection is not None:
            return outcomes + [checked.outcome("plan_only", "load", objection, c) for c in approved], []
    return outcomes, approved


def check_names(connection: MonitoredConnection, checked: Checked) -> ExplainOutcome | None:
    """The catalog layer and the login's rights: why not even a plan may be asked for, None when it may.

    From then on the texts name the schemas of their tables and types.
    """
    if connection.server_version_num < checked.verdict.since:
        return checked.for_twin("ast", OLDER_JSON)
    checked.names, checked.products = checked.verdict.names, checked.verdict.sizes.products
    if checked.sampled is not None:
        sampled = check_statement(checked.sampled)
        checked.names |= sampled.names
        checked.products = max(checked.products, sampled.sizes.products)
    checked.catalog_checked_at = time.monotonic()
    with connection.transaction_read_only():
        catalog = checked.catalog = _catalog(connection, checked)
    if catalog.decision == "refuse":
        return checked.outcome("refused", "catalog", catalog.reason)
    if catalog.unreadable is not None:
        right = read_right_sql(connection, catalog.unreadable)
        return checked.outcome(
            "refused", "rights", str(MissingRight(f"use {catalog.unreadable}", connection.role, right))
        )
    if catalog.decision == "twin":
        return checked.for_twin("catalog", catalog.reason)
    texts = [checked.text, checked.long_text, checked.sampled]
    schemas = catalog.table_schemas, catalog.type_schemas, catalog.function_schemas
    written = [text and qualified_sql(text, *schemas) for text in texts]
    if any(text and not with_schemas for text, with_schemas in zip(texts, written, strict=True)):
        return checked.for_twin("catalog", "pgLoupe cannot write the schemas of its tables into the text.")
    for text in filter(None, written):
        if objection := catalog.size_objection(text):
            return checked.for_twin("catalog", objection)
    checked.text, checked.long_text, checked.sampled = written[0] or checked.text, written[1], written[2]
    return None


def _catalog(connection: MonitoredConnection, checked: Checked) -> CatalogVerdict:
    return check_catalog(
        connection, checked.names, checked.request.search_path, checked.verdict.tables, checked.products
    )


def session_for(
    connection: MonitoredConnection, guard: Watchdog, checked: Checked, timeout_ms: int
) -> AbstractContextManager[ExplainSession]:
    """A transaction for a statement that passed the catalog layer, which is asked again before each plan.

    By then the tables are locked against most changes, so nobody can put other things under the names meanwhile.
    """

    return explain_session(
        connection, guard, checked.limits, checked.catalog.search_path, timeout_ms,
        lambda: need_unchanged(connection, checked),
    )  # fmt: skip


def need_unchanged(connection: MonitoredConnection, checked: Checked) -> None:
    """The catalog layer once more. Raises StatementFailed where it finds something else than before."""
    if _catalog(connection, checked) != checked.catalog:
        raise StatementFailed("planning a statement", None, "what it names was changed meanwhile")
    checked.catalog_checked_at = time.monotonic()


def _planned(checked: Checked, layer: str, reason: str) -> ExplainOutcome:
    if checked.generic is None and checked.generic_error:
        return checked.outcome("failed", "plan", checked.generic_error)
    return checked.outcome("plan_only", layer, reason)


def _read_generic(session: ExplainSession, checked: Checked) -> None:
    """The plan for unknown values; of a statement without parameters, simply its plan."""
    try:
        checked.generic_json, checked.generic = read_plan(explain_generically(session, checked))
    except (ConnectionLost, MissingRight):
        raise
    except StatementFailed as error:
        checked.needs_foreign_code = checked.catalog.own_operator and error.sqlstate == UndefinedFunction.sqlstate
        is_ours = checked.has_parameters and error.sqlstate in NO_TYPE
        checked.generic_error = NO_TYPE_FOUND.format(error.sqlstate) if is_ours else str(error)
    except MonitoredServerError as error:
        checked.is_too_much = isinstance(error, StatementCancelled)
        checked.generic_error = explained_failure(error, session.guard)


def explain_generically(session: ExplainSession, checked: Checked) -> str:
    """EXPLAIN's JSON for unknown values; of a statement without parameters, simply its plan."""
    if not checked.has_parameters:
        with session.prepared(checked.text) as name:
            return session.explain_prepared(name, (), analyze=False)
    if session.connection.server_version_num >= GENERIC_PLAN_FROM:
        return session.explain_generic(checked.text)
    with session.prepared(checked.text) as name:
        count = len(session.parameter_types(name))
        return session.explain_prepared(name, [None] * count, analyze=False, generic=True)


def _candidates(session: ExplainSession, checked: Checked) -> list[ExplainCandidate] | NoValues:
    """Texts with values and their plans, the real values first: at most two."""
    is_recursive = checked.verdict.is_recursive or checked.catalog.is_recursive
    candidates: list[ExplainCandidate] = []
    if not checked.has_parameters:
        if checked.generic is None:
            return NoValues(checked.generic_error)
        only = ExplainCandidate(
            "none", checked.text, (), (), is_recursive, checked.generic_json, checked.generic, checked.verdict.sizes
        )
        return [only]
    problem = checked.generic_error
    if checked.sampled is not None:
        try:
            with session.prepared(checked.sampled) as name:
                plan_json, plan = read_plan(session.explain_prepared(name, (), analyze=False))
            sizes = check_statement(checked.sampled).sizes
            candidates.append(
                ExplainCandidate("sampled", checked.sampled, (), (), is_recursive, plan_json, plan, sizes)
            )
        except (ConnectionLost, MissingRight):
            raise
        except MonitoredServerError as error:
            problem = str(error)
    if checked.generic is None:
        return candidates or NoValues(problem)  # what cannot be prepared once would only fill the server's log
    try:
        sets = value_sets(session, checked)
        if isinstance(sets, NoValues):
            problem, sets = sets.reason, []
        for text, values in sets:
            if candidates and candidates[0].source == "sampled" and values.source == "typical":
                continue  # the sampled values stand for it
            sizes = sizes_with_values(text, values.literals, checked.catalog.views)
            if problem := checked.catalog.objection_to(sizes):
                continue
            with session.prepared(text) as name:
                answer = session.explain_prepared(name, values.literals, analyze=False)
            plan_json, plan = read_plan(answer)
            candidates.append(
                ExplainCandidate(
                    values.source, text, values.literals, values.assumptions, is_recursive,
                    plan_json, plan, sizes,
                )
            )  # fmt: skip
    except (ConnectionLost, MissingRight):
        raise
    except StatementFailed as error:
        problem = f"The values that pgLoupe assumed do not fit this statement ({error.sqlstate})."
    except MonitoredServerError as error:
        problem = str(error)
    return candidates[:2] or NoValues(problem)


def _judge(
    session: ExplainSession, checked: Checked, candidates: list[ExplainCandidate]
) -> tuple[list[ExplainOutcome], list[ExplainCandidate]]:
    outcomes: list[ExplainOutcome] = []
    approved: list[ExplainCandidate] = []
    for candidate in candidates:
        assert candidate.plan is not None
        if checked.request.mode == "plain":
            layer, objection = "mode", "This server is set to plain EXPLAIN: nothing is executed."
        elif session.is_pooled:
            layer = "pooler"
            objection = "A connection pooler is in between; EXPLAIN ANALYZE needs the server's own address."
        else:
            layer = "plan"
            objection = (
                plan_objection(
                    candidate.plan,
                    checked.request,
                    checked.limits,
                    session.temp_limit_bytes,
                    candidate.is_recursive,
                    candidate.sizes,
                )
                or ""
            )
            if not objection and (unfit := values_objection(candidate)):
                layer, objection = "values", unfit
        if not objection:
            approved.append(candidate)
        elif all(o.plan is None or shape_of(o.plan) != shape_of(candidate.plan) for o in outcomes):
            outcomes.append(checked.outcome("plan_only", layer, objection, candidate))
    return outcomes, approved


def _execute(
    settings: ConnectionSettings, guard: Watchdog, checked: Checked, candidate: ExplainCandidate
) -> ExplainOutcome:
    """The run layer, in a session of its own that is closed afterwards."""
    limits = checked.limits
    try:
        with (
            connect(settings, statement_timeout_ms=limits.statement_timeout_ms) as connection,
            session_for(connection, guard, checked, limits.statement_timeout_ms) as session,
            _spending(checked, session),
            session.prepared(candidate.text) as name,
        ):
            answer = session.explain_prepared(name, candidate.literals, analyze=True)
        plan_json, plan = read_plan(answer)
    except MissingRight as error:
        return checked.outcome("refused", "rights", str(error), candidate)
    except MonitoredServerError as error:
        layer = "watchdog" if guard.terminated else "conflict" if "conflict with" in str(error) else "run"
        return checked.outcome("failed", layer, explained_failure(error, guard), candidate)
    done = replace(candidate, plan_json=plan_json, plan=plan)
    return checked.outcome("executed", "", "Every layer of the gate let it through.", done)


@contextmanager
def _spending(checked: Checked, session: ExplainSession) -> Iterator[None]:
    before_ms = session.spent_ms
    try:
        yield
    finally:
        checked.spent_ms += session.spent_ms - before_ms


def _layer(error: MonitoredServerError, guard: Watchdog) -> str:
    """Of a failure before anything runs."""
    if isinstance(error, MissingRight):
        return "rights"
    if guard.terminated:
        return "watchdog"
    return "connection" if isinstance(error, (ConnectionLost, ServerUnreachable)) else "plan"


def explained_failure(error: MonitoredServerError, guard: Watchdog) -> str:
    """In a sentence, with what became of the session that ran into it."""
    if not guard.terminated:
        return str(error)
    if guard.has_ended_it():
        return "It ignored its statement_timeout, so the watchdog ended the session."
    return (
        "It ignored its statement_timeout and the watchdog, so pgLoupe hung up; the server's process"
        f"{guard.pid_in_words} may still be at work."
    )
