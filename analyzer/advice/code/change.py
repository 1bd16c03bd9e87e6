"""An index change and the tabs that show it: what every kind of generated code works from."""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from analyzer.advice.code.existing import definition_of
from analyzer.advice.ddl import IndexDdl, create_index, drop_index, extensions_of
from analyzer.advice.definition import IndexDefinition
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.orm_models import DjangoModel, MappedClass
from analyzer.schema.quoting import qualified, quote_literal

MAX_LINE = 100


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A further piece of a tab: the way back of plain SQL, the model's line of a migration."""

    title: str
    file_name: str
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class CodeTab:
    """Text to copy. ``language``: "sql" or "python"; ``notes``: sentences for people, not part of the code."""

    key: str
    title: str
    file_name: str
    language: str
    code: str
    notes: tuple[str, ...] = ()
    more: tuple[CodeFile, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeOptions:
    """What only the user knows. ``date`` goes into file names; unknown heads become a placeholder with a comment."""

    date: datetime
    django_models: Mapping[str, DjangoModel] = field(default_factory=dict)  # by table or schema.table
    classes: Mapping[str, MappedClass] = field(default_factory=dict)  # likewise, of SQLAlchemy or SQLModel
    django_previous: str | None = None  # "0007_order_status"
    alembic_head: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One index to create or drop. ``definition`` is None for an existing one that IndexDefinition cannot express."""

    table: TableFacts
    facts: SchemaFacts
    ddl: IndexDdl
    definition: IndexDefinition | None
    is_drop: bool = False
    planned: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.ddl.name

    @property
    def before(self) -> tuple[str, ...]:
        """What runs before the one build of a table that is not partitioned: an extension, drops of leftovers.

        The extension also where it is there: a database made from the migrations alone, for tests, lacks it.
        """
        before = self.ddl.statements[: self.ddl.statements.index(self.ddl.builds[0].sql)]
        extensions = extensions_of(self.definition) if self.definition else ()
        return (*extensions, *(sql for sql in before if sql not in extensions))

    @property
    def after(self) -> tuple[str, ...]:
        """What runs after that build: ANALYZE, for the statistics of an expression."""
        return self.ddl.statements[self.ddl.statements.index(self.ddl.builds[0].sql) + 1 :]

    @property
    def title(self) -> str:
        also = self.definition.also if self.definition else ()
        rest = f" and in {len(also)} more schemas" if also else ""
        return f"{'Drop' if self.is_drop else 'Create'} index {self.name} on {self.table.qualified_name}{rest}"

    @property
    def slug(self) -> str:
        """For file names: ASCII letters, digits and underscores, at most 40."""
        text = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.name.lower())
        text = "_".join(part for part in text.split("_") if part)[:40].strip("_")
        return f"{'drop' if self.is_drop else 'add'}_{text or 'index'}"

    @property
    def mark(self) -> str:
        """Twelve hexadecimal digits, the same for the same change."""
        body = self.definition.body() if self.definition else self.name
        text = f"{self.title} {body}"
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def creation(
    definition: IndexDefinition, facts: SchemaFacts, planned: Collection[str] = (), name: str | None = None
) -> Change:
    ddl = create_index(definition, facts, planned, name=name)
    return Change(definition.table, facts, ddl, definition, planned=tuple(planned))


def in_each_schema(change: Change) -> Iterator[Change]:
    """A change for every schema that its index is made in."""
    definition = change.definition
    if change.is_drop or definition is None or not definition.also:
        yield change
        return
    names = {build.table.oid: build.name for build in change.ddl.builds}
    for table in (definition.table, *definition.also):
        name = names.get(table.oid)
        if table.kind == "p" or name is not None:  # else it has the index
            only = definition.on(table, change.facts)
            yield creation(only, change.facts, change.planned, name or change.name)


def removal(index: IndexFacts, table: TableFacts, facts: SchemaFacts) -> Change:
    return Change(table, facts, drop_index(index, table), definition_of(index, table), is_drop=True)


def invalid_index_check(schema: str, name: str) -> str:
    """A statement that fails where a broken-off build left the index invalid, which IF NOT EXISTS would keep."""
    index = qualified(schema, name)
    message = f"Index {index} is invalid: an earlier build broke off. Drop it, then run this again."
    condition = (
        "SELECT FROM pg_catalog.pg_index"
        f" WHERE indexrelid = pg_catalog.to_regclass({quote_literal(index)}) AND NOT indisvalid"
    )
    return _raise_if(f"EXISTS ({condition})", message)


def missing_index_check(schema: str, name: str) -> str:
    """A statement that fails where Django made no index and said OK, as it does for models it does not manage."""
    index = qualified(schema, name)
    message = (
        f"Django made no index {index}: it leaves models with managed = False alone."
        " Run the SQL with migrations.RunSQL instead."
    )
    condition = f"pg_catalog.to_regclass({quote_literal(index)}) IS NULL"
    return _raise_if(condition, message)


def _raise_if(condition: str, message: str) -> str:
    body = f"BEGIN IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {quote_literal(message)}; END IF; END"
    return f"DO {dollar_quoted(body)}"


def dollar_quoted(body: str, tag: str = "do") -> str:
    """``$do$...$do$`` with a tag that the body does not hold."""
    while f"${tag}" in body:
        tag += "_"
    return f"${tag}$ {body} ${tag}$"


def python_call(head: str, arguments: Sequence[str], indent: int = 0) -> str:
    """``head(a, b)`` on one line where it fits, else an argument a line; ``indent`` is that of the line it starts."""
    one_line = f"{head}({', '.join(arguments)})"
    if len(one_line) + indent <= MAX_LINE and "\n" not in one_line:
        return one_line
    pad = " " * (indent + 4)
    lines = "".join(f"{pad}{a},\n" for a in arguments)
    return f"{head}(\n{lines}{' ' * indent})"


def python_list(items: Sequence[str], indent: int = 0) -> str:
    """``[a, b]`` of source texts, laid out as ``python_call``."""
    return "[" + python_call("", items, indent)[1:-1] + "]"


def python_comment(text: str) -> str:
    """One comment line, whatever a name holds."""
    return f"# {' '.join(''.join(c if c.isprintable() else ' ' for c in text).split())}\n"


def storage_parameters(storage: str | None) -> dict[str, str] | None:
    """``pages_per_range = 32, autosummarize = on`` as a mapping; None where it is not written so."""
    parameters: dict[str, str] = {}
    for part in (storage or "").split(","):
        if not part.strip():
            continue
        key, sign, value = (piece.strip() for piece in part.partition("="))
        if not (sign and key.isidentifier() and value.replace(".", "").isalnum()):
            return None
        parameters[key] = value
    return parameters
