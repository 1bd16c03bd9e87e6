"""Questions to the planner twin: what if this index were there or that one gone, and what would this SQL cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from analyzer.advice.candidates.typed import Existing, Typed
from analyzer.advice.ddl import drop_index
from analyzer.advice.foreign_keys_left_without_index import unserved_keys
from analyzer.advice.gain import MeasuredTimes, gain_of, gain_words
from analyzer.advice.predicted import NotPredicted, Prediction
from analyzer.advice.show_prediction import read_words
from analyzer.errors import BadInput, PgLoupeError
from analyzer.models import Database, Server
from analyzer.plans import redact_plan
from analyzer.plans.compare import cost_words
from analyzer.questions.ask import QueryAnswer, WhatIfAnswer, query_answer, what_if_answer
from analyzer.questions.what_if import ChangedStatement
from analyzer.schema.facts import ForeignKeyFacts, SchemaFacts
from analyzer.schema.quoting import qualified
from analyzer.statements.tree import MAX_SQL_BYTES
from analyzer.store.schemas import kept_schema
from analyzer.store.series.totals import rates_by_database, watched_s
from analyzer.store.series.windows import Window
from analyzer.store.series.workload import recorded_statements
from analyzer.words.durations import THIN
from dashboard.indexes import question_limit
from dashboard.indexes.what_if_form import read_form, what_if_form
from dashboard.permissions import viewer_required
from dashboard.servers.databases import ChosenDatabase, chosen_database
from dashboard.servers.state import sampling_state
from dashboard.statements.plan_text import plan_text, shortened
from dashboard.statements.plan_view import plan_document

WORKLOAD_WINDOW = timedelta(hours=24)
CHANGES_SHOWN = 50
FINDINGS_SHOWN = READS_SHOWN = 30
# Of the plans beside the changed statements, all together. Judgement: some 60 plans of an ordinary size.
MOST_PLAN_CHARACTERS = 500_000


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """One statement that changes; ``before`` and ``after``: its plans as text, without values.

    ``gain``: its time now and then in words, "" where it was not measured.
    """

    change: ChangedStatement
    sql: str
    words: str
    share_ratio: float | None  # of the saving (or loss) in what the workload costs now
    before: str
    after: str
    gain: str = ""


@dataclass(frozen=True, slots=True)
class HiddenIndex:
    """``ddl``: "" where it cannot simply be dropped; ``keys``: foreign keys whose check nothing would serve."""

    existing: Existing
    ddl: str
    keys: tuple[ForeignKeyFacts, ...]


@viewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def what_if(request: HttpRequest, server: str) -> HttpResponse:
    watched, chosen, facts = _known(request, server)
    database = chosen.database
    context: dict[str, Any] = {
        "section": "servers",
        "server": watched,
        "database": database,
        "databases": chosen.others,
        "state": sampling_state(watched),
    }
    if facts is None or database is None:
        return render(request, "dashboard/what_if.html", context)
    data = request.POST if request.method == "POST" else request.GET
    context["form"] = what_if_form(facts, data)
    status = 200
    if request.method == "POST":
        try:
            typed = read_form(facts, request.POST)
            with question_limit.counted(request):
                answer, times = _what_if(watched, database, facts, typed, request.user.pk)
            context |= {
                "answer": answer,
                "rows": _rows(answer, times),
                "total_words": cost_words(answer.what_if.cost_before, answer.what_if.cost_after),
                "hidden": _hidden(typed),
            }
        except PgLoupeError as problem:
            context["problem"] = _sentence(problem)
            status = status_of(problem)
    name = "_what_if_answer" if _is_part(request) else "what_if"
    return render(request, f"dashboard/{name}.html", context, status=status)


@viewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def query(request: HttpRequest, server: str) -> HttpResponse:
    watched, chosen, facts = _known(request, server)
    sql = (request.POST if request.method == "POST" else request.GET).get("sql", "")
    context: dict[str, Any] = {
        "section": "servers",
        "server": watched,
        "database": chosen.database,
        "databases": chosen.others,
        "state": sampling_state(watched),
        "facts": facts,
        "sql": sql,
    }
    status = 200
    if request.method == "POST" and facts is not None:
        try:
            context |= _query(request, watched, facts, sql)
        except PgLoupeError as problem:
            context["problem"] = _sentence(problem)
            status = status_of(problem)
    name = "_query_answer" if _is_part(request) else "query"
    return render(request, f"dashboard/{name}.html", context, status=status)


def _known(request: HttpRequest, slug: str) -> tuple[Server, ChosenDatabase, SchemaFacts | None]:
    watched = get_object_or_404(Server, slug=slug)
    chosen = chosen_database(request, watched)
    return watched, chosen, kept_schema(chosen.database) if chosen.database else None


def _is_part(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"


def status_of(problem: PgLoupeError) -> int:
    """422: it cannot be answered; 429: too much was asked; 503: not now."""
    if isinstance(problem, question_limit.TooManyQuestions):
        return 429
    return 422 if isinstance(problem, BadInput) else 503


def _sentence(problem: PgLoupeError) -> str:
    text = str(problem)
    return text if text.endswith((".", "?")) else f"{text}."


def _what_if(
    server: Server, database: Database, facts: SchemaFacts, typed: Typed, person: object
) -> tuple[WhatIfAnswer, MeasuredTimes]:
    now = timezone.now()
    daily = rates_by_database(server, Window(now - WORKLOAD_WINDOW, now)).get(database.oid, {})
    recorded = recorded_statements(server, database, daily)
    if not recorded:
        raise BadInput("No statement of this database has been recorded in the last 24 hours.")
    times = MeasuredTimes({s.fingerprint: s.total_time_s_per_day for s in recorded}, watched_s=watched_s(daily))
    return what_if_answer(server, recorded, facts, typed, now, person), times


def _rows(answer: WhatIfAnswer, times: MeasuredTimes) -> list[ChangeRow]:
    """Plans beside them as long as there is room."""
    whole, room = answer.what_if.cost_before, MOST_PLAN_CHARACTERS
    rows = []
    for change in answer.what_if.changes[:CHANGES_SHOWN]:
        before, after = (_redacted(change.before), _redacted(change.after)) if room > 0 else ("", "")
        room -= len(before) + len(after)
        rows.append(
            ChangeRow(
                change,
                answer.texts[change.statement],
                _words(change),
                abs(change.saved_per_day) / whole if whole else None,
                before,
                after,
                _gain(change, times),
            )
        )
    return rows


def _gain(change: ChangedStatement, times: MeasuredTimes) -> str:
    gain = gain_of([change], times.by_statement)
    return gain_words(gain, times.watched_s, THIN, "this") if gain is not None else ""


def _words(change: ChangedStatement) -> str:
    costs = (change.cost_before, change.cost_after)
    return change.change.summary(*costs) if change.change else cost_words(*costs)


def _redacted(plan: Mapping[str, Any] | None) -> str:
    """The values of a workload's statement come from the statistics, which hold people's data."""
    return plan_text(redact_plan([plan])) if plan else ""


def _hidden(typed: Typed) -> list[HiddenIndex]:
    keys = unserved_keys(typed)
    return [
        HiddenIndex(
            existing, "" if existing.why_needed else drop_index(existing.index, existing.table).text,
            tuple(keys.get(existing.index.oid, ())),
        )
        for existing in typed.hides
    ]  # fmt: skip


def _query(request: HttpRequest, server: Server, facts: SchemaFacts, sql: str) -> dict[str, Any]:
    if not sql.strip():
        raise BadInput("Type a statement.")
    if len(sql.encode(errors="replace")) > MAX_SQL_BYTES:
        raise BadInput(f"The statement is longer than {MAX_SQL_BYTES // 1000} kB.")
    with question_limit.counted(request):
        answer: QueryAnswer = query_answer(server, facts, sql, timezone.now(), request.user.pk)
    prediction = answer.prediction
    if isinstance(prediction, NotPredicted):
        raise BadInput(prediction.reason)
    return {
        "answer": answer,
        "found": prediction,
        "reads": [shortened(read_words(read)) for read in prediction.reads[:READS_SHOWN]],
        "more_reads": max(0, len(prediction.reads) - READS_SHOWN),
        "findings": [
            (finding.title, shortened(finding.message), shortened(finding.hint))
            for finding in prediction.findings[:FINDINGS_SHOWN]
        ],
        "more_findings": max(0, len(prediction.findings) - FINDINGS_SHOWN),
        "plan_lines": plan_text([prediction.plan_json]),
        "change_words": shortened(prediction.change_words),
        "frame": plan_document(prediction.sql, [prediction.plan_json]),
        "plan_with_lines": plan_text([prediction.plan_with_json]) if prediction.plan_with_json else "",
        "frame_with": plan_document(prediction.sql, [prediction.plan_with_json]) if prediction.plan_with_json else "",
        "ddl": "\n".join(like.ddl.text for like in prediction.likes),
        "try_link": f"{reverse('what_if', args=[server.slug])}?{urlencode({'index': _typed(prediction)})}",
        "size_bytes": sum(like.size_bytes for like in prediction.likes),
    }


def _typed(prediction: Prediction) -> str:
    """The indexes it would like, as the what-if box takes them."""
    return "\n".join(f"{qualified(like.schema, like.table_name)} {like.definition}" for like in prediction.likes)
