"""Which relations a server's statements read: what the list of statements counts as one, and what apart.

A name is looked up as PostgreSQL does, by the search_path of the role, in each database; what was not read or is one of
several is not known, and taken for nothing else. Relations are alike whose columns are: those of tenants, or a name
with and without its schema.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from django.db import connection

from analyzer.models import Database, Server
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.statements.own_names import without_schema
from analyzer.statements.parse import is_system_table
from analyzer.store.schemas import AT_HAND, kept_schema
from analyzer.store.series.alike import Ran, line_id
from analyzer.store.series.totals import StatementTotals
from dashboard.servers.schema_cache import ByIdentity

Columns = tuple[tuple[str, str], ...]  # name and type
Read = tuple[object, ...]  # what a statement reads, as far as it can be compared

# Statements that ran in several databases or by several roles, and those that differ in their tables' schemas.
_RAN = """
with ran as (
    select distinct statement_id, database_oid, role_oid from analyzer_statemententry
     where server_id = %(server)s and not is_own and statement_id = coalesce(%(statement)s, statement_id)),
named as not materialized (
    select id, split_part(fingerprint, '-', 1) as shape, tables,
           array(select substring(t from '[^.]*$') from unnest(tables) t order by 1) as names
      from analyzer_statement
     where server_id = %(server)s and id = coalesce(%(statement)s, id) and tables <> '{}'),
alike as (
    select id, count(*) over (partition by shape, names) as members from named
     where shape in (select split_part(fingerprint, '-', 1) from analyzer_statement
                      where server_id = %(server)s and fingerprint like '%%-%%'))
select s.id, s.shape || s.names::text, s.tables, ran.database_oid, ran.role_oid, coalesce(r.name, '')
  from named s
  join ran on ran.statement_id = s.id
  left join analyzer_role r on r.server_id = %(server)s and r.oid = ran.role_oid
 where s.id in (select statement_id from ran group by 1 having count(*) > 1)
    or s.id in (select id from alike where members > 1)
 order by 1, 4, 5
"""


@dataclass(frozen=True, slots=True)
class Relations:
    """``line_of``: of the statements whose text stands for several, the line of each database and role. ``alike``: what
    lines have in common. ``read_in``: the databases of a line that is one of several, and what it reads in each.
    """

    line_of: dict[Ran, int] = field(default_factory=dict)
    alike: dict[int, str] = field(default_factory=dict)
    read_in: dict[int, dict[int, list[str]]] = field(default_factory=dict)

    def tables_of(self, row: StatementTotals) -> list[str]:
        """As a list shows them: of a line that is one of several the tables with their schema, and the database."""
        if row.line not in self.read_in:
            return row.tables
        return [name for names in self.read_in[row.line].values() for name in names]

    def counted(self, line: int, by_database: Mapping[int | None, int]) -> int:
        """Of what is counted of a statement, that of the line's databases."""
        oids = self.read_in.get(line, by_database)
        return sum(count for oid, count in by_database.items() if oid in oids)


@dataclass(frozen=True, slots=True)
class _Run:
    common: str  # what statements that may be alike have in common
    ran: Ran
    tables: list[str]
    role: str


def relations_of(server: Server, statement_id: int | None = None) -> Relations:
    """Of all its statements, or of what one is.

    One query, one more where there is anything to compare, and then one or two for each database.
    """
    with connection.cursor() as cursor:
        cursor.execute(_RAN, {"server": server.pk, "statement": statement_id})
        runs = [
            _Run(common, (statement, database, role_oid), tables, role)
            for statement, common, tables, database, role_oid, role in cursor.fetchall()
        ]
    if not runs:
        return Relations()
    databases = {database.oid: database for database in Database.objects.filter(server=server)}
    names = {oid: database.name for oid, database in databases.items()}
    facts = _facts(databases, (run.ran[1] for run in runs))
    relations, lines = Relations(), defaultdict[tuple[str, Read], list[int]](list)
    for several in _by_statement(runs):
        for line, read in _lines(several, facts, names, relations):
            if read is not None:
                lines[several[0].common, read].append(line)
    for (common, read), alike in lines.items():
        if len(alike) > 1:
            digest = hashlib.sha256(f"{common}{read}".encode(errors="replace")).hexdigest()[:32]
            relations.alike.update(dict.fromkeys(alike, digest))
    return relations


def _facts(databases: Mapping[int, Database], oids: Iterable[int]) -> dict[int, SchemaFacts]:
    """Of as many databases as a process keeps at hand, those where most ran."""
    wanted = [oid for oid, _ in Counter(oids).most_common(AT_HAND) if oid in databases]
    return {oid: facts for oid in wanted if (facts := kept_schema(databases[oid])) is not None}


def _by_statement(runs: Sequence[_Run]) -> Iterator[list[_Run]]:
    of: dict[int, list[_Run]] = {}
    for run in runs:
        of.setdefault(run.ran[0], []).append(run)
    yield from of.values()


def _lines(
    runs: Sequence[_Run], facts: Mapping[int, SchemaFacts], names: Mapping[int, str], relations: Relations
) -> Iterator[tuple[int, Read | None]]:
    """The lines of one statement with what each reads; what is not known is no reason to tell it apart."""
    by_read: dict[Read | None, list[_Run]] = {}
    for run in runs:
        by_read.setdefault(_read(run, facts.get(run.ran[1])), []).append(run)
    statement_id = runs[0].ran[0]
    if len(by_read.keys() - {None}) < 2:
        yield statement_id, next(iter(by_read)) if len(by_read) == 1 else None
        return
    is_one_database = len({run.ran[1] for run in runs}) == 1
    for part, (read, of_line) in enumerate(by_read.items()):
        line = line_id(statement_id, part)
        relations.line_of.update((run.ran, line) for run in of_line)
        read_in: dict[int, list[str]] = {}
        for run in of_line:
            oid = run.ran[1]
            tables = dict.fromkeys(_shown(run, facts.get(oid)))
            where = "" if is_one_database else f" in {names.get(oid, oid)}"
            read_in.setdefault(oid, []).extend(f"{table}{where}" for table in tables)
        relations.read_in[line] = {oid: list(dict.fromkeys(tables)) for oid, tables in read_in.items()}
        yield line, read


def _read(run: _Run, facts: SchemaFacts | None) -> Read | None:
    """The columns of its tables; None where not all of them are known."""
    read: list[object] = []
    for name in sorted(run.tables, key=lambda table: table.rpartition(".")[2]):
        if is_system_table(name):
            read.append(name.rpartition(".")[2])
        elif facts is None or not (tables := _tables(name, run.role, facts)):
            return None
        else:
            columns = {_columns(table, facts) for table in tables}
            if len(columns) > 1:
                return None
            read.append(columns.pop())
    return tuple(read)


def _tables(name: str, role: str, facts: SchemaFacts) -> tuple[TableFacts, ...]:
    """What a name in a statement of this role stands for; several where a session's search_path decides."""
    table = facts.table_called(name)
    if table is not None:
        return (table,)
    of_role = (facts.find_table(name, schema) for schema in facts.path_of(role))
    table = next((table for table in of_role if table is not None), None)
    return (table,) if table is not None else facts.tables_named(name)


def _columns(table: TableFacts, facts: SchemaFacts) -> Columns:
    known, name = _known_columns(ByIdentity(facts)), table.qualified_name
    if name not in known:
        own = facts.names_of_several_schemas
        columns = ((c.name, without_schema(c.type_name, table.schema, own)) for c in table.columns)
        known[name] = tuple(sorted(columns))  # whatever order they were added in
    return known[name]


@lru_cache(maxsize=AT_HAND)
def _known_columns(facts: ByIdentity) -> dict[str, Columns]:
    """By the table's name, filled as they are asked for: telling tenants' types apart takes time."""
    return {}


def _shown(run: _Run, facts: SchemaFacts | None) -> Iterator[str]:
    for name in run.tables:
        tables = _tables(name, run.role, facts) if facts is not None else ()
        yield tables[0].qualified_name if len(tables) == 1 else name
