"""Nights to look at: figures over two days, findings old and new, on the store's own clock."""

from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from analyzer.checks import all_checks
from analyzer.findings import Finding, Severity
from analyzer.models import FindingImpact, FindingRecord, ReportSubscription, Server, SuggestionRecord
from analyzer.store.findings import keep_findings
from tests.dashboard import world

DAY = timedelta(days=1)
CODES = [check.code for check in all_checks()]


def found(of: Server, *findings: Finding, at: datetime) -> list[FindingRecord]:
    """One run of all checks that found just these."""
    return keep_findings(of, world.database(of), list(findings), CODES, now=at)


def impact_before(record: FindingRecord, at: datetime, impact_s_per_day: float | None) -> None:
    FindingImpact.objects.create(
        finding=record, at=at.replace(minute=0, second=0, microsecond=0), impact_s_per_day=impact_s_per_day
    )


def busy(name: str = "shop") -> Server:
    """New, worse, fixed and still open ones, a new index, and a statement whose load grew."""
    now = timezone.now()
    yesterday, long_ago = now - timedelta(days=1, minutes=5), now - timedelta(days=9)
    of = world.server(name)
    world.step(of)
    statements = world.figures(of, hours=47, every_s=900)
    scan = world.scan_finding(statements[0].fingerprint)
    lookups = world.nplusone_finding(statements[3].fingerprint, statements[2].fingerprint)
    key = world.key_finding()
    gone = replace(
        world.scan_finding(statements[2].fingerprint),
        title="Seq Scan on shop_product p keeps few of the rows it reads",
        subject="Seq Scan on shop_product p",
        message="Seq Scan on shop_product p read 12,000 rows to keep 12.",
        impact_s_per_day=9_800.0,
        table="public.shop_product",
    )
    small = replace(key, subject="shop_review_product_id_fkey", about="public.shop_review.shop_review_product_id_fkey",
                    severity=Severity.INFO, impact_s_per_day=42.0, impact_assumed_s_per_day=42.0)  # fmt: skip
    found(of, lookups, key, gone, small, at=long_ago)
    for record in FindingRecord.objects.filter(server=of):
        before = 6_900.0 if record.code == "ST001" else record.impact_s_per_day
        impact_before(record, yesterday, before)
    found(of, scan, lookups, key, small, at=now - timedelta(hours=3))
    world.suggestion(of, scan, "public.shop_order", "status", "placed_at", helps=(statements[0].fingerprint,))
    world.suggestion(of, world.key_finding(), "public.shop_order_line", "order_id")
    SuggestionRecord.objects.filter(database__server=of).update(first_seen=now - timedelta(hours=3))
    return of


def subscription(user, **fields: object) -> ReportSubscription:  # type: ignore[no-untyped-def]
    values = {
        "address": f"{user.get_username()}@example.com",
        "hour": 7,
        "time_zone": "Europe/Berlin",
        "since": timezone.now() - timedelta(days=5),
        **fields,
    }
    return ReportSubscription.objects.create(user=user, **values)
