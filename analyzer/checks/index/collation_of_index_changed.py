"""Indexes were built with another version of their columns' collation than the server has now.

A new ICU or glibc can change the order of texts. An index built before is then no longer in order: queries miss rows,
and a unique index takes doubles. Each collation notes the version that it had when it was made (all of ICU's; those
of libc on glibc, FreeBSD and Windows), and the server warns when it opens such a collation. A database's own collation
is another finding (SV039). What is noted is the collation's version, not each index's: an index that was built after
the change is right already, and building it again costs time and nothing else.

To verify, run ``SELECT collversion, pg_collation_actual_version(oid) FROM pg_collation WHERE collname = '...'``; with
the extension amcheck, ``SELECT bt_index_check('ix_name')`` reads an index and fails where it is out of order.

Rebuild the indexes first, then refresh the collation's version: that alone hides it. A unique index that cannot be
rebuilt has doubles by now; find them with ``GROUP BY ... HAVING count(*) > 1`` with enable_indexscan,
enable_indexonlyscan and enable_bitmapscan off. REINDEX CONCURRENTLY does not take indexes of exclusion constraints:
those are rebuilt under a lock that stops writes and nearly all reads.

Leave it alone where the release notes of ICU or glibc say that the order of this language did not change, or where the
database was restored from a dump after the change: then only refresh the version.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import listed, to_copy, to_copy_concurrently
from analyzer.findings import Finding, Fix, Severity
from analyzer.schema.facts import IndexFacts, SchemaFacts
from analyzer.schema.objects import CollationFacts
from analyzer.schema.quoting import qualified
from analyzer.words.lists import some_of
from analyzer.words.sizes import size_words

check = Check(__name__, code="IX011", title="Collation of indexes changed", severity=Severity.CRITICAL)
PROVIDERS = {"c": "the operating system", "i": "ICU"}


@check.on(SchemaFacts)
def collation_of_index_changed(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.collations is None:
        raise NotRun("needs the collations of indexes")
    if facts.is_replica:
        return  # its primary's indexes, and perhaps another operating system's order
    for collation in facts.collations:
        if collation.version_now is None or collation.version_now == collation.version:
            continue
        indexes = [
            index
            for table in facts
            if table.kind != "p"
            for index in table.indexes
            if collation.oid in index.collations and index.method != "hash"
        ]
        if indexes:
            yield _finding(collation, indexes)


def _finding(collation: CollationFacts, indexes: Sequence[IndexFacts]) -> Finding:
    names = [qualified(index.schema, index.name) for index in indexes]
    sizes = [index.size_bytes for index in indexes]
    size = sum(each for each in sizes if each is not None)
    of_size, several = f"; {size_words(size)}" if size else "", len(indexes) > 1
    by = PROVIDERS.get(collation.provider, "the server")
    return check.finding(
        subject=f"{collation.schema}.{collation.name}",
        message=(
            f"{len(indexes):,} {'indexes' if several else 'index'} ({some_of(names)}{of_size})"
            f" {'were' if several else 'was'} made under version {collation.version} of collation {collation.name}, or"
            f" later; {by} now has {collation.version_now}. Those from before the change may be out of order, and"
            " queries through them miss rows."
        ),
        hint="Rebuild the indexes, then refresh the collation's version. Not the second without the first.",
        evidence={
            "recorded_version": collation.version, "version_now": collation.version_now, "indexes": listed(names),
            "index_count": len(indexes), "size_bytes": size,
        },
        members=tuple(names),
        fixes=tuple(_fixes(collation, indexes)),
    )  # fmt: skip


def _fixes(collation: CollationFacts, indexes: Sequence[IndexFacts]) -> Iterator[Fix]:
    excluding = [index for index in indexes if index.backs_constraint and not index.is_unique]
    others = [index for index in indexes if index not in excluding]
    if others:
        yield to_copy_concurrently(
            "One by one, not in a transaction; reads and writes go on",
            *(f"REINDEX INDEX CONCURRENTLY {qualified(index.schema, index.name)};" for index in others),
        )
    if excluding:
        yield to_copy(
            "Of exclusion constraints: stops writes and nearly all reads of their tables until it is done",
            *(f"REINDEX INDEX {qualified(index.schema, index.name)};" for index in excluding),
        )
    name = qualified(collation.schema, collation.name)
    yield to_copy("When all are rebuilt without an error", f"ALTER COLLATION {name} REFRESH VERSION;")
