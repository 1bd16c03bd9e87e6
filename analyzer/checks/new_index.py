"""An index to create, as something to copy: for checks of plans that know for certain which columns it is to have.

Only for plans that somebody looks at by themselves. Of a statement that is watched the advisor weighs all statements of
the table and asks the planner: an index of a check beside its own would be a second answer.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analyzer.checks.column_widths import BTREE_ENTRY_BYTES, fits_btree
from analyzer.checks.engine import Context
from analyzer.checks.scan import is_system_table, table_facts, table_node, table_sql
from analyzer.findings import Fix
from analyzer.plans import PlanNode
from analyzer.plans.conditions import Comparison, Condition
from analyzer.plans.indexable import EQUAL, RANGE, RELABELLED, plain_column
from analyzer.schema.facts import IndexFacts, SchemaFacts, TableFacts
from analyzer.schema.index_names import index_name
from analyzer.schema.orm_models import Models, field_of, known_orm, model_of
from analyzer.schema.python_source import python_string
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.system_columns import SYSTEM_COLUMNS
from analyzer.statements.index_expressions import comparable
from analyzer.words.lists import and_list

MOST_COLUMNS = 4  # judgement: more narrow nothing down, and make each write dearer
DESC = " DESC"
VOLATILE = re.compile(r"\b(?:random|clock_timestamp|nextval|gen_random_uuid|uuid_generate_v4)\(")
# as EXPLAIN prints a constant's type; other types are of any width, or none that a B-tree is good for
NARROW = re.compile(
    r"::(?:smallint|integer|bigint|numeric|real|double precision|boolean|date|timestamp|time|interval|uuid|inet|money)"
)
UNFIT = re.compile(
    r"::(?:jsonb?|xml|tsvector|tsquery|point|line|lseg|box|path|polygon|circle|bytea|hstore|geometry|geography|vector"
    r"|halfvec|sparsevec)\b"
)
NUMBER = re.compile(r"(?:^|[(\s])\?(?=[)\s]|\Z)")  # redacted
# what is compared with, where it is computed: it is, or begins with, a number, a date or a time
CALL = re.compile(
    r" (?:[<>]=?|=) \(*(?:\?(?= )|CURRENT_(?:DATE|TIME)|LOCALTIME"
    r"|(?:now|date_trunc|date_bin|make_date|make_timestamp(?:tz)?|to_date|to_timestamp|(?:clock|statement|transaction)"
    r"_timestamp|date_part|floor|ceil|round|abs|length|currval|lastval)\(|EXTRACT\()"
)
LAST_CAST = re.compile(r"::([a-z][a-z ]*)(?:\(\d+\))?\)*\Z")
TEXT = re.compile(r"::(?:text|character varying|bpchar|name|citext)\b")


@dataclass(frozen=True, slots=True)
class NewKey:
    """A column of an index to be. ``is_narrow``, ``is_text``: whether the plan shows values that are short, or texts.

    ``function``: what of the column is the key, by a function that PostgreSQL has as IMMUTABLE.
    """

    name: str
    direction: str = ""  # " DESC", " NULLS LAST"
    is_equal: bool = False  # compared by equality: such columns stand first, in any order
    is_narrow: bool = False
    is_text: bool = False
    function: str = ""

    @property
    def sql(self) -> str:
        column = quote_identifier(self.name)
        return f"{f'{self.function}({column})' if self.function else column}{self.direction}"


def compared_keys(*conditions: Condition | None) -> tuple[NewKey, ...]:
    """Columns of an index that finds just what fits all these conditions: those compared by equality, then one range.

    () where there is more to them than such comparisons, so that nobody can tell how much the index would narrow down.
    """
    keys = [key_of(c) for condition in conditions if condition is not None for c in condition.comparisons]
    equal = {key.name: key for key in keys if key is not None and key.is_equal}
    ranges = {key.name: key for key in keys if key is not None and key.name not in equal}
    return () if None in keys or len(ranges) > 1 else (*equal.values(), *ranges.values())


def key_of(comparison: Comparison) -> NewKey | None:
    """None where no B-tree on a column finds what the comparison asks for."""
    is_equal = comparison.operator in EQUAL or not comparison.operator
    if plain_column(comparison) is None or not (is_equal or comparison.operator in RANGE):
        return None
    if comparison.columns[0].name in SYSTEM_COLUMNS or comparison.other == "subplan":
        return None
    if UNFIT.search(comparison.text) or VOLATILE.search(comparison.text):
        return None
    if "[]" in comparison.text and comparison.operator != "= ANY":
        return None  # of arrays
    return NewKey(comparison.columns[0].name, "", is_equal, is_narrow(comparison), is_text(comparison))


def is_narrow(comparison: Comparison) -> bool:
    """Whether what it compares is short, as far as the other side shows."""
    if not comparison.operator:
        return True  # a boolean
    text = comparison.text
    if comparison.other == "constant":
        return bool(NARROW.search(text) or NUMBER.search(text))
    cast = LAST_CAST.search(text)
    return bool(NARROW.match(f"::{cast[1]}")) if cast else comparison.other == "expression" and bool(CALL.search(text))


def is_text(comparison: Comparison) -> bool:
    return bool(RELABELLED.intersection(comparison.casts)) or (
        comparison.other == "constant" and TEXT.search(comparison.text) is not None
    )


def new_index(node: PlanNode, keys: Sequence[NewKey], context: Context) -> tuple[Fix, ...]:
    """A B-tree on the table that the node reads; () where that is not certain to be right, or is there already."""
    if context.fingerprint is not None or not 1 <= len(keys) <= MOST_COLUMNS:
        return ()
    if any(key.name in SYSTEM_COLUMNS for key in keys):
        return ()
    scanned, table = table_node(node), table_facts(node, context.facts)
    if scanned.relation_name is None or is_system_table(scanned) or (scanned.schema or "").startswith("pg_"):
        return ()
    if context.facts is not None and (table is None or not _takes(table, keys)):
        return ()
    taken = names_taken(context.facts, table) if context.facts is not None and table is not None else frozenset()
    name = index_name(scanned.relation_name, [f"{key.function}_{key.name}".strip("_") for key in keys], taken)
    on = f"{table_sql(node, context.facts)} ({', '.join(key.sql for key in keys)})"
    unless = _unless_wide([key for key in keys if table is None and not key.is_narrow])
    sql = f"CREATE INDEX CONCURRENTLY {quote_identifier(name)} ON {on};"
    if any(key.function for key in keys):
        sql += f"\nANALYZE {table_sql(node, context.facts)};"
    orm = _in_orm(table, keys, name, context.facts) if context.facts is not None and table is not None else ()
    return (Fix(f"Create the index (not in a transaction){unless}", "sql", sql), *orm)


def _unless_wide(keys: Sequence[NewKey]) -> str:
    if not keys:
        return ""
    names, is_one = and_list([key.name for key in keys]), len(keys) == 1
    holds = f"{'holds' if is_one else 'hold'} texts of more than {BTREE_ENTRY_BYTES:,.0f} bytes"
    if all(key.is_text for key in keys):
        return f", unless {names} {holds}"
    return f", unless {names}, if {'it is a text' if is_one else 'they are texts'}, {holds}"


def _takes(table: TableFacts, keys: Sequence[NewKey]) -> bool:
    """Whether the table can have the index, and has none that begins with its columns."""
    if table.kind not in ("r", "m") or table.parent_oid is not None or table.is_of_timescale:
        return False  # of partitions the index belongs on the table above
    names = [key.name for key in keys]
    has_one = any(
        index.is_usable and index.predicate is None and index.method == "btree" and _begins(index, keys)
        for index in table.indexes
    )
    return not has_one and fits_btree(table, names)


def _begins(index: IndexFacts, keys: Sequence[NewKey]) -> bool:
    """The planner had the choice of it then, and left it for another reason than that it is missing."""
    expressions = iter(index.expressions)
    names = [comparable(next(expressions, "")) if name is None else name for name in index.columns]
    equal = {_name(key) for key in keys if key.is_equal}
    rest = [_name(key) for key in keys if not key.is_equal]
    return set(names[: len(equal)]) == equal and names[len(equal) : len(keys)] == rest


def _name(key: NewKey) -> str:
    return comparable(key.sql.removesuffix(key.direction)) if key.function else key.name


def names_taken(facts: SchemaFacts, table: TableFacts) -> frozenset[str]:
    """Names of the schema's relations."""
    tables = [other for other in facts if other.schema == table.schema]
    return frozenset((*(t.name for t in tables), *(index.name for t in tables for index in t.indexes)))


def _in_orm(table: TableFacts, keys: Sequence[NewKey], name: str, facts: SchemaFacts) -> tuple[Fix, ...]:
    """As a line of the model, where the tables show which ORM made them and it has words for it."""
    orm = "" if any(key.function for key in keys) else known_orm(Models(), facts)
    if orm == "sqlalchemy" and all(key.direction in ("", DESC) for key in keys):
        columns = [f"text({python_string(key.sql)})" if key.direction else python_string(key.name) for key in keys]
        code = f"Index({', '.join((python_string(name), *columns))})"
        return (Fix("SQLAlchemy: in the table's __table_args__", "sqlalchemy", code),)
    model = model_of(table, facts, {}) if orm == "django" else None
    if model is None or not model.is_own or model.is_auto or any(key.direction not in ("", DESC) for key in keys):
        return ()
    fields = [field_of(table, key.name, model) for key in keys]
    if None in fields:
        return ()
    signs = ["-" if key.direction else "" for key in keys]
    named = ", ".join(python_string(f"{sign}{field}") for sign, field in zip(signs, fields, strict=True))
    return (
        Fix(
            "Django: in the model's Meta.indexes",
            "django",
            f"models.Index(fields=[{named}], name={python_string(name)})",
        ),
    )
