"""A view lets its readers past the row security of the tables that it reads.

A view reads its tables by its owner's rights, so whoever may SELECT from it sees the rows that the owner sees. Row
security does not hold for a table's owner (unless FORCE ROW LEVEL SECURITY), for superusers and for roles with
BYPASSRLS, which most views' owners are: the policies are not asked, whoever the reader is. A materialized view keeps
the rows of whoever refreshes it, so row security cannot hold for it in any version.

To verify, ``SET ROLE`` to one of the readers and count the view's rows and the table's.

From PostgreSQL 15 on, ``ALTER VIEW ... SET (security_invoker = true)``: the reader's own rights and policies hold, so
he needs SELECT on the tables as well. Before 15, give the view to an owner for whom row security holds, or write the
condition into the view. Where all rows shall be seen through the view (a sum, a list of names), leave it alone and
mute this.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.quoting import qualified
from analyzer.schema.row_security import OwnersView
from analyzer.words.lists import some_of

check = Check(__name__, code="SC041", title="View past row security", severity=Severity.WARNING)
WITH_INVOKER = 150_000


@check.on(SchemaFacts)
def view_past_row_security(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.owners_views is None:
        raise NotRun("needs the views")
    by_view: defaultdict[tuple[str, str], list[OwnersView]] = defaultdict(list)
    for view in facts.owners_views:
        if (view.is_materialized or view.sees_all_rows) and (view.is_public or view.readers):
            by_view[view.schema, view.name].append(view)
    for views in by_view.values():
        yield _finding(views, facts)


def _finding(views: Sequence[OwnersView], facts: SchemaFacts) -> Finding:
    view = views[0]
    tables = [table.qualified_name for each in views if (table := facts.table(each.table_oid)) is not None]
    readers = "everybody" if view.is_public else some_of(view.readers)
    name = f"{view.schema}.{view.name}"
    kind = "materialized view" if view.is_materialized else "view"
    why = (
        f"a materialized view has no policies of its own, and {view.owner} fills it"
        if view.is_materialized
        else f"it reads by the rights of {view.owner}, {_why(view)}"
    )
    return check.finding(
        about=name,
        subject=name,
        message=(f"Through the {kind} {name}, {readers} may read {some_of(tables)} past row security: {why}."),
        hint=_hint(view, facts),
        evidence={"tables": listed(tables), "readers": "PUBLIC" if view.is_public else listed(view.readers)},
        table=tables[0] if len(tables) == 1 else None,
        members=(*tables, *view.readers),
        fixes=_fixes(view, facts),
    )


def _why(view: OwnersView) -> str:
    if view.owner_is_superuser:
        return "a superuser"
    return "who has BYPASSRLS" if view.owner_bypasses else "who owns what it reads"


def _hint(view: OwnersView, facts: SchemaFacts) -> str:
    if view.is_materialized:
        return "Let only those read it who may see all rows."
    if facts.server_version_num < WITH_INVOKER:
        return "Give it an owner for whom row security holds, or only to readers who may see all rows."
    return "Let it ask for its reader's rights; he needs SELECT on what it reads too."


def _fixes(view: OwnersView, facts: SchemaFacts) -> tuple[Fix, ...]:
    if view.is_materialized or facts.server_version_num < WITH_INVOKER:
        return ()
    name = qualified(view.schema, view.name)
    return (
        to_copy("By its reader's rights (a short lock)", f"ALTER VIEW {name} SET (security_invoker = true);"),
        to_copy("The way back", f"ALTER VIEW {name} RESET (security_invoker);"),
    )
