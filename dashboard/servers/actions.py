"""What to do next, on all servers: indexes to create and findings to see to, by the time a day they are about."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.db.models import Case, Count, F, Func, IntegerField, OuterRef, Q, Subquery, Sum, Value, When, Window
from django.db.models.functions import Coalesce, RowNumber

from analyzer.advice.gain import gain_from_json, short_gain_words
from analyzer.advice.planned_evidence import PlannedEvidence
from analyzer.findings import Severity
from analyzer.models import AdviceRun, FindingRecord, Server, Statement, SuggestionRecord
from analyzer.words.durations import THIN
from dashboard.figures import SetWords, set_words, suggestion_gain
from dashboard.servers.rows import COSTLIEST_FIRST, SLOWER, open_findings

LOOKED_AT = 200  # of each kind on all servers, the costliest of each: one index may answer many findings
LEAST_OF_EACH, WITHOUT_TIME = 10, 5  # of a server, and of its findings whose time nobody knows
SENTENCES, MOST_SENTENCES = 5, 15  # a server; on the page: what a person takes in at one look
TITLE_COLUMNS = 120  # characters of an index's columns in a title


@dataclass(frozen=True, slots=True)
class OverviewAction:
    """An index to create, with the findings it answers, or a finding that no index does.

    ``s_per_day``: what it saves as planned, else what it is about as measured; None where neither is known.
    """

    server: Server
    suggestion: SuggestionRecord | None = None
    findings: list[FindingRecord] = field(default_factory=list)  # the costliest first
    statement: Statement | None = None

    @property
    def finding(self) -> FindingRecord | None:
        """The costliest on the statement shown; else one on none, else the costliest."""
        by_nearness = sorted(self.findings, key=lambda f: (not self._is_of_statement(f), f.statement_id is not None))
        return by_nearness[0] if by_nearness else None

    def _is_of_statement(self, finding: FindingRecord) -> bool:
        """What is on none tells of the statement shown only where no time of it is told."""
        if self.statement is None:
            return True
        is_timed = self.suggestion is not None and suggestion_gain(self.suggestion) is not None
        return finding.statement_id == self.statement.pk or (finding.statement_id is None and not is_timed)

    @property
    def id(self) -> str:
        """The same at each refresh of the page."""
        return f"i{self.suggestion.pk}" if self.suggestion is not None else f"f{self.findings[0].pk}"

    @property
    def kind(self) -> str:
        """ "index", "code", "setting", or "look" where there is nothing to copy."""
        if self.suggestion is not None:
            return "index"
        if self.finding is None or self.finding.first_fix is None:
            return "look"
        return "setting" if self.finding.code.startswith("SV") else "code"

    @property
    def s_per_day(self) -> float | None:
        suggestion = self.suggestion
        if suggestion is not None and suggestion.saved_time_s_per_day is not None:
            return suggestion.saved_time_s_per_day
        known = [f.impact_s_per_day for f in self.findings]
        known += [suggestion.helped_time_s_per_day] if suggestion is not None else []
        return max((s for s in known if s is not None), default=None)

    @property
    def title(self) -> str:
        """ "Seq Scan on line keeps few of the rows it reads: index (product_id), 29 min a day to about 13 s"."""
        finding = self.finding
        what = _named(self.statement) if finding is None or not self._is_of_statement(finding) else finding.title
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
        """What becomes of the plan of the statement shown, or most saved of; "" where no planner was asked."""
        evidence = PlannedEvidence.from_json(self.suggestion.evidence) if self.suggestion is not None else None
        planned = evidence.statements if evidence is not None else ()
        if self.statement is not None:
            planned = tuple(each for each in planned if each.fingerprint == self.statement.fingerprint)
        return planned[0].change if planned else ""

    @property
    def message(self) -> str:
        """Of the finding, where it is on the statement shown."""
        finding = self.finding
        return finding.message if finding is not None and self._is_of_statement(finding) else ""

    def is_new(self, since: datetime) -> bool:
        """It came, or came back, after ``since``."""
        seen = [max(f.first_seen, f.reopened_at or f.first_seen) for f in self.findings]
        seen += [self.suggestion.first_seen] if self.suggestion is not None and not seen else []
        return any(at >= since for at in seen)


def actions(without_figures: Collection[int] = (), servers: int = 1) -> list[OverviewAction]:
    """The costliest first; those of servers that give no figures now (``without_figures``, ids) last. Three queries.

    What is only slower than before has its own place (new_and_worse.py). ``servers``: how many there are; of each the
    costliest are looked at.
    """
    most = max(LEAST_OF_EACH, LOOKED_AT // max(1, servers))
    is_timed = Case(When(impact_s_per_day__isnull=True, then=Value(0)), default=Value(1))
    nth = Window(RowNumber(), partition_by=[F("server_id"), is_timed], order_by=[*COSTLIEST_FIRST])
    findings = list(
        open_findings()
        .exclude(code__in=SLOWER)
        .annotate(nth=nth)
        .filter(Q(nth__lte=WITHOUT_TIME) | Q(nth__lte=most, impact_s_per_day__isnull=False))
        .select_related("server", "statement")
        .defer("evidence", "related_fingerprints")
        .order_by(*COSTLIEST_FIRST)
    )
    by_saving = (Coalesce("saved_time_s_per_day", "helped_time_s_per_day").desc(nulls_last=True), "pk")
    suggestions = list(
        SuggestionRecord.objects.filter(closed_at__isnull=True)
        .annotate(nth=Window(RowNumber(), partition_by=F("database__server_id"), order_by=by_saving))
        .filter(nth__lte=most)
        .select_related("database__server")
        .order_by(*by_saving)
    )
    answered: dict[tuple[int, str], list[OverviewAction]] = defaultdict(list)
    collected = []
    for suggestion in suggestions:
        action = OverviewAction(suggestion.database.server, suggestion)
        collected.append(action)
        for key in suggestion.finding_keys:
            answered[suggestion.database_id, key].append(action)
    muted = _muted(suggestions)
    for finding in findings:
        key = (finding.database_id or 0, finding.key)
        if key in answered:
            answered[key][0].findings.append(finding)
        else:
            collected.append(OverviewAction(finding.server, None, [finding]))
    collected = [action for action in collected if not _is_muted(action, muted)]
    collected.sort(key=lambda a: (a.server.pk in without_figures, a.s_per_day is None, -(a.s_per_day or 0.0)))
    return collected


@dataclass(frozen=True, slots=True)
class ServerActions:
    """What is most worth doing on one server; ``open_count``: of its findings, those that stand here too."""

    server: Server
    actions: list[OverviewAction]
    open_count: int
    whole_set: SetWords | None = None


def by_server(
    actions: Iterable[OverviewAction],
    sets: Mapping[int, SetWords],
    counts: Mapping[int, int],
    servers: Sequence[Server],
) -> list[ServerActions]:
    """At most five sentences a server, fifteen in all: the whole set of indexes, then actions by the time they save.

    The server with most to save first. ``sets``, ``counts`` (open findings): by server id.
    """
    mine: dict[int, list[OverviewAction]] = defaultdict(list)
    for action in actions:
        mine[action.server.pk].append(action)
    order = {pk: n for n, pk in enumerate(mine)}
    some = [server for server in servers if server.pk in mine or server.pk in sets]
    some = sorted(some, key=lambda server: order.get(server.pk, len(order)))[:MOST_SENTENCES]
    each = max(1, min(SENTENCES, MOST_SENTENCES // max(1, len(some))))
    return [
        ServerActions(
            server,
            most_worth(mine[server.pk], max(1, each - (server.pk in sets))),
            counts.get(server.pk, 0),
            sets.get(server.pk),
        )
        for server in some
    ]


def most_worth(actions: Sequence[OverviewAction], most: int) -> list[OverviewAction]:
    """The first ``most``; the last place is for the worst whose time nobody knows, critical or a setting to copy."""
    shown, rest = list(actions[:most]), actions[most:]
    unknown = [action for action in rest if action.s_per_day is None and action.finding is not None]
    critical = [a for a in unknown if a.finding and a.finding.severity == Severity.CRITICAL]
    settings = [a for a in unknown if a.kind == "setting" and a.finding and a.finding.severity >= Severity.WARNING]
    kept = next(iter([*critical, *settings]), None)
    is_there = any(action.s_per_day is None for action in shown)
    if kept is not None and not is_there and most > 1:
        shown[-1] = kept
    return shown


def with_statements(shown: Iterable[OverviewAction]) -> list[OverviewAction]:
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
        OverviewAction(
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
    built = SuggestionRecord.objects.filter(
        database=OuterRef("database"), last_seen=OuterRef("made_at"), state__in=SuggestionRecord.FOLLOWED
    ).exclude(evidence={})  # a rule's: the run's result has it not
    of_run = built.order_by().values("database")  # what is on the server by now of what the run asked for
    looked_into = Q(database__is_inspected=True) | Q(database__name=F("database__server__dbname"))
    rows = AdviceRun.objects.filter(looked_into, database__server__in=list(by_pk)).values_list(
        "database__server_id", indexes, "result__drops", "result__size_bytes", "result__time",
        Subquery(of_run.annotate(n=Count("pk")).values("n")),
        Subquery(of_run.annotate(size_bytes=Sum("estimated_size_bytes")).values("size_bytes")),
    )  # fmt: skip
    sets = []
    rows = rows.order_by("database__server__name", "database__server_id", "-made_at")
    for pk, of_server in groupby(rows, key=itemgetter(0)):
        left = left_bytes = dropped = freed_bytes = 0
        times: list[Mapping[str, float | None] | None] = []
        for _, number, drops, size_bytes, time, done, done_bytes in of_server:
            left, left_bytes = left + (number or 0) - (done or 0), left_bytes + (size_bytes or 0) - (done_bytes or 0)
            dropped += len(drops or ())
            freed_bytes += sum(d.get("freed_bytes") or 0 for d in drops or ())
            times += [None if done else time] if number else []
        words = set_words(left, left_bytes, dropped, freed_bytes, _all_together(times))
        if words.what:
            sets.append((by_pk[pk], words))
    return sets


def _all_together(times: Sequence[Mapping[str, float | None] | None]) -> Mapping[str, float | None] | None:
    """Of the advice for several databases, the newest first, each with the whole server's time and what its own
    indexes would leave of it. None where one of them tells none, or they save more than there is now: an older one
    was made of a busier day."""
    gains = [gain for gain in map(gain_from_json, times) if gain is not None]
    if not times or times[0] is None or len(gains) < len(times):
        return None
    left_s = gains[0].now_s_per_day - sum(gain.saved_s_per_day for gain in gains)
    return {**times[0], "then_s_per_day": left_s} if left_s >= 0 else None


def _muted(suggestions: Sequence[SuggestionRecord]) -> set[tuple[int, str]]:
    """Findings that a person muted, of those that suggestions name. One query."""
    keys = {key for s in suggestions for key in s.finding_keys}
    muted = FindingRecord.objects.filter(key__in=keys, closed_at__isnull=True, muted_at__isnull=False)
    return {(database or 0, key) for database, key in muted.values_list("database_id", "key")} if keys else set()


def _is_muted(action: OverviewAction, muted: Collection[tuple[int, str]]) -> bool:
    """An index whose every finding was muted is not put before that person again."""
    suggestion = action.suggestion
    if suggestion is None or action.findings or not suggestion.finding_keys:
        return False
    return all((suggestion.database_id, key) in muted for key in suggestion.finding_keys)


def _named(statement: Statement | None) -> str:
    """ "Select from shop_review"."""
    if statement is None or not statement.tables:
        return ""
    word = {"insert": "Insert into", "update": "Update of", "delete": "Delete from", "merge": "Merge into"}
    names = ", ".join(statement.tables[:3]) + (" and more" if len(statement.tables) > 3 else "")
    return f"{word.get(statement.kind, statement.kind.capitalize() + ' from')} {names}"
