"""What a person types into the what-if box: indexes to try and existing ones to hide, read by PostgreSQL's parser.

    create index on orders (customer_id, created desc) include (total) where status = 'open'
    orders (customer_id, created desc)          -- the same, without the words around it
    drop index orders_status_idx
    hide orders_status_idx

One a line, or separated by semicolons; one may run over several lines.
"""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pglast import ast, enums, parser

from analyzer.advice.code.existing import definition_from
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.workload_folder import syntax_error
from analyzer.errors import BadInput
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.quoting import qualified
from analyzer.schema.system_columns import SYSTEM_COLUMNS
from analyzer.statements.tokens import scan
from analyzer.statements.tree import Node, Unparsable, column_names, fresh_parse, name_parts, parse

MOST_ENTRIES = 20  # judgement: more is a migration pasted by mistake
MOST_BYTES = 20_000
HOW = "Write CREATE INDEX ON table (columns), just table (columns), or DROP INDEX name."
STARTS = {"hide": "DROP INDEX ", "unique": "CREATE UNIQUE INDEX ON "}


@dataclass(frozen=True, slots=True)
class Existing:
    """An index that the server has, with its table."""

    table: TableFacts
    index: IndexFacts

    @property
    def name(self) -> str:
        return f"{self.index.schema}.{self.index.name}"

    @property
    def why_needed(self) -> str:
        """Why it can be thought away, and not simply dropped, in a sentence; "" where it can be dropped."""
        index = self.index
        if index.is_replica_identity:
            return "Logical replication finds rows by it (REPLICA IDENTITY), so it cannot simply be dropped."
        if index.backs_constraint or index.is_primary or index.is_unique:
            return "It enforces something, so it cannot simply be dropped."
        if index.is_clustered:
            return "The table is clustered on it: CLUSTER would not know its order, so it cannot simply be dropped."
        return ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An index to try; ``name`` as typed, None where none was."""

    definition: IndexDefinition
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    adds: tuple[Wanted, ...] = ()
    hides: tuple[Existing, ...] = ()


def read_typed(text: str, facts: SchemaFacts) -> Typed:
    """Raises BadInput, in one sentence, for the first thing that cannot be tried. Nothing typed gives nothing."""
    if "\0" in text:
        raise BadInput("The text holds a NUL character.")
    if len(text.encode(errors="replace")) > MOST_BYTES:
        raise BadInput(f"The text is longer than {MOST_BYTES // 1000} kB; write a few indexes at a time.")
    adds: dict[tuple[int, str, bool], Wanted] = {}
    hides: dict[int, Existing] = {}
    for entry in _entries(text):
        for node in _statements(entry):
            if isinstance(node, ast.IndexStmt):
                definition = _definition(node, facts)
                key = (definition.table.oid, definition.body(), definition.is_unique)
                adds.setdefault(key, Wanted(definition, node.idxname))
            elif isinstance(node, ast.DropStmt) and node.removeType == enums.ObjectType.OBJECT_INDEX:
                for parts in node.objects:
                    existing = find_index(facts, *reversed(name_parts(parts)[-2:]))
                    hides[existing.index.oid] = existing
            else:
                raise BadInput(f"{_shown(entry)} is not about an index. {HOW}")
    if len(adds) + len(hides) > MOST_ENTRIES:
        raise BadInput(f"That is {len(adds) + len(hides)} indexes; at most {MOST_ENTRIES} are tried at a time.")
    return Typed(tuple(adds.values()), tuple(hides.values()))


def find_index(facts: SchemaFacts, name: str, schema: str | None = None) -> Existing:
    """By name, along the search path where no schema is given. Raises BadInput where there is none to hide."""
    everything = [Existing(table, index) for table in facts for index in table.indexes]
    named = [e for e in everything if e.index.name == name and schema in (None, e.index.schema)]
    if not named:
        raise _unknown(f"There is no index {_name(schema, name)}", name, (e.index.name for e in everything))
    path = {schema: place for place, schema in enumerate(facts.search_path)}
    existing = min(named, key=lambda e: (path.get(e.index.schema, len(path)), e.index.schema))
    if existing.index.parent_oid is not None:
        whole = next((e for e in everything if e.index.oid == existing.index.parent_oid), None)
        instead = f" name {whole.name} instead" if whole else " name that one instead"
        raise BadInput(f"{existing.name} is a part of a partitioned table's index and goes with it:{instead}.")
    return existing


def _entries(text: str) -> Iterator[str]:
    """Pieces between semicolons, and of those the lines that are complete by themselves."""
    for piece in _pieces(text):
        entry = ""
        for line in piece.splitlines():
            longer = f"{entry}\n{line}" if entry.strip() else line
            if entry.strip() and line.strip() and _parsed(entry) is not None and _parsed(longer) is None:
                yield entry.strip()
                longer = line
            entry = longer
        if entry.strip():
            yield entry.strip()


def _pieces(text: str) -> list[str]:
    """Without comments, so that what is left begins with a word."""
    try:
        tokens = scan(text)
    except parser.ParseError as error:
        raise BadInput(f"The text is not valid SQL: {error.args[0]}.") from error
    except (parser.Error, UnicodeEncodeError) as error:
        raise BadInput("The text is not valid SQL.") from error
    pieces, at = [""], 0
    for token in tokens:
        if token.name in ("C_COMMENT", "SQL_COMMENT", "ASCII_59"):
            pieces[-1] += text[at : token.start]
            at = token.end + 1
            if token.name == "ASCII_59":
                pieces.append("")
    pieces[-1] += text[at:]
    return pieces


def _statements(entry: str) -> list[Node]:
    parsed = _parsed(entry)
    if parsed is None:
        reason = syntax_error(_completed(entry)) or "It cannot be read."
        raise BadInput(f"{_shown(entry)}: {reason} {HOW}")
    return [statement.stmt for statement in parsed]


def _parsed(entry: str) -> tuple[Node, ...] | None:
    """The caller's own tree, to change; as it is, else with the words that a short form leaves out."""
    for text in (entry, _completed(entry)):
        if not isinstance(parse(text), Unparsable):
            parsed = fresh_parse(text)
            return None if isinstance(parsed, Unparsable) else parsed
    return None


def _completed(entry: str) -> str:
    first, _, rest = entry.strip().partition(" ")
    if first.lower() in ("create", "drop"):
        return entry
    start = STARTS.get(first.lower())
    return f"{start}{rest}" if start else f"CREATE INDEX ON {entry}"


def _definition(node: Node, facts: SchemaFacts) -> IndexDefinition:
    table = _table(node.relation, facts)
    if node.tableSpace:
        raise BadInput("Plans do not depend on where an index lies; leave TABLESPACE out.")
    if node.nulls_not_distinct:
        raise BadInput("Plans do not depend on NULLS NOT DISTINCT; leave it out.")
    if not node.relation.inh and table.kind == "p":
        raise BadInput(f"An index on ONLY {table.qualified_name} is used by no plan; leave ONLY out.")
    for element in node.indexParams:
        if element.opclassopts:
            raise BadInput("The parameters of an operator class cannot be tried; leave them out.")
        if element.collation:  # CREATE INDEX takes (a COLLATE x) for the column with that collation
            argument = element.expr or ast.ColumnRef(fields=(ast.String(sval=element.name),))
            element.expr = ast.CollateClause(arg=argument, collname=element.collation)
            element.name = element.collation = None
    definition = definition_from(node, table)
    if definition is None:
        raise BadInput("Each parameter after WITH needs a value, as in WITH (fillfactor = 90).")
    for name in _columns(node):
        if table.column(name) is None and name not in SYSTEM_COLUMNS:
            raise _unknown(f"{table.qualified_name} has no column {name}", name, (c.name for c in table.columns))
    return definition


def _columns(node: Node) -> Iterator[str]:
    for element in (*node.indexParams, *(node.indexIncludingParams or ())):
        if element.name:
            yield element.name
        elif element.expr is not None:
            yield from column_names(element.expr)
    if node.whereClause is not None:
        yield from column_names(node.whereClause)


def _table(relation: Node, facts: SchemaFacts) -> TableFacts:
    table = facts.find_table(relation.relname, relation.schemaname or None)
    if table is None:
        name = _name(relation.schemaname, relation.relname)
        raise _unknown(f"There is no table {name}", relation.relname, (t.name for t in facts))
    if table.kind == "v":
        raise BadInput(f"{table.qualified_name} is a view, which cannot have indexes; name a table that it reads.")
    if table.kind == "f":
        raise BadInput(f"{table.qualified_name} is a foreign table, which cannot have indexes.")
    return table


def _name(schema: str | None, name: str) -> str:
    return f"{schema}.{name}" if schema else name


def _unknown(sentence: str, name: str, names: Iterable[str]) -> BadInput:
    close = difflib.get_close_matches(name, sorted(set(names)), 1)
    return BadInput(f"{sentence}; did you mean {close[0]}?" if close else f"{sentence}.")


def _shown(entry: str) -> str:
    text = " ".join(entry.split())
    return f"“{text if len(text) <= 60 else f'{text[:60]}…'}”"


def definition_on(table: TableFacts, body: str) -> IndexDefinition | None:
    """A definition from what stands behind the table's name in its DDL; None where that cannot be read."""
    statements = fresh_parse(f"CREATE INDEX ON {qualified(table.schema, table.name)} {body}")
    if isinstance(statements, Unparsable) or not isinstance(statements[0].stmt, ast.IndexStmt):
        return None
    return definition_from(statements[0].stmt, table)
