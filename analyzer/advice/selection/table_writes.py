"""Rows written per day of each table: from the server's counters or, without them, the workload's own statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pglast import ast

from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import Planner, Query, Refused
from analyzer.advice.selection.relevance import root_oid
from analyzer.advice.selection.writes import ASSUMED_HOT_SHARE, TableWrites, WrittenIndex, split_updates
from analyzer.plans.node import raw_inputs
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.statements.tree import Unparsable, column_names, fresh_parse, single_statement

# judgement: who fills a table does so in few calls, and once
LEAST_OF_LOAD, MOST_OF_LOADS = 0.1, 1.5  # of its rows: by a call, by all of them
HOT_WITH_BRIN = 160000  # release notes of 16: "Allow HOT updates if only BRIN-indexed columns are updated"


@dataclass(frozen=True, slots=True)
class _Written:
    """Of one statement: rows per call on a table. ``set_columns`` of an UPDATE, or of INSERT's ON CONFLICT.

    ``calls``: of a plain INSERT, how often it ran at all; None where that is not known.
    """

    root: int
    kind: str
    rows: float
    set_columns: frozenset[str] = frozenset()
    calls: float | None = None

    def is_load_of(self, table_rows: float, of_name: float) -> bool:
        """Whether it filled the table as it is now: an index made from now on has no part in that.

        ``of_name``: rows of all tables of that name, which a server may count as one (18 does).
        """
        if self.calls is None or self.rows < LEAST_OF_LOAD * table_rows:
            return False
        return self.rows * self.calls <= MOST_OF_LOADS * of_name


def table_writes(
    queries: Sequence[Query], facts: SchemaFacts, planner: Planner, existing: Mapping[int, Sequence[WrittenIndex]]
) -> dict[int, TableWrites]:
    """By root oid. Counted rates win; the statements then say which columns the updates set."""
    said: dict[int, list[tuple[float, _Written]]] = {}
    for query in queries:
        if query.kind in ("insert", "update", "delete", "merge") and query.weight > 0:
            for written in _written_by(query, facts, planner):
                said.setdefault(written.root, []).append((query.weight, written))
    writes = {}
    for root, tables in _by_root(facts).items():
        rows = sum(t.rows or 0.0 for t in tables if not t.partitions)
        of_name = sum(t.rows or 0.0 for t in facts if t.name in {table.name for table in tables} and not t.partitions)
        here = [(w, written) for w, written in said.get(root, []) if not written.is_load_of(rows, of_name)]
        sums = {kind: sum(w * s.rows for w, s in here if s.kind == kind) for kind in ("insert", "update", "delete")}
        counted = _counted(tables)
        inserted, updated, deleted = counted or (sums["insert"], sums["update"], sums["delete"])
        if not inserted + updated + deleted:
            continue
        share = _hot_share(tables)
        by_columns: dict[frozenset[str], float] = {}
        for weight, written in here:
            if written.kind == "update":
                columns = written.set_columns
                by_columns[columns] = by_columns.get(columns, 0.0) + weight * written.rows
        hot = updated * (ASSUMED_HOT_SHARE if share is None else share)
        plain, hot_updates = split_updates(updated, hot, by_columns, existing.get(root, ()))
        if not by_columns:
            plain = updated - hot  # nobody knows what they set: no loss of HOT is claimed
        writes[root] = TableWrites(max(1.0, rows), inserted, deleted, plain, hot_updates)
    return writes


def written_index(definition: IndexDefinition, size_bytes: int, share: float, server_version_num: int) -> WrittenIndex:
    columns = {c.name for c in definition.columns if not c.is_expression} | set(definition.include)
    texts = [c.name for c in definition.columns if c.is_expression]
    if definition.predicate:
        texts.append(definition.predicate)
    return _written_index(definition.table, columns, texts, definition.method, size_bytes, share, server_version_num)


def existing_indexes(facts: SchemaFacts, without: Iterable[int] = ()) -> dict[int, list[WrittenIndex]]:
    """By root oid; a partitioned index counts by its parts."""
    hidden = frozenset(without)
    indexes_of: dict[int, list[WrittenIndex]] = {}
    for table in facts:
        if table.kind == "p":
            continue
        for index in table.indexes:
            if index.oid not in hidden and index.parent_oid not in hidden:
                indexes_of.setdefault(root_oid(table, facts), []).append(
                    _of_facts(table, index, facts.server_version_num)
                )
    return indexes_of


def _of_facts(table: TableFacts, index: IndexFacts, version: int) -> WrittenIndex:
    columns = {c for c in index.columns if c} | set(index.include)
    texts = [*index.expressions, *([index.predicate] if index.predicate else [])]
    return _written_index(table, columns, texts, index.method, index.size_bytes or PAGE_BYTES, 1.0, version)


def _written_index(
    table: TableFacts, columns: set[str], texts: Sequence[str], method: str, size_bytes: int, share: float, version: int
) -> WrittenIndex:
    first = next((c for c in table.columns if c.name in columns), None)
    named = columns | {name for text in texts for name in columns_of(text)}
    return WrittenIndex(
        float(size_bytes),
        frozenset(named),
        share,
        abs(first.correlation or 0.0) if first and len(columns) == 1 and not texts else 0.0,
        not (method == "brin" and version >= HOT_WITH_BRIN),
    )


def columns_of(expression: str) -> frozenset[str]:
    """Every column that an expression or predicate names."""
    statements = fresh_parse(f"SELECT {expression}")
    return frozenset() if isinstance(statements, Unparsable) else frozenset(column_names(statements))


def _by_root(facts: SchemaFacts) -> dict[int, list[TableFacts]]:
    tables_of: dict[int, list[TableFacts]] = {}
    for table in facts:
        if table.kind in ("r", "p"):
            tables_of.setdefault(root_oid(table, facts), []).append(table)
    return dict(sorted(tables_of.items()))


def _counted(tables: Sequence[TableFacts]) -> tuple[float, float, float] | None:
    """Inserted, updated and deleted rows per day; None where no table has been read twice."""
    known = [weight for t in tables if t.kind != "p" and (weight := t.weight_per_day()) is not None]
    if not known:
        return None
    inserted, updated, deleted = (sum(rows) for rows in zip(*known, strict=True))
    return inserted, updated, deleted


def _hot_share(tables: Sequence[TableFacts]) -> float | None:
    updated = sum(t.activity.updated_rows for t in tables)
    return min(1.0, sum(t.activity.hot_updated_rows for t in tables) / updated) if updated else None


def _written_by(query: Query, facts: SchemaFacts, planner: Planner) -> list[_Written]:
    statement = single_statement(query.sql)
    target = getattr(statement, "relation", None)
    if isinstance(statement, Unparsable) or target is None:
        return []
    table = facts.find_table(target.relname, target.schemaname)
    if table is None:
        return []
    root, rows = root_oid(table, facts), _rows_written(query, planner)
    if isinstance(statement, ast.InsertStmt):
        if query.rows_per_call is not None:
            rows = query.rows_per_call
        written = [_Written(root, "insert", rows, calls=query.calls)]
        conflict = statement.onConflictClause
        if conflict is not None and conflict.targetList:
            # judgement: an upsert meets a row that is there as often as not
            names = frozenset(t.name for t in conflict.targetList if t.name)
            written = [_Written(root, "insert", rows / 2), _Written(root, "update", rows / 2, names)]
        return written
    if isinstance(statement, ast.UpdateStmt):
        return [_Written(root, "update", rows, frozenset(t.name for t in statement.targetList if t.name))]
    if isinstance(statement, ast.DeleteStmt):
        return [_Written(root, "delete", rows)]
    if isinstance(statement, ast.MergeStmt):
        set_by_merge = {t.name for when in statement.mergeWhenClauses for t in when.targetList or () if t.name}
        return [_Written(root, "insert", rows / 2), _Written(root, "update", rows / 2, frozenset(set_by_merge))]
    return []


def _rows_written(query: Query, planner: Planner) -> float:
    """What the node below ModifyTable is expected to give; 1 where the statement cannot be planned."""
    explained = planner.explain(query)
    if isinstance(explained, Refused):
        return 1.0
    below = raw_inputs(explained.get("Plan", explained))
    return max(float(below[0].get("Plan Rows", 1.0)), 0.0) if below else 1.0
