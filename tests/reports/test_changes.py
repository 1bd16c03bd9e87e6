"""What the mail says of findings that got worse without costing more, and of those that nobody mended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from analyzer.findings import Finding, Severity
from analyzer.models import CheckRule, Database, FindingRecord, Statement
from analyzer.store.finding_life import mute
from analyzer.store.findings import keep_findings
from dashboard.mail.compose import compose
from dashboard.mail.report_figures import report_of
from tests.dashboard import world

pytestmark = pytest.mark.django_db
END = datetime(2026, 11, 22, 6, tzinfo=UTC)
START = END - timedelta(days=1)
KEY = Finding("SC019", "Key near its end", Severity.WARNING, "id", "at 55 %", "h", {}, about="public.a")
SERIAL = Finding("SC017", "Serial columns", Severity.INFO, "serial", "one", "h", {}, about="shop", members=("t.a",))
SCAN = Finding("PL004", "Scan", Severity.WARNING, "Seq Scan on t", "m", "h", {}, about="f1")
OFF = Finding("SC030", "Switched off", Severity.WARNING, "t", "m", "h", {}, about="public.t")


def test_the_mail_tells_what_is_worse_and_calls_nothing_fixed_that_nobody_mended() -> None:
    server = world.server()
    database = Database.objects.create(server=server, oid=77, name="shop")
    last = START - timedelta(days=8)
    Statement.objects.create(
        server=server, fingerprint="f1", normalized_sql="select 1", kind="select", first_seen=last, last_seen=last
    )

    def see(at: datetime, *findings: Finding) -> None:
        keep_findings(server, database, findings, {"SC019", "SC017", "PL004", "SC030"}, now=at)

    see(START - timedelta(hours=5), KEY, SERIAL, SCAN, OFF)
    mute(FindingRecord.objects.filter(code="SC019"), "ann", "next year")
    CheckRule.objects.create(
        server=server, code="SC030", is_off=True, reason="noise", changed_at=START, changed_by="ann"
    )
    see(
        START + timedelta(hours=1),
        replace(KEY, severity=Severity.CRITICAL, message="at 99 %"),
        replace(SERIAL, members=("t.a", "t.<b>")),
    )
    report = report_of([server], START, END, END)
    assert {f.key[:5]: f.worse for f in report.worse} == {"SC019": "it was warning", "SC017": "new: t.<b>"}
    assert (report.fixed, report.new, report.open) == ((), (), ())
    mail = compose(report, ZoneInfo("UTC"))
    for written in (mail.text, mail.html):
        assert "it was warning" in written
        assert "at 99 %" in written
    assert "new: t.&lt;b&gt;" in mail.html
