"""A Report -> the mail: subject, HTML and plain text. docs/mail.md says what it promises to mail programs.

Names and texts of monitored servers may hold anything: ``visible`` spells out what cannot be seen, the templates
escape, headers take one short line, and links are made of our own ids and quoted names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Protocol
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from analyzer.reports.report import IndexOutcome, IndexToCreate, Report, ReportedFinding, StatementChange, StatementSum
from analyzer.statements.tokens import has_broken_name
from analyzer.store.new_statements import LEAST_LOAD_RATIO
from dashboard.figures import ImpactWords, impact_words
from dashboard.templatetags.quantities import percent
from dashboard.templatetags.texts import has_hidden, visible

# Gmail cuts a mail at 102 kB of HTML and hides the rest, the unsubscribe link with it.
MOST_HTML_BYTES = 95_000
SHOWN = (10, 6, 3, 1)  # findings of each kind: the first number with which the mail is small enough
SHOWN_STILL_OPEN = 5
FIRST_STATEMENTS = 3  # shown however little they cost
LONGEST_DDL = 2_000  # characters; a longer one is copied from its page
LONGEST_NAME = 60  # characters of a server's name in a subject
THIN, NO_BREAK = "\u202f", "\u00a0"  # Outlook's fonts lack the narrow space


class Written(Protocol):
    """A mail's contents: a Mail, or a row that keeps them."""

    @property
    def subject(self) -> str: ...
    @property
    def html(self) -> str: ...
    @property
    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Mail:
    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class MailFinding:
    """A finding in the mail with its link and its remedy; ``ddl`` (or code) is "" where there is none to copy."""

    finding: ReportedFinding
    url: str
    impact: ImpactWords
    remedy: str = ""
    ddl: str = ""
    ddl_is_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class FindingGroup:
    """``more`` findings are not shown here."""

    kind: str
    title: str
    rows: tuple[MailFinding, ...]
    more: int


def compose(report: Report, zone: ZoneInfo, *, unsubscribe_url: str = "", is_short: bool = False) -> Mail:
    """``is_short``: one line when nothing is new. Times are on the clocks of ``zone``."""
    subject = subject_of(report)
    base = settings.PGLOUPE_BASE_URL
    with timezone.override(zone):
        for most in SHOWN:
            context = {
                "report": report,
                "subject": subject,
                "groups": _groups(report, most),
                "indexes": [_index(index) for index in report.indexes[:most]],
                "more_indexes": max(0, len(report.indexes) - most),
                "outcomes": [(outcome, *_ddl(outcome.drop_ddl)) for outcome in report.outcomes[:most]],
                "more_outcomes": max(0, len(report.outcomes) - most),
                "statements": _statements(report, most),
                "has_day_before": any(change.before_s_per_day is not None for change in report.statements),
                "servers": [(s, base + reverse("server", args=[s.slug])) for s in report.servers[:20]],
                "advised": [(s, base + reverse("indexes", args=[s.slug])) for s in report.advised[:most]],
                "more_servers": max(0, len(report.servers) - 20),
                "has_servers": len(report.servers) > 1,
                "zone": zone.key,
                "base_url": base,
                "findings_url": base + reverse("findings"),
                "report_url": base + reverse("report"),
                "settings_url": base + reverse("report_settings"),
                "unsubscribe_url": unsubscribe_url,
                "is_short": is_short and report.is_quiet,
            }
            html = render_to_string("mail/report.html", context).replace(THIN, NO_BREAK)
            if len(html.encode()) <= MOST_HTML_BYTES:
                break
        text = render_to_string("mail/report.txt", context).replace(THIN, " ").replace(NO_BREAK, " ")
    return Mail(subject, html, "\n".join(_without_runs_of_empty_lines(text)) + "\n")


def subject_of(report: Report) -> str:
    """What happened first, then where: it is all a phone shows."""
    down = report.in_trouble
    parts = []
    if down:
        first = _header(down[0].name)
        words = "is down" if down[0].is_down else "is not sampled"
        parts.append(f"{first} {words}" if len(down) == 1 else f"{first} and {len(down) - 1} more are in trouble")
    counts = [(len(report.new), "new"), (len(report.worse), "worse"), (len(report.fixed), "fixed")]
    changed = ", ".join(f"{n} {word}" for n, word in counts if n)
    if not changed and report.indexes:
        changed = f"{len(report.indexes)} new index suggestion{'s' if len(report.indexes) > 1 else ''}"
    if not changed and report.outcomes:
        changed = f"{len(report.outcomes)} new index{'es' if len(report.outcomes) > 1 else ''} judged"
    parts.append(changed or ("nothing else new" if down else "Nothing new"))
    told: list[ReportedFinding | IndexToCreate | IndexOutcome] = [
        *report.new, *report.worse, *report.fixed, *report.indexes, *report.outcomes,
    ]  # fmt: skip
    names = list(dict.fromkeys(_header(t.server) for t in told) if told else (_header(s.name) for s in report.servers))
    where = ""
    if names and not down:
        where = f" on {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
    return "; ".join(parts) + where + _gain(report, names)


def _gain(report: Report, names: Sequence[str]) -> str:
    """What all indexes together would save, where there is news of findings or indexes."""
    best = next((s for s in report.advised if s.saved_ratio), None)
    if best is None or not (report.new or report.worse or report.indexes):
        return ""
    name = _header(best.name)
    whose = "its statement time" if list(names) == [name] and not report.in_trouble else f"the statement time of {name}"
    return f"; indexes would save {percent(best.saved_ratio)} of {whose}".replace(THIN, NO_BREAK)


def _header(name: str) -> str:
    """One short line without anything invisible: a name cannot add a header or turn the line around."""
    shown = " ".join(visible(" ".join(name.split())).split())
    return shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"


def message_of(mail: Written, address: str, *, message_id: str, unsubscribe_url: str = "") -> EmailMultiAlternatives:
    """Ready to be sent. The same ``message_id`` at every attempt lets mail programs drop a second copy."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    headers = {
        "Message-ID": f"<{message_id}@{domain}>",
        "Auto-Submitted": "auto-generated",
        "List-Id": f"pgLoupe report <report.{urlsplit(settings.PGLOUPE_BASE_URL).hostname or 'localhost'}>",
    }
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
    message = EmailMultiAlternatives(mail.subject, mail.text, to=[address], headers=headers)
    message.attach_alternative(mail.html, "text/html")
    return message


def _groups(report: Report, most: int) -> list[FindingGroup]:
    def group(kind: str, title: str, findings: Sequence[ReportedFinding], shown: int) -> FindingGroup:
        return FindingGroup(kind, title, tuple(_shown(f) for f in findings[:shown]), max(0, len(findings) - shown))

    every = (
        group("new", "New", report.new, most),
        group("worse", "Worse", report.worse, most),
        group("fixed", "Fixed", report.fixed, most),
        group("open", "Still open", report.open, min(most, SHOWN_STILL_OPEN)),
    )
    return [g for g in every if g.rows]


def _statements(report: Report, most: int) -> list[tuple[StatementChange, str]]:
    return [
        (change, _statement_url(change.statement))
        for place, change in enumerate(report.statements[: max(FIRST_STATEMENTS, most)])
        if place < FIRST_STATEMENTS or (change.statement.load_ratio or 0) >= LEAST_LOAD_RATIO
    ]


def _shown(finding: ReportedFinding) -> MailFinding:
    url = settings.PGLOUPE_BASE_URL + reverse("finding", args=[finding.pk])
    impact = impact_words(finding.impact_s_per_day, finding.impact_assumed_s_per_day, finding.watched_s)
    if finding.closed_at is not None:
        return MailFinding(finding, url, impact, f"{finding.gone}." if finding.gone else "")
    if finding.index is not None and finding.is_index_listed:
        return MailFinding(finding, url, impact, f"Answered by the index {visible(finding.index.name)}, above.")
    if finding.index is not None:
        gain = finding.index.gain
        return MailFinding(finding, url, impact, f"Create this index: {gain}." if gain else "Create this index.",
                     *_ddl(finding.index.ddl))  # fmt: skip
    if finding.fix:
        return MailFinding(finding, url, impact, f"{finding.fix_title}:", *_ddl(finding.fix))
    return MailFinding(finding, url, impact, visible(finding.hint))


def _index(index: IndexToCreate) -> tuple[IndexToCreate, str, bool]:
    return (index, *_ddl(index.ddl))


def _ddl(ddl: str) -> tuple[str, bool]:
    """Text that is copied must be whole and hold nothing unseen; otherwise it is copied from its page."""
    if len(ddl) > LONGEST_DDL or has_hidden(ddl) or has_broken_name(ddl):
        return "", True
    return ddl, False


def _statement_url(statement: StatementSum) -> str:
    return settings.PGLOUPE_BASE_URL + reverse("statement", args=[statement.server_slug, statement.fingerprint])


def _without_runs_of_empty_lines(text: str) -> list[str]:
    lines: list[str] = []
    for line in (line.rstrip() for line in text.strip().split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    return lines
