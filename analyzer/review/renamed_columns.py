"""A server's facts after a migration gave a column another name: what the catalog keeps follows the column."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.review.live_facts import LiveFacts
from analyzer.schema.facts import IndexFacts, TableFacts


def with_renamed_column(live: LiveFacts, table: TableFacts, old: str, new: str) -> LiveFacts:
    tables = tuple(_tables(live, table, old, new))
    return replace(
        live,
        schema=replace(live.schema, tables=tables),
        views={(oid, new if (oid, c) == (table.oid, old) else c): views for (oid, c), views in live.views.items()},
        plain_columns={
            (oid, new if (oid, c) == (table.oid, old) else c): default
            for (oid, c), default in live.plain_columns.items()
        },
    )


def _tables(live: LiveFacts, renamed: TableFacts, old: str, new: str) -> Iterator[TableFacts]:
    def now(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    def keys_now(index: IndexFacts) -> IndexFacts:
        keys = tuple(new if name == old else name for name in index.columns)
        return replace(index, columns=keys, include=now(index.include))

    for table in live.schema.tables:
        if table.oid == renamed.oid:
            table = replace(
                table,
                columns=tuple(replace(c, name=new) if c.name == old else c for c in table.columns),
                indexes=tuple(map(keys_now, table.indexes)),
                foreign_keys=tuple(replace(k, columns=now(k.columns)) for k in table.foreign_keys),
                constraints=table.constraints and tuple(replace(c, columns=now(c.columns)) for c in table.constraints),
                primary_key=now(table.primary_key),
                unique_keys=tuple(map(now, table.unique_keys)),
            )
        keys = tuple(
            replace(k, referenced_columns=now(k.referenced_columns)) if k.referenced_oid == renamed.oid else k
            for k in table.foreign_keys
        )
        yield replace(table, foreign_keys=keys) if keys != table.foreign_keys else table
