"""Index suggestions for a workload: what to create, for whom, and why nothing where there is nothing."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.advice.ddl import create_index, in_each_schema
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.rules.candidates import StatementAdvice, statement_advice
from analyzer.advice.rules.coverage import Need, served_by
from analyzer.advice.rules.merge import MergedNeed, merge
from analyzer.advice.rules.reasons import small_table_reason
from analyzer.advice.sizing.key_widths import undeclared_width
from analyzer.advice.sizing.size import btree_size_bytes
from analyzer.advice.thresholds import WRITE_HEAVY_ROWS_PER_DAY
from analyzer.errors import costing_only
from analyzer.findings import EvidenceLevel, Finding
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import foreign_key_owner, would_serve
from analyzer.words.durations import DAY_S, span_words
from analyzer.words.lists import and_list

# codes of findings that an index can answer: of plans, of the schema, of indexes; an N+1 stays one with any index
ANSWERED = ("PL", "SC", "IX")


@dataclass(frozen=True, slots=True)
class WorkloadStatement:
    """A statement and its load.

    ``rows_per_call`` is None where it is not known; ``samples``: its text with real values, as the server ran it.
    ``rows_before_limit``: how many rows an executed plan had to choose from under its LIMIT. ``roles``: names of those
    who ran it, none where not known; ``is_nested``: inside functions only. ``calls``: counted since the counters'
    reset; None where they are of a span. What ``advice/resolved_workload.py`` found out: ``alike``, for the oid
    of a table those of the same name in other schemas that the statement reads too, and ``variant``, which of several
    ways to read it.
    """

    fingerprint: str
    sql: str
    calls_per_day: float
    total_time_s_per_day: float
    mean_time_ms: float
    rows_per_call: float | None = None
    samples: tuple[str, ...] = field(default=(), repr=False)
    rows_before_limit: float | None = None
    roles: tuple[str, ...] = ()
    is_nested: bool = False
    variant: str = ""
    calls: float | None = None
    alike: Mapping[int, tuple[TableFacts, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> str:
        return f"{self.fingerprint}@{self.variant}" if self.variant else self.fingerprint


@dataclass(frozen=True, slots=True)
class Suggestion:
    """An index to create. ``key`` is the same on every run; ``helps``: fingerprint and its load in seconds a day.

    ``estimated_size_bytes`` is None without statistics, and for other methods than B-tree.
    """

    key: str
    schema: str
    table: str
    columns: tuple[IndexColumn, ...]
    method: str
    name: str
    ddl: str
    undo_ddl: str
    estimated_size_bytes: int | None
    helps: tuple[tuple[str, float], ...]
    reason: str
    level: EvidenceLevel = EvidenceLevel.RULE
    serves_foreign_keys: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()  # how to run the DDL
    finding_keys: tuple[str, ...] = ()
    # of helped_time_s_per_day, as planned together with the rest of the set; None where no planner was asked
    saved_time_s_per_day: float | None = None
    statements: tuple[str, ...] = ()  # the DDL one by one
    undo_statements: tuple[str, ...] = ()
    definition: IndexDefinition | None = field(default=None, repr=False, compare=False)

    @property
    def qualified_table(self) -> str:
        return f"{self.schema}.{self.table}"

    @property
    def helped_time_s_per_day(self) -> float:
        """Load of the statements it helps; not what it saves."""
        return sum(time for _, time in self.helps)


@dataclass(frozen=True, slots=True)
class Advice:
    """``reasons``: for each statement without a suggestion, why."""

    suggestions: list[Suggestion] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)


def suggest_indexes(
    workload: Sequence[WorkloadStatement], facts: SchemaFacts, findings: Sequence[Finding] = ()
) -> Advice:
    """Suggestions by the load they touch, greatest first; the same for the same input, whatever its order."""
    ratios = _executed_ratios(findings)
    needs: list[tuple[Need, str]] = []
    reasons: dict[str, str] = {}
    time_s: dict[str, float] = {}
    alike: dict[int, dict[int, TableFacts]] = {}  # in other schemas, by the oid of the one that stands for them
    for statement in sorted(workload, key=lambda s: s.key):
        advice = StatementAdvice()
        with costing_only(statement.fingerprint, reasons):
            advice = statement_advice(
                statement.sql,
                facts,
                rows_per_call=statement.rows_per_call,
                kept_ratios=ratios.get(statement.fingerprint),
            )
        time_s[statement.fingerprint] = time_s.get(statement.fingerprint, 0.0) + statement.total_time_s_per_day
        needs += [(need, statement.fingerprint) for need in advice.needs]
        for oid, tables in statement.alike.items():
            alike.setdefault(oid, {}).update({t.oid: t for t in tables})
        if not advice.needs:
            reasons.setdefault(statement.fingerprint, " ".join(dict.fromkeys(advice.reasons)))
    reasons = {f: why for f, why in reasons.items() if f not in {owner for _, owner in needs}}
    needs += [(need, owner) for need, owner in _foreign_key_needs(facts, findings)]
    popularity: dict[int, Counter[str]] = {}
    for need, _ in needs:
        popularity.setdefault(need.table.oid, Counter()).update(need.equality)
    suggestions: list[Suggestion] = []
    for merged in merge(needs):
        planned = {s.name for s in suggestions if s.schema == merged.table.schema}
        also = tuple(alike.get(merged.table.oid, {}).values())
        suggestions.append(_suggestion(merged, facts, time_s, popularity[merged.table.oid], findings, planned, also))
    suggestions.sort(key=lambda s: (-s.helped_time_s_per_day, s.key))
    return Advice(suggestions, reasons)


def _executed_ratios(findings: Sequence[Finding]) -> dict[str, dict[str, float]]:
    """What executed plans kept of the rows they read, by fingerprint and table."""
    ratios: dict[str, dict[str, float]] = {}
    for finding in findings:
        read, kept = finding.evidence.get("rows_read"), finding.evidence.get("rows_kept")
        if finding.table and isinstance(read, (int, float)) and isinstance(kept, (int, float)) and read > 0:
            known = ratios.setdefault(finding.about, {})
            known[finding.table] = min(known.get(finding.table, 1.0), kept / read)
    return ratios


def _foreign_key_needs(facts: SchemaFacts, findings: Sequence[Finding]) -> list[tuple[Need, str]]:
    """Unserved foreign keys whose check costs something: the parent's rows go or change, or a finding says so."""
    asked = {finding.about for finding in findings}
    needs = []
    for table in facts:
        if table.kind not in ("r", "p") or table.parent_oid is not None:
            continue
        for key in table.foreign_keys:
            owner = foreign_key_owner(table, key)
            parent = facts.table(key.referenced_oid)
            deletes = parent is not None and (
                parent.activity.deleted_rows > 0 or (parent.deleted_rows_per_day or 0) > 0
            )
            if owner not in asked and not deletes:
                continue
            need = Need(table, frozenset(key.columns), (), "foreign_key")
            if (owner in asked or small_table_reason(table) is None) and served_by(need) is None:
                needs.append((need, owner))
    return needs


def foreign_keys_served(definition: IndexDefinition) -> list[str]:
    """Foreign keys without an index so far that it serves, whether or not anybody asked."""
    table = definition.table
    return [
        foreign_key_owner(table, key)
        for key in table.foreign_keys
        if would_serve(key, definition.method, definition.plain_columns, definition.predicate)
        and served_by(Need(table, frozenset(key.columns), (), "foreign_key")) is None
    ]


def _suggestion(
    merged: MergedNeed,
    facts: SchemaFacts,
    time_s: Mapping[str, float],
    popularity: Counter[str],
    findings: Sequence[Finding],
    planned: Collection[str],
    also: tuple[TableFacts, ...],
) -> Suggestion:
    table = merged.table
    columns = merged.index_columns(popularity)
    definition = IndexDefinition(table, columns, merged.method, also=also)
    ddl = create_index(definition, facts, planned)
    owners = dict.fromkeys(owner for _, owner in merged.needs)
    helps = tuple(sorted(((o, time_s[o]) for o in owners if o in time_s), key=lambda pair: (-pair[1], pair[0])))
    keys = tuple(sorted({o for o in owners if o not in time_s} | set(foreign_keys_served(definition))))
    size = None
    if merged.method == "btree" and not any(c.is_expression for c in columns):
        size = btree_size_bytes(table, [c.name for c in columns])
    return Suggestion(
        key=definition.key,
        schema=table.schema,
        table=table.name,
        columns=columns,
        method=merged.method,
        name=ddl.name,
        ddl=ddl.text,
        undo_ddl=ddl.undo_text,
        estimated_size_bytes=size,
        helps=helps,
        reason=" ".join(filter(None, (in_each_schema(definition), _reason(merged, columns, keys)))),
        serves_foreign_keys=tuple(k.rpartition(".")[2] for k in keys),
        warnings=tuple(warnings_for(definition)),
        notes=ddl.notes,
        finding_keys=findings_answered(table, helps, keys, findings),
        statements=ddl.statements,
        undo_statements=ddl.undo_statements,
        definition=definition,
    )


def findings_answered(
    table: TableFacts, helps: tuple[tuple[str, float], ...], keys: tuple[str, ...], findings: Sequence[Finding]
) -> tuple[str, ...]:
    """Keys of the findings that an index on the table ends; ``keys``: owners of the foreign keys it serves."""
    statements = {fingerprint for fingerprint, _ in helps}
    return tuple(sorted(
        f.key for f in findings
        if f.code.startswith(ANSWERED)
        and (f.about in keys or (f.about in statements and f.table == table.qualified_name))
    ))  # fmt: skip


def _reason(merged: MergedNeed, columns: Sequence[IndexColumn], keys: tuple[str, ...]) -> str:
    """Why these columns in this order, in one or two sentences."""
    purposes = {need.purpose for need, _ in merged.needs}
    names = [c.name for c in columns]
    equality = {name for need, _ in merged.needs for name in need.equality}
    if merged.method == "gin":
        inside = "finds pieces of text anywhere in it" if "text" in purposes else "finds what the values contain"
        return f"A GIN index on {names[0]} {inside}, which a B-tree cannot."
    if merged.method == "hash":
        return f"A hash index finds equal values of {names[0]}, which may be too wide for a B-tree to hold."
    if merged.method == "gist":
        return f"A GiST index on {names[0]} finds what overlaps, which a B-tree cannot."
    leading = [n for n in names if n in equality]
    follows = [c.name for c in columns if c.name not in equality]
    one = len(leading) == 1
    text = f"{and_list(leading)} {'is' if one else 'are'} compared by equality" if leading else ""
    if leading and follows:
        text += f", so {'it comes' if one else 'they come'} first; "
    if follows and "order" in purposes:
        text += f"{and_list(follows)} then" if leading else and_list(follows)
        text += f" deliver{'s' if len(follows) == 1 else ''} the rows in the order asked for, so that LIMIT stops early"
    elif follows and "expression" in purposes:
        text += f"the statement compares {follows[0]}, which only an index on that expression serves"
    elif follows:
        text += f"{follows[0]} narrows the rows down as a range"
    text += "."
    if "join" in purposes:
        text += " Joins find their rows by it."
    if keys:
        which = and_list([k.rpartition(".")[2] for k in keys])
        text += f" Deleting or changing a referenced row needs it to check {which}."
    return text


def warnings_for(definition: IndexDefinition, *, writes_weighed: bool = False) -> list[str]:
    """What to think of before another index is made on the table, in sentences.

    ``writes_weighed``: a planner's evidence says what the table's writes cost more.
    """
    table, columns = definition.table, definition.columns
    warnings = list(undeclared_width(definition))
    writes = _writes_said(table)
    if writes and not writes_weighed:
        warnings.append(f"{table.qualified_name} {writes}; each index makes them dearer.")
    activity = table.activity
    if activity.updated_rows >= 10_000 and activity.hot_updated_rows > activity.updated_rows / 2:
        names = and_list([c.name for c in columns])
        warnings.append(
            f"Most updates of {table.qualified_name} touch no indexed column (HOT);"
            f" should they change {names}, they no longer can."
        )
    if table.kind == "p":
        warnings.append("The table is partitioned: the script builds one index per partition and attaches it.")
    if len([i for i in table.indexes if i.is_usable]) >= 10:
        warnings.append(f"{table.qualified_name} has {len(table.indexes)} indexes already.")
    return warnings


def _writes_said(table: TableFacts) -> str:
    """How many rows a write-heavy table's statements change; "" of others. What was seen is no rate before an hour."""
    rate, watched_s = table.changed_rows_per_day, table.watched_s
    if rate is None:
        seen = table.seen_changes or 0
        if watched_s is None or seen <= WRITE_HEAVY_ROWS_PER_DAY:
            return ""
        return f"took {seen:,} row changes in the {span_words(watched_s)} it was watched so far"
    if rate <= WRITE_HEAVY_ROWS_PER_DAY:
        return ""
    seen_in = f", by the {span_words(watched_s)} it was watched" if watched_s is not None and watched_s < DAY_S else ""
    return f"takes about {rate:,.0f} row changes a day{seen_in}"
