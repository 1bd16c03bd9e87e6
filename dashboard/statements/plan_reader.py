"""The plan reader: a plan that a person pastes or uploads, or a stored one, with its findings beside the drawing.

What is pasted is read in this process and forgotten with the answer: nothing is kept and nothing is sent anywhere.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from analyzer.checks import AS_THEY_COME, Context, Outcome, Rules, checks_of, in_words, run_checks
from analyzer.checks.node import place, ranked
from analyzer.findings import Finding
from analyzer.models import Database, PlanRecord
from analyzer.plans import Plan, PlanError, PlanNode, parse_plans
from analyzer.plans.compare import change_in_words
from analyzer.plans.exclusive import own_share
from analyzer.plans.read_plan import decoded
from analyzer.plans.show import nested_json, outside_lines
from analyzer.steps import judgement
from analyzer.store.check_rules import rules_of
from analyzer.store.schemas import kept_schema
from analyzer.words.sizes import MB, size_words
from dashboard.permissions import viewer_required
from dashboard.statements.icicle import Icicle, icicle
from dashboard.statements.plan_changes import shown_changes
from dashboard.statements.plan_view import plan_document

MOST_BYTES = 10 * MB  # of one plan; judgement: EXPLAIN of 10,000 nodes comes to 5 MB
MOST_PASTED = f"{settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 1000:,} kB"  # in all fields of a form
PLANS_SHOWN, NODES_SHOWN, FIRST_FINDINGS = 5, 400, 3


@dataclass(frozen=True, slots=True)
class ShownFinding:
    finding: Finding
    number: int | None  # of the node it is about, in EXPLAIN's order from 1


@dataclass(frozen=True, slots=True)
class ShownNode:
    number: int
    node: PlanNode
    own_ms: float | None
    error_ms: float | None  # of its own time, where rounding hides the share
    share: float | None
    findings: int
    indent: str


@dataclass(frozen=True, slots=True)
class ShownPlan:
    plan: Plan
    first: tuple[ShownFinding, ...]
    more: tuple[ShownFinding, ...]
    not_run: tuple[str, ...]
    checks: int
    nodes: tuple[ShownNode, ...]
    nodes_left_out: int
    has_blocks: bool  # counted by BUFFERS
    icicle: Icicle | None
    frame: str  # the drawing's whole page
    outside: tuple[str, ...]


@viewer_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def read_plan(request: HttpRequest) -> HttpResponse:
    inspected = Database.objects.filter(is_inspected=True).select_related("server")
    databases = list(inspected.order_by("server__name", "name"))
    context: dict[str, Any] = {"section": "statements", "databases": databases, "most_pasted": MOST_PASTED}
    if request.method != "POST":
        return render(request, "dashboard/read_plan.html", context)
    context |= {name: request.POST.get(name, "") for name in ("plan", "other", "sql")}
    context["database"] = database = next((d for d in databases if str(d.pk) == request.POST.get("database")), None)
    try:
        sql = _source(request, "sql").strip()
        plans, others = _given(request, "plan"), _given(request, "other")
        if not plans:
            raise PlanError("Paste a plan, or choose a file with one.")
    except PlanError as problem:
        context["problem"] = str(problem)
        return render(request, "dashboard/read_plan.html", context, status=422)
    facts = kept_schema(database) if database else None
    rules = rules_of(database.server) if database else AS_THEY_COME

    def shown(plan: Plan) -> ShownPlan:
        query = sql or plan.query_text or ""
        known = Context(facts=facts, normalized_sql=query or None)
        return shown_plan(plan, query, run_checks(plan, known, rules=rules), rules)

    context["plans"] = [shown(plan) for plan in plans[:PLANS_SHOWN]]
    context["plans_left_out"] = max(0, len(plans) - PLANS_SHOWN)
    if others:
        context["other_plan"] = shown(others[0])
        context["compared_of"] = (len(plans), len(others)) if len(plans) + len(others) > 2 else None
        context["changes"] = change_in_words(plans[0], others[0])
        context["diff"] = shown_changes(plans[0], others[0])
    return render(request, "dashboard/read_plan.html", context)


@viewer_required
@require_GET
def stored_plan(request: HttpRequest, pk: int) -> HttpResponse:
    record = get_object_or_404(PlanRecord.objects.select_related("statement", "database__server"), pk=pk)
    server, sql, fingerprint = record.database.server, record.statement.normalized_sql, record.statement.fingerprint
    back = reverse("statement", args=[server.slug, fingerprint])
    context: dict[str, Any] = {"section": "statements", "record": record, "back": back, "sql": sql}
    try:
        (plan, *_) = parse_plans(record.plan)
    except (PlanError, ValueError) as problem:
        context["problem"] = str(problem) if record.plan else "The plan itself is not kept, because it is too large."
        return render(request, "dashboard/stored_plan.html", context)
    rules = rules_of(server)
    outcome = judgement.current(record, rules)
    if outcome is None:
        known = Context(facts=kept_schema(record.database), fingerprint=fingerprint, normalized_sql=sql)
        outcome = run_checks(plan, known, rules=rules)
    context["plans"] = [shown_plan(plan, sql, outcome, rules)]
    return render(request, "dashboard/stored_plan.html", context)


def _given(request: HttpRequest, name: str) -> list[Plan]:
    """Raises PlanError with one sentence."""
    source = _source(request, name)
    return parse_plans(source) if source.strip() else []


def _source(request: HttpRequest, name: str) -> str:
    """What was pasted or uploaded under that name; a file goes first. Raises PlanError with one sentence."""
    upload = request.FILES.get(f"{name}_file")
    if upload is None or not upload.size:
        return str(request.POST.get(name, ""))
    if upload.size > MOST_BYTES:
        noun = "query" if name == "sql" else "plan"
        raise PlanError(f"{upload.name} is larger than {size_words(MOST_BYTES)}, which is no {noun} to look at.")
    try:
        return decoded(upload.read())
    except PlanError as problem:
        raise PlanError(f"{upload.name} is not UTF-8 text.") from problem


def _number_of(finding: Finding, numbers: Mapping[str, int]) -> int | None:
    """Of the node it is about; of the plan as a whole, of the first that it explains."""
    first = finding.place if finding.place is not None else next(iter(finding.also_at), None)
    return numbers.get(first) if first is not None else None


def shown_plan(plan: Plan, sql: str, outcome: Outcome, rules: Rules) -> ShownPlan:
    numbers = {place(node): number for number, node in enumerate(plan, start=1)}
    findings = [ShownFinding(f, _number_of(f, numbers)) for f in ranked(outcome.findings)]
    per_node = Counter(f.number for f in findings)
    nodes = tuple(
        _shown_node(plan, node, number, per_node[number])
        for number, node in enumerate(plan.nodes[:NODES_SHOWN], start=1)
    )
    return ShownPlan(
        plan=plan,
        first=tuple(findings[:FIRST_FINDINGS]),
        more=tuple(findings[FIRST_FINDINGS:]),
        not_run=tuple(in_words(outcome)),
        checks=sum(check.code not in outcome.unjudged for check in checks_of(Plan, rules)),
        nodes=nodes,
        nodes_left_out=len(plan.nodes) - len(nodes),
        has_blocks=any(node.touched_blocks is not None for node in plan),
        icicle=icicle(plan),
        frame=plan_document(sql, [nested_json(plan)]),
        outside=tuple(outside_lines(plan)),
    )


def _shown_node(plan: Plan, node: PlanNode, number: int, findings: int) -> ShownNode:
    whole = plan.execution_time_ms or plan.root.total_time_ms
    own_ms = max(0.0, node.exclusive_time_ms) if node.loops and node.exclusive_time_ms is not None else None
    share = own_share(node, whole)
    error_ms = node.exclusive_time_error_ms if whole and own_ms is not None and share is None else None
    return ShownNode(number, node, own_ms, error_ms, share, findings, "\u2007" * (2 * min(node.depth, 40)))
