"""A migration, statement by statement: effects, findings, and what only the server could have told.

Long: each statement is judged by what those before it left behind, so they are gone through in one place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pglast import ast

from analyzer.findings import Finding, Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.effects import ActionEffect
from analyzer.review.estimate import total_seconds
from analyzer.review.facts_at_statement import NEW_RELATIONS, FactsAtStatement
from analyzer.review.files.migration import Framework, Migration, MigrationStep
from analyzer.review.idle import does_nothing
from analyzer.review.live_facts import LiveFacts
from analyzer.review.lock_modes import Mode
from analyzer.review.locks import locks_of
from analyzer.review.prepared import with_prepared
from analyzer.review.rules import (
    called_by_name,
    design,
    enum_values,
    exists,
    fails,
    in_use,
    keys,
    objects,
    rests_on,
    reversible,
    row_security,
    taken_away,
    transactions,
    under_lock,
)
from analyzer.review.rules.rule import StepContext
from analyzer.review.rules.under_lock import AT_REST, SAFE
from analyzer.review.safe_sequence.of_operations import CURED, safe_code
from analyzer.review.safe_sequence.steps import safe_steps
from analyzer.review.savepoints import begun, ends_transaction, taken_back
from analyzer.review.settings import values_of
from analyzer.review.timeouts import timeouts
from analyzer.review.way_back import CONSTRAINTS, LOST, drops_new_column, referenced_by, rests_on_lost, undo_of
from analyzer.review.work import work_of
from analyzer.statements.parse import TableName

RULES = (
    *under_lock.RULES,
    *fails.RULES,
    *exists.RULES,
    *keys.RULES,
    *enum_values.RULES,
    *rests_on.RULES,
    *in_use.RULES,
    *taken_away.RULES,
    *row_security.RULES,
    *transactions.RULES,
    *objects.RULES,
    *called_by_name.RULES,
    *design.RULES,
    *reversible.RULES,
)
# of what does nothing, too
STILL_TRUE = (
    *transactions.RULES,
    *reversible.RULES,
    fails.fails_in_transaction,
    fails.needs_newer_server,
    exists.index_fits,
    objects.cuts_name,
)
# and of what a ROLLBACK takes back: what the server refuses, and what takes its time while others wait
WHILE_IT_RUNS = (
    *under_lock.RULES,
    *fails.RULES,
    *exists.RULES,
    *keys.RULES,
    *enum_values.RULES,
    *rests_on.REFUSALS,
    *transactions.RULES,
    called_by_name.sets_back_for_good,
    reversible.lacks_way_back,
)
FAILING = (fails.IN_TRANSACTION, fails.TOO_OLD, fails.CONCURRENT, exists.UNFIT, rests_on.VIEWS, rests_on.NEEDED)
REFUSED = {rule.code for rule in FAILING}
CODE = "What it runs cannot be looked into."
EACH_TABLE = "Each of its tables is locked as by REINDEX TABLE, one after the other; which are large is not told."
EACH_OF_DOMAIN = (
    "Each table with a column of the domain is read whole under SHARE, which blocks writes; which, is not told."
)
UTC = ("UTC", "ETC/UTC", "GMT")
SETTINGS = ("search_path", "timezone", "session_replication_role")
BY_HAND = (Kind.DROP_CONSTRAINT, Kind.DROP_VIEW, Kind.DROP_MATVIEW, Kind.DROP_TRIGGER, Kind.DROP_OTHER)
MOVED = (Kind.RENAME_TABLE, Kind.SET_SCHEMA)
NO_RULE = "No rule looks at it."
HARMLESS = (ast.TransactionStmt, ast.PrepareStmt, ast.DeallocateStmt, ast.ViewStmt, ast.ConstraintsSetStmt)
MADE = (*NEW_RELATIONS, Kind.REPLACE_VIEW, Kind.DROP_VIEW)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """``known`` is what was known before the statement. ``unclear``: sentences on what could not be judged."""

    step: MigrationStep
    effects: tuple[ActionEffect, ...]
    findings: tuple[Finding, ...]
    known: FactsAtStatement
    unclear: tuple[str, ...] = ()
    safe: str | None = None  # what to run instead, in the migration's own framework
    taken_back: int | None = None  # the line of the ROLLBACK, or the one to a savepoint, that does it

    @property
    def work_seconds(self) -> float | None:
        """None where a size is not known."""
        works = [w for e in self.effects for w in e.work if not self.known.is_new(w.relation)]
        return total_seconds(works, self.known)


@dataclass(frozen=True, slots=True)
class Span:
    """The locks that a transaction holds until its end, on relations that were there before, the strongest each."""

    number: int
    first_line: int
    last_line: int
    locks: tuple[tuple[str, Mode], ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Review:
    migration: Migration
    statements: tuple[Reviewed, ...]
    spans: tuple[Span, ...]
    not_run: tuple[str, ...]
    version: int
    way_back: tuple[str, ...] = ()  # statements, in the order to run them
    no_way_back: tuple[str, ...] = ()  # sentences

    @property
    def findings(self) -> list[tuple[MigrationStep, Finding]]:
        return [(s.step, f) for s in self.statements for f in s.findings]


def review(migration: Migration, version: int, live: LiveFacts | None) -> Review:
    migration = replace(migration, steps=tuple(with_prepared(migration.steps)))
    known = FactsAtStatement(version, live)
    reviewed = []
    back = taken_back(migration)
    held = tuple(timeouts(migration.steps, back, live is not None and bool(live.lock_timeouts)))
    paths, zones, roles = (tuple(values_of(name, migration.steps, back)) for name in SETTINGS)
    for number, step in enumerate(migration.steps):
        known.path, known.is_utc = paths[number], (zones[number] or ("",))[0].upper() in UTC
        known.is_replica = [v.lower() for v in roles[number] or ()] == ["replica"]
        reviewed.append(_reviewed(number, migration, known, held, back))
        known = reviewed[-1].known.copy()
        for action in step.actions:
            _note(action, known)
        if back.get(number) == number:
            first = begun(back, number)
            known = reviewed[first].known.copy()
            for other in (n for n in range(first, number) if n not in back):  # beside a prepared transaction
                for action in migration.steps[other].actions:
                    _note(action, known)
    kept = [each for each in reviewed if each.taken_back is None]
    there, gone = _way_back(kept, known)
    reviewed = with_safe_sequences(reviewed, migration.framework)
    not_run = _not_run(live, migration)
    return Review(
        migration, tuple(reviewed), tuple(_spans(reviewed, back)), tuple(not_run), version, tuple(there), tuple(gone)
    )


def with_safe_sequences(reviewed: list[Reviewed], framework: Framework) -> list[Reviewed]:
    """An operation of Django or Alembic may run several statements: one sequence for all of it, told with the first."""
    found: list[Reviewed] = []
    for _, group in groupby(enumerate(reviewed), lambda pair: (pair[1].step.line, pair[1].step.source) if
                            pair[1].step.source else pair[0]):  # fmt: skip
        statements = [each for _, each in group]
        codes = {finding.code for each in statements for finding in each.findings}
        code = safe_code([(each.step, each.known) for each in statements], framework) if codes & CURED else None
        if code is None:
            statements = [replace(each, findings=tuple(map(_without_safe, each.findings))) for each in statements]
        found += [replace(statements[0], safe=code), *statements[1:]]
    return found


def _without_safe(finding: Finding) -> Finding:
    return replace(finding, hint=AT_REST) if finding.hint.startswith(SAFE) else finding


def _moved(name: TableName | None, moves: Sequence[Action], known: FactsAtStatement) -> TableName | None:
    """What a table is called after these, the last of which comes first."""
    for move in reversed(moves):
        if name is not None and move.relation is not None and known.is_called(move.relation, name):
            is_renamed = move.kind is Kind.RENAME_TABLE
            name = TableName(name.schema, move.name) if is_renamed else TableName(move.name, name.name)
    return name


def _with_known(each: Reviewed) -> Iterator[tuple[Action, FactsAtStatement]]:
    """Each action with what is known before it."""
    known, actions = each.known, each.step.actions
    for number, action in enumerate(actions):
        if number:
            known = known.copy()
            _note(actions[number - 1], known)
        yield action, known


def _way_back(reviewed: list[Reviewed], after: FactsAtStatement) -> tuple[list[str], list[str]]:
    """Statements that undo the migration, the last first; and what they do not bring back. A table that the file makes
    goes as a whole, if it is there in the end: what was done to it needs no undoing, but for its names.
    """
    there: list[str] = []
    gone: list[str] = []
    moves: list[Action] = []  # of later statements, the last first
    # constraints and indexes, by later statements; and parts of an index, which go with it
    dropped: set[tuple[str, str]] = set()
    lost_parts: set[tuple[str, str]] = set()  # tables and columns, by later statements: (table, column or "")
    made: list[str] = [known.key(a.relation) for r in reviewed for a, known in _with_known(r) if a.kind in NEW_RELATIONS
                       and a.relation is not None]  # fmt: skip
    for each in reversed(reviewed):
        for action, known in reversed([*_with_known(each)]):
            if REFUSED & {f.code for f in each.findings if f.severity is Severity.CRITICAL}:
                continue
            is_made = action.kind in NEW_RELATIONS or (action.kind in MOVED and known.is_new(action.relation))
            moves += [action] if action.kind in MOVED else []
            named = known.key(action.relation) if action.relation is not None else ""
            # a table that is dropped before what references it
            to = referenced_by(action)
            references = known.key(to) if to is not None else ""
            if named in made and references in made and made.index(named) < made.index(references):
                there += undo_of(action, known) or []
            if does_nothing(action, known) or (not is_made and known.is_new(action.relation)):
                continue
            if action.kind is Kind.DROP_CONSTRAINT:
                dropped.add((named, action.name))
            elif action.kind in (Kind.ATTACH_INDEX, Kind.DROP_INDEX):
                dropped.add(("", action.others[-1].name))
            if action.kind in CONSTRAINTS and action.using_index:
                dropped.add(("", action.using_index))  # which the constraint has from then on
            if {(named, action.name), ("", action.name)} & dropped and action.kind in (*CONSTRAINTS, Kind.CREATE_INDEX):
                continue
            if is_made and not after.is_new(_moved(action.relation, moves, after)):
                continue
            lost, undo = LOST.get(action.kind), undo_of(action, known)
            if action.kind is Kind.RENAME_COLUMN and (named, action.name) in lost_parts:
                lost_parts.add((named, action.column))
            if drops_new_column(action, known):
                lost = None
            elif rests_on_lost(action, known, lost_parts):
                undo = None
            if action.kind in (Kind.DROP_COLUMN, Kind.DROP_TABLE):
                lost_parts.add((named, action.column))
            if lost is not None:
                gone.append(f"line {each.step.line}: {action.kind.value} cannot be undone: nothing brings back {lost}.")
            elif undo is None and action.kind in BY_HAND:
                gone.append(f"line {each.step.line}: the way back of {action.kind.value} is to be written by hand.")
            elif undo:
                there += [sql for sql in undo if sql not in there]
    return there, gone[::-1]


def _reviewed(
    number: int, migration: Migration, known: FactsAtStatement, held: tuple[bool, ...], back: Mapping[int, int]
) -> Reviewed:
    """Several subcommands of one ALTER TABLE are one pass over the table: only the worst of them is told. Of the
    steps around it those count that nothing took back before it, or takes back later.
    """
    step, by = migration.steps[number], back.get(number)
    earlier, later = migration.steps[:number], migration.steps[number + 1 :]
    if back:
        earlier = tuple(s for n, s in enumerate(earlier) if back.get(n, number) >= number)
        later = tuple(s for n, s in enumerate(later, number + 1) if back.get(n, by) == by)
    during = known.copy()
    effects, findings = [], []
    safe = safe_steps(step.actions, step.sql, known)
    for action in step.actions:
        is_idle = does_nothing(action, during)
        work = () if is_idle else tuple(work_of(action, during))
        effect = ActionEffect(action, tuple(locks_of(action, during)), work)
        effects.append(effect)
        at = StepContext(step, action, effect, during, migration, earlier, later, safe is not None, number, held)
        rules = STILL_TRUE if is_idle else WHILE_IT_RUNS if by is not None else RULES
        findings += [finding for rule in rules for finding in rule(at)]
        _note(action, during)
    told = tuple(_each_once(findings))
    line = migration.steps[by].line if by is not None else None
    return Reviewed(step, tuple(effects), told, known, tuple(_unclear(step, known)), taken_back=line)


def _note(action: Action, known: FactsAtStatement) -> None:
    if not does_nothing(action, known):
        known.note(action)


def _each_once(findings: list[Finding]) -> Iterator[Finding]:
    """Of one code on one subject the gravest."""
    best: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        key = (finding.code, finding.subject)
        if key not in best or best[key].severity < finding.severity:
            best[key] = finding
    yield from sorted(best.values(), key=lambda f: (-f.severity, f.code))


def _unclear(step: MigrationStep, known: FactsAtStatement) -> Iterator[str]:
    for action in step.actions:
        if action.kind is Kind.CODE:
            yield CODE
        if action.kind is Kind.DOMAIN and known.facts is None:
            yield EACH_OF_DOMAIN
        if action.kind is Kind.REINDEX_MANY and not action.is_concurrent:
            yield EACH_TABLE
        is_dropped = action.kind is Kind.DROP_OTHER and not action.is_cascade and not called_by_name.judges(action)
        if is_dropped or (action.kind is Kind.OTHER and not isinstance(action.statement, HARMLESS)):
            yield NO_RULE
        for relation in _relations(action):
            if known.is_missing(relation) and not action.if_exists and not does_nothing(action, known):
                yield f"{relation} is not in this database: what is said of it goes by rules alone."


def _relations(action: Action) -> Iterator[TableName]:
    if action.relation is not None and action.kind not in MADE:
        yield action.relation


def _spans(reviewed: list[Reviewed], back: Mapping[int, int]) -> Iterator[Span]:
    """Without the locks that a ROLLBACK to a savepoint frees."""
    freed = {n for n, by in back.items() if not ends_transaction(reviewed[by].step)}
    numbers = dict.fromkeys(r.step.transaction for r in reviewed if not r.step.is_alone)
    for number in numbers:
        inside = [r for r in reviewed if r.step.transaction == number]
        locks: dict[str, Mode] = {}
        for each in (r for n, r in enumerate(reviewed) if r.step.transaction == number and n not in freed):
            for effect in each.effects:
                for lock in effect.locks:
                    if lock.mode.blocks_writes and not lock.is_index and not each.known.is_new(lock.relation):
                        name = each.known.key(lock.relation)
                        locks[name] = max(lock.mode, locks.get(name, lock.mode))
        seconds = [r.work_seconds for r in inside]
        total = sum(s for s in seconds if s is not None) if None not in seconds else None
        if locks:
            yield Span(number, inside[0].step.line, inside[-1].step.line, tuple(locks.items()), total)


def _not_run(live: LiveFacts | None, migration: Migration) -> Iterator[str]:
    if live is None:
        yield "Sizes, times, who waits, what is in use: not run, needs a server (review_migration DSN FILE)."
        return
    if live.statements is None:
        yield f"Who waits and what is in use: not run, needs pg_stat_statements. {live.why_no_statements}"
    elif not any(statement.tables for statement in live.statements):
        yield "Who waits and what is in use: not run, pg_stat_statements holds no statement on this database's tables."
    if not live.schema.statistics_readable:
        yield "NULLs and duplicates: not run, needs a login that may read pg_stats (SELECT on the tables)."


def worst(review: Review) -> Severity | None:
    return max((f.severity for _, f in review.findings), default=None)
