"""What the server refuses to drop, or to empty, since foreign keys, views or constraints rest on it; and what CASCADE
takes along.
"""

from collections.abc import Iterator

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.resting import KeyOf
from analyzer.review.rules.objects import CASCADE, NAMES_THEM
from analyzer.review.rules.rule import MOST_NAMES, Findings, Rule, StepContext, is_of
from analyzer.review.traffic import above
from analyzer.schema.facts import IndexFacts, TableFacts
from analyzer.words.lists import some_of

VIEWS = Rule("MG016", "A view needs it")
NEEDED = Rule("MG027", "Others rest on it")
LEAVES = (Kind.TABLE_DETAIL, Kind.DROP_TABLE)  # NO INHERIT among the first
VIEW_DROPS = (Kind.DROP_VIEW, Kind.DROP_MATVIEW)
WITH_VIEWS = (Kind.ALTER_TYPE, Kind.DROP_COLUMN, Kind.DROP_TABLE, *VIEW_DROPS)


def views_need_it(at: StepContext) -> Findings:
    is_type = at.action.kind is Kind.ALTER_TYPE
    views = _views(at)
    if not views or (at.action.is_cascade and not is_type):
        return
    what = f"column {at.action.column}" if at.action.column else at.name
    does = "change the type of" if is_type else "drop"
    yield VIEWS.finding(
        at, Severity.CRITICAL,
        f"It fails: {some_of(views, MOST_NAMES)} read{'s' if len(views) == 1 else ''} {what}, and PostgreSQL refuses to"
        f" {does} it.",
        "Drop the views first and make them again, in one transaction." if at.action.column else
        "Drop the views first, or make them read something else.",
    )  # fmt: skip


def keys_need_it(at: StepContext) -> Findings:
    """A foreign key, whichever way the key's index or column would go."""
    keys = _keys(at)
    if not keys or at.action.is_cascade:
        return
    empties = at.action.kind is Kind.TRUNCATE
    rest = "references" if len(keys) == 1 else "reference"
    does = "empty it, even where no row is left that does" if empties else "drop it"
    hint = (
        "Name the referencing tables in the same TRUNCATE if they shall be emptied too, or DELETE the rows."
        if empties
        else "Drop the foreign keys first, and look at what they guard."
    )
    names = some_of(_key_names(keys, at.known), MOST_NAMES)
    yield NEEDED.finding(
        at, Severity.CRITICAL, f"It fails: {names} {rest} {_what(at)}, and PostgreSQL refuses to {does}.", hint,
        subject=_subject(at), foreign_keys=len(keys),
    )  # fmt: skip


def heirs_need_it(at: StepContext) -> Findings:
    """A table that others inherit from (INHERITS)."""
    heirs = _heirs(at)
    if heirs and not at.action.is_cascade:
        yield NEEDED.finding(
            at, Severity.CRITICAL,
            f"It fails: {some_of(heirs, MOST_NAMES)} inherit{'s' if len(heirs) == 1 else ''} from {at.name}, and"
            " PostgreSQL refuses to drop it.",
            "Drop these in the same statement if they shall go, or ALTER TABLE ... NO INHERIT first.",
        )  # fmt: skip


def _heirs(at: StepContext) -> list[str]:
    table, known = at.table, at.known
    if at.action.kind is not Kind.DROP_TABLE or table is None or known.facts is None or known.is_unclear:
        return []
    same = {other.oid for name in at.action.others if (other := known.table(name)) is not None}
    changed = {known.key(a.relation) for s in at.earlier for a in s.actions if a.relation and a.kind in LEAVES}
    heirs = [heir for heir in known.facts.heirs(table) if heir.oid not in same and not known.is_dropped(heir, "")]
    return [heir.qualified_name for heir in heirs if heir.qualified_name not in changed]


def constraint_needs_index(at: StepContext) -> Findings:
    """DROP INDEX of a constraint's index, and of a part of a partitioned table's."""
    if at.action.kind is not Kind.DROP_INDEX or at.action.is_concurrent or at.known.is_unclear:
        return
    table, index = index_dropped(at)
    if table is None or index is None:
        return
    if index.parent_oid is not None:
        why, hint = "is part of the index of a partitioned table", "Drop that index, which takes its parts along."
    elif index.backs_constraint:
        why, hint = f"belongs to a constraint of {table.qualified_name}", "Drop the constraint: ALTER TABLE ... DROP"
        hint += " CONSTRAINT."
    else:
        return
    yield NEEDED.finding(
        at, Severity.CRITICAL, f"It fails, with CASCADE too: index {index.name} {why}.", hint, subject=index.name
    )


def cascades(at: StepContext) -> Findings:
    """Of what else is dropped objects.py says it in general."""
    if not at.action.is_cascade or at.action.kind in (Kind.TRUNCATE, *VIEW_DROPS):
        return
    gone = [*_heirs(at), *_key_names(_keys(at), at.known), *([] if at.action.kind is Kind.ALTER_TYPE else _views(at))]
    if gone:
        yield CASCADE.finding(
            at, Severity.WARNING, f"CASCADE drops with {_what(at)}: {some_of(gone, MOST_NAMES)}.", NAMES_THEM,
            subject=_subject(at),
        )  # fmt: skip


def _views(at: StepContext) -> list[str]:
    """Views that read the column, or the table; without those that the migration drops or writes anew before."""
    live, table, known = at.known.live, at.table, at.known
    if not is_of(at, *WITH_VIEWS) or live is None or table is None or known.is_unclear:
        return []
    column = at.action.column
    views = [v for (oid, name), of in live.views.items() if oid == table.oid and column in ("", name) for v in of]
    earlier = [action for step in at.earlier for action in step.actions] if views else []
    if any(a.kind in (*VIEW_DROPS, Kind.DROP_TABLE, Kind.DROP_COLUMN) and a.is_cascade for a in earlier):
        return []
    names = dict.fromkeys(views)
    for action in earlier:
        names = dict.fromkeys(now for view in names for now in _after(action, view))
    beside = {str(name) for name in at.action.others} if at.action.kind in VIEW_DROPS else set()
    return [view for view in names if not _spellings(view) & beside]


def _after(action: Action, view: str) -> Iterator[str]:
    """What the view is called after the action; nothing where it is dropped, or made anew, perhaps to read less."""
    is_made = isinstance(action.statement, ast.ViewStmt)
    relation = relation_name(action.statement.view) if is_made else action.relation
    if relation is None or str(relation) not in _spellings(view):
        yield view
    elif action.kind is Kind.RENAME_TABLE:
        yield f"{view.partition('.')[0]}.{action.name}"
    elif action.kind is Kind.SET_SCHEMA:
        yield f"{action.name}.{view.partition('.')[2]}"
    elif not is_made and action.kind not in VIEW_DROPS:
        yield view


def _spellings(view: str) -> set[str]:
    return {view, view.partition(".")[2]}


def _keys(at: StepContext) -> list[KeyOf]:
    """Foreign keys in the way of the statement."""
    known, kind, table = at.known, at.action.kind, at.table
    if known.is_unclear:
        return []
    if kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        table, index = index_dropped(at)
        return known.keys_on_index(table, index) if table is not None and index is not None else []
    if table is None:
        return []
    if kind is Kind.DROP_COLUMN:
        return known.keys_to(table, (at.action.column,))
    if kind in (Kind.DROP_TABLE, Kind.TRUNCATE):
        same = {table.oid, *(other.oid for name in at.action.others if (other := known.table(name)) is not None)}
        tables = [table, *above(table, known)]
        return [pair for t in tables for pair in known.keys_to(t) if not same & {pair[0].oid, pair[0].parent_oid}]
    return []


def index_dropped(at: StepContext) -> tuple[TableFacts | None, IndexFacts | None]:
    """Of DROP INDEX, and the one behind a constraint that is dropped; None where the migration dropped it before."""
    is_drop = at.action.kind is Kind.DROP_INDEX
    table = at.known.owner_of_index(at.action.others[0]) if is_drop else at.table
    name = at.known.name_before(table, at.action.name) if table is not None else ""
    if table is None or at.known.is_dropped(table, name):
        return None, None
    return table, next((i for i in table.indexes if i.name == name and (is_drop or i.backs_constraint)), None)


def _key_names(keys: list[KeyOf], known: FactsAtStatement) -> list[str]:
    return [f"foreign key {known.name_now(owner, key.name)} of {owner.qualified_name}" for owner, key in keys]


def _what(at: StepContext) -> str:
    if at.action.kind is Kind.DROP_COLUMN:
        return f"{at.name}.{at.action.column}"
    if at.action.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX):
        table, _ = index_dropped(at)
        return f"{at.action.name} of {table.qualified_name}" if table else at.action.name
    return at.name


def _subject(at: StepContext) -> str:
    return at.action.name if at.action.kind in (Kind.DROP_CONSTRAINT, Kind.DROP_INDEX) else _what(at)


REFUSALS = (views_need_it, keys_need_it, heirs_need_it, constraint_needs_index)
RULES = (*REFUSALS, cascades)
