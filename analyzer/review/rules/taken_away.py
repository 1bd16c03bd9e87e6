"""What running code relies on beside tables and columns, and the migration takes away: views, rights, the name of an
enum's value, what a role owns.
"""

from collections.abc import Iterator

from pglast import ast, enums

from analyzer.findings import Severity
from analyzer.review.actions import Action, Kind
from analyzer.review.alter_table import relation_name
from analyzer.review.live_facts import UsingStatement
from analyzer.review.names_made import is_made_again
from analyzer.review.rights import role_names
from analyzer.review.rules.design import WHOLE_SERVER
from analyzer.review.rules.in_use import DEPLOY_FIRST, RENAMED, TABLE, used_by
from analyzer.review.rules.rule import Findings, Rule, StepContext, is_of
from analyzer.review.statements import flag
from analyzer.review.traffic import calls_per_day, traffic
from analyzer.schema.facts import TableFacts
from analyzer.statements.tree import Node

LOST = Rule("MG029", "Running code loses what it relies on")
WHOLE_ROWS = Rule("MG053", "Whole old rows written to the WAL")
NOTHING, WHOLE_ROW = "n", "f"  # pg_class.relreplident
VIEWS = (Kind.DROP_VIEW, Kind.DROP_MATVIEW)
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "USAGE")  # to read and to write


def drops_view(at: StepContext) -> Findings:
    """But for one that the migration makes, before or again."""
    if not is_of(at, *VIEWS) or at.is_new or at.known.is_missing(at.relation):
        return
    if is_made_again(at.relation, at.later, at.known):
        return
    using = traffic(at.known, at.relation)
    if using is None:
        yield TABLE.finding(at, Severity.WARNING, f"Code that reads {at.name} fails from then on.", DEPLOY_FIRST)
    elif using.statements:
        yield TABLE.finding(
            at, Severity.CRITICAL, f"{used_by(using.statements, at.name)} They fail from then on.",
            DEPLOY_FIRST, calls_per_day=round(calls_per_day(using.statements)), statements=len(using.statements),
        )  # fmt: skip
    else:
        yield TABLE.finding(
            at, Severity.INFO, f"No recorded statement of this server reads {at.name}.",
            "Look into code that runs rarely, too.",
        )  # fmt: skip


def renames_value(at: StepContext) -> Findings:
    """Recorded texts are without their values: which of them name this one nobody knows."""
    if at.action.kind is not Kind.RENAME_ENUM_VALUE:
        return
    live, enum, value = at.known.live, at.action.name, at.action.column
    columns = {
        (table.oid, column.name) for table in at.known.facts or () for column in table.columns
        if column.type_name.rpartition(".")[2] == enum
    }  # fmt: skip
    what = f"Running code that gives '{value}' for {enum}, or compares with it, fails until it is deployed anew"
    hint = "Add the new value, let all code take both, and change the rows; the old one stays in the type."
    using = [s for s in live.statements or () if s.columns & columns] if live is not None else []
    if using:
        yield RENAMED.finding(
            at, Severity.WARNING,
            f"{what}; code that reads it meets the new name. {used_by(using, f'columns of {enum}')}", hint,
            subject=f"{enum}.{value}", calls_per_day=round(calls_per_day(using)), statements=len(using),
        )  # fmt: skip
    elif live is None or live.statements is None:
        yield RENAMED.finding(at, Severity.WARNING, f"{what}.", hint, subject=f"{enum}.{value}")
    else:
        message = f"{what}; no recorded statement of this server names a column of {enum}."
        yield RENAMED.finding(at, Severity.INFO, message, hint, subject=f"{enum}.{value}")


def revokes(at: StepContext) -> Findings:
    """But for what a later GRANT gives back, and rights that let nobody read or write."""
    action, live = at.action, at.known.live
    if action.kind is not Kind.REVOKE or at.is_new:
        return
    lost = [(table, _lost(at, table, names)) for table, names in _objects(at)]
    roles = [role for role in role_names(action.statement.grantees) if any(role in rights for _, rights in lost)]
    if not roles:
        return
    rights = set[str]().union(*(of for _, by_role in lost for of in by_role.values()))
    on = at.name if action.relation is not None else f"schema {action.column}"
    which = ", ".join(right for right in RIGHTS if right in rights)
    if not action.columns and rights == _taken(action):
        which = "all rights"
    whose = ", ".join(roles)
    hint = f"See that nothing runs as {whose} any more that needs it."
    if live is None or live.statements is None:
        message = f"Code that runs as {whose} fails where it needs {which} on {on}."
        yield LOST.finding(at, Severity.WARNING, message, hint, subject=on)
        return
    using = [s for s in live.statements if any(_needs(s, of, table, at) for table, r in lost for of in r.values())]
    if using:
        yield LOST.finding(
            at, Severity.WARNING,
            f"{used_by(using, on if action.relation is not None else f'tables of {on}')} Those that"
            f" {whose} runs fail from then on, unless the right comes from elsewhere.",
            hint, subject=on, calls_per_day=round(calls_per_day(using)), statements=len(using),
        )  # fmt: skip
    else:
        message = f"No recorded statement of this server needs {which} on {on}."
        yield LOST.finding(at, Severity.INFO, message, hint, subject=on)


def _taken(action: Action) -> set[str]:
    """Rights to read and write that the REVOKE names."""
    of = {"USAGE"} if _is_of_schema(action.statement) else {*RIGHTS} - {"USAGE"}
    return of & set(action.columns) if action.columns else of


def _objects(at: StepContext) -> Iterator[tuple[TableFacts | None, set[str]]]:
    """Tables with the names by which a GRANT is one on them; None for a schema, and without a server."""
    action, facts = at.action, at.known.facts
    if action.relation is not None:
        schema = at.table.schema if at.table is not None else action.relation.schema or at.known.first_schema
        yield at.table, {at.name, f"{schema}.*"}
    elif _is_of_schema(action.statement) or facts is None:
        yield None, {action.column if _is_of_schema(action.statement) else f"{action.column}.*"}
    else:
        yield from ((t, {t.qualified_name, f"{t.schema}.*"}) for t in facts if t.schema == action.column)


def _lost(at: StepContext, table: TableFacts | None, names: set[str]) -> dict[str, set[str]]:
    """By role; PUBLIC loses what it had."""
    lost: dict[str, set[str]] = {}
    for role in role_names(at.action.statement.grantees):
        rights = _taken(at.action) - _given(at, role, names)
        if role == "PUBLIC" and table is not None and table.public_privileges is not None:
            rights &= {*table.public_privileges}
        if rights:
            lost[role] = rights
    return lost


def _given(at: StepContext, role: str, names: set[str]) -> set[str]:
    """By later GRANTs to the same role; one on columns counts as one on the table."""
    given: set[str] = set()
    for statement in (action.statement for step in at.later for action in step.actions):
        if not isinstance(statement, ast.GrantStmt) or not statement.is_grant:
            continue
        if role in role_names(statement.grantees) and names & {*_granted_on(statement, at)}:
            given |= {(right.priv_name or "").upper() for right in statement.privileges or ()} or {*RIGHTS}
    return given


def _granted_on(statement: Node, at: StepContext) -> Iterator[str]:
    is_all = statement.targtype == enums.GrantTargetType.ACL_TARGET_ALL_IN_SCHEMA
    for each in statement.objects or ():
        if isinstance(each, ast.RangeVar):
            yield at.known.key(relation_name(each))
        elif isinstance(each, ast.String):
            yield f"{each.sval}.*" if is_all else each.sval


def _is_of_schema(statement: Node) -> bool:
    return bool(statement.objtype == enums.ObjectType.OBJECT_SCHEMA)


def _needs(statement: UsingStatement, rights: set[str], table: TableFacts | None, at: StepContext) -> bool:
    if table is not None:
        return any((table.oid, right) in statement.needs for right in rights)
    oids = {t.oid for t in at.known.facts or () if t.schema == at.action.column}
    return bool(statement.tables & oids)


def no_replica_identity(at: StepContext) -> Findings:
    if not is_of(at, Kind.TABLE_DETAIL) or at.is_new or _identity(at) != NOTHING:
        return
    yield LOST.finding(
        at, Severity.INFO, f"UPDATE and DELETE of {at.name} fail from then on if a publication that publishes them"
        " holds it.", "Leave it its key (REPLICA IDENTITY DEFAULT) where it is published.",
    )  # fmt: skip


def _identity(at: StepContext) -> str:
    return getattr(getattr(at.action.node, "def_", None), "identity_type", "")


def logs_whole_rows(at: StepContext) -> Findings:
    """Where the key would do."""
    if not is_of(at, Kind.TABLE_DETAIL) or _identity(at) != WHOLE_ROW or at.table is None or not at.table.primary_key:
        return
    key = ", ".join(at.table.primary_key)
    yield WHOLE_ROWS.finding(
        at, Severity.INFO, f"Each UPDATE and DELETE of {at.name} writes the whole old row to the WAL from then on where"
        f" wal_level is logical; the key ({key}) tells a subscriber which row it is.",
        "Leave REPLICA IDENTITY DEFAULT, unless what reads the changes needs the old values.",
    )  # fmt: skip


def autovacuum_off(at: StepContext) -> Findings:
    """But where a later statement gives it back."""
    if not is_of(at, Kind.SET_OPTIONS) or at.is_new or not _sets_autovacuum(at.action, False):
        return
    if any(
        a.kind is Kind.SET_OPTIONS and a.relation is not None and at.known.key(a.relation) == at.name
        and _sets_autovacuum(a, True) for s in at.later for a in s.actions
    ):  # fmt: skip
        return
    yield LOST.finding(
        at, Severity.WARNING,
        f"Autovacuum leaves {at.name} alone from then on, wraparound aside: dead rows stay, statistics age.",
        "RESET (autovacuum_enabled) when the load that it is for is over.",
    )  # fmt: skip


def _sets_autovacuum(action: Action, is_on: bool) -> bool:
    """RESET is on."""
    options = [o for o in action.node.def_ or () if o.defname == "autovacuum_enabled" and not o.defnamespace]
    is_reset = action.node.subtype == enums.AlterTableType.AT_ResetRelOptions
    return bool(options) and (is_reset or flag(options, "autovacuum_enabled")) == is_on


def drops_owned(at: StepContext) -> Findings:
    """But of roles after REASSIGN OWNED, when their rights alone are left to go."""
    if at.action.kind is not Kind.DROP_OWNED:
        return
    before = [action.statement for step in at.earlier for action in step.actions]
    emptied = {role for s in before if isinstance(s, ast.ReassignOwnedStmt) for role in role_names(s.roles)}
    roles = [role for role in role_names(at.action.statement.roles) if role not in emptied]
    if not roles:
        return
    also = ", with what depends on it," if at.action.is_cascade else ""
    yield WHOLE_SERVER.finding(
        at, Severity.WARNING,
        f"It drops whatever {', '.join(roles)} owns in this database{also} without naming it: tables with their rows,"
        " too.",
        "REASSIGN OWNED BY the role TO another first; then DROP OWNED takes back rights alone.",
    )  # fmt: skip


RULES = (drops_view, renames_value, revokes, no_replica_identity, logs_whole_rows, autovacuum_off, drops_owned)
