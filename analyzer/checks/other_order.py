"""What gives the order of a sort by no columns of one table: an index on an expression or of distances, or none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile, zip_longest

from analyzer.checks.order import IndexInOrder, direction, equal_columns, rows_below, scan_of, sort_keys
from analyzer.checks.scan import table_facts
from analyzer.plans import PlanNode, redact_expression
from analyzer.plans.conditions import SORT_SUFFIX, Comparison, SortKey
from analyzer.plans.unions import is_union
from analyzer.schema.facts import IndexFacts, SchemaFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.schema.system_columns import SYSTEM_COLUMNS
from analyzer.statements.index_expressions import SEARCHING, are_same, can_be_key, comparable, lasts, unqualified
from analyzer.words.lists import and_list

STOPS = "gives them in this order and stops after the last"
ON_THE_WAY = "; rows that do not pass the other conditions are read on the way, so it helps where most pass"
IMMUTABLE = (
    "Its functions have to be IMMUTABLE: CREATE INDEX refuses others, such as what depends on a session's time zone."
)
GROUPS = ("Aggregate", "Group", "WindowAgg")
# pgvector's operators -> what its operator classes of them are called; other types have distances, too
VECTORS = {"<->": "l2", "<=>": "cosine", "<#>": "ip", "<+>": "l1"}
DISTANCES = (*VECTORS, "<<->", "<->>", "<<<->", "<->>>", "<~>", "<%>")
VECTOR_TYPE = re.compile(r"\b(vector|halfvec|sparsevec)\b")
TEXT_TYPE = re.compile(r"\b(text|character varying|varchar|bpchar)\b")
RANDOM = frozenset(("random", "gen_random_uuid", "uuid_generate_v4"))
CHANGING = ("now", "clock_timestamp", "statement_timestamp", "nextval")
COLLATION = re.compile(r"""\sCOLLATE\s+(?:(?:"[^"]+"|\w+)\.)?("(?:[^"]|"")+"|\w+)\Z""")
NAME = re.compile(r'"(?:[^"]|"")+"|[^\W\d]\w*')
OF_DATABASE, C, POSIX = 100, 950, 951  # pg_collation.oid
DISTANCE_METHODS = ("hnsw", "ivfflat", "gist", "spgist")


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """``scan``: what an index with the order would be read instead of; None where no index has it.

    ``is_in_part``: one has the first keys, so that the rest can be sorted by and by (Incremental Sort).
    """

    hint: str
    scan: PlanNode | None = None
    is_in_part: bool = False


def other_order(node: PlanNode, facts: SchemaFacts | None) -> OtherOrder | None:
    """Of a Sort for which ``index_in_order`` knows none; None where its keys cannot be read, or are of no rows.

    None also where the table has such an index, as far as the schema is known: the planner had the choice.
    """
    keys = sort_keys(node)
    aliases = list(dict.fromkeys(c.alias for key in keys or () for c in key.condition.columns))
    if not keys or not aliases or any(RANDOM & key.condition.functions for key in keys):
        return None  # a random order has a check of its own
    below = rows_below(node)
    if below.maker is not None:
        return OtherOrder(_of_made_rows(below.maker))
    if len(aliases) > 1:
        return _of_several_tables(keys, below.scans, [str(alias) for alias in aliases], facts)
    scan = scan_of(aliases[0], below.scans)
    if scan is None:
        return OtherOrder(_of_made_rows(None))
    if (distance := _distance(keys[0])) is not None:
        return _by_distance(scan, distance, facts, is_far=keys[0].is_descending, is_alone=len(below.scans) == 1)
    system = next((c.name for key in keys for c in key.condition.columns if c.name in SYSTEM_COLUMNS), None)
    if system is not None:
        return OtherOrder(f"No index can be on {system}, a system column: leave rows out before they are sorted.")
    read = [_key(SORT_SUFFIX.sub("", text)) for text in node.raw["Sort Key"]]
    computed = [key.expression for key in read if not key.is_column]
    if (why := next((why for text in computed if (why := _why_no_index(text)) is not None), None)) is not None:
        return OtherOrder(why)
    if _has_index(scan, read, facts):
        return None
    columns = ", ".join((
        *map(quote_identifier, equal_columns(scan)[0]),
        *(f"{key.sql}{direction(by)}" for key, by in zip(read, keys, strict=True)),
    ))  # fmt: skip
    helps = "" if len(below.scans) == 1 and equal_columns(scan)[1] else ON_THE_WAY
    needs = f" {IMMUTABLE}" if computed else ""
    return OtherOrder(f"An index on {scan.relation_name} ({columns}) {STOPS}{helps}.{needs}", scan)


@dataclass(frozen=True, slots=True)
class _Key:
    """A key that a sort or an index has. ``collation``: "" for the database's, None where it is not known."""

    expression: str
    name: str  # the same for what is the same
    is_column: bool
    collation: str | None = ""

    @property
    def sql(self) -> str:
        """As CREATE INDEX takes it, without a customer's values."""
        keeps = (" COLLATE ", ".")  # an own function's schema
        text = self.expression if any(part in self.expression for part in keeps) else self.name
        bare = self.name if self.is_column else f"({redact_expression(text)})"
        return f"{bare} COLLATE {quote_identifier(self.collation)}" if self.collation else bare


def _key(text: str) -> _Key:
    """Of an entry of Sort Key: EXPLAIN names a collation that is not the type's own, be it also the column's."""
    named = COLLATION.search(text)
    bare = unqualified(text[: named.start()] if named else text)
    name = comparable(bare)
    collation = named[1].strip('"').replace('""', '"') if named else ""
    return _Key(bare, name, NAME.fullmatch(name) is not None, collation)


def _of_made_rows(maker: PlanNode | None) -> str:
    """Rows that are not a table's as they are."""
    if maker is not None and maker.node_type in GROUPS:
        return (
            "No index can give this order: the rows to be sorted are themselves computed of others. Leave rows out"
            " before that, or keep what is computed in a table of its own (a materialized view), with an index in this"
            " order."
        )
    if maker is not None and is_union(maker):
        return (
            "No single index can give this order, as the rows are those of a UNION's arms. Say ORDER BY and LIMIT in"
            " each arm as well: an index in that order then gives its first rows and stops."
        )
    if maker is None or maker.join_type == "Full":
        return (
            "No index can give this order, because the rows do not come to the sort as they are in their table: an"
            " outer join adds some without a partner. Where those are not asked for, JOIN lets an index give it; else"
            " leave rows out before they are joined."
        )
    return f"No index can give this order, because {maker.label} makes the rows: leave rows out before that."


def _of_several_tables(
    keys: Sequence[SortKey], scans: Sequence[PlanNode], aliases: Sequence[str], facts: SchemaFacts | None
) -> OtherOrder | None:
    """The keys that stand first may come from an index; the others are then sorted among rows equal in those."""
    none = f"No index can give this order, which is of {and_list(aliases)}"
    first = tuple(takewhile(lambda key: key.column is not None and key.column.alias == aliases[0], keys))
    scan = scan_of(aliases[0], scans)
    if not first or scan is None:
        return OtherOrder(
            f"{none}: leave rows out before they are joined, or order by one table's columns where that will do."
        )
    index = IndexInOrder(scan, (), first, is_certain=False)
    if index.exists(facts):
        return None
    return OtherOrder(
        f"{none}. One on {scan.relation_name} ({index.columns}) can give its first part: from version 13 on only"
        " rows equal in that are sorted by the rest (Incremental Sort), which stops early where few are equal. Else"
        " leave rows out before they are joined.",
        is_in_part=True,
    )


def _why_no_index(computed: str) -> str | None:
    """Of a key, where it is another in each call, or computed by a subquery."""
    searching = next((name for name in sorted(SEARCHING) if f"{name}(" in computed), None)
    if searching is not None:
        instead = {
            "similarity": "column <-> value, from a GiST index with gist_trgm_ops (pg_trgm),",
            "st_distance": "geom <-> point, from a GiST index,",
        }.get(searching)
        return (
            f"No index can give the order of {searching}(), which is of what is looked for in this call:"
            f" {f'ORDER BY {instead} gives the nearest first. Else ' if instead else ''}leave rows out by a condition"
            " that an index serves."
        )
    is_lasting = lasts(computed) and not any(f"{name}(" in computed for name in CHANGING)
    if is_lasting and can_be_key(computed):
        return None
    if is_lasting:
        return (
            "It is computed with a constant. Where that is another in each call no index can give this order: leave"
            " rows out before they are sorted. Where it is always the same, an index on the expression gives it."
        )
    return (
        "No index can give this order, which is computed with what is another in each call. Order by the bare column"
        " where that comes to the same; else leave rows out before they are sorted."
    )


def _distance(key: SortKey) -> Comparison | None:
    """``emb <-> '[1,2]'::vector``: an index can be read in the order of it."""
    only = key.condition.comparisons[0] if len(key.condition.comparisons) == 1 else None
    return only if only is not None and only.operator in DISTANCES and only.column is not None else None


def _by_distance(
    scan: PlanNode, distance: Comparison, facts: SchemaFacts | None, *, is_far: bool, is_alone: bool
) -> OtherOrder | None:
    name = distance.columns[0].name
    table = table_facts(scan, facts)
    if is_far:
        return OtherOrder("No index gives the farthest first: leave rows out before they are sorted.")
    if distance.other not in ("constant", "parameter", "initplan"):
        return OtherOrder("No index gives the order of distances between columns: leave rows out before the sort.")
    indexes = table.indexes if table is not None else ()
    if any(index.is_usable and index.method in DISTANCE_METHODS and index.columns[:1] == (name,) for index in indexes):
        return None
    column = table.column(name) if table is not None else None
    types = f"{column.type_name if column is not None else ''} {distance.text}"
    is_all = is_alone and scan.filter is None
    vector = VECTOR_TYPE.search(types)
    on = f"{scan.relation_name} ({quote_identifier(name)}"
    if distance.operator in VECTORS and vector is not None:
        beside = "" if is_all else " Rows that the other conditions throw away are missing from what it gives."
        return OtherOrder(
            f"An HNSW index of pgvector on {on} {vector[1]}_{VECTORS[distance.operator]}_ops) gives the nearest first"
            f" and stops after the last. It is approximate: hnsw.ef_search says how thoroughly it looks.{beside}",
            scan,
        )
    helps = "" if is_all else ON_THE_WAY
    if TEXT_TYPE.search(types):
        return OtherOrder(f"A GiST index on {on} gist_trgm_ops), of extension pg_trgm, {STOPS}{helps}.", scan)
    return OtherOrder(f"An index that knows distances, GiST or of vectors HNSW, on {on}) {STOPS}{helps}.", scan)


def _has_index(scan: PlanNode, wanted: Sequence[_Key], facts: SchemaFacts | None) -> bool:
    """Whether a usable B-tree of all rows is on all of them, in their collations as far as these are known."""
    table = table_facts(scan, facts)
    if table is None or facts is None:
        return False
    names = {OF_DATABASE: "", 0: "", C: "C", POSIX: "POSIX", **{c.oid: c.name for c in facts.collations or ()}}
    every = [
        list(_keys_of(index, names))
        for index in table.indexes
        if index.is_usable and index.method == "btree" and index.predicate is None
    ]
    return any(all(any(_is_same(key, has) for has in keys) for key in wanted) for keys in every)


def _keys_of(index: IndexFacts, names: Mapping[int, str]) -> Iterator[_Key]:
    expressions = iter(index.expressions)
    for name, oid in zip_longest(index.columns, index.collations[: len(index.columns)]):
        expression = next(expressions, "") if name is None else quote_identifier(name)
        yield _Key(expression, comparable(expression), name is not None, None if oid is None else names.get(oid))
    for expression in expressions:
        yield _Key(expression, comparable(expression), False, None)


def _is_same(wanted: _Key, has: _Key) -> bool:
    return are_same(wanted.expression, has.expression) and has.collation in (None, wanted.collation)
