"""Sequences, functions and types that are dropped, which code calls by name; and sequences that are set back."""

import re
from collections.abc import Callable, Iterator, Sequence

from pglast import ast

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.objects_dropped import WHAT, Dropped, is_absent, is_nowhere, objects_dropped
from analyzer.review.rules.exists import APPLIED, UNFIT
from analyzer.review.rules.in_use import RENAMED, used_by
from analyzer.review.rules.rests_on import NEEDED
from analyzer.review.rules.rule import MOST_NAMES, Findings, Rule, StepContext
from analyzer.review.rules.taken_away import LOST
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.objects import SequenceFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, function_name, name_parts, walk, without_casts
from analyzer.words.lists import some_of

SET_BACK = Rule("MG052", "Sequence gives numbers again")
OF_SEQUENCES = frozenset({"nextval", "setval", "currval"})
DEFAULT = re.compile(r"nextval\('(.*)'::regclass\)")
TOUCHED = frozenset({Kind.SET_DEFAULT, Kind.ALTER_TYPE, Kind.DROP_COLUMN, Kind.COLUMN_DETAIL})
FIRST = "Deploy code that does without it first."
MADE: dict[type, Callable[[Node], tuple[str, ...]]] = {
    ast.CreateFunctionStmt: lambda s: name_parts(s.funcname), ast.DefineStmt: lambda s: name_parts(s.defnames),
    ast.CreateSeqStmt: lambda s: (s.sequence.relname,), ast.CreateEnumStmt: lambda s: name_parts(s.typeName),
    ast.CompositeTypeStmt: lambda s: (s.typevar.relname,), ast.CreateDomainStmt: lambda s: name_parts(s.domainname),
    ast.CreateRangeStmt: lambda s: name_parts(s.typeName),
}  # fmt: skip


def judges(action: Action) -> bool:
    return getattr(action.statement, "removeType", None) in WHAT


def drops_object(at: StepContext) -> Findings:
    """With CASCADE objects.py says it."""
    if at.action.kind is not Kind.DROP_OTHER or at.action.is_cascade or not judges(at.action):
        return
    for dropped in objects_dropped(at.action.statement):
        if _is_made(dropped, at) or (at.action.if_exists and is_nowhere(dropped, at.known)):
            continue
        if is_absent(dropped, at.known):  # exists.py says it
            continue
        needing = list(_needing(dropped, at))
        if needing:
            need = "needs" if len(needing) == 1 else "need"
            yield NEEDED.finding(
                at, Severity.CRITICAL,
                f"It fails: {some_of(needing, MOST_NAMES)} {need} {dropped.what} {dropped.name}, and"
                " PostgreSQL refuses to drop it.",
                "Change these first, and look at what they are for.", subject=str(dropped.name),
            )  # fmt: skip
        else:
            yield from _missed(dropped, at)


def _is_made(dropped: Dropped, at: StepContext) -> bool:
    """By this file, before or again."""
    statements = (action.statement for step in (*at.earlier, *at.later) for action in step.actions)
    made = (MADE[type(s)](s) for s in statements if type(s) in MADE)
    return any(parts and parts[-1] == dropped.name.name for parts in made)


def _needing(dropped: Dropped, at: StepContext) -> Iterator[str]:
    """By the catalog, less what the file touched before."""
    facts = at.known.facts
    if at.known.is_unclear or facts is None:
        return
    own = _sequence(str(dropped.name), at) if dropped.what == "sequence" else None
    for table in facts:
        if at.known.is_dropped(table, ""):
            continue
        is_own = own is not None and own.is_identity and own.table_oid == table.oid
        if is_own and own is not None and not _is_touched(table, at, own.column or ""):
            yield f"column {table.qualified_name}.{own.column}"
        if dropped.what == "function" and not dropped.has_arguments:
            for trigger in table.triggers or ():
                if _is_called(dropped.name, trigger.function, at) and not _is_touched(table, at, trigger.name):
                    yield f"trigger {trigger.name} of {table.qualified_name}"
        for column in table.columns if table.kind in "rpf" and table.parent_oid is None else ():
            if _uses(dropped, column, at) and not _is_touched(table, at, column.name):
                yield f"column {table.qualified_name}.{column.name}"


def _uses(dropped: Dropped, column: ColumnFacts, at: StepContext) -> bool:
    if dropped.what == "sequence":
        default = DEFAULT.fullmatch(column.default or "")
        return default is not None and _is_called(dropped.name, default[1].replace('"', ""), at)
    type_name = column.type_name.removesuffix("[]").replace('"', "")
    return dropped.what == "type" and _is_called(dropped.name, type_name, at)


def _is_called(name: TableName, called: str, at: StepContext) -> bool:
    """As the catalog writes it, with a schema or without; a name without one is looked up in the search path."""
    schema, _, bare = called.rpartition(".")
    return bare == name.name and (not schema or schema in ((name.schema,) if name.schema else _path(at)))


def _path(at: StepContext) -> tuple[str, ...]:
    facts = at.known.facts
    return at.known.path or (facts.search_path if facts is not None else ())


def _is_touched(table: TableFacts, at: StepContext, name: str) -> bool:
    for action in (action for step in at.earlier for action in step.actions):
        if action.relation is not None and at.known.key(action.relation) == table.qualified_name:
            of_column = action.kind in TOUCHED and action.column == name
            if of_column or (action.kind in (Kind.DROP_TRIGGER, Kind.RENAME_OTHER, Kind.RENAME_COLUMN)):
                return True
    return False


def _missed(dropped: Dropped, at: StepContext) -> Findings:
    """By code, which the catalog does not know of."""
    name, live, facts = dropped.name, at.known.live, at.known.facts
    recorded = live.statements if live is not None else None
    if dropped.what == "type":
        message = f"PostgreSQL refuses it while a column or a function has type {name}. Code that casts to it fails."
        yield LOST.finding(at, Severity.INFO, message, FIRST, subject=str(name))
        return
    by_name = "takes numbers of it by name" if dropped.what == "sequence" else "calls it, other functions' bodies too,"
    if recorded is None or facts is None:
        message = f"Code that {by_name} fails once {dropped.what} {name} is gone."
        yield LOST.finding(at, Severity.WARNING, message, FIRST, subject=str(name))
        return
    called = OF_SEQUENCES if dropped.what == "sequence" else {name.name}
    using = [statement for statement in recorded if statement.functions & called]
    if using and dropped.what == "sequence":
        message = f"{used_by(using, 'nextval(), setval() or currval()')} Of which sequences is not recorded."
        yield LOST.finding(at, Severity.WARNING, f"{message} Those of {name} fail from then on.", FIRST,
                           subject=str(name))  # fmt: skip
    elif using:
        of_the_name = [f for f in facts.functions or () if f.name == name.name]
        is_sure = len(of_the_name) == 1 and not of_the_name[0].is_named_as_built_in
        of_several = "" if is_sure else " if it is this one of the functions of that name"
        yield LOST.finding(
            at, Severity.CRITICAL if is_sure else Severity.WARNING,
            f"{used_by(using, f'{name}()')} They fail from then on{of_several}.", FIRST, subject=str(name),
        )  # fmt: skip
    else:
        by = " or ".join(f"{function}()" for function in sorted(called))
        message = f"No recorded statement of this server calls {by}; into other functions' bodies nobody looks."
        yield LOST.finding(at, Severity.INFO, message, "Look into code that runs rarely, too.", subject=str(name))


def renames_sequence(at: StepContext) -> Findings:
    """Or moves it to another schema. Defaults of columns follow it."""
    if at.action.kind is not Kind.RENAME_SEQUENCE or at.known.is_new(at.action.others[0]):
        return
    name, live = at.action.others[0], at.known.live
    recorded = live.statements if live is not None else None
    using = [statement for statement in recorded or () if statement.functions & OF_SEQUENCES]
    what = f"Code that takes numbers of {name} by its name fails from then on; defaults of columns follow it."
    if using:
        what = f"{used_by(using, 'nextval(), setval() or currval()')} Of which sequences is not recorded. {what}"
    elif recorded is not None:
        what = "No recorded statement of this server calls nextval(), setval() or currval(); defaults of columns follow"
        what += f" {name}, and into functions' bodies nobody looks."
    is_quiet = recorded is not None and not using
    hint = "Rename it when no code names it, or leave its name."
    yield RENAMED.finding(at, Severity.INFO if is_quiet else Severity.WARNING, what, hint, subject=str(name))


def owner_fits(at: StepContext) -> Findings:
    """ALTER SEQUENCE ... OWNED BY."""
    option = next((o for o in getattr(at.action.statement, "options", None) or () if o.defname == "owned_by"), None)
    if at.action.kind is not Kind.ALTER_SEQUENCE or option is None or at.known.is_unclear:
        return
    *of, column = name_parts(option.arg)
    sequence = _sequence(str(at.action.others[0]), at)
    relation = TableName(of[-2] if len(of) > 1 else "", of[-1]) if of else None
    table, why = at.known.table(relation), ""
    if sequence is not None and sequence.is_identity:
        why = "the sequence of an identity column belongs to that"
    elif relation is not None and at.known.has_column(relation, column) is False:
        why = f"{relation} has no column {column}"
    elif sequence is not None and table is not None and table.schema != sequence.schema:
        why = f"{table.qualified_name} is not in the sequence's schema, {sequence.schema}"
    if why:
        yield UNFIT.finding(at, Severity.CRITICAL, f"It fails: {why}.", APPLIED, subject=str(at.action.others[0]))


def sets_back(at: StepContext) -> Findings:
    """A sequence whose numbers up to some larger one were given already, unless the file empties its table."""
    for sequence, start in _restarts(at):
        last = sequence.last_value
        table = at.known.facts.table(sequence.table_oid or 0) if at.known.facts is not None else None
        if last is None or sequence.increment < 0 or start > last or table is None or _is_emptied(table, at):
            continue
        owner = f"{table.qualified_name}.{sequence.column}"
        yield SET_BACK.finding(
            at, Severity.WARNING,
            f"It gives {owner} numbers from {start} on, and {last} was given already (read from the server): where"
            " rows have them, INSERT fails on its key.",
            f"Begin after the largest: SELECT max({quote_identifier(sequence.column or '')}) FROM"
            f" {qualified(table.schema, table.name)} tells it.",
            subject=owner,
        )  # fmt: skip


def sets_back_for_good(at: StepContext) -> Findings:
    """By setval(), which no ROLLBACK takes back."""
    if at.action.kind is Kind.READ:
        yield from sets_back(at)


def _restarts(at: StepContext) -> Iterator[tuple[SequenceFacts, int]]:
    """With the number that comes next."""
    action = at.action
    if action.kind is Kind.READ:
        for node in walk(action.statement):
            if isinstance(node, ast.FuncCall) and function_name(node) == "setval" and len(node.args or ()) in (2, 3):
                called = getattr(without_casts(node.args[0]), "val", None)
                sequence, value = _sequence(getattr(called, "sval", ""), at), _number(node.args[1])
                if sequence is not None and value is not None:
                    yield sequence, value + (sequence.increment if _is_taken(node.args) else 0)
        return
    options = getattr(action.statement, "options", None) if action.kind is Kind.ALTER_SEQUENCE else (
        action.node.def_ if action.kind is Kind.COLUMN_DETAIL and isinstance(action.node.def_, tuple) else None
    )  # fmt: skip
    option = next((o for o in options or () if o.defname == "restart"), None)
    if option is None:
        return
    if action.kind is Kind.ALTER_SEQUENCE:
        found = _sequence(str(action.others[0]), at)
    else:
        of = at.known.facts.sequences_of(at.table) if at.known.facts is not None and at.table is not None else []
        found = next((s for s in of if s.column == action.column), None)
    start = found.start if found is not None and option.arg is None else _number(option)
    if found is not None and start is not None:
        yield found, start


def _is_taken(arguments: Sequence[Node]) -> bool:
    """Whether setval() gives its number as taken, as it does but for a third argument of false."""
    third = getattr(without_casts(arguments[2]), "val", None) if len(arguments) > 2 else None
    return not isinstance(third, ast.Boolean) or bool(third.boolval)


def _number(node: Node) -> int | None:
    value = getattr(node, "val", None) or getattr(node, "arg", None)
    if isinstance(value, ast.Float) and value.fval.removeprefix("-").isdigit():
        return int(value.fval)
    return value.ival if isinstance(value, ast.Integer) else None


def _sequence(called: str, at: StepContext) -> SequenceFacts | None:
    schema, _, name = called.replace('"', "").rpartition(".")
    facts = at.known.facts
    path = (schema,) if schema else _path(at)
    there = {(s.schema, s.name): s for s in (facts.sequences or () if facts is not None else ())}
    return next((there[each, name] for each in path if (each, name) in there), None)


def _is_emptied(table: TableFacts, at: StepContext) -> bool:
    return at.known.is_dropped(table, "") or any(
        action.relation is not None and at.known.key(action.relation) == table.qualified_name
        and action.kind in (Kind.TRUNCATE, Kind.DELETE)
        for step in (*at.earlier, *at.later) for action in step.actions
    )  # fmt: skip


RULES = (drops_object, renames_sequence, owner_fits, sets_back)
