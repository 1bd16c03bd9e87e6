"""A plan, drawn by PEV2 on a page of its own: Bootstrap, which PEV2 needs, would restyle ours."""

import re
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from analyzer.models import PlanRecord
from analyzer.plans.size import plan_size
from analyzer.statements.display import display_sql
from dashboard.middleware import POLICY_IN_OWN_FRAME
from dashboard.permissions import viewer_required
from dashboard.statements.plan_text import plan_text
from dashboard.templatetags.texts import visible

# Of a plan that is drawn. PEV2 makes an element of each node and of each of its figures: 500 nodes are a page of 1 MB.
MOST_NODES, MOST_BYTES = 500, 400_000
# What an HTML parser takes for the beginning of a tag or a comment.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


@viewer_required
@require_GET
@xframe_options_sameorigin
def plan(request: HttpRequest, pk: int) -> HttpResponse:
    record = get_object_or_404(PlanRecord.objects.select_related("statement"), pk=pk)
    response = HttpResponse(plan_document(record.statement.normalized_sql, record.plan))
    response.headers["Content-Security-Policy"] = POLICY_IN_OWN_FRAME
    return response


def plan_document(sql: str, plan_json: Any) -> str:
    """The whole page of a plan, also for a frame of its own (srcdoc): then nothing of it has to be kept.

    A plan that is too large to draw is shown as text.
    """
    size = plan_size(plan_json)
    is_drawn = size.nodes > 0 and not size.is_above(MOST_NODES, MOST_BYTES)
    context = {
        "plan": {"statement": {"normalized_sql": sql}},
        "drawn": drawn(plan_json) if is_drawn else None,
        "size": size,
        "pretty_sql": visible(display_sql(sql)),
        "plan_lines": plan_text(plan_json),
    }
    return render_to_string("dashboard/plan.html", context)


def drawn(part: Any) -> Any:
    """A plan, or a part of it, as PEV2 may have it.

    PEV2 (1.21) writes lists and some other fields into the page as HTML. A space behind ``<`` keeps a name from being
    a tag; EXPLAIN writes operators with a space anyway, so only names that hold a tag look different.
    """
    if isinstance(part, str):
        return visible(_TAG.sub("< ", part))
    if isinstance(part, list):
        return [drawn(item) for item in part]
    if isinstance(part, dict):
        return {drawn(key): drawn(value) for key, value in part.items()}
    return part
