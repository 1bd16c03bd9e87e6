"""One workload, its candidates and all that was planned for them: what selections for any budget are made of."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import HypotheticalIndex, Planner, Query, Refused
from analyzer.advice.selection import drops
from analyzer.advice.selection.bits import bits, mask_of
from analyzer.advice.selection.costs import CostBook
from analyzer.advice.selection.covered import exists_already, merged_coverings
from analyzer.advice.selection.relevance import indexes_by_query, root_oid, tables_of_text
from analyzer.advice.selection.result import Progress, SelectionOptions
from analyzer.advice.selection.search import Search
from analyzer.advice.selection.table_writes import existing_indexes, table_writes, written_index
from analyzer.advice.selection.writes import CostConstants, WriteModel, write_model
from analyzer.advice.sizing.reserve import reserve_bytes
from analyzer.errors import BadInput
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.schema.without_index import WithoutIndex

# judgement: TPC-H's 19 queries were within 1 % of their final cost after 60 plans each
PLANS_PER_QUERY = 100
PLANS_AT_LEAST = 2_000
PLANS_AT_MOST = 40_000  # measured: about 5 ms each where tables have hundreds of candidates, so some minutes
# judgement: where there are many statements, one that is a small share of all may still deserve its index
STATEMENT_SHARE = 0.5
# Of the cost before: judgement, what is gained after nine tenths are gone is not worth a tenth of an index.
LEFT_AT_LEAST = 0.1
# Per page and day: judgement, as if it were read once from end to end. An index is vacuumed, backed up, and takes
# memory from others; without this a second large one that hardly differs from the first would still pay.
KEEPING_COST = 1.0
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})


class Task:
    """Everything is sorted first: the order in which the workload and the candidates come plays no part."""

    def __init__(
        self,
        queries: Sequence[Query],
        candidates: Sequence[IndexDefinition],
        planner: Planner,
        facts: SchemaFacts,
        options: SelectionOptions,
        progress: Progress | None = None,
        *,
        unplanned: Mapping[str, Sequence[str]] = NOTHING,
        key_checks: Collection[str] = (),
    ) -> None:
        """``unplanned``: texts of recorded statements that no query stands for, by fingerprint. ``key_checks``: names
        of ``queries`` that are the server's checks of foreign keys, which nobody recorded.
        """
        if not queries:
            raise BadInput("The workload holds no statement that can be planned.")
        if options.budget_bytes is not None and options.budget_bytes <= 0:
            raise BadInput(f"The budget is {options.budget_bytes:,} bytes; give more than 0.")
        self.queries = sorted(queries, key=lambda q: q.key)
        self.planner, self.facts, self.options, self.progress = planner, facts, options, progress
        self.key_checks = frozenset(key_checks)
        self.unplanned = {
            statement: [tables_of_text(text, facts) for text in texts] for statement, texts in unplanned.items()
        }
        self.weights = [q.weight for q in self.queries]
        self.plans_before = planner.plans_made
        self.refused: list[tuple[str, str]] = []
        self.faults: dict[str, str] = {}  # of ours, by the index they concern
        self._explained: dict[int, Mapping[str, Any] | None] = {}
        self.drop_verdicts = self.proved_drops(frozenset(), [])
        self.dropped = [verdict.dropped() for verdict in self.drop_verdicts if verdict.without.may_go]
        self.gone = frozenset(d.index.oid for d in self.dropped)
        self.indexes = self._hypothesize(candidates)
        self.sizes = [i.size_bytes for i in self.indexes]
        roots = [root_oid(i.definition.table, facts) for i in self.indexes]
        relevant, _ = indexes_by_query(self.queries, [i.definition for i in self.indexes], facts)
        usual = max(PLANS_AT_LEAST, min(PLANS_AT_MOST, PLANS_PER_QUERY * len(self.queries)))
        most_plans = options.most_plans or usual
        ids = [i.id for i in self.indexes]
        self.book = CostBook(planner, self.queries, ids, relevant, self.gone, most_plans, weights=options.work_weights)
        self.writes = self._writes(roots)
        self.search = Search(
            self.book, self.weights, self.sizes, self.writes, merged_coverings([i.definition for i in self.indexes]),
            options.most_rounds, progress=progress,
        )  # fmt: skip
        self.search.learn()
        self.least_gain = self._least_gain()
        kept = [size / PAGE_BYTES * KEEPING_COST for size in self.sizes]
        linear = [w + self.least_gain + k for w, k in zip(self.writes.linear, kept, strict=True)]
        self.search.charges = replace(self.writes, linear=linear)
        self.search.objectives.clear()

    def explained(self, q: int) -> Mapping[str, Any] | None:
        """EXPLAIN's object of the query without new indexes, asked for once; None where it cannot be planned."""
        if q not in self._explained:
            answer = self.planner.explain(self.queries[q], (), self.book.without)
            self._explained[q] = None if isinstance(answer, Refused) else answer
        return self._explained[q]

    # the parts

    def _hypothesize(self, candidates: Sequence[IndexDefinition]) -> list[HypotheticalIndex]:
        by_body = {(c.table.qualified_name, c.table.oid, c.body()): c for c in candidates}
        wanted = [c for _, c in sorted(by_body.items()) if exists_already(c, self.facts) is None]
        hypothetical: dict[int, HypotheticalIndex] = {}
        for definition, answer in zip(wanted, self.planner.hypothesize(wanted), strict=True):
            if isinstance(answer, Refused):
                self.refused.append((f"{definition.table.qualified_name} {definition.body()}", answer.reason))
            else:
                hypothetical.setdefault(answer.id, answer)
        return list(hypothetical.values())

    def _writes(self, roots: Sequence[int]) -> WriteModel:
        existing = existing_indexes(self.facts, self.gone)
        tables = table_writes(self.queries, self.facts, self.planner, existing)
        version = self.facts.server_version_num
        written = [
            (root, written_index(i.definition, i.size_bytes, self._share(i), version))
            for root, i in zip(roots, self.indexes, strict=True)
        ]
        return write_model(tables, existing, written, CostConstants.from_settings(self.facts.settings))

    def _share(self, index: HypotheticalIndex) -> float:
        """Of the table's rows that a partial index holds, by its size beside the same index on all rows."""
        definition = index.definition
        if definition.predicate is None:
            return 1.0
        whole = next(
            (
                other.size_bytes
                for other in self.indexes
                if other.definition == replace(definition, predicate=None) and other.size_bytes
            ),
            None,
        )
        if whole is None:
            answer = self.planner.hypothesize([replace(definition, predicate=None, is_unique=False)])[0]
            whole = answer.size_bytes if isinstance(answer, HypotheticalIndex) else index.size_bytes
        return min(1.0, index.size_bytes / whole) if whole else 1.0

    def _least_gain(self) -> float:
        """A share of the cost that is left when everything is indexed: where that is little, little counts."""
        weighted = list(zip(self.weights, self.search.alternatives, strict=True))
        total, left = sum(w * a.base for w, a in weighted), sum(w * a.floor for w, a in weighted)
        statements = len({q.statement for q in self.queries}) or 1
        least = self.options.least_gain_ratio * max(left, LEFT_AT_LEAST * total)
        return min(least, STATEMENT_SHARE * total / statements)

    # drops

    def proved_drops(self, gone: frozenset[int], chosen: Sequence[HypotheticalIndex]) -> list[drops.DropVerdict]:
        """Of indexes that look needless: those that the workload does not need as things are, and those it does."""
        if not self.options.propose_drops:
            return []
        ids = [c.id for c in chosen]
        relevant, tables = indexes_by_query(self.queries, [c.definition for c in chosen], self.facts)
        plain = CostBook(self.planner, self.queries, ids, relevant)
        everything = mask_of(range(len(ids)))
        now: dict[int, float | None] = {}

        def cost(q: int, without: frozenset[int]) -> float | None:
            answer = plain.ask(q, everything, without)
            return None if isinstance(answer, Refused) else answer.total_cost

        def judge(proposal: drops.Proposal, oids: frozenset[int]) -> drops.DropVerdict:
            root, added = root_oid(proposal.table, self.facts), 0.0
            planned: set[str] = set()
            not_planned = {
                statement
                for statement, read_by_text in self.unplanned.items()
                if any(read is None or root in read for read in read_by_text)
            }
            for q, read in enumerate(tables):
                if read is not None and root not in read:
                    continue
                if q not in now:
                    now[q] = cost(q, gone)
                statement, before, after = self.queries[q].statement, now[q], cost(q, oids)
                is_key_check = statement in self.key_checks
                if before is None or after is None:
                    not_planned.update(() if is_key_check else [statement])
                    continue
                planned.update(() if is_key_check else [statement])
                if after > before * (1 + drops.MAX_DEARER):
                    index = proposal.index
                    without = WithoutIndex(
                        index.oid, index.name, len(planned), len(not_planned), statement, before, after, is_key_check
                    )
                    return drops.DropVerdict(proposal, without)
                added += self.weights[q] * (after - before)
            without = WithoutIndex(proposal.index.oid, proposal.index.name, len(planned), len(not_planned))
            return drops.DropVerdict(proposal, without, added)

        replica_scans = self.options.replica_scans
        needless = drops.proposals(self.facts, chosen, gone, replica_scans, self.faults)
        return drops.drop_proved(needless, self.facts, chosen, gone, judge, replica_scans, self.faults)

    def fits(self, chosen: int, budget_bytes: int | None) -> bool:
        """When built: sizes are estimates."""
        return budget_bytes is None or self.most_bytes(chosen) <= self.room(budget_bytes)

    def room(self, budget_bytes: int) -> int:
        """Bytes that a set may take of a budget."""
        return budget_bytes + (sum(d.freed_bytes for d in self.dropped) if self.options.count_freed_bytes else 0)

    def most_bytes(self, chosen: int) -> float:
        """What a set may take when built: with what its estimates may be off."""
        sized = [(self.indexes[n].definition, self.sizes[n]) for n in bits(chosen)]
        return self.search.size(chosen) + reserve_bytes(sized)
