"""What to do next, on all servers: indexes to create and findings to see to, by the time a day they are about."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import F, Func, IntegerField, Q
from django.db.models.functions import Coalesce

from analyzer.advice.gain import short_gain_words
from analyzer.models import AdviceRun, FindingRecord, Server, Statement, SuggestionRecord
from analyzer.words.durations import THIN
from dashboard.figures import SetWords, set_words, suggestion_gain
from dashboard.servers.rows import COSTLIEST_FIRST, open_findings

LOOKED_AT = 100  # of each kind, the costliest: one index may answer many findings
TITLE_COLUMNS = 120  # characters of an index's columns in a title


@dataclass(frozen=True, slots=True)
class Action:
    """An index to create, with the findings it answers, or a finding that no index does.

    ``s_per_day``: what it saves as planned, else what it is about as measured; None where neither is known.
    """

    server: Server
    suggestion: SuggestionRecord | None = None
    findings: list[FindingRecord] = field(default_factory=list)  # the costliest first
    statement: Statement | None = None

    @property
    def finding(self) -> FindingRecord | None:
        return self.findings[0] if self.findings else None

    @property
    def kind(self) -> str:
        """ "index", "code", "setting", or "look" where there is nothing to copy."""
        if self.suggestion is not None:
            return "index"
        if self.finding is not None and self.finding.code.startswith("SV"):
            return "setting"
        return "code" if self.finding is not None and self.finding.fixes else "look"

    @property
    def s_per_day(self) -> float | None:
        found = self.suggestion
        if found is not None and found.saved_time_s_per_day is not None:
            return found.saved_time_s_per_day
        known = [f.impact_s_per_day for f in self.findings]
        known += [found.helped_time_s_per_day] if found is not None else []
        return max((s for s in known if s is not None), default=None)

    @property
    def title(self) -> str:
        """ "Seq Scan on line keeps few of the rows it reads: index (product_id), 29 min a day to about 13 s"."""
        what = self.finding.title if self.finding is not None else _named(self.statement)
        if self.suggestion is None:
            return what
        columns = ", ".join(str(column) for column in self.suggestion.columns)
        columns = columns if len(columns) <= TITLE_COLUMNS else f"{columns[:TITLE_COLUMNS]}…"
        method = "" if self.suggestion.method == "btree" else f"{self.suggestion.method} "
        said = f"{what or self.suggestion.table}: {method}index ({columns})"
        gain = suggestion_gain(self.suggestion)
        return said if gain is None else f"{said}, {short_gain_words(gain, self.suggestion.watched_s, THIN)}"

    @property
    def change(self) -> str:
        """What becomes of the plan of the statement it saves most of; "" where no planner was asked."""
        planned = self.suggestion.evidence.get("statements") if self.suggestion is not None else None
        return str(planned[0]["change"]) if planned else ""

    def is_new(self, since: datetime) -> bool:
        """It came, or came back, after ``since``."""
        seen = [max(f.first_seen, f.reopened_at or f.first_seen) for f in self.findings]
        seen += [self.suggestion.first_seen] if self.suggestion is not None and not seen else []
        return any(at >= since for at in seen)


def actions(without_figures: Collection[int] = ()) -> list[Action]:
    """The costliest first; those of servers that give no figures now (``without_figures``, ids) last. Four queries."""
    findings = list(open_findings().select_related("server", "statement").order_by(*COSTLIEST_FIRST)[:LOOKED_AT])
    suggestions = list(
        SuggestionRecord.objects.filter(closed_at__isnull=True)
        .select_related("database__server")
        .order_by(Coalesce("saved_time_s_per_day", "helped_time_s_per_day").desc(nulls_last=True), "pk")[:LOOKED_AT]
    )
    answered: dict[tuple[int, str], list[Action]] = defaultdict(list)
    found = []
    for suggestion in suggestions:
        action = Action(suggestion.database.server, suggestion)
        found.append(action)
        for key in suggestion.finding_keys:
            answered[suggestion.database_id, key].append(action)
    muted = _muted(suggestions)
    for finding in findings:
        key = (finding.database_id or 0, finding.key)
        if key in answered:
            answered[key][0].findings.append(finding)
        else:
            found.append(Action(finding.server, None, [finding]))
    found = [action for action in found if not _is_muted(action, muted)]
    found.sort(key=lambda a: (a.server.pk in without_figures, a.s_per_day is None, -(a.s_per_day or 0.0)))
    return found


def with_statements(shown: Iterable[Action]) -> list[Action]:
    """With the statement that each is about most. One query."""
    shown = list(shown)
    wanted = Q()
    names: dict[int, str] = {}
    for place, action in enumerate(shown):
        if action.suggestion is not None and (name := action.suggestion.costliest_helped):
            names[place] = name
            wanted |= Q(server=action.server, fingerprint=name)
    texts = {}
    if names:
        some = Statement.objects.filter(wanted).only("fingerprint", "normalized_sql", "server_id", "kind", "tables")
        texts = {(s.server_id, s.fingerprint): s for s in some}
    return [
        Action(
            action.server, action.suggestion, action.findings,
            texts.get((action.server.pk, names[place])) if place in names
            else action.finding.statement if action.finding is not None else None,
        )
        for place, action in enumerate(shown)
    ]  # fmt: skip


def whole_sets(servers: Sequence[Server]) -> list[tuple[Server, SetWords]]:
    """Of each server with something to create or to drop, all of it in one line. One query."""
    by_pk = {server.pk: server for server in servers}
    # counted there: the indexes themselves, with all they help, are most of the result, and this is asked every 10 s
    indexes = Func(F("result__indexes"), function="jsonb_array_length", output_field=IntegerField())
    rows = AdviceRun.objects.filter(database__server__in=list(by_pk)).values_list(
        "database__server_id", indexes, "result__drops", "result__size_bytes", "result__time"
    )
    found = []
    for pk, number, drops, size_bytes, time in rows.order_by("database__server__name"):
        freed_bytes = sum(d.get("freed_bytes") or 0 for d in drops or ())
        words = set_words(number or 0, size_bytes or 0, len(drops or ()), freed_bytes, time)
        if words.what:
            found.append((by_pk[pk], words))
    return found


def _muted(suggestions: Sequence[SuggestionRecord]) -> set[tuple[int, str]]:
    """Findings that a person muted, of those that suggestions name. One query."""
    keys = {key for s in suggestions for key in s.finding_keys}
    muted = FindingRecord.objects.filter(key__in=keys, closed_at__isnull=True, muted_at__isnull=False)
    return {(database or 0, key) for database, key in muted.values_list("database_id", "key")} if keys else set()


def _is_muted(action: Action, muted: Collection[tuple[int, str]]) -> bool:
    """An index whose every finding was muted is not put before that person again."""
    found = action.suggestion
    if found is None or action.findings or not found.finding_keys:
        return False
    return all((found.database_id, key) in muted for key in found.finding_keys)


def _named(statement: Statement | None) -> str:
    """ "Select from shop_review"."""
    if statement is None or not statement.tables:
        return ""
    word = {"insert": "Insert into", "update": "Update of", "delete": "Delete from", "merge": "Merge into"}
    names = ", ".join(statement.tables[:3]) + (" and more" if len(statement.tables) > 3 else "")
    return f"{word.get(statement.kind, statement.kind.capitalize() + ' from')} {names}"
