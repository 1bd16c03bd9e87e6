"""Checks of a foreign key that take long: the referencing table has no index to find the children by.

Each row that is deleted, or whose key changes, is looked up in the table that references it. Without an index on the
referencing columns each look-up reads that whole table. The time stands beside the plan, not in it: EXPLAIN prints it
per constraint. To verify, look at the referencing table's indexes (\\d) for one that starts with the key's columns. The
fix is that index. With ON DELETE CASCADE or SET NULL the time holds the change of the children as well, which stays.
Leave it alone where rows of the referenced table are deleted, or their keys changed, only by hand. Where the schema is
known, keys with an index are not reported; else the time of one check has to be long for a look-up by index. EXPLAIN's
text format names a constraint and not whose it is: where the schema is not known either, that is said. On the other
side of the key each new row looks its parent up by the unique index there, as it should: where that takes a good part
of a load of many rows, it is told for information. The time is that of the checks, whole.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, EvidenceLevel, Fix, Threshold
from analyzer.checks.new_index import names_taken
from analyzer.checks.node import run_time_ms, time_ratio
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan
from analyzer.plans.triggers import Fired, fired
from analyzer.schema.facts import ForeignKeyFacts, SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import is_unindexed
from analyzer.schema.index_names import index_name
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.durations import time_words

check = Check(
    __name__,
    code="PL090",
    title="Foreign key's checks are slow",
    severity=Severity.WARNING,
    time_per_check=Threshold(
        0.3, "ms", "measured: 0.01 to 0.04 ms with an index, 11 to 30 ms without one of 300,000 rows (13, 15, 18)"
    ),
    time=Threshold(5, "ms", "judgement: a key's first check in a session plans its look-up, which takes a millisecond"),
    time_ratio=Threshold(0.10, "time / execution time", "judgement: less is not worth an index"),
    parents_time_ratio=Threshold(0.25, "time / execution time", "judgement: less is what a key costs"),
    parents=Threshold(1_000, "checks", "judgement: fewer are no load of many rows"),
)


@check.on(Plan)
def foreign_key_check_without_index(plan: Plan, context: Context) -> Iterator[Finding]:
    for trigger in fired(plan):
        if trigger.is_child_side:
            yield from _looks_parents_up(trigger, context.facts)
            continue
        if trigger.is_foreign_key is False or trigger.time_ms is None or not trigger.calls:
            continue
        node = trigger.node
        ratio = time_ratio(trigger.time_ms, node)
        if trigger.time_ms < check["time"] or ratio is None or ratio < check["time_ratio"]:
            continue
        key_of = _key(trigger, context.facts)
        if key_of is not None and not is_unindexed(*key_of):
            continue
        if trigger.is_foreign_key is None and context.facts is not None and not _names_a_key(trigger, context.facts):
            continue  # a constraint trigger that somebody wrote, see PL091
        each_ms = trigger.time_ms / trigger.calls
        if key_of is None and each_ms < check["time_per_check"]:
            continue
        name = f"{'foreign key' if trigger.is_foreign_key or key_of else 'constraint'} {trigger.name}"
        yield check.finding(
            node=node,
            subject=name[0].upper() + name[1:],
            title=f"Checks of {name} are slow",
            message=(
                f"{trigger.calls:,} check{'s' if trigger.calls > 1 else ''} of {name} took"
                f" {time_words(trigger.time_ms)},"
                f" {time_words(each_ms)} each: {_why(key_of)}"
            ),
            hint=_hint(trigger, key_of),
            evidence={
                "checks": trigger.calls,
                "check_time_ms": round(trigger.time_ms, 3),
                "mean_check_time_ms": round(each_ms, 3),
                "time_ratio": round(ratio, 3),
            },
            level=EvidenceLevel.EXECUTED,
            time_ms=min(trigger.time_ms, run_time_ms(node) or trigger.time_ms),
            run_time_ms=run_time_ms(node),
            table=key_of[0].qualified_name if key_of is not None else None,
            fixes=() if key_of is None or context.facts is None else (_index(*key_of, context.facts),),
        )


def _looks_parents_up(trigger: Fired, facts: SchemaFacts | None) -> Iterator[Finding]:
    ratio, is_key = time_ratio(trigger.time_ms, trigger.node), trigger.is_foreign_key
    if is_key is None and facts is not None:
        is_key = _names_a_key(trigger, facts)
    if is_key is False or trigger.time_ms is None or ratio is None:
        return
    if trigger.calls < check["parents"] or trigger.time_ms < check["time"] or ratio < check["parents_time_ratio"]:
        return
    name = f"{'foreign key' if is_key else 'constraint'} {trigger.name}"
    whose = "" if is_key else "of a foreign key, "
    nothing = "Nothing is amiss" if is_key else f"{_in_text(trigger)}, nothing is amiss"
    yield check.finding(
        node=trigger.node,
        subject=name[0].upper() + name[1:],
        title=f"Checks of {name} take much of the time",
        message=(
            f"{trigger.calls:,} checks of {name} took {time_words(trigger.time_ms)}: {whose}the parent of each row that"
            " was written is looked up."
        ),
        hint=(
            f"{nothing} where rows come a few at a time. A load of many is quicker where the key is added behind it:"
            " ADD CONSTRAINT ... NOT VALID, then VALIDATE CONSTRAINT, which checks all rows with one join."
        ),
        evidence={
            "checks": trigger.calls,
            "check_time_ms": round(trigger.time_ms, 3),
            "mean_check_time_ms": round(trigger.time_ms / trigger.calls, 3),
            "time_ratio": round(ratio, 3),
        },
        level=EvidenceLevel.EXECUTED,
        at_most=Severity.INFO,
        time_ms=min(trigger.time_ms, run_time_ms(trigger.node) or trigger.time_ms),
        run_time_ms=run_time_ms(trigger.node),
    )


def _key(trigger: Fired, facts: SchemaFacts | None) -> tuple[TableFacts, ForeignKeyFacts] | None:
    """The key by its constraint's name; None where it is not known, or the name is used twice."""
    if facts is None:
        return None
    keys = [
        (table, key)
        for table in facts
        for key in table.foreign_keys
        if key.name == trigger.name and key.referenced_table == trigger.relation and not key.is_inherited
    ]
    return keys[0] if len(keys) == 1 else None


def _names_a_key(trigger: Fired, facts: SchemaFacts) -> bool:
    return any(key.name == trigger.name for table in facts for key in table.foreign_keys)


def _why(key_of: tuple[TableFacts, ForeignKeyFacts] | None) -> str:
    if key_of is None:
        return "long for a look-up by index."
    table, key = key_of
    return f"no index of {table.name} serves ({', '.join(key.columns)}), so each reads the whole table."


def _hint(trigger: Fired, key_of: tuple[TableFacts, ForeignKeyFacts] | None) -> str:
    if key_of is not None:
        table, key = key_of
        return f"Create an index on {table.name} ({', '.join(key.columns)})."
    which = "" if trigger.is_foreign_key else f"{_in_text(trigger)}: "
    see = "see" if which else "See"
    return (
        f"{which}{see} whether the table that references {trigger.relation or 'it'} by {trigger.name} has an index"
        " that starts with the key's columns. With ON DELETE CASCADE or SET NULL the time holds the change of its rows,"
        " too."
    )


def _in_text(trigger: Fired) -> str:
    return (
        f"EXPLAIN's text format does not tell whether {trigger.name} is a foreign key or a constraint trigger that"
        " somebody wrote; FORMAT JSON does. Of a foreign key"
    )


def _index(table: TableFacts, key: ForeignKeyFacts, facts: SchemaFacts) -> Fix:
    columns = ", ".join(map(quote_identifier, key.columns))
    concurrently = "" if table.kind == "p" else " CONCURRENTLY"  # does not exist for partitioned tables
    name = quote_identifier(index_name(table.name, key.columns, names_taken(facts, table)))
    sql = f"CREATE INDEX{concurrently} {name} ON {qualified(table.schema, table.name)} ({columns});"
    return Fix("Index the referencing columns", "sql", sql)
