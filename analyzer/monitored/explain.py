"""Explain a statement on a monitored server, through every layer of the gate.

Nothing else in pgLoupe sends EXPLAIN. What may be executed is executed once per set of values (at most two); the rest
gets plain EXPLAIN, or nothing, with the reason. Cold or warm cache is not known: a warm-up would double the load.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from analyzer.errors import ConnectionLost, MissingRight, MonitoredServerError, StatementFailed
from analyzer.monitored.connection import ConnectionSettings, MonitoredConnection, connect
from analyzer.monitored.explain_candidates import Candidate, Checked, read_plan, text_hash
from analyzer.monitored.explain_session import ExplainSession, explain_session, read_right_sql
from analyzer.monitored.explain_values import (
    same_statement,
    usable_sample,
    value_sets,
    values_objection,
    with_long_lists,
)
from analyzer.monitored.gate import ExplainOutcome, ExplainRequest, plan_objection
from analyzer.monitored.gate_catalog import check_catalog
from analyzer.monitored.gate_limits import Limits
from analyzer.monitored.load_guard import load_objection
from analyzer.monitored.parameters import LIST_ELEMENTS, NoValues
from analyzer.monitored.watchdog import Watchdog, watchdog
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.safety import check_statement

__all__ = ["ExplainOutcome", "ExplainRequest", "Limits", "explain_statement"]

GENERIC_PLAN_FROM = 160_000
# undefined or ambiguous function or operator, a type that does not match or cannot be found: of a text that the
# application runs, it is the literals' types that are missing
NO_TYPE = ("42883", "42725", "42804", "42P18")
NO_TYPE_FOUND = (
    "pgLoupe did not find out the types of its literals, which pg_stat_statements leaves out ({}): a run seen with its"
    " values would tell them."
)


def explain_statement(
    settings: ConnectionSettings, request: ExplainRequest, limits: Limits | None = None
) -> list[ExplainOutcome]:
    """One outcome, or two for two sets of values. Raises only when the server cannot be reached at all."""
    limits = limits or Limits()
    checked = check_request(request, limits)
    if isinstance(checked, ExplainOutcome):
        return [checked]
    with watchdog(settings, limits) as dog:
        try:
            with connect(settings, statement_timeout_ms=limits.plan_timeout_ms) as connection:
                outcomes, approved = _plan(connection, dog, checked)
        except MonitoredServerError as error:
            layer = "rights" if isinstance(error, MissingRight) else "connection"
            return [checked.outcome("failed", layer, _told(error, dog))]
        for candidate in approved:
            outcome = _execute(settings, dog, checked, candidate)
            outcomes.append(outcome)
            if outcome.decision == "failed":
                break  # the other set of values would be as likely to burden the server
    return outcomes


def check_request(request: ExplainRequest, limits: Limits) -> Checked | ExplainOutcome:
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
    if verdict.decision == "analyze" and verdict.parameter_count:
        checked.sampled = usable_sample(request)
        if checked.sampled is None and (request.rows_per_call or 0.0) > LIST_ELEMENTS:
            checked.long_text = with_long_lists(checked)
    return checked


def _plan(
    connection: MonitoredConnection, dog: Watchdog, checked: Checked
) -> tuple[list[ExplainOutcome], list[Candidate]]:
    """Catalog, plan and load layers: outcomes of what is not executed, candidates for what is."""
    request, limits = checked.request, checked.limits
    refused = check_names(connection, checked)
    if refused is not None:
        return [refused], []
    with explain_session(connection, dog, limits, request.search_path, limits.plan_timeout_ms) as session:
        try:
            with _spending(checked, session):
                _read_generic(session, checked)
        except MissingRight as error:
            return [checked.outcome("refused", "rights", _missing_right(error, checked))], []
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
    """The catalog layer and the login's rights: why not even a plan may be asked for, None when it may."""
    names = checked.verdict.names
    if checked.sampled is not None:
        names |= check_statement(checked.sampled).names
    with connection.transaction_read_only():
        checked.catalog = check_catalog(connection, names, checked.request.search_path)
    if checked.catalog.decision == "refuse":
        return checked.outcome("refused", "catalog", checked.catalog.reason)
    lacking = _lacking_right(checked, connection)
    return checked.outcome("refused", "rights", lacking) if lacking is not None else None


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
        is_ours = checked.has_parameters and error.sqlstate in NO_TYPE
        checked.generic_error = NO_TYPE_FOUND.format(error.sqlstate) if is_ours else _told(error, session.dog)
    except MonitoredServerError as error:
        checked.generic_error = _told(error, session.dog)


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


def _candidates(session: ExplainSession, checked: Checked) -> list[Candidate] | NoValues:
    """Texts with values and their plans, the real values first: at most two."""
    is_recursive = checked.verdict.is_recursive or checked.catalog.is_recursive
    found: list[Candidate] = []
    if not checked.has_parameters:
        if checked.generic is None:
            return NoValues(checked.generic_error)
        return [Candidate("none", checked.text, (), (), (), is_recursive, checked.generic_json, checked.generic)]
    problem = checked.generic_error
    if checked.sampled is not None:
        try:
            with session.prepared(checked.sampled) as name:
                plan_json, plan = read_plan(session.explain_prepared(name, (), analyze=False))
            found.append(Candidate("sampled", checked.sampled, (), (), (), is_recursive, plan_json, plan))
        except (ConnectionLost, MissingRight):
            raise
        except MonitoredServerError as error:
            problem = str(error)
    if checked.generic is None:
        return found or NoValues(problem)  # what cannot be prepared once would only fill the server's log
    try:
        sets = value_sets(session, checked)
        if isinstance(sets, NoValues):
            problem, sets = sets.reason, []
        for text, values in sets:
            if found and found[0].source == "sampled" and values.source == "typical":
                continue  # the sampled values stand for it
            with session.prepared(text) as name:
                answer = session.explain_prepared(name, values.literals, analyze=False)
            plan_json, plan = read_plan(answer)
            found.append(
                Candidate(
                    values.source, text, values.literals, values.assumed, values.assumptions, is_recursive,
                    plan_json, plan,
                )
            )  # fmt: skip
    except (ConnectionLost, MissingRight):
        raise
    except StatementFailed as error:
        problem = f"The values that pgLoupe assumed do not fit this statement ({error.sqlstate})."
    except MonitoredServerError as error:
        problem = str(error)
    return found[:2] or NoValues(problem)


def _judge(
    session: ExplainSession, checked: Checked, candidates: list[Candidate]
) -> tuple[list[ExplainOutcome], list[Candidate]]:
    outcomes: list[ExplainOutcome] = []
    approved: list[Candidate] = []
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
                    candidate.plan, checked.request, checked.limits, session.temp_limit_bytes, candidate.is_recursive
                )
                or ""
            )
            if not objection and (unfit := values_objection(candidate)):
                layer, objection = "values", unfit
        if not objection:
            approved.append(candidate)
        elif all(o.plan is None or o.plan.shape != candidate.plan.shape for o in outcomes):
            outcomes.append(checked.outcome("plan_only", layer, objection, candidate))
    return outcomes, approved


def _execute(settings: ConnectionSettings, dog: Watchdog, checked: Checked, candidate: Candidate) -> ExplainOutcome:
    """The run layer, in a session of its own that is closed afterwards."""
    limits = checked.limits
    try:
        with (
            connect(settings, statement_timeout_ms=limits.statement_timeout_ms) as connection,
            explain_session(
                connection, dog, limits, checked.request.search_path, limits.statement_timeout_ms
            ) as session,
            _spending(checked, session),
            session.prepared(candidate.text) as name,
        ):
            answer = session.explain_prepared(name, candidate.literals, analyze=True)
        plan_json, plan = read_plan(answer)
    except MissingRight as error:
        return checked.outcome("refused", "rights", str(error), candidate)
    except MonitoredServerError as error:
        return checked.outcome("failed", "run", _told(error, dog), candidate)
    done = replace(candidate, plan_json=plan_json, plan=plan)
    return checked.outcome("executed", "", "Every layer of the gate let it through.", done)


@contextmanager
def _spending(checked: Checked, session: ExplainSession) -> Iterator[None]:
    before_ms = session.spent_ms
    try:
        yield
    finally:
        checked.spent_ms += session.spent_ms - before_ms


def _lacking_right(checked: Checked, connection: MonitoredConnection) -> str | None:
    """What the server would refuse, known beforehand: asking all the same would fill its log with errors."""
    catalog = checked.catalog
    if _changes(checked) and catalog.unchangeable:
        return _missing_right(MissingRight(f"use table {catalog.unchangeable}", connection.role, ""), checked)
    if not _changes(checked) and catalog.unreadable:
        return str(MissingRight(f"use table {catalog.unreadable}", connection.role, read_right_sql(connection)))
    return None


def _changes(checked: Checked) -> bool:
    return checked.verdict.reason.startswith(("It changes data", "It locks rows"))


def _missing_right(error: MissingRight, checked: Checked) -> str:
    if _changes(checked):
        return (
            f"Planning it needs the right to change data ({error.action}), which this login should not have:"
            " there is no plan of it."
        )
    return str(error)


def _told(error: MonitoredServerError, dog: Watchdog) -> str:
    if dog.terminated:
        return "It ignored its statement_timeout, so the watchdog ended the session."
    return str(error)
