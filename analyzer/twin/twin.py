"""The planner twin as the advisor's planner: plans with any set of hypothetical indexes, without the server.

Long: whatever is asked of a twin goes through one object, which alone knows whether it still lives.
"""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import NO_NAMES, NONE, HypotheticalIndex, Names, Planned, Query, Refused
from analyzer.advice.selection.relevance import SKIP_SCAN_VERSION_NUM
from analyzer.monitored.catalog.planner_facts import PlannerFacts
from analyzer.plans.page_costs import PageCosts
from analyzer.plans.rename import renamed
from analyzer.plans.work import PlanWork, work_of
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.schema.facts import TableFacts
from analyzer.twin.build import Built
from analyzer.twin.catalog import TwinCatalog
from analyzer.twin.cluster import connect_role, connect_superuser
from analyzer.twin.distinct_groups import Groups, distinct_groups
from analyzer.twin.files import DataFiles
from analyzer.twin.hypothetical import Hypotheticals
from analyzer.twin.hypothetical_size import Estimator, Size, estimate_size
from analyzer.twin.plan_object import cost_under_limit, index_names
from analyzer.twin.relation_sizes import TwinSizes
from analyzer.twin.relevance import Relevance
from analyzer.twin.restore import CHECKS, Missing
from analyzer.twin.session import PlanningSession
from analyzer.twin.skip_scan import first_column, first_columns, skip_scanned
from analyzer.twin.statistics import StatisticsReader
from analyzer.twin.uses import StandInUses
from analyzer.twin.watch import Budget, TwinEnded, TwinWatch, WatchedConnection
from analyzer.values.column_statistics import ColumnStatistics


@dataclass(frozen=True, slots=True)
class Timing:
    """What getting the twin ready took, in seconds; 0 for what was not needed."""

    dump_s: float = 0.0
    build_s: float = 0.0
    start_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.dump_s + self.build_s + self.start_s


# what a statement can be planned without, so never the reason why it was not
BESIDE_THE_POINT = ("statistics data", "extended statistics", "default", CHECKS)
CacheKey = tuple[str, str, tuple[str | None, ...] | None, frozenset[int], frozenset[int]]
# judgement: a few statements that take the twin with them are bad luck, more are meant
MOST_TIMES_ANEW = 3
Answer = TypeVar("Answer")


class Twin:
    """Implements ``analyzer.advice.planner.Planner``. For one thread; valid while its lease lasts.

    A statement may take the twin's PostgreSQL with it; it is then refused, and the next one finds a twin made anew,
    with the same hypothetical indexes. ``anew`` makes the cluster.
    """

    def __init__(
        self,
        cluster: PostgresCluster,
        facts: PlannerFacts,
        built: Built,
        *,
        search_path: Sequence[str] | None = None,
        estimator: Estimator | None = None,
        anew: Callable[[], tuple[PostgresCluster, Built]] | None = None,
    ) -> None:
        self.facts, self.built = facts, built
        self.timing = Timing()
        self.is_ended = self.is_spoilt = False
        self._anew, self._times_anew = anew, 0
        self._estimator = estimator
        self._connect(cluster)
        try:
            self._planning = PlanningSession(cluster, self._watch, facts, search_path)
            self._statistics = StatisticsReader(self._role)
            self._expected_groups: Mapping[tuple[str, str], Mapping[frozenset[str], float]] = {}
            self._look_around(cluster)
        except BaseException:
            self._watch.close()
            raise
        self._plans: dict[CacheKey, Planned | Refused] = {}
        self._besides: tuple[Sequence[int], Sequence[int]] = (), ()

    def limit_time(self, limit_s: float) -> None:
        """From now on all together; RuntimeFailure once it has passed, beside the limit of each single plan."""
        self._watch.budget = Budget(limit_s, time.monotonic() + limit_s)

    def _connect(self, cluster: PostgresCluster) -> None:
        self._watch = TwinWatch(cluster)
        self._superuser = connect_superuser(cluster)
        self._role = connect_role(cluster, self._watch)

    def _look_around(self, cluster: PostgresCluster) -> None:
        """What is in the cluster, after its sessions are there."""
        self._catalog = TwinCatalog(self._superuser, self.facts)
        groups = distinct_groups(self._superuser, self._catalog, self.facts, self._statistics)
        self.files = DataFiles(cluster.data_dir, cluster.user)
        self._hypothetical = Hypotheticals(
            self._superuser, self._role, self.files, self._catalog,
            self._statistics, self._planning, self._estimator or self._estimate(groups),
        )  # fmt: skip
        self._hypothetical.drop_all()
        self._relevance = Relevance(self._superuser, self._catalog)
        self._uses = StandInUses(self._superuser, self.built.types, self.built.collations)
        self._incomplete = {
            relation.oid: why
            for schema, table, why in self.built.incomplete
            if (relation := self._catalog.tables.get((schema, table))) is not None
        }
        self._sizes = TwinSizes(self._superuser, self._catalog, self._statistics, self._hypothetical)
        self._page_costs = PageCosts.from_settings(self.facts.settings)
        may_skip = self.facts.server_version_num >= SKIP_SCAN_VERSION_NUM
        self._first_columns = None if may_skip else first_columns(self._superuser)
        self._tables: dict[str, frozenset[int] | None] = {}

    def _estimate(self, groups: Mapping[tuple[str, str], Groups]) -> Estimator:
        version = self.facts.server_version_num

        def estimate(definition: IndexDefinition, statistics: Mapping[str, ColumnStatistics], rows: float) -> Size:
            name = definition.table.schema, definition.table.name
            known = {**self._expected_groups.get(name, {}), **groups.get(name, {})}
            return estimate_size(definition, statistics, rows, distinct_groups=known, server_version_num=version)

        return estimate

    def expect_groups(self, groups: Mapping[tuple[str, str], Mapping[frozenset[str], float]]) -> None:
        """What the server's own statistics and foreign keys tell goes before it. Of indexes not made yet."""
        self._expected_groups = groups

    def _need_living(self) -> None:
        """Make it anew where it has ended. Raises RuntimeFailure where that was done too often."""
        if not self.is_ended:
            return
        if self._anew is None or self._times_anew >= MOST_TIMES_ANEW:
            raise RuntimeFailure(
                f"The twin's PostgreSQL has ended {self._times_anew + 1} times over what it was to plan; it is given up"
            )
        self._times_anew += 1
        budget = self._watch.budget
        if budget is not None:
            budget.need()
        self._disconnect()
        cluster, self.built = self._anew()
        self._connect(cluster)
        self._watch.budget = budget
        self._planning.move(cluster, self._watch)
        self._statistics.connection = self._role
        ended = self._hypothetical
        self._look_around(cluster)
        self.is_ended = False
        self._hypothetical.make_again(ended)
        self._note_first_columns(self._hypothetical.made)

    def _asked(self, ask: Callable[[], Answer]) -> Answer | Refused:
        """The answer, or why the twin has ended over it."""
        self._need_living()
        try:
            return ask()
        except TwinEnded as ended:
            self.is_ended = True
            return Refused(ended.reason)

    # -- what the advisor asks ----------------------------------------------------------------------------

    @property
    def plans_made(self) -> int:
        return self._planning.plans_made

    def hypothesize(self, definitions: Sequence[IndexDefinition]) -> list[HypotheticalIndex | Refused]:
        while isinstance(answers := self._asked(lambda: self._hypothetical.hypothesize(definitions)), Refused):
            pass  # the definition that did it is known now, and refused by itself
        self._note_first_columns([answer.id for answer in answers if isinstance(answer, HypotheticalIndex)])
        return answers

    def _note_first_columns(self, ids: Iterable[int]) -> None:
        if self._first_columns is None:
            return
        for made in (self._hypothetical.made[id] for id in ids):
            if first := first_column(made.index.definition):
                self._first_columns.update(dict.fromkeys((part.name for part in made.parts), first[0]))

    def plan(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
    ) -> Planned | Refused:
        self._need_living()
        shown, hidden = self._relevant(query, indexes, without)
        key = (query.key, query.sql, query.values, shown, hidden)
        planned = self._plans.get(key)
        if planned is None:
            planned = self._plans[key] = self._asked(lambda: self._plan(query, shown, hidden))
        return planned

    def explain(
        self,
        query: Query,
        indexes: Collection[int] = NONE,
        without: Collection[int] = NONE,
        *,
        names: Names = NO_NAMES,
        settings: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | Refused:
        """``settings``: of the planner, in the place of the server's."""
        self._need_living()
        shown, hidden = self._relevant(query, indexes, without)
        answer = self._asked(lambda: self._explain(query, shown, hidden, verbose=True, settings=settings))
        if isinstance(answer, Refused):
            return answer
        called = {
            twin: name for id in shown for twin, name in self._hypothetical.made[id].named(names.get(id, {})).items()
        }
        plan: Mapping[str, Any] = renamed(answer, called)
        return plan

    def work(self, plan: Mapping[str, Any]) -> PlanWork:
        """Of a plan that the server's own EXPLAIN (FORMAT JSON) printed, by its estimates."""
        return work_of(plan["Plan"], self._sizes, self._page_costs)

    # -- what else there is to know -----------------------------------------------------------------------

    @property
    def superuser(self) -> "psycopg.Connection[Any]":
        """For statements of ours alone."""
        return self._superuser

    @property
    def role(self) -> WatchedConnection:
        """For everything that came from elsewhere."""
        return self._role

    @property
    def catalog(self) -> TwinCatalog:
        return self._catalog

    @property
    def missing(self) -> tuple[Missing, ...]:
        """What could not be restored; a statement that needs it is refused."""
        return self.built.missing

    def limitations(self) -> list[str]:
        """Sentences on what the twin lacks or does otherwise than the server, for people."""
        return [
            *self.built.notes,
            *self._uses.limitations(),
            *(f"The twin lacks {missing}" for missing in self.missing),
        ]

    def assumed(self, sql: str) -> str | None:
        """What of a statement that is planned is assumed; a sentence without its full stop, None for nothing."""
        return self._uses.assumed(sql, self._planning.verdict(sql).names)

    def use_role(self, role: str | None) -> None:
        """Plan with the settings that ALTER ROLE ... SET gives that role on the server; None: the login's own."""
        self._need_living()
        self._planning.use_role(role)
        self._plans.clear()

    def parameter_types(self, sql: str) -> list[str] | Refused:
        """PostgreSQL's names of the types of ``$1``, ``$2``, ..."""
        return self._asked(lambda: self._planning.parameter_types(sql))

    def column_statistics(self, schema: str, table: str) -> Mapping[str, ColumnStatistics]:
        """Rows of pg_stats by column, values as text; empty where never analysed. They hold sample values."""
        statistics = self._asked(lambda: self._statistics.columns(schema, table))
        return {} if isinstance(statistics, Refused) else statistics

    def set_expression_statistics(self, table: TableFacts, expression: str, statistics: ColumnStatistics) -> None:
        """Where ANALYZE has found some (for an index that exists): used instead of what the column's values tell."""
        self._statistics.set_expression(table, expression, statistics)

    @contextlib.contextmanager
    def with_indexes(self, shown: Sequence[int], hidden: Sequence[int]) -> Iterator[None]:
        """``explain`` shows and hides these too, by their oids here."""
        self._besides = shown, hidden
        try:
            yield
        finally:
            self._besides = (), ()

    def spoil(self) -> None:
        """What is in it will be changed: the next lease builds it anew."""
        self.is_spoilt = True
        self._plans.clear()

    def close(self) -> None:
        """Hypothetical indexes go; the cluster is the keeper's to stop."""
        self._watch.budget = None
        try:
            if not self.is_ended:
                self._planning.close()
                self._role.rollback()
                self._hypothetical.drop_all()
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        self._watch.close()
        for connection in (self._planning.connection, self._role, self._superuser):
            connection.close()

    # -- how ----------------------------------------------------------------------------------------------

    def _relevant(
        self, query: Query, indexes: Collection[int], without: Collection[int]
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Those that the query's tables have. KeyError for an id that this twin did not give."""
        if not indexes and not without:
            return NONE, NONE
        if query.sql not in self._tables:
            self._tables[query.sql] = self._relevance.tables(self._planning.verdict(query.sql))
        tables = self._tables[query.sql]
        shown = (id for id in indexes if tables is None or tables & self._hypothetical.made[id].tables)
        hidden = (oid for oid in without if tables is None or self._is_on(oid, tables))
        return frozenset(shown), frozenset(hidden)

    def _is_on(self, server_oid: int, tables: frozenset[int]) -> bool:
        index = self._catalog.by_server_oid.get(server_oid)
        return index is not None and any(relation.table_oid in tables for relation in self._catalog.below(index.oid))

    def _plan(self, query: Query, shown: frozenset[int], hidden: frozenset[int]) -> Planned | Refused:
        answer = self._explain(query, shown, hidden, verbose=self._catalog.has_ambiguous_names)
        if isinstance(answer, Refused):
            return answer
        top = answer["Plan"]
        used = frozenset(id for name, schema in index_names(top, None) for id in self._ids(name, schema))
        cost = cost_under_limit(top, query)
        share = cost / top["Total Cost"] if top["Total Cost"] > 0 else 1.0
        return Planned(cost, used, top["Plan Rows"], work_of(top, self._sizes, self._page_costs).times(share))

    def _explain(
        self,
        query: Query,
        shown: frozenset[int],
        hidden: frozenset[int],
        *,
        verbose: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any] | Refused:
        while True:
            answer = self._ask(query, shown, hidden, verbose=verbose, settings=settings)
            if isinstance(answer, Refused) or not self._first_columns:
                return answer
            skipped = {id for name in skip_scanned(answer["Plan"], self._first_columns) for id in self._ids(name, None)}
            if skipped <= hidden:
                return answer
            shown, hidden = shown - skipped, hidden | (skipped - shown)

    def _ask(
        self,
        query: Query,
        shown: frozenset[int],
        hidden: frozenset[int],
        *,
        verbose: bool,
        settings: Mapping[str, str] | None,
    ) -> Mapping[str, Any] | Refused:
        show = [*self._besides[0], *(oid for id in sorted(shown) for oid in self._hypothetical.made[id].oids)]
        hide = [*self._besides[1]]
        hide += [
            relation.oid
            for server_oid in sorted(hidden)
            if (index := self._catalog.by_server_oid.get(server_oid)) is not None
            for relation in self._catalog.below(index.oid)
        ]
        if self._incomplete and (why := self._lacks_a_part(query)):
            return Refused(why)
        answer = self._planning.explain(query, show, hide, verbose=verbose, settings=settings)
        if isinstance(answer, Refused):
            return self._with_reason(query, answer)
        objection = self._uses.objection(answer)
        return answer if objection is None else Refused(objection)

    def _lacks_a_part(self, query: Query) -> str | None:
        tables = self._relevance.tables(self._planning.verdict(query.sql))
        for oid, why in self._incomplete.items():
            if tables is None or oid in tables:
                return f"A partition of {self._catalog.by_oid[oid].name} is not on the twin: {why.rstrip('.')}."
        return None

    def _with_reason(self, query: Query, refused: Refused) -> Refused:
        """Why the object is missing that the statement needs, where that is known."""
        names = self._planning.verdict(query.sql).names
        if (reason := self._uses.reason(query.sql, names)) is not None:
            return Refused(f"{refused.reason.rstrip('.')}. {reason}")
        named = {name for _, name in names.relations}
        for missing in self.built.missing:
            if missing.kind not in BESIDE_THE_POINT and missing.name.rpartition(".")[2] in named:
                return Refused(f"{refused.reason.rstrip('.')}; the twin lacks {missing}.")
        return refused

    def _ids(self, name: str, schema: str | None) -> Iterator[int]:
        if (id := self._hypothetical.by_name.get(name)) is not None:
            yield id
            return
        for index in self._catalog.indexes_by_name.get(name, ()):
            if schema in (None, index.schema):
                for oid in self._catalog.above(index.oid):
                    server_oid = self._catalog.by_oid[oid].server_oid
                    if server_oid is not None:
                        yield server_oid
