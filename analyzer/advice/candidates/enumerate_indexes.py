"""Every index that the planner might like for a workload: broad on purpose, because the planner judges each.

``candidates.py`` gives the one index a rule would choose; this gives the alternatives: other column orders, covering
and partial forms, expressions, other methods (``table_candidates.py``). Hash indexes only where a value may be too wide
for a B-tree, which otherwise serves the same look-ups, orders rows as well and is de-duplicated. What exists already is
left out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from analyzer.advice.candidates.table_candidates import LIMITS, PERMUTED, TableCandidates
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.shapes import indexes_like, is_replaced_by
from analyzer.advice.sizing.key_widths import may_refuse_rows
from analyzer.advice.thresholds import TINY_TABLE_BYTES
from analyzer.errors import costing_only
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.predicates import query_blocks


@dataclass(slots=True)
class IndexCandidate:
    """``statements``: keys of those it is meant for."""

    definition: IndexDefinition
    statements: set[str] = field(default_factory=set)


def workload_candidates(
    statements: Sequence[tuple[str, str]], facts: SchemaFacts, failed: dict[str, str] | None = None
) -> list[IndexCandidate]:
    """For (key, SQL) pairs; each definition once, in an order that does not depend on theirs. ``failed`` gets by key
    why a statement has none of its own although it might."""
    candidates: dict[tuple[int, str], IndexCandidate] = {}
    for key, sql in sorted(statements):
        with costing_only(key, {} if failed is None else failed):
            for definition in statement_candidates(sql, facts):
                at = (definition.table.oid, definition.body())
                candidates.setdefault(at, IndexCandidate(definition)).statements.add(key)
    for candidate in list(_shared_coverings(candidates.values())):
        candidates.setdefault((candidate.definition.table.oid, candidate.definition.body()), candidate)
    return [candidates[at] for at in sorted(candidates)]


def statement_candidates(sql: str, facts: SchemaFacts) -> list[IndexDefinition]:
    """For every query block and every table in it, with those that inherit from it, since an index holds one table's
    rows only; nothing for a text that is no single query."""
    definitions: dict[tuple[int, str], IndexDefinition] = {}
    for block in query_blocks(sql, facts):
        for use in block.tables:
            named = facts.find_table(use.name, use.schema or None)
            if named is None or (use.is_target and block.kind == "insert"):
                continue
            for table in (named, *facts.heirs(named)):
                if table.kind not in ("r", "p", "m") or _is_tiny(table):
                    continue
                for definition in TableCandidates(block, use, table, facts).definitions():
                    if not _exists(definition):
                        definitions.setdefault((table.oid, definition.body()), definition)
    return list(definitions.values())


def _is_tiny(table: TableFacts) -> bool:
    """Nothing is gained on it however often it is read. Of others the planner's cost and the calls decide."""
    return table.size_bytes is not None and table.size_bytes <= TINY_TABLE_BYTES


def _shared_coverings(candidates: Iterable[IndexCandidate]) -> Iterator[IndexCandidate]:
    """One covering index for two statements that have the same keys and read other columns."""
    groups: dict[tuple[int, str], list[IndexCandidate]] = {}
    for candidate in candidates:
        definition = candidate.definition
        if definition.include:
            keys = IndexDefinition(definition.table, definition.columns, predicate=definition.predicate).body()
            groups.setdefault((definition.table.oid, keys), []).append(candidate)
    for group in groups.values():
        for one, other in combinations(sorted(group, key=lambda c: c.definition.body())[:PERMUTED], 2):
            include = tuple(sorted({*one.definition.include, *other.definition.include}))
            if len(include) <= LIMITS["covering_columns"].value and include not in (
                one.definition.include, other.definition.include
            ):  # fmt: skip
                d = one.definition
                both = IndexDefinition(d.table, d.columns, d.method, include, d.predicate)
                if not may_refuse_rows(both):
                    yield IndexCandidate(both, one.statements | other.statements)


def _exists(definition: IndexDefinition) -> bool:
    """As it is, or as the first columns of a whole B-tree, read forwards or backwards."""
    if indexes_like(definition, definition.table):
        return True
    if definition.method != "btree" or definition.include or definition.predicate:
        return False
    return any(i.is_usable and is_replaced_by(definition, i) for i in definition.table.indexes)


__all__ = ["IndexCandidate", "statement_candidates", "workload_candidates"]
