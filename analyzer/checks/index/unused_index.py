"""Indexes that no statement used.

Every insert, and every update that is not HOT, keeps all indexes up; each takes disk, memory and time of VACUUM. The
server counts scans from the last reset of its statistics on, and each replica its own: those that pgLoupe watches are
added up, and with a replica that it does not watch nothing is said. From 16 on the server knows when it last used an
index: one that was used, but not for as long, counts as unused. Where the planner twin has planned the recorded
statements without an index, the finding says so, and one that a statement gets dearer without is left out; only what
is proved so is more than a note. To verify, look at idx_scan (and last_idx_scan, from 16 on) in pg_stat_user_indexes
on this server and on each replica.

Drop what nobody misses. Leave alone what a yearly job uses, what was made a few days ago, and an index on an
expression where plans need the expression's statistics. Unique indexes, those behind constraints, the replica
identity, the only index that serves a foreign key, and one that is to do the work of a redundant one that is in use
(IX003) are not listed.
"""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.dropping import (
    drop_indexes,
    judged,
    last_use_words,
    need_days_without_scan,
    replicas_scanned,
    where_words,
)
from analyzer.checks.grouping import listed
from analyzer.checks.index.redundant_index import keepers_in_use, redundant_to_drop
from analyzer.checks.index.unused_like_index import is_for_like
from analyzer.checks.statistics import idle_days
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.schema.index_shapes import alone_serves_a_key, is_for_speed_alone
from analyzer.words.lists import some_of
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="IX005",
    title="Unused indexes",
    severity=Severity.INFO,
    together=Severity.INFO,
    days=Threshold(30, "days", "judgement: a month's end and its reports lie in between"),
    size=Threshold(2**20, "bytes", "judgement: smaller ones cost next to nothing"),
    warning=Threshold(2**30, "bytes", "judgement: memory and backups that somebody pays for"),
)


@check.on(TableFacts)
def unused_index(table: TableFacts, context: Context) -> Iterator[Finding]:
    if table.kind not in "rm" or context.facts is None or table.is_of_timescale:
        return
    idle = _unused(table, context)
    if not idle:
        return
    days = need_days_without_scan(idle, context, check["days"])
    judgement = judged(idle, context)
    unused = judgement.indexes
    if not unused:
        return
    total, count = sum(index.size_bytes or 0 for index in unused), len(unused)
    written = table.activity.inserted_rows + table.activity.updated_rows - table.activity.hot_updated_rows
    is_large = total >= check["warning"] and written and judgement.is_proved
    yield check.finding(
        subject=table.name,
        message=(
            f"{count} index{'es' if count > 1 else ''} of {table.qualified_name}, {size_words(total)}"
            f"{' together' if count > 1 else ''}, had no scan in {days:,.0f} days {where_words(context)}:"
            f" {some_of([i.name for i in unused])}.{last_use_words(unused)} {judgement.verdict}"
        ),
        hint="Drop them where no replica and no rare job uses them. One made lately may not have had its turn.",
        severity=Severity.WARNING if is_large else Severity.INFO,
        evidence={"indexes": listed([i.name for i in unused]), "unused_bytes": total, "counted_days": round(days, 1),
                  "written_rows": written, "statements_planned": judgement.statements},
        table=table.qualified_name,
        fixes=(drop_indexes(unused, table),),
    )  # fmt: skip


def _unused(table: TableFacts, context: Context) -> list[IndexFacts]:
    """The largest first; with all of them gone, and the redundant ones, each foreign key is served as it was."""
    idle = [i for i in table.indexes if _is_idle(table, i, context) and not replicas_scanned(i, context)]
    redundant = redundant_to_drop(table, context)[0] if idle else []  # told by that check
    gone, needed = {index.oid for index, _ in redundant}, keepers_in_use(redundant, idle)
    unused = []
    for index in sorted(idle, key=lambda i: -(i.size_bytes or 0)):
        if index.oid in gone or index.oid in needed:
            continue
        rest = replace(table, indexes=tuple(i for i in table.indexes if i.oid not in gone))
        if not alone_serves_a_key(rest, index):
            gone.add(index.oid)
            unused.append(index)
    return unused


def _is_idle(table: TableFacts, index: IndexFacts, context: Context) -> bool:
    is_large = (index.size_bytes or 0) >= check["size"] and idle_days(index, context.facts) >= check["days"]
    return is_large and is_for_speed_alone(index) and not is_for_like(table, index)
