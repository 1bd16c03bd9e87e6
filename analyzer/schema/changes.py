"""What differs between two readings of a schema, or of a server's settings, in words. Pure.

Figures are no changes. Partitions, and indexes of partitions, come and go by plan and are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from analyzer.schema.cluster import OWN_SOURCES, ClusterFacts, SettingFacts
from analyzer.schema.facts import ColumnFacts, ForeignKeyFacts, IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.durations import time_words
from analyzer.words.lists import and_list, counted
from analyzer.words.sizes import size_words

MOST_OF_A_TABLE = 4  # judgement: a mark says what changed, not each column of it
MOST_TABLES = 10  # judgement: more at once are one migration, said in one sentence
NAMED = 3
LONGEST_VALUE = 60  # characters, of a search_path


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """``table``: "schema.table" as kept in findings, "" where it is about several."""

    table: str
    description: str


@dataclass(frozen=True, slots=True)
class _Now:
    """What is called otherwise now: tables made anew by their oid before, renamed columns by that and their name."""

    oids: Mapping[int, int] = field(default_factory=dict)
    renamed: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def oid(self, oid: int) -> int:
        return self.oids.get(oid, oid)

    def columns(self, oid: int, names: Sequence[str | None]) -> tuple[str | None, ...]:
        now = self.renamed.get(oid, {})
        return tuple(now.get(name, name) if name is not None else None for name in names)


def schema_changes(before: SchemaFacts, after: SchemaFacts) -> list[SchemaChange]:
    """One for each table that was altered or made anew under its name, and one each for those that came and went."""
    was = {table.oid: table for table in before if _is_told(table)}
    now = {table.oid: table for table in after if _is_told(table)}
    gone = {_name(table): oid for oid, table in was.items() if oid not in now}
    anew = {gone[_name(table)]: oid for oid, table in now.items() if oid not in was and _name(table) in gone}
    found = [
        SchemaChange(_only(some), f"{_several('table', list(map(_name, some)))} {verb}")
        for some, verb in (
            ([table for oid, table in now.items() if oid not in was and oid not in anew.values()], "created"),
            ([table for oid, table in was.items() if oid not in now and oid not in anew], "dropped"),
        )
        if some
    ]
    called = _Now(anew, {table.oid: _renamed(table, after) for table in before})
    made = [(now[new], ["made anew", *_altered(was[old], now[new], called)]) for old, new in anew.items()]
    altered = [(now[oid], said) for oid in now if oid in was and (said := list(_altered(was[oid], now[oid], called)))]
    return found + _of_each(made, "made anew") + _of_each(altered, "altered")


def setting_changes(before: ClusterFacts, after: ClusterFacts) -> list[str]:
    """ "work_mem from 4 MB to 64 MB", of those that both readings have and that hold for more than our own login."""
    return [
        f"{name} from {_value(was)} to {_value(now)}"
        for name, now in sorted(after.settings.items())
        if (was := before.settings.get(name)) is not None
        and was.value != now.value
        and now.context != "internal"
        and OWN_SOURCES.isdisjoint((was.source, now.source))
    ]


def _of_each(changed: Sequence[tuple[TableFacts, list[str]]], verb: str) -> list[SchemaChange]:
    if len(changed) > MOST_TABLES:
        return [SchemaChange("", f"{_several('table', [_name(table) for table, _ in changed])} {verb}")]
    return [SchemaChange(table.qualified_name, f"{_name(table)}: {_few(said)}") for table, said in changed]


def _renamed(was: TableFacts, after: SchemaFacts) -> dict[str, str]:
    """Columns keep their number; a table made anew has others, and there only names tell."""
    table = after.table(was.oid)
    names = {column.number: column.name for column in table.columns} if table is not None else {}
    return {c.name: names[c.number] for c in was.columns if names.get(c.number, c.name) != c.name}


def _is_told(table: TableFacts) -> bool:
    return table.kind in "rpmf" and table.parent_oid is None and not table.is_of_timescale


def _only(tables: Sequence[TableFacts]) -> str:
    return tables[0].qualified_name if len(tables) == 1 else ""


def _name(table: TableFacts) -> str:
    return qualified(table.schema, table.name)


def _several(thing: str, names: Sequence[str]) -> str:
    if len(names) <= NAMED:
        return f"{thing}{'s' if len(names) > 1 else ''} {and_list(names)}"
    return f"{len(names)} {thing}s ({', '.join(names[:NAMED])}, ...)"


def _few(changes: Sequence[str]) -> str:
    more = len(changes) - MOST_OF_A_TABLE
    return ", ".join(changes[:MOST_OF_A_TABLE]) + (f" and {counted(more, 'more change')}" if more > 0 else "")


def _altered(was: TableFacts, now: TableFacts, called: _Now) -> Iterator[str]:
    renamed = called.renamed.get(was.oid, {})
    if _name(was) != _name(now):
        yield f"was {_name(was)} before"
    is_told = not renamed  # expressions and predicates name columns
    yield from _came_and_went("index", _indexes(was, called, is_told), _indexes(now, _Now(), is_told))
    stays = _staying(was, now)
    before = {renamed.get(column.name, column.name): column for column in stays}
    names = {column.name for column in stays}
    dropped = [column.name for column in was.columns if column.name not in names]
    for column in now.columns:
        name, old = column.name, before.get(column.name)
        if old is None:
            yield f"column {quote_identifier(name)} {'made anew' if name in dropped else 'added'}"
            continue
        if old.name != name:
            yield f"column {quote_identifier(old.name)} renamed to {quote_identifier(name)}"
        if old.type_name != column.type_name:
            yield f"column {quote_identifier(name)} from {old.type_name} to {column.type_name}"
        elif old.not_null != column.not_null:
            yield f"column {quote_identifier(name)} {'NOT NULL' if column.not_null else 'may be NULL'}"
    yield from (f"column {quote_identifier(name)} dropped" for name in dropped if now.column(name) is None)
    yield from _came_and_went("foreign key", _foreign_keys(was, called), _foreign_keys(now, _Now()))


def _staying(was: TableFacts, now: TableFacts) -> list[ColumnFacts]:
    """Columns that the table still has, under whatever name."""
    by = attrgetter("number" if was.oid == now.oid else "name")
    there = {by(column) for column in now.columns}
    return [column for column in was.columns if by(column) in there]


def _indexes(table: TableFacts, called: _Now, tells_expressions: bool) -> dict[str, tuple[object, ...]]:
    """Those that the planner may use, by name; what REINDEX makes anew is the same."""

    def shape(index: IndexFacts) -> tuple[object, ...]:
        columns, include = (called.columns(table.oid, names) for names in (index.columns, index.include))
        keys = (index.method, columns, include, index.opclasses, index.collations, index.options, index.is_unique)
        is_told = tells_expressions and index.is_readable
        return (*keys, *((index.expressions, index.predicate) if is_told else ()))

    return {index.name: shape(index) for index in table.indexes if index.is_usable and index.parent_oid is None}


def _foreign_keys(table: TableFacts, called: _Now) -> dict[str, tuple[object, ...]]:
    def shape(key: ForeignKeyFacts) -> tuple[object, ...]:
        referenced = called.columns(key.referenced_oid, key.referenced_columns)
        return called.columns(table.oid, key.columns), called.oid(key.referenced_oid), referenced

    return {key.name: shape(key) for key in table.foreign_keys if not key.is_inherited}


def _came_and_went(
    thing: str, was: Mapping[str, tuple[object, ...]], now: Mapping[str, tuple[object, ...]]
) -> Iterator[str]:
    """A thing of another name with the same shape was renamed, which changes nothing."""
    came = _unlike(now, was)
    went = _unlike(was, now)
    changed = [name for name in came if name in went]
    for names, verb in ((came, "created"), (went, "dropped")):
        yield from (f"{thing} {quote_identifier(name)} {verb}" for name in names if name not in changed)
    yield from (f"{thing} {quote_identifier(name)} made anew, other than before" for name in changed)


def _unlike(these: Mapping[str, tuple[object, ...]], others: Mapping[str, tuple[object, ...]]) -> list[str]:
    """Names of those that the others lack, by name and shape; a shape answers for one renamed thing."""
    unnamed = [shape for name, shape in others.items() if name not in these]
    found = []
    for name, shape in these.items():
        if name in others:
            if not _same(others[name], shape):
                found.append(name)
        elif shape in unnamed:
            unnamed.remove(shape)
        else:
            found.append(name)
    return found


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """What could not be read of one (a locked table's expressions) is no difference."""
    return all(a == b for a, b in zip(one, other, strict=False))


def _value(setting: SettingFacts) -> str:
    if setting.in_bytes is not None:
        return size_words(setting.in_bytes)
    if setting.in_ms is not None:
        return time_words(setting.in_ms)
    if setting.value.startswith("-"):  # "off" or "as another setting says", in no unit
        return setting.value
    said = f"{setting.value}{setting.unit or ''}" or "nothing"
    return said if len(said) <= LONGEST_VALUE else f"{said[:LONGEST_VALUE]}…"
