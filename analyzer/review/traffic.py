"""Who waits for a lock: the recorded statements of the server that read or write the table."""

from collections.abc import Iterable
from dataclasses import dataclass

from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.live_facts import UsingStatement
from analyzer.review.lock_modes import Mode
from analyzer.schema.facts import TableFacts
from analyzer.statements.parse import TableName
from analyzer.words.durations import DAY_S, SHORTEST_OF_A_DAY_S, count_words


@dataclass(frozen=True, slots=True)
class Traffic:
    """Statements on one table, the most frequent first; ``written``: those that write it."""

    statements: tuple[UsingStatement, ...]
    written: tuple[UsingStatement, ...]

    def waiting(self, mode: Mode) -> tuple[UsingStatement, ...]:
        if mode.blocks_reads:
            return self.statements
        return self.written if mode.blocks_writes else ()


def traffic(known: FactsAtStatement, relation: TableName, by_parents: bool = True) -> Traffic | None:
    """None where nothing was recorded, or nobody could read it. ``by_parents``: of a partition also what names the
    tables above it, and so waits for it.
    """
    table = known.table(relation)
    if table is None or known.live is None or known.live.statements is None:
        return None
    oids = {t.oid for t in (*known.with_below(table), *(above(table, known) if by_parents else ()))}
    using_statements = sorted(
        (s for s in known.live.statements if s.tables & oids), key=lambda s: (-s.calls_per_day, s.fingerprint)
    )
    return Traffic(tuple(using_statements), tuple(s for s in using_statements if s.written & oids))


def waiting_words(
    known: FactsAtStatement, relation: TableName, mode: Mode, seconds: float | None, name: str = "it"
) -> str:
    """Who waits for the relation, which the sentence calls ``name``; "" where it is not known."""
    using = traffic(known, relation)
    if using is None:
        return _by_activity(known, relation, mode, name)
    waiting = using.waiting(mode)
    if not waiting:
        return f"No recorded statement of this server {'reads or writes' if mode.blocks_reads else 'writes'} {name}."
    verb = "read or write" if mode.blocks_reads else "write"
    many = f"1 recorded statement {' or '.join(f'{v}s' for v in verb.split(' or '))}"
    if len(waiting) > 1:
        many = f"{len(waiting)} recorded statements {verb}"
    per_day = calls_per_day(waiting)
    text = f"{many} {name}, {count_words(per_day, waiting[0].watched_s)} (measured)"
    queued = per_day * seconds / DAY_S if seconds is not None else 0
    return f"{text}: about {queued:,.0f} calls in that time." if queued >= 1 else f"{text}."


def _by_activity(known: FactsAtStatement, relation: TableName, mode: Mode, name: str) -> str:
    """Without statements: what the table's own counters say, of a day since the statistics' reset."""
    table, facts = known.table(relation), known.facts
    days = facts.days_since_stats_reset if facts is not None else None
    if table is None or not days or days * DAY_S < SHORTEST_OF_A_DAY_S:
        return ""
    parts = [t.activity for t in known.with_below(table)]
    written = sum(a.inserted_rows + a.updated_rows + a.deleted_rows for a in parts) / days
    scans = sum(a.seq_scans + a.index_scans for a in parts) / days
    reads = f"is scanned {scans:,.0f} times and " if mode.blocks_reads else ""
    subject = "It" if name == "it" else name
    return (
        f"{subject} {reads}gets {written:,.0f} rows inserted, updated or deleted a day (measured, pg_stat_all_tables)."
    )


def calls_per_day(statements: Iterable[UsingStatement]) -> float:
    """Calls of a day at the rate since the counters' reset, however short that was; to weigh, and for count_words."""
    return sum(s.calls * DAY_S / s.watched_s for s in statements)


def above(table: TableFacts, known: FactsAtStatement) -> list[TableFacts]:
    """Partitioned tables that statements name when they mean this one's rows."""
    parents: list[TableFacts] = []
    parent = known.facts.table(table.parent_oid) if known.facts and table.parent_oid is not None else None
    while parent is not None and known.facts is not None:
        parents.append(parent)
        parent = known.facts.table(parent.parent_oid) if parent.parent_oid is not None else None
    return parents
