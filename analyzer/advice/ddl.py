"""DDL to copy: quoted for any identifier, with its undo.

CREATE INDEX CONCURRENTLY does not block writes, cannot run inside a transaction, and leaves an invalid index behind
when it fails. It does not exist for partitioned tables: there the script builds each partition's index and attaches it.
Sources: the manual, CREATE INDEX ("Building Indexes Concurrently") and ALTER INDEX (ATTACH PARTITION).

Long: the script of a partitioned table is made of the same statements as that of one table.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.shapes import indexes_like, is_same_definition
from analyzer.advice.sizing.key_widths import undeclared_width
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_names import index_name
from analyzer.schema.quoting import comment, qualified, quote_identifier

# judgement: long enough to get between short transactions, short enough that a queue behind us stays short
LOCK_TIMEOUT_S = 5
MOST_NAMED = 5  # schemas in a sentence
EXTENSION_OF_CLASS = {"gin_trgm_ops": "pg_trgm", "gist_trgm_ops": "pg_trgm"}
EXTENSION_NOTE = (
    "pg_trgm comes with PostgreSQL (its contrib package); whoever has CREATE on the database may create it, before"
    " version 13 a superuser."
)


@dataclass(frozen=True, slots=True)
class Build:
    """One CREATE INDEX CONCURRENTLY: on the table itself, or on a partition of it."""

    table: TableFacts
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class IndexDdl:
    """``statements`` run one by one, each outside a transaction; ``text`` is all of it to copy. ``notes``: how to run
    it; ``cautions``: what the index does beside serving statements.

    The same in parts: ``builds``, and for a partitioned table ``only`` before and ``attach`` after them.
    """

    name: str
    statements: tuple[str, ...]
    undo_statements: tuple[str, ...]
    notes: tuple[str, ...] = ()
    builds: tuple[Build, ...] = ()
    only: tuple[str, ...] = ()
    attach: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    analyze: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be known of this index; the first note is of every one."""
        return (*self.notes[1:], *self.cautions)

    @property
    def text(self) -> str:
        notes = self.notes if len(self.statements) > 1 else ()
        return "".join(map(comment, (*notes, *self.cautions))) + _script(self.statements)

    @property
    def undo_text(self) -> str:
        return _script(self.undo_statements)

    @property
    def names(self) -> dict[str, str]:
        """What the index is called on each table that holds a part of it, by "schema.table"."""
        return {build.table.qualified_name: build.name for build in self.builds}


def name_columns(definition: IndexDefinition) -> list[str]:
    """Columns as they go into the name."""
    return [_in_name(column) for column in definition.columns]


def _in_name(column: IndexColumn) -> str:
    """Its name; of an expression its letters, in lower case."""
    if not column.is_expression:
        return column.name
    return "_".join("".join(c if c.isalnum() else " " for c in column.name.lower()).split())[:24]


def create_index(
    definition: IndexDefinition, facts: SchemaFacts, planned: Collection[str] = (), *, name: str | None = None
) -> IndexDdl:
    """The statements that make the index where its table stands, and those that take it away again.

    ``planned``: names of other indexes to be made in that schema. ``name``: to be used as it is; on a partitioned
    table it is that of the whole table's index.
    """
    index_ddl = _create_in_one(definition, facts, planned, name)
    others = sorted(
        (t for t in definition.also if not indexes_like(definition.on(t, facts), t)), key=lambda t: _naturally(t.schema)
    )
    if not others:
        return index_ddl
    parts = [index_ddl]
    for table in others:
        same = None if index_ddl.name in _taken(facts, table.schema) else index_ddl.name
        parts.append(_create_in_one(definition.on(table, facts), facts, planned, same))
    return _together(parts, definition.table, others)


def create_indexes(wanted: Iterable[tuple[IndexDefinition, str | None]], facts: SchemaFacts) -> list[IndexDdl]:
    """Of several, each with the name that it is to bear (None: any), so that no two are called alike in a schema."""
    names: dict[str, set[str]] = {}  # by schema
    ddls = []
    for definition, name in wanted:
        schemas = {table.schema for table in (definition.table, *definition.also)}
        ddl = create_index(definition, facts, {n for s in schemas for n in names.get(s, ())}, name=name)
        for build in ddl.builds:
            names.setdefault(build.table.schema, set()).add(build.name)
        names.setdefault(definition.table.schema, set()).add(ddl.name)
        ddls.append(ddl)
    return ddls


def in_each_schema(definition: IndexDefinition) -> str:
    """ "The same for inv in each of 25 schemas: t1, t2, t3 and 22 more."; "" of an index on one table alone."""
    if not definition.also:
        return ""
    schemas = sorted((t.schema for t in (definition.table, *definition.also)), key=_naturally)
    rest = f" and {len(schemas) - MOST_NAMED} more" if len(schemas) > MOST_NAMED else ""
    named = ", ".join(schemas[:MOST_NAMED])
    return f"The same for {definition.table.name} in each of {len(schemas)} schemas: {named}{rest}."


def _naturally(name: str) -> list[tuple[int, str]]:
    """tenant_2 before tenant_10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split("([0-9]+)", name)]


def _together(parts: Sequence[IndexDdl], first: TableFacts, others: Sequence[TableFacts]) -> IndexDdl:
    schemas = ", ".join(sorted((table.schema for table in (first, *others)), key=_naturally))
    extensions = parts[0].extensions  # the same for all
    return IndexDdl(
        parts[0].name,
        (*extensions, *(sql for part in parts for sql in part.statements if sql not in extensions)),
        tuple(sql for part in parts for sql in part.undo_statements),
        (f"In each of {len(parts)} schemas: {schemas}.", *dict.fromkeys(note for part in parts for note in part.notes)),
        tuple(build for part in parts for build in part.builds),
        tuple(sql for part in parts for sql in part.only),
        tuple(sql for part in parts for sql in part.attach),
        extensions=extensions,
        analyze=tuple(sql for part in parts for sql in part.analyze),
        cautions=tuple(dict.fromkeys(caution for part in parts for caution in part.cautions)),
    )


def _create_in_one(
    definition: IndexDefinition, facts: SchemaFacts, planned: Collection[str], name: str | None
) -> IndexDdl:
    table = definition.table
    taken = _taken(facts, table.schema) | set(planned)
    if table.kind == "p":
        return _create_partitioned(definition, facts, planned, name)
    drops, leftover = _drop_leftovers(definition, table)
    name = name or index_name(table.name, name_columns(definition), taken - leftover)
    notes: tuple[str, ...] = (
        "Run it outside a transaction. If it fails, drop the invalid index it leaves before trying again.",
        *_inheritance(table, facts),
    )
    build = Build(table, name, _create(definition, table, name, concurrently=True))
    first, last = extensions_of(definition, facts.extensions), _analyze(definition)
    if first:
        notes = (*notes, EXTENSION_NOTE)
    return IndexDdl(
        name, (*first, *drops, build.sql, *last), (_drop(table.schema, name),), notes, (build,),
        extensions=first, analyze=last, cautions=undeclared_width(definition),
    )  # fmt: skip


def extensions_of(definition: IndexDefinition, present: Iterable[str] = ()) -> tuple[str, ...]:
    """What makes its operator classes known, but for the extensions that are ``present``."""
    wanted = {EXTENSION_OF_CLASS[c.opclass] for c in definition.columns if c.opclass in EXTENSION_OF_CLASS}
    missing = sorted(wanted - set(present))
    return tuple(f"CREATE EXTENSION IF NOT EXISTS {quote_identifier(name)}" for name in missing)


def _analyze(definition: IndexDefinition) -> tuple[str, ...]:
    if not any(column.is_expression for column in definition.columns):
        return ()
    return (f"ANALYZE {qualified(definition.table.schema, definition.table.name)}",)


def _inheritance(table: TableFacts, facts: SchemaFacts) -> Iterator[str]:
    """What an index on one table of an inheritance tree does not do."""
    known = facts.table(table.oid) or table
    if heirs := [t.qualified_name for t in facts.heirs(known)]:
        more = f" and {len(heirs) - 3:,} more" if len(heirs) > 3 else ""
        yield (
            f"It holds rows of {table.qualified_name} alone: tables that inherit from it ({', '.join(heirs[:3])}{more})"
            " have indexes of their own, which are advised where they are large enough."
        )
    if parents := [t.qualified_name for oid in known.inherits if (t := facts.table(oid)) is not None]:
        yield (
            f"{table.qualified_name} inherits from {' and '.join(parents)}: statements on"
            f" {'it' if len(parents) == 1 else 'them'} read it, too, and no index there serves its rows."
        )


def drop_index(index: IndexFacts, table: TableFacts) -> IndexDdl:
    """The statements that drop an index, and those that make it again as it was.

    A partitioned table's index goes as a whole, with its partitions', and not CONCURRENTLY; a part of it cannot go
    alone.
    """
    again = index.definition
    for start in ("CREATE UNIQUE INDEX ", "CREATE INDEX "):
        if again.startswith(start):
            how = "IF NOT EXISTS " if table.kind == "p" else "CONCURRENTLY IF NOT EXISTS "
            again = start + how + again.removeprefix(start)
            break
    if table.kind == "p":
        again = again.replace(" ON ONLY ", " ON ", 1)
        timeout, no_timeout = _timeouts()
        drop = f"DROP INDEX IF EXISTS {qualified(index.schema, index.name)}"
        locks = (
            "DROP INDEX CONCURRENTLY does not exist for partitioned tables: it blocks all use of the table, briefly.",
            "Undoing it builds every partition's index while writes wait.",
        )
        return IndexDdl(index.name, (timeout, drop, no_timeout), (again,), locks)
    notes = ("Run it outside a transaction. It waits for transactions that use the table; nothing waits for it.",)
    return IndexDdl(index.name, (_drop(index.schema, index.name),), (again,), notes)


def _create(definition: IndexDefinition, table: TableFacts, name: str, *, concurrently: bool) -> str:
    """On ``table``, which is the definition's or one of its partitions."""
    unique = "UNIQUE " if definition.is_unique else ""
    return (
        f"CREATE {unique}INDEX {'CONCURRENTLY ' if concurrently else ''}IF NOT EXISTS {quote_identifier(name)}"
        f" ON {'' if concurrently else 'ONLY '}{qualified(table.schema, table.name)} {definition.body()}"
    )


def _timeouts() -> tuple[str, str]:
    return f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'", "RESET lock_timeout"


def _create_partitioned(
    definition: IndexDefinition, facts: SchemaFacts, planned: Collection[str], wanted: str | None
) -> IndexDdl:
    root = definition.table
    taken: dict[str, set[str]] = {}
    builds: list[Build] = []
    attach: list[str] = []

    def name_for(table: TableFacts, mark: Sequence[str] = ()) -> str:
        names = taken.setdefault(table.schema, _taken(facts, table.schema) | set(planned))
        name = index_name(table.name, [*name_columns(definition), *mark], names)
        names.add(name)
        return name

    foreign = False
    adopted: list[str] = []
    root_name = wanted or name_for(root)
    # another index of these columns is planned: its parts' names, which nobody handed over, would be the same
    is_second = root_name != index_name(root.name, name_columns(definition))
    mark = [root_name.rpartition("_")[2]] if is_second else []
    parents = [(root, root_name)]
    only: list[str] = []
    while parents:
        table, name = parents.pop(0)
        only.append(_create(definition, table, name, concurrently=False))
        for oid in table.partitions:
            child = facts.table(oid)
            if child is None:
                continue
            if child.kind == "f":
                foreign = True
                continue
            existing = equal_index(definition, child) if child.kind != "p" else None
            child_name = existing.name if existing else name_for(child, mark)
            if existing:
                adopted.append(f"{child.schema}.{existing.name}")
            if child.kind == "p":
                parents.append((child, child_name))
            elif existing is None:
                builds.append(Build(child, child_name, _create(definition, child, child_name, concurrently=True)))
            # the lowest level first, so that a parent is complete when it is attached
            attach.insert(
                0, f"ALTER INDEX {qualified(table.schema, name)} ATTACH PARTITION {qualified(child.schema, child_name)}"
            )
    timeout, no_timeout = _timeouts()
    notes = [
        "Run the statements one by one, outside a transaction: CREATE INDEX CONCURRENTLY does not exist for"
        " partitioned tables, so each partition gets its own index, which is then attached.",
        "The index of the whole table is valid once every partition's index is attached.",
    ]
    if adopted:
        notes.append(f"Becomes part of the new index, and would be dropped with it by the undo: {', '.join(adopted)}.")
    if foreign:
        notes.append("Foreign partitions cannot have it; the index of the whole table therefore stays invalid.")
    first, last = extensions_of(definition, facts.extensions), _analyze(definition)
    if first:
        notes.append(EXTENSION_NOTE)
    built = (timeout, *only, "SET lock_timeout = 0", *(b.sql for b in builds), timeout, *attach, no_timeout)
    undo = (timeout, f"DROP INDEX IF EXISTS {qualified(root.schema, root_name)}", no_timeout)
    return IndexDdl(
        root_name, (*first, *built, *last), undo, tuple(notes), tuple(builds), tuple(only), tuple(attach),
        extensions=first, analyze=last, cautions=undeclared_width(definition),
    )  # fmt: skip


def equal_index(definition: IndexDefinition, table: TableFacts) -> IndexFacts | None:
    """A usable, free-standing index that ATTACH PARTITION takes (index.c, CompareIndexInfo)."""
    for index in table.indexes:
        is_free = index.is_usable and index.parent_oid is None
        compares = (index.is_unique, index.include) == (definition.is_unique, definition.include)
        if is_free and compares and is_same_definition(definition, index):
            return index
    return None


def _drop_leftovers(definition: IndexDefinition, table: TableFacts) -> tuple[list[str], set[str]]:
    """An invalid index of the same definition is what a failed attempt left: IF NOT EXISTS would keep it."""
    names = [i.name for i in table.indexes if not i.is_valid and is_same_definition(definition, i)]
    return [_drop(table.schema, name) for name in names], set(names)


def _drop(schema: str, name: str) -> str:
    return f"DROP INDEX CONCURRENTLY IF EXISTS {qualified(schema, name)}"


def _taken(facts: SchemaFacts, schema: str) -> set[str]:
    """Names of relations in a schema, as far as the facts know them."""
    names = {t.name for t in facts if t.schema == schema}
    return names | {i.name for t in facts for i in t.indexes if i.schema == schema}


def _script(statements: Sequence[str]) -> str:
    return "".join(f"{s};\n" for s in statements)
