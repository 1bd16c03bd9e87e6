"""Updates that write to every index.

An UPDATE that changes no indexed column and finds room on the row's page is HOT: no index is touched, and the old row
goes without VACUUM. Here most are not. Either an index is on a column that changes all the time (a counter,
updated_at, a status), or pages are full. To verify, see which columns the updates set and which indexes have them.

Drop or narrow the index on the column that changes; or leave room: fillfactor 80 to 90, which pages take on as they
are written anew (VACUUM FULL or pg_repack for all at once). Leave it alone where such an index is what statements
need.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Context, Threshold
from analyzer.checks.grouping import to_copy
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import TableFacts
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of
from analyzer.words.shares import share_words

check = Check(
    __name__,
    code="SC055",
    title="Few updates are HOT",
    severity=Severity.INFO,
    updated_rows=Threshold(100_000, "rows", "judgement: fewer since the statistics began cost little"),
    hot_ratio=Threshold(0.5, "HOT / all updated rows", "judgement: above it fillfactor brings little"),
    update_share=Threshold(0.1, "updated / all written rows", "judgement: below it the table is not one of updates"),
)
ROOM = 90  # fillfactor above which there is none to speak of


@check.on(TableFacts)
def few_hot_updates(table: TableFacts, context: Context) -> Iterator[Finding]:
    activity = table.activity
    updated, hot = activity.updated_rows, activity.hot_updated_rows
    written = updated + activity.inserted_rows + activity.deleted_rows
    if table.kind != "r" or not table.indexes or updated < check["updated_rows"] or not updated:
        return
    if hot > updated * check["hot_ratio"] or updated < written * check["update_share"]:
        return
    fillfactor = table.storage_options.get("fillfactor", "100")
    is_full = fillfactor.isdigit() and int(fillfactor) > ROOM
    fix = to_copy(
        "Leave room in pages (SHARE UPDATE EXCLUSIVE, for a moment; for pages written from now on)",
        f"ALTER TABLE {qualified(table.schema, table.name)} SET (fillfactor = 85);",
    )
    fixes: tuple[Fix, ...] = (fix,) if is_full else ()
    changed = _indexed(table, context)
    named = some_of([f"{column} ({some_of(indexes)})" for column, indexes in changed.items()])
    yield check.finding(
        subject=table.name,
        message=(
            f"{share_words(hot / updated)} of {updated:,} updated rows of {table.qualified_name} were HOT; each of the"
            f" others wrote to every index ({len(table.indexes)}). Its fillfactor is {fillfactor}."
            + (f" Recorded UPDATEs set columns that indexes hold: {named}." if changed else "")
        ),
        hint=(
            "Where these columns do change, see whether their indexes are needed; where the application only writes the"
            " same value again, leave room in the pages."
            if changed
            else "See whether an index is on a column that the updates change; else leave room in its pages."
        ),
        evidence={"updated_rows": updated, "hot_updated_rows": hot, "hot_ratio": round(hot / updated, 3),
                  "index_count": len(table.indexes), "fillfactor": fillfactor,
                  "columns_set": ", ".join(changed) or None},
        table=table.qualified_name,
        fixes=fixes,
    )  # fmt: skip


def _indexed(table: TableFacts, context: Context) -> dict[str, list[str]]:
    """By column that recorded UPDATEs set, the indexes that hold it; from 16 on those of BRIN are in nobody's way."""
    columns = (context.columns_set or {}).get(table.qualified_name, frozenset())
    is_16 = context.facts is not None and context.facts.server_version_num >= 160_000
    indexes = [index for index in table.indexes if not (is_16 and index.method == "brin")]
    held = {
        column: [index.name for index in indexes if column in (*index.columns, *index.include)]
        for column in sorted(columns)
    }
    return {column: names for column, names in held.items() if names}
