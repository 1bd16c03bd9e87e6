"""Times without a time zone.

timestamp holds what a clock showed and not whose. On a day on which the clock goes back an hour comes twice; sessions
with other TimeZone settings read one value as different moments; comparing it with timestamptz goes by the session's
setting. Tables that have both are where it goes wrong. To verify, see what writes them: a framework that always sends
UTC is safe as long as nothing else writes or reads.

Use timestamptz for moments. ALTER COLUMN ... TYPE timestamptz USING col AT TIME ZONE 'UTC' keeps their meaning and
rewrites the table under an ACCESS EXCLUSIVE lock; without USING, in a session whose TimeZone is UTC, it rewrites
nothing. Leave it alone for times of a wall clock (opening hours) and where the framework means it so (Rails, Prisma,
SQLAlchemy).
"""

from collections.abc import Iterator

from analyzer.checks import Check
from analyzer.checks.columns import REWRITES, retyped, to_retype, type_of
from analyzer.checks.grouping import listed
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.words.lists import some_of

check = Check(__name__, code="SC016", title="Times without a time zone", severity=Severity.INFO)
IN_UTC = f"Where the values are times of UTC. {REWRITES}"
WITHOUT, WITH = "timestamp without time zone", "timestamp with time zone"


@check.on(SchemaFacts)
def timestamp_without_zone(facts: SchemaFacts) -> Iterator[Finding]:
    without: list[str] = []
    changes: list[str] = []
    mixed: list[str] = []
    of_mixed: list[str] = []
    with_zone = 0
    for table in facts:
        if table.kind not in "rp" or table.parent_oid is not None:
            continue
        kinds = {column.name: type_of(column) for column in table.columns}
        mine = [f"{table.qualified_name}.{name}" for name, kind in kinds.items() if kind == WITHOUT]
        without += mine
        if mine:
            columns = [name for name, kind in kinds.items() if kind == WITHOUT]
            changes.append(retyped(table, ((name, "timestamptz", "{} AT TIME ZONE 'UTC'") for name in columns), facts))
        with_zone += sum(kind == WITH for kind in kinds.values())
        if mine and WITH in kinds.values():
            mixed.append(table.qualified_name)
            of_mixed += mine
    if not without:
        return
    count = len(without)
    first = list(dict.fromkeys([*of_mixed, *without]))
    yield check.finding(
        about=facts.database,
        subject="timestamp",
        message=(
            f"{count} column{'s have' if count > 1 else ' has'} a time and no time zone: {some_of(first)}."
            + (f" {with_zone:,} {'has' if with_zone == 1 else 'have'} one." if with_zone else "")
            + (f" Both are in {some_of(mixed)}." if mixed else "")
        ),
        hint="Use timestamptz for moments, most of all where one table has both.",
        severity=Severity.WARNING if mixed else Severity.INFO,
        evidence={"without_zone": count, "with_zone": with_zone, "columns": listed(without),
                  "mixed_tables": listed(mixed)},
        members=tuple(without),
        fixes=to_retype(changes, IN_UTC),
    )  # fmt: skip
