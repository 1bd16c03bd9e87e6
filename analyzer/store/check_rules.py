"""Which checks are off on a server, and which of their thresholds were changed there: by whom, when and why."""

import math
from collections.abc import Mapping

from django.utils import timezone

from analyzer.checks import Check, Rules, all_checks
from analyzer.checks.impact import SEVERITY_BY_TIME
from analyzer.checks.threshold import SharedThresholds
from analyzer.errors import BadInput
from analyzer.models import CheckRule, Server


def rules_of(server: Server) -> Rules:
    """Of checks and thresholds that this version has; what an older one knew is left alone."""
    known: dict[str, Check | SharedThresholds] = {check.code: check for check in all_checks()}
    known[SEVERITY_BY_TIME.code] = SEVERITY_BY_TIME
    rows = [row for row in CheckRule.objects.filter(server=server) if row.code in known]
    return Rules(
        off=frozenset(row.code for row in rows if row.is_off),
        thresholds={
            (row.code, name): float(value)
            for row in rows
            for name, value in row.thresholds.items()
            if name in known[row.code].thresholds
        },
    )


def change_rule(
    server: Server,
    check: Check | SharedThresholds,
    *,
    is_off: bool,
    thresholds: Mapping[str, float],
    reason: str,
    by: str,
) -> None:
    """Keep what is to differ from the check as it comes; with nothing that differs the rule goes.

    Raises BadInput where a threshold is none of the check's or no possible value, or where no reason is given.
    """
    changed = {}
    for name, value in thresholds.items():
        threshold = check.thresholds.get(name)
        if threshold is None:
            raise BadInput(f"{check.code} has no threshold {name}.")
        if not math.isfinite(value) or value < 0:
            raise BadInput(f"{name} of {check.code} has to be a number of 0 or more.")
        if value != threshold.value:
            changed[name] = value
    if not is_off and not changed:
        CheckRule.objects.filter(server=server, code=check.code).delete()
        return
    if not reason.strip():
        raise BadInput("Say why: the next person will ask.")
    values = {
        "is_off": is_off,
        "thresholds": changed,
        "reason": reason.strip()[:1000],
        "changed_at": timezone.now(),
        "changed_by": by[:150],
    }
    CheckRule.objects.update_or_create(server=server, code=check.code, defaults=values)
