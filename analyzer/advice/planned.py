"""Proved advice as suggestions to keep and to show, beside what only a rule can say.

The planner decides about every statement that it can plan. A rule's suggestion stays where no planner was asked: for
statements that cannot be planned, and for foreign keys whose check nothing in the workload shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from analyzer.advice.ddl import create_index, drop_index, in_each_schema
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.advice.gain import gain_of
from analyzer.advice.planned_evidence import (
    HurtStatement,
    NeedlessIndex,
    PlannedEvidence,
    RiskyStatement,
    StatementCosts,
)
from analyzer.advice.planner import values_of
from analyzer.advice.proved import ProposedIndex, ProvedAdvice
from analyzer.advice.resolved_workload import as_read
from analyzer.advice.rules.suggest import (
    Advice,
    Suggestion,
    WorkloadStatement,
    findings_answered,
    foreign_keys_served,
    warnings_for,
)
from analyzer.checks import Threshold
from analyzer.findings import EvidenceLevel, Finding
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.blocks import EQUALITY, RANGE, Predicate
from analyzer.statements.index_expressions import unqualified
from analyzer.statements.predicates import query_blocks
from analyzer.words.lists import and_list

LIMITS = {
    "scan": Threshold(400e6, "bytes a second", "measured: lineitem of TPC-H at scale 1, cached, PostgreSQL 15"),
    "entry": Threshold(0.8e-6, "seconds an entry and key", "measured: six B-trees on that table took 2.5 to 9 s each"),
}
MOST_STATEMENTS = 50  # kept with a suggestion, those that gain most


@dataclass(frozen=True, slots=True)
class _Roles:
    """What the statements do with a column of the table."""

    equality: bool = False
    joined: bool = False
    ranged: bool = False
    ordered: bool = False
    grouped: bool = False


def planned_suggestions(
    advice: ProvedAdvice,
    rules: Advice,
    workload: Sequence[WorkloadStatement],
    facts: SchemaFacts,
    findings: Sequence[Finding],
) -> tuple[Advice, dict[str, PlannedEvidence]]:
    """Suggestions with the reasons for those that get none, and by suggestion key the planner's evidence."""
    time_s = {s.fingerprint: s.total_time_s_per_day for s in workload}
    texts: dict[str, list[str]] = {}
    for statement in as_read(workload, facts):
        texts.setdefault(statement.fingerprint, []).append(statement.sql)
    suggestions: list[Suggestion] = []
    evidence: dict[str, PlannedEvidence] = {}
    for source, proposal in advice.all_proposals:
        suggestion = _suggestion(proposal, time_s, texts, facts, findings)
        suggestions.append(suggestion)
        evidence[suggestion.key] = _evidence(source, proposal, facts)
    answered = {key for s in suggestions for key in s.finding_keys}
    bodies = {s.key for s in suggestions}
    for rule in rules.suggestions:
        unplanned = [f for f, _ in rule.helps if f in advice.not_planned]
        unanswered = rule.serves_foreign_keys and not set(rule.finding_keys) <= answered
        if rule.key not in bodies and (unplanned or unanswered):
            suggestions.append(_with_a_free_name(rule, suggestions, facts))
    suggestions.sort(key=lambda s: (-s.helped_time_s_per_day, s.key))
    helped = {fingerprint for s in suggestions for fingerprint, _ in s.helps}
    reasons = {e.statement: e.why_not for e in advice.all_effects if e.why_not}
    reasons |= {f: f"Not planned: {reason}" for f, reason in advice.not_planned.items()}
    reasons |= {f: r for f, r in rules.reasons.items() if f not in reasons}
    return Advice(suggestions, {f: r for f, r in reasons.items() if f in time_s and f not in helped}), evidence


def _with_a_free_name(rule: Suggestion, others: Sequence[Suggestion], facts: SchemaFacts) -> Suggestion:
    """Both are built IF NOT EXISTS: of two with one name the second would not be built, and nothing would say so."""
    taken = {other.name for other in others if other.schema == rule.schema}
    if rule.name not in taken or rule.definition is None:
        return rule
    ddl = create_index(rule.definition, facts, taken)
    return replace(
        rule,
        name=ddl.name,
        ddl=ddl.text,
        undo_ddl=ddl.undo_text,
        statements=ddl.statements,
        undo_statements=ddl.undo_statements,
    )


def build_time_s(definition: IndexDefinition, rows: float) -> float | None:
    """Of CREATE INDEX CONCURRENTLY, about: it reads the table twice and sorts the entries. None without statistics."""
    if definition.table.size_bytes is None:
        return None
    sorted_ = rows * LIMITS["entry"].value * len(definition.columns) if definition.method != "brin" else 0.0
    return 2 * definition.table.size_bytes / LIMITS["scan"].value + sorted_


def _suggestion(
    proposal: ProposedIndex,
    time_s: Mapping[str, float],
    texts: Mapping[str, Sequence[str]],
    facts: SchemaFacts,
    findings: Sequence[Finding],
) -> Suggestion:
    definition, ddl = proposal.chosen.index.definition, proposal.ddl
    table = definition.table
    helped = [e.statement for e in proposal.effects]
    helps = tuple((f, time_s[f]) for f in helped if f in time_s)
    checked = [f for f in helped if f not in time_s]  # foreign keys
    tables = (table, *definition.also)
    served = [key for t in tables for key in foreign_keys_served(replace(definition, table=t, also=()))]
    keys = tuple(dict.fromkeys([*checked, *served]))
    sqls = [sql for f, _ in helps for sql in texts[f]]
    answered = {key for t in tables for key in findings_answered(t, helps, keys, findings)}
    return Suggestion(
        key=definition.key,
        schema=table.schema,
        table=table.name,
        columns=definition.columns,
        method=definition.method,
        name=ddl.name,
        ddl=ddl.text,
        undo_ddl=ddl.undo_text,
        estimated_size_bytes=proposal.chosen.index.size_bytes,
        helps=helps,
        reason=" ".join(filter(None, (in_each_schema(definition), why_these_columns(definition, sqls, keys, facts)))),
        level=EvidenceLevel.PLANNED,
        serves_foreign_keys=tuple(k.rpartition(".")[2] for k in keys),
        warnings=tuple(warnings_for(definition, writes_weighed=True)),
        notes=ddl.notes,
        finding_keys=tuple(sorted(answered)),
        saved_time_s_per_day=gain.saved_s_per_day if (gain := gain_of(proposal.effects, time_s)) else None,
        statements=ddl.statements,
        undo_statements=ddl.undo_statements,
        definition=definition,
    )


def why_these_columns(
    definition: IndexDefinition, sqls: Sequence[str], foreign_keys: Sequence[str], facts: SchemaFacts
) -> str:
    """The order of the columns, what is included and which rows, in a few sentences."""
    roles = _roles(definition, sqls, facts)
    if definition.method != "btree":
        return _other_method(definition)
    equal: list[tuple[IndexColumn, _Roles]] = []
    rest: list[tuple[IndexColumn, _Roles]] = []
    for column in definition.columns:
        role = roles.get(column.name, _Roles())
        is_equal = not rest and not _is_prefix(column) and (role.equality or role.joined)
        (equal if is_equal else rest).append((column, role))
    parts = []
    if equal:
        by_value = [column.name for column, role in equal if role.equality]
        by_join = [column.name for column, role in equal if not role.equality]
        said = [f"{and_list(by_value)} {_verb(by_value, 'find')} the rows by equality"] if by_value else []
        if by_join:
            what = "serve" if by_value else "find"
            said.append(f"{and_list(by_join)} {_verb(by_join, what)} {'' if by_value else 'the rows by '}the join")
        first = f", so {_they(equal)} first" if rest else ""
        parts.append(f"{and_list(said)}{first}")
    for column, role in rest:
        if _is_prefix(column):
            parts.append(f"{column.name} finds what starts with a text, compared byte by byte as LIKE 'x%' needs")
        elif role.ordered:
            parts.append(f"{column.name} gives the order asked for, so that no sort is needed")
        elif role.ranged:
            parts.append(f"{column.name} narrows them down as a range")
        elif role.grouped:
            parts.append(f"{column.name} brings equal values together for GROUP BY")
        elif role.joined or role.equality:
            parts.append(f"{column.name} narrows them down further")
        else:
            parts.append(f"{column.name} is read from the index instead of the table")
    text = f"{'; '.join(parts)}."
    text = text[0].upper() + text[1:] if text.startswith("the ") else text
    if definition.include:
        verb = "is" if len(definition.include) == 1 else "are"
        text += f" {and_list(definition.include)} {verb} included, so that the table itself need not be read."
    if definition.predicate:
        text += f" Only rows with {definition.predicate} are in it: writes of other rows do not touch it."
    if foreign_keys:
        which = and_list([k.rpartition(".")[2] for k in foreign_keys])
        text += f" Deleting or changing a referenced row needs it to check {which}."
    return text


def _is_prefix(column: IndexColumn) -> bool:
    return column.opclass is not None and column.opclass.endswith("_pattern_ops")


def _other_method(definition: IndexDefinition) -> str:
    name, opclass = definition.columns[0].name, definition.columns[0].opclass
    match definition.method:
        case "gin" if opclass == "gin_trgm_ops":
            return f"A GIN index of trigrams finds a text anywhere in {name}, which a B-tree cannot."
        case "gin":
            return f"A GIN index finds what the values of {name} contain, which a B-tree cannot."
        case "brin":
            return f"The rows lie in the order of {name}, so a BRIN index of a few pages tells which blocks to read."
        case "gist":
            return f"A GiST index finds what overlaps or lies near in {name}, which a B-tree cannot."
        case "hash":
            return (
                f"A hash index finds equal values of {name}, however wide they are; a B-tree would refuse rows whose"
                " values are wider than a third of a page."
            )
        case "spgist":
            return (
                f"An SP-GiST index finds values of {name} that start with a text, however wide they are; a B-tree would"
                " refuse rows whose values are wider than a third of a page."
            )
        case method:
            return f"A {method} index on {name} serves it."


def _roles(definition: IndexDefinition, sqls: Sequence[str], facts: SchemaFacts) -> dict[str, _Roles]:
    found: dict[str, dict[str, bool]] = {}

    def note(column: str, role: str) -> None:
        found.setdefault(column, {})[role] = True

    table = definition.table
    for sql in sqls:
        for block in query_blocks(sql, facts):
            for use in block.tables:
                known = facts.find_table(use.name, use.schema or None)
                if known is None or known.oid != table.oid:
                    continue
                for predicate in use.predicates:
                    if role := _role(predicate):
                        note(unqualified(predicate.expression) if predicate.expression else predicate.column, role)
                for term in block.order_by:
                    if term.alias == use.alias and (term.column or term.expression):
                        note(term.column or unqualified(term.expression or ""), "ordered")
                for grouped in (*block.group_by, *block.distinct_on):
                    if grouped.alias == use.alias:
                        note(grouped.column, "grouped")
    return {name: _Roles(**roles) for name, roles in found.items()}


def _role(predicate: Predicate) -> str | None:
    if predicate.joined is not None and not predicate.is_in_or:
        return "joined"
    if predicate.operator in EQUALITY:
        return "equality"
    return "ranged" if predicate.operator in RANGE else None


def _evidence(advice: ProvedAdvice, proposal: ProposedIndex, facts: SchemaFacts) -> PlannedEvidence:
    chosen, definition = proposal.chosen, proposal.chosen.index.definition
    table = definition.table
    used_by = {e.statement for e in proposal.effects}
    replaced = [
        d for d in advice.selection.dropped if d.table.oid == table.oid and definition.body() in d.reason
    ]  # fmt: skip
    return PlannedEvidence(
        planner=advice.planner,
        together_with=tuple(
            p.ddl.name
            for _, p in advice.all_proposals
            if p.ddl != proposal.ddl and used_by & {e.statement for e in p.effects}
        ),
        worth_per_day=chosen.worth,
        write_cost_per_day=chosen.write_cost_per_day,
        writes_per_day=table.changed_rows_per_day,
        writes_seen=table.seen_changes,
        writes_seen_in_s=table.watched_s,
        build_time_s=build_time_s(definition, table.rows or 0.0),
        statements=tuple(
            StatementCosts(
                e.statement,
                e.cost_before,
                e.cost_after,
                ("; ".join(e.change.sentences) or "The plan keeps its shape") if e.change else "",
            )
            for e in proposal.effects[:MOST_STATEMENTS]
        ),
        hurt=tuple(
            HurtStatement(h.statement, h.before, h.after, values_of(h.key))
            for h in advice.hurt
            if h.statement in used_by
        ),
        at_risk=tuple(RiskyStatement(r.statement, r.reason) for r in proposal.at_risk),
        makes_redundant=tuple(
            NeedlessIndex(f"{d.index.schema}.{d.index.name}", d.reason, drop_index(d.index, d.table).text)
            for d in replaced
        ),
    )


def _verb(names: Sequence[str], verb: str) -> str:
    return f"{verb}s" if len(names) == 1 else verb


def _they(items: Sequence[Any]) -> str:
    return "it comes" if len(items) == 1 else "they come"
