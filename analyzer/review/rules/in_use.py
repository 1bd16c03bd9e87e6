"""What running code needs and the migration takes away: by the statements that the server recorded."""

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.live_facts import UsingStatement
from analyzer.review.names_made import is_made_again
from analyzer.review.rules.rests_on import index_dropped
from analyzer.review.rules.rule import Findings, Rule, StepContext, is_of
from analyzer.review.traffic import calls_per_day, traffic
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.words.durations import count_words

COLUMN = Rule("MG020", "Column dropped that statements use")
TABLE = Rule("MG021", "Table or view dropped that statements use")
RENAMED = Rule("MG022", "Renamed under running code")
INDEX = Rule("MG023", "Index dropped that the server uses")
INSERTS = Rule("MG025", "Running code's INSERT fails")
EMPTIED = Rule("MG024", "All rows of a table deleted")
LONGEST = 3  # statements named

DEPLOY_FIRST = "Deploy code that does without it first; drop it when no statement names it any more."
OF_VIEWS = "Make it anew with a column of each name until no code uses the old one."
TWO_NAMES = {
    Kind.RENAME_TABLE: "Keep the old name as a view (CREATE VIEW old AS SELECT * FROM new) in the same transaction"
    " until no code uses it.",
    Kind.RENAME_COLUMN: "Add a column of the new name, write both, fill it in batches, and drop the old one when no"
    " code uses it; or leave the column's name and rename it in the code alone.",
    Kind.SET_SCHEMA: "Keep a view of that name in the old schema until no code uses it.",
}


def drops_column(at: StepContext) -> Findings:
    if not is_of(at, Kind.DROP_COLUMN) or at.is_new:
        return
    column, table, live = at.action.column, at.table, at.known.live
    if table is None or live is None or live.statements is None:
        yield COLUMN.finding(
            at, Severity.WARNING,
            f"Code that names {at.name}.{column} fails from then on, ORMs' SELECT and INSERT lists too; its values are"
            " gone.", DEPLOY_FIRST,
        )  # fmt: skip
        return
    if table.column(column) is None:
        return
    using = [s for s in live.statements if (table.oid, column) in s.columns]
    stars = [s for s in live.statements if table.oid in s.reads_all and s not in using]
    if using:
        yield COLUMN.finding(
            at, Severity.CRITICAL, f"{used_by(using, f'{at.name}.{column}')} They fail from then on.", DEPLOY_FIRST,
            calls_per_day=round(calls_per_day(using)), statements=len(using),
        )  # fmt: skip
        return
    more = f" {len(stars)} read{'s' if len(stars) == 1 else ''} all its columns (*)." if stars else ""
    yield COLUMN.finding(
        at, Severity.INFO,
        f"No recorded statement of this server names {at.name}.{column}.{more} Its values are gone for good.",
        "Look into code that runs rarely, too.",
    )  # fmt: skip


def drops_table(at: StepContext) -> Findings:
    if not is_of(at, Kind.DROP_TABLE) or at.is_new or (at.known.is_missing(at.relation) and not at.known.is_unclear):
        return
    using = traffic(at.known, at.relation, by_parents=False)
    table = at.table
    rows = f" and about {table.rows:,.0f} rows" if table is not None and table.rows else ""
    if is_made_again(at.relation, at.later, at.known):
        if not at.known.is_empty(at.relation):
            yield TABLE.finding(
                at, Severity.WARNING,
                f"A later statement makes {at.name} anew; the rows that it has now are gone unless they were copied.",
                "Compare the numbers of rows before it is dropped, or keep a dump of it.",
            )  # fmt: skip
    elif using is None:
        yield TABLE.finding(
            at, Severity.WARNING, f"Code that uses {at.name} fails from then on; its rows are gone.", DEPLOY_FIRST
        )
    elif using.statements:
        yield TABLE.finding(
            at, Severity.CRITICAL, f"{used_by(using.statements, at.name)} They fail from then on.", DEPLOY_FIRST,
            calls_per_day=round(calls_per_day(using.statements)), statements=len(using.statements),
        )  # fmt: skip
    elif not at.known.is_empty(at.relation):
        yield TABLE.finding(
            at, Severity.INFO,
            f"No recorded statement of this server {_uses(table)} {at.name}; it{rows} {_are(rows)} gone for good.",
            "Keep a dump of it, or rename it and drop it some weeks later.",
        )  # fmt: skip


def renames(at: StepContext) -> Findings:
    if not is_of(at, Kind.RENAME_TABLE, Kind.RENAME_COLUMN, Kind.SET_SCHEMA) or at.is_new or _keeps_name(at):
        return
    old = f"{at.name}.{at.action.column}" if at.action.kind is Kind.RENAME_COLUMN else at.name
    users, table = traffic(at.known, at.relation, by_parents=False), at.table
    is_view = at.action.kind is Kind.RENAME_COLUMN and table is not None and table.kind in "vm"
    hint = OF_VIEWS if is_view else TWO_NAMES[at.action.kind]
    if users is None or table is None:
        yield RENAMED.finding(
            at, Severity.WARNING, f"Running code that names {old} fails until it is deployed anew.", hint
        )
        return
    using = users.statements
    if at.action.kind is Kind.RENAME_COLUMN:
        using = tuple(s for s in using if (table.oid, at.action.column) in s.columns)
    if using:
        yield RENAMED.finding(
            at, Severity.CRITICAL, f"{used_by(using, old)} They fail until the code is deployed anew.", hint,
            calls_per_day=round(calls_per_day(using)), statements=len(using),
        )  # fmt: skip
    else:
        yield RENAMED.finding(at, Severity.INFO, f"No recorded statement of this server names {old}.", hint)


def renames_schema(at: StepContext) -> Findings:
    if at.action.kind is not Kind.RENAME_SCHEMA:
        return
    facts, live = at.known.facts, at.known.live
    oids = {table.oid for table in facts or () if table.schema == at.action.column}
    using = [s for s in live.statements or () if s.tables & oids] if live is not None else []
    if using:
        yield RENAMED.finding(
            at, Severity.CRITICAL,
            f"{used_by(using, f'tables of schema {at.action.column}')} They fail until code, or its search_path, names"
            f" {at.action.name}.", "Rename it when nobody uses it.", calls_per_day=round(calls_per_day(using)),
            statements=len(using), subject=at.action.column,
        )  # fmt: skip
    elif facts is None or live is None or live.statements is None:
        yield RENAMED.finding(
            at, Severity.WARNING, f"Running code that names {at.action.column}, or has it in its search_path, fails.",
            "Rename it when nobody uses it.", subject=at.action.column,
        )  # fmt: skip


def breaks_inserts(at: StepContext) -> Findings:
    """A new NOT NULL column that gets no value from code which does not know it: Django takes the default off again."""
    new = at.action.new
    if not is_of(at, Kind.ADD_COLUMN) or new is None or at.is_new or not new.is_not_null or new.is_primary:
        return
    is_taken_off = any(
        a.kind is Kind.SET_DEFAULT and a.is_off and a.column == new.name and a.relation is not None
        and at.known.key(a.relation) == at.name
        for s in at.later for a in s.actions
    )  # fmt: skip
    if new.has_value and not is_taken_off:
        return
    using = traffic(at.known, at.relation)
    oids = {table.oid for table in at.known.with_below(at.table)} if at.table is not None else set()
    inserts = [s for s in using.written if any((oid, "INSERT") in s.needs for oid in oids)] if using is not None else []
    is_django = at.migration.framework == "django"
    hint = (
        "Give it a default that stays"
        + (" (db_default, from Django 5.0 on)" if is_django else "")
        + (" until all code that runs knows the column.")
    )
    what = f"{new.name} is NOT NULL and keeps no default"
    if inserts:
        yield INSERTS.finding(
            at, Severity.WARNING,
            f"{what}. {used_by(inserts, at.name)} They fail until the new code is deployed.", hint,
            calls_per_day=round(calls_per_day(inserts)), statements=len(inserts),
        )  # fmt: skip
    elif using is None:
        message = f"{what}: code that runs already inserts into {at.name} without it, which fails until it is deployed."
        yield INSERTS.finding(at, Severity.WARNING, message, hint)


def _keeps_name(at: StepContext) -> bool:
    """By a view of the old name, or another table that takes it, in the same transaction."""
    if at.action.kind is Kind.RENAME_COLUMN:
        return False
    return is_made_again(at.relation, (s for s in at.later if at.same_transaction(s)), at.known)


def drops_index(at: StepContext) -> Findings:
    """By itself, or with the constraint that it belongs to."""
    if at.action.kind not in (Kind.DROP_INDEX, Kind.DROP_CONSTRAINT) or at.known.facts is None:
        return
    owner, index = index_dropped(at)
    scans = _scans(owner, index, at.known) if owner is not None and index is not None else 0
    if owner is None or index is None or not scans:
        return
    days = at.known.facts.days_since_stats_reset
    since = f" in the {days:,.1f} days since the statistics' reset" if days else ""
    if any(
        _replaces(action, index, owner, at.known) for s in (at.step, *at.earlier, *at.later) for action in s.actions
    ):
        return
    of = "" if at.action.kind is Kind.DROP_INDEX else ", which goes with its constraint,"
    yield INDEX.finding(
        at, Severity.WARNING,
        f"Index {index.name} of {owner.qualified_name}{of} was scanned {scans:,} times{since} (measured).",
        "See which statements it serves before it goes; predict plans them on this server's statistics.",
        subject=index.name, scans=scans,
    )  # fmt: skip


def _scans(owner: TableFacts, index: IndexFacts, known: FactsAtStatement) -> int:
    """With those of its parts on partitions."""
    oids, scans = {index.oid}, index.scans or 0
    for part in known.partitions_of(owner):  # those above first
        for each in part.indexes:
            if each.parent_oid in oids:
                oids.add(each.oid)
                scans += each.scans or 0
    return scans


def _replaces(action: Action, index: IndexFacts, owner: TableFacts, known: FactsAtStatement) -> bool:
    """Whether it makes an index, or a constraint of one that is there, that begins with the same columns."""
    columns: tuple[str | None, ...] = action.columns
    kinds = (Kind.CREATE_INDEX, Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY)
    if action.kind not in kinds or action.relation is None or known.key(action.relation) != owner.qualified_name:
        return False
    if action.using_index:
        columns = next((i.columns for i in owner.indexes if i.name == action.using_index), ())
    return columns[: len(index.columns)] == index.columns


def empties(at: StepContext) -> Findings:
    if not is_of(at, Kind.TRUNCATE) or at.is_new or at.known.is_empty(at.relation):
        return
    table = at.table
    rows = table.rows if table else None
    others = [str(lock.relation) for lock in at.effect.locks if lock.why.startswith("emptied")]
    also = f" CASCADE empties {', '.join(others)} too." if others else ""
    what = f"about {rows:,.0f} rows" if rows else "all rows"
    yield EMPTIED.finding(
        at, Severity.WARNING, f"It deletes {what} of {at.name} for good.{also}", "Keep a dump of it first."
    )


def used_by(using: tuple[UsingStatement, ...] | list[UsingStatement], what: str) -> str:
    ordered = sorted(using, key=lambda s: (-s.calls_per_day, s.fingerprint))
    listed = "; ".join(f"{s.text} ({count_words(calls_per_day([s]), s.watched_s)})" for s in ordered[:LONGEST])
    more = f"; and {len(ordered) - LONGEST} more" if len(ordered) > LONGEST else ""
    many = "statements use" if len(ordered) > 1 else "statement uses"
    total = count_words(calls_per_day(ordered), ordered[0].watched_s)
    return f"{len(ordered)} recorded {many} {what}, {total} (measured): {listed}{more}."


def _uses(table: TableFacts | None) -> str:
    """A partition is read by what names its table, and is not missed by it."""
    return "names" if table is not None and table.parent_oid is not None else "uses"


def _are(rows: str) -> str:
    return "are" if rows else "is"


RULES = (drops_column, drops_table, renames, renames_schema, breaks_inserts, drops_index, empties)
