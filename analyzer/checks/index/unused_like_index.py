"""Indexes for LIKE that Django made and no statement used.

Django gives each CharField and TextField that is unique or indexed a second index, named ..._like, with
varchar_pattern_ops or text_pattern_ops: for LIKE 'begin%' (startswith). Few fields are searched so. Each is kept up
with every write. One that a recorded statement is planned dearer without is left out, where the planner twin was asked.
To verify, look at idx_scan in pg_stat_user_indexes, on replicas too.

Drop them in a migration (RunSQL), or set db_index to False and declare the index in Meta.indexes, else the next change
of the field makes it again. Leave one alone where its search is rare and known, such as once a year.
"""

from collections.abc import Iterator

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
from analyzer.checks.statistics import idle_days
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_shapes import is_for_speed_alone
from analyzer.words.lists import some_of
from analyzer.words.sizes import size_words

check = Check(
    __name__,
    code="IX004",
    title="Django's indexes for LIKE are not used",
    severity=Severity.INFO,
    days=Threshold(30, "days", "judgement: a month's end and its reports lie in between"),
    size=Threshold(2**20, "bytes", "judgement: smaller ones cost next to nothing"),
)
PATTERN_CLASSES = {"varchar_pattern_ops", "text_pattern_ops", "bpchar_pattern_ops"}


@check.on(SchemaFacts)
def unused_like_index(facts: SchemaFacts, context: Context) -> Iterator[Finding]:
    idle = [index for table in facts for index in _idle(table, facts, context)]
    if not idle:
        return
    days = need_days_without_scan(idle, context, check["days"])
    judgement = judged(idle, context, is_one_table=False)
    unused = sorted(judgement.indexes, key=lambda index: -(index.size_bytes or 0))
    if not unused:
        return
    total, count = sum(index.size_bytes or 0 for index in unused), len(unused)
    yield check.finding(
        about=facts.database,
        subject="indexes for LIKE",
        message=(
            f"{count} index{'es' if count > 1 else ''} that Django made for LIKE, {size_words(total)} together, had no"
            f" scan in {days:,.0f} days {where_words(context)}: {some_of([i.name for i in unused])}."
            f"{last_use_words(unused)} {judgement.verdict}"
        ),
        hint="Drop them in a migration, unless a replica or a rare job searches by the beginning of these texts.",
        evidence={"index_count": count, "unused_bytes": total, "counted_days": round(days, 1),
                  "indexes": listed([i.name for i in unused])},
        members=tuple(f"{i.schema}.{i.name}" for i in unused),
        fixes=(drop_indexes(unused),),
    )  # fmt: skip


def _idle(table: TableFacts, facts: SchemaFacts, context: Context) -> list[IndexFacts]:
    idle = [i for i in table.indexes if _is_idle(table, i, facts) and not replicas_scanned(i, context)]
    needed = keepers_in_use(redundant_to_drop(table, context)[0], idle) if idle else set()
    return [index for index in idle if index.oid not in needed]


def _is_idle(table: TableFacts, index: IndexFacts, facts: SchemaFacts) -> bool:
    is_large = (index.size_bytes or 0) >= check["size"] and idle_days(index, facts) >= check["days"]
    return is_large and is_for_like(table, index) and not table.is_of_timescale


def is_for_like(table: TableFacts, index: IndexFacts) -> bool:
    """Whether Django made it beside another index of the same column."""
    if not index.name.endswith("_like") or len(index.columns) != 1 or not is_for_speed_alone(index):
        return False
    if not set(index.opclasses) & PATTERN_CLASSES:
        return False
    return any(i.oid != index.oid and i.columns[:1] == index.columns and i.is_usable for i in table.indexes)
