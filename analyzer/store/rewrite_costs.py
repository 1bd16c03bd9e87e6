"""What the planner says of statements written otherwise, kept with the findings whose fixes they are.

Each of ``FindingRecord.fixes`` that was planned has ``planned``: as ``steps/rewrites.py`` writes it. It goes with the
fix's text: checks that find the same again keep it, a text that changed has none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from analyzer.models import FindingRecord
from analyzer.store.locks import FINDINGS, wait_for

LIKEWISE = ", likewise"  # how the titles end of the code for ORMs behind a rewritten statement
KeptFix = dict[str, Any]  # {title, language, code}, planned where it was, no_gain where that shows none


def with_costs(fixes: Sequence[KeptFix], before: Sequence[Mapping[str, Any]]) -> list[KeptFix]:
    """``fixes`` with what was planned of the same texts ``before``; those of which the planner sees no gain last."""
    known = {fix["code"]: fix["planned"] for fix in before if "planned" in fix}
    return _gainless_last([fix | {"planned": known[fix["code"]]} if fix["code"] in known else fix for fix in fixes])


def keep_costs(record: FindingRecord, planned: Mapping[str, Mapping[str, Any]]) -> None:
    """``planned``: by the fix's code. Checks may have judged the finding meanwhile: what they wrote stays."""
    with transaction.atomic():
        wait_for(FINDINGS, record.server_id)
        fixes = FindingRecord.objects.filter(pk=record.pk).values_list("fixes", flat=True).first()
        if fixes is not None:
            new = [fix | {"planned": dict(planned[fix["code"]])} if fix["code"] in planned else fix for fix in fixes]
            FindingRecord.objects.filter(pk=record.pk).update(fixes=_gainless_last(new))


def _gainless_last(fixes: Sequence[KeptFix]) -> list[KeptFix]:
    """Marked ``no_gain``; with the code for ORMs, which says the same, where no rewritten statement is left before."""
    planned = [fix for fix in fixes if "planned" in fix]
    none_gains = bool(planned) and all(map(_is_gainless, planned))
    first: list[KeptFix] = []
    last: list[KeptFix] = []
    for fix in fixes:
        is_last = _is_gainless(fix) or (none_gains and fix["title"].endswith(LIKEWISE))
        kept = {name: value for name, value in fix.items() if name != "no_gain"}
        (last if is_last else first).append(kept | {"no_gain": True} if is_last else kept)
    return first + last


def _is_gainless(fix: Mapping[str, Any]) -> bool:
    """Whether it was planned, and is not cheaper."""
    planned = fix.get("planned")
    return planned is not None and planned["cost_after"] is not None and not planned["is_cheaper"]
