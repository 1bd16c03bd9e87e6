"""May a text from elsewhere be explained, and may it be executed: the text and tree layers of the gate.

What is executed is an allow-list: every node class of an accepted tree is named here, so a construct of a newer
PostgreSQL is planned and not run until somebody looked at it. What the tree cannot show (what a name means on the
server) is returned as ``Names`` for the catalog layer. Planning runs code too, because it works constants out: what
must not even be planned on the server is refused here, or left to the planner twin.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from pglast import ast, enums

from analyzer.statements.folding import FoldedSizes, sizes
from analyzer.statements.names import MOST_COUNTED, Name, StatementNames, collect_names, joined_tables
from analyzer.statements.output_columns import Views
from analyzer.statements.tree import Node, Unparsable, children, fresh_parse, name_parts, parse, walk

__all__ = [
    "Decision", "Name", "StatementNames", "Verdict", "check_expressions", "check_statement", "function_objection",
    "sizes_with_values", "worse",
]  # fmt: skip

# The most that is allowed: nothing; a plan of the planner twin; a plan of the server; to be executed there.
Decision = Literal["refuse", "twin", "plan", "analyze"]
DECISIONS: tuple[Decision, ...] = ("refuse", "twin", "plan", "analyze")

# Judgement: statistics keep values of at most 1 kB, but print 1e131071 with all its zeros
LONGEST_VALUE = 10_000
# Deeper trees are refused: comparing and deparsing them recurse in C. ORMs stay below 100 (judgement).
MAX_DEPTH = 500
# A hundred tables joined by one column took 319 MB and more than 3 s to plan on 13; ORMs stay below 20 (judgement)
MOST_TABLES = 60
MOST_NAMES = 1_000  # tables, or CTEs: beyond it our own reading of a text takes minutes; judgement

ALLOWED: frozenset[type] = frozenset((
    ast.SelectStmt, ast.ResTarget, ast.WithClause, ast.CommonTableExpr, ast.CTESearchClause, ast.CTECycleClause,
    ast.RangeVar, ast.RangeSubselect, ast.RangeFunction, ast.RangeTableSample, ast.JoinExpr, ast.Alias, ast.ColumnDef,
    ast.ColumnRef, ast.A_Star, ast.ParamRef, ast.A_Const, ast.A_Expr, ast.BoolExpr, ast.NullTest, ast.BooleanTest,
    ast.CaseExpr, ast.CaseWhen, ast.CoalesceExpr, ast.MinMaxExpr, ast.SubLink, ast.RowExpr, ast.A_ArrayExpr,
    ast.A_Indices, ast.A_Indirection, ast.FuncCall, ast.NamedArgExpr, ast.SQLValueFunction, ast.GroupingFunc,
    ast.GroupingSet, ast.SortBy, ast.WindowDef, ast.TypeCast, ast.TypeName, ast.CollateClause,
    ast.String, ast.Integer, ast.Float, ast.Boolean, ast.BitString,
    ast.JsonObjectConstructor, ast.JsonArrayConstructor, ast.JsonArrayQueryConstructor, ast.JsonKeyValue,
    ast.JsonObjectAgg, ast.JsonArrayAgg, ast.JsonAggConstructor, ast.JsonValueExpr, ast.JsonFormat, ast.JsonOutput,
    ast.JsonReturning, ast.JsonIsPredicate, ast.XmlExpr,
))  # fmt: skip

XML_MADE_OF_VALUES = (
    enums.XmlExprOp.IS_XMLELEMENT, enums.XmlExprOp.IS_XMLFOREST, enums.XmlExprOp.IS_XMLCONCAT,
)  # fmt: skip

# Never executed, whatever the catalog says of their volatility: they run SQL given as text, read files, reach other
# servers, wait, signal, take locks that outlive the transaction, or write what a read-only transaction lets through.
DENIED_FUNCTIONS = (
    "query_to_xml*", "cursor_to_xml*", "table_to_xml*", "schema_to_xml*", "database_to_xml*", "ts_stat",
    "pg_read*", "pg_ls*", "pg_stat_file", "pg_file_*", "lo_*", "lo*write", "loread", "dblink*", "crosstab*",
    "connectby*", "xpath_table", "pg_advisory*", "pg_try_advisory*", "pg_notify", "pg_sleep*", "set_config",
    "pg_terminate*", "pg_cancel*", "pg_logical*", "pg_create*", "pg_drop*", "pg_replication*", "pg_copy*",
    "pg_switch_wal", "pg_export_snapshot", "txid_current", "pg_current_xact_id", "nextval", "setval",
    "setseed", "pg_reload_conf", "pg_rotate*", "pg_promote", "pg_wal_replay*", "pg_start_backup",
    "pg_stop_backup", "pg_backup*", "pg_stat_reset*", "pg_stat_statements*", "pg_stat_clear*",
    "pg_stat_force*", "pg_import*", "pg_clear*", "pg_restore*", "pg_extension*", "pg_nextoid", "pg_log_*",
    "pg_prewarm", "autoprewarm*", "pg_buffercache*", "pg_truncate*", "heap_force*", "pg_current_logfile",
    "pg_show_all_file*", "gin_clean*", "brin_summ*", "brin_desumm*", "binary_upgrade*", "currtid*",
    "hypopg*", "pg_stop*", "pg_event_trigger*",
)  # fmt: skip
# What the server says of itself, as its system views do: no table of the application.
ABOUT_THE_SERVER = (
    "pg_stat_get_*", "pg_available_*", "pg_timezone_*", "pg_show_*", "pg_config", "pg_hba_*", "pg_ident_*", "pg_cursor",
    "pg_prepared_*", "pg_lock_status", "pg_get_replication_slots", "pg_get_shmem*", "pg_listening_channels",
    "pg_mcv_list_items", "pg_control_*", "pg_database_size", "pg_tablespace_*",
)  # fmt: skip
# Denied ones that are not VOLATILE: the planner may run them, so not even a plan is asked for. They read or run what
# their arguments name, where no catalog layer sees it.
RUN_WHILE_PLANNING = (
    "txid_current", "pg_current_xact_id", "dblink*", "table_to_xml*", "schema_to_xml*", "database_to_xml*",
    "pg_input_*", "satisfies_hash_partition", "fmgr_*_validator", "pg_get_*def", "pg_get_expr", "pg_get_function_*",
    "pg_get_statisticsobjdef_*", "pg_relation_is_*", "pg_column_is_*",
)  # fmt: skip
# Seconds of processor in one call that looks at no cancel; the planner makes it when its arguments are constants.
HEAVY_FUNCTIONS = ("crypt", "gen_salt", "pgp_*", "dearmor", "xpath", "xpath_exists", "xml_is_well_formed*")


@dataclass(frozen=True, slots=True)
class Verdict:
    """``decision`` is the most that is allowed; ``reason`` one sentence, "" for analyze.

    ``is_recursive``: WITH RECURSIVE, whose size no plan tells.
    """

    decision: Decision
    layer: str = ""  # text, ast
    reason: str = ""
    names: StatementNames = field(default_factory=StatementNames)
    is_recursive: bool = False
    parameter_count: int = 0  # the highest $n
    sizes: FoldedSizes = field(default_factory=FoldedSizes)
    tables: int = 0  # references to tables in the text
    since: int = 0  # server_version_num; an older server reads a function call where our parser sees a construct


def worse(first: tuple[Decision, str], second: tuple[Decision, str]) -> tuple[Decision, str]:
    """The one that allows less; the first of equals."""
    return min(first, second, key=lambda judged: DECISIONS.index(judged[0]))


def check_statement(sql: str | None) -> Verdict:
    """The first two layers. A refused text must not be sent in any form."""
    statements = parse(sql)
    if isinstance(statements, Unparsable):
        return Verdict("refuse", "text", statements.reason)
    if len(statements) > 1:
        return Verdict("refuse", "ast", f"The text holds {len(statements)} statements; one is explained at a time.")
    return check_tree(statements[0].stmt)


def check_tree(root: Node) -> Verdict:
    if not isinstance(root, (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)):
        return Verdict("refuse", "ast", f"It is a utility statement ({_spoken(root)}), which has no plan of its own.")
    findings = _Findings()
    for node, depth in _with_depth(root):
        if depth > MAX_DEPTH:
            return Verdict("refuse", "ast", f"The statement is nested more than {MAX_DEPTH} levels deep.")
        findings.note(node)
    if findings.heavy and not findings.has_columns:
        findings.refused = findings.refused or (
            f"It calls {findings.heavy}() with constants: processor time that no timeout ends, while it is planned."
        )
    if max(findings.tables, findings.ctes, findings.stars) > MOST_NAMES:
        findings.refused = findings.refused or f"It names more than {MOST_NAMES:,} tables or queries, or * too often."
    if findings.refused:
        return Verdict("refuse", "ast", findings.refused)
    size = sizes(root)
    if size.refusal:
        return Verdict("refuse", "ast", size.refusal)
    tables = joined_tables(root)
    decision: Decision = "analyze"
    reason = ""
    if not isinstance(root, ast.SelectStmt):
        change = _spoken(root).removesuffix("Stmt").upper()
        decision, reason = "twin", f"It changes data ({change}), so the server is not asked for it."
    elif findings.twin_only or tables > MOST_TABLES:
        least = "at least " if tables == MOST_COUNTED else ""
        many = f"It names {least}{tables:,} tables, whose joins may take the server's memory while it is planned."
        decision, reason = "twin", findings.twin_only or many
    elif size.objection:  # what looks like a row's value may be a constant once subqueries are merged
        decision, reason = "twin", size.objection
    elif findings.plan_only:
        decision, reason = "plan", findings.plan_only
    return Verdict(
        decision, "ast" if reason else "", reason, collect_names(root), findings.is_recursive,
        findings.parameters, size, tables,
        findings.since,
    )  # fmt: skip


def check_expressions(text: str) -> Verdict:
    """Of expressions as the server writes them down (an index's, a check's, a policy's), joined by commas."""
    verdict = check_statement(f"select {text}")
    if verdict.layer == "text":
        return Verdict("twin", "text", f"pgLoupe cannot read it: {verdict.reason}")
    return verdict


def sizes_with_values(sql: str, literals: Sequence[str | None], views: Views | None = None) -> FoldedSizes:
    """With these values for ``$1``, ``$2``, ...: the planner works with them as with constants."""
    if any(literal is not None and len(literal) > LONGEST_VALUE for literal in literals):
        return FoldedSizes(f"A value has more than {LONGEST_VALUE:,} characters.")
    statements = fresh_parse(sql)
    if isinstance(statements, Unparsable):
        return FoldedSizes(statements.reason)
    for node in list(walk(statements)):
        for name in node.__slots__:
            setattr(node, name, _with_literals(getattr(node, name), literals))
    return sizes(statements[0].stmt, views)


def _with_literals(value: Any, literals: Sequence[str | None]) -> Any:
    if isinstance(value, tuple):
        return tuple(_with_literals(part, literals) for part in value)
    if isinstance(value, ast.ParamRef) and 0 < value.number <= len(literals):
        literal = literals[value.number - 1]
        return ast.A_Const(isnull=True) if literal is None else ast.A_Const(isnull=False, val=ast.String(sval=literal))
    return value


def function_objection(name: str) -> tuple[Decision, str]:
    """What its name alone says against a function, whether it is written as a call or as an attribute."""
    if matches(name, RUN_WHILE_PLANNING):
        return "refuse", f"It calls {name}(), which acts already while the server plans."
    if matches(name, DENIED_FUNCTIONS):
        return "plan", f"It calls {name}(), which can act outside a read-only transaction."
    if matches(name, ABOUT_THE_SERVER):
        return "plan", f"It asks the server about itself ({name}()), no table of the application."
    if matches(name, HEAVY_FUNCTIONS):
        return "plan", f"It calls {name}(), whose processor time no timeout ends."
    return "analyze", ""


def is_allowed(root: Node) -> bool:
    """Whether every node below and including ``root`` is of an allowed class."""
    return all(type(node) in ALLOWED for node, _ in _with_depth(root))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class _Findings:
    """What the walk over a tree saw; the first reason of each kind is kept."""

    def __init__(self) -> None:
        self.refused = self.twin_only = self.plan_only = self.heavy = ""
        # of tables; those of subqueries and of VALUES may stand for constants
        self.has_columns = True
        self.is_recursive = False
        self.parameters = self.tables = self.ctes = self.stars = self.since = 0

    def note(self, node: Node) -> None:
        if isinstance(node, ast.MergeSupportFunc):
            self.since = 170_000
        if type(node).__name__.startswith("Json"):
            # JSON_OBJECT, JSON_ARRAY and IS JSON came with 16, all others with 17
            self.since = max(self.since, 160_000 if type(node) in ALLOWED else 170_000)
        match node:
            case ast.IntoClause():
                self._refuse("SELECT INTO makes a table.")
            case ast.LockingClause():
                self._twin("It locks rows (FOR UPDATE or FOR SHARE), which a read-only transaction may not.")
            case ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt() | ast.MergeStmt():
                self._twin("It changes data in a WITH query, so the server is not asked for it.")
            case ast.CurrentOfExpr():
                self._twin("It refers to a cursor of its own session (CURRENT OF).")
            case ast.XmlExpr() if node.op not in XML_MADE_OF_VALUES:
                self._plan("It parses XML, which can take the server's memory.")
            case _ if type(node) not in ALLOWED:
                self._plan(f"It holds a construct pgLoupe does not execute ({type(node).__name__}).")
            case ast.FuncCall():
                self._function(node)
            case ast.RangeVar():
                self.tables += 1
                if node.catalogname:
                    self._refuse("It names a table of another database.")
                elif (node.schemaname or "").startswith("pg_temp"):
                    self._refuse("It names a temporary table, which only its own session can read.")
            case ast.RangeSubselect() | ast.CommonTableExpr() | ast.RangeFunction():
                self.has_columns = False
                self.ctes += isinstance(node, ast.CommonTableExpr)
            case ast.A_Star():
                self.stars += 1
            case ast.TypeName():
                if node.pct_type or len(name_parts(node.names)) > 2:
                    self._twin("It names a type in a form pgLoupe does not follow.")
            case ast.A_Indirection():
                for name in name_parts(node.indirection):  # (x).f calls f(x), whatever the type of x
                    self._objection(name, (node.arg,))
            case ast.WithClause():
                self.is_recursive = self.is_recursive or bool(node.recursive)
            case ast.ParamRef():
                self.parameters = max(self.parameters, node.number)

    def _refuse(self, reason: str) -> None:
        self.refused = self.refused or reason

    def _twin(self, reason: str) -> None:
        self.twin_only = self.twin_only or reason

    def _plan(self, reason: str) -> None:
        self.plan_only = self.plan_only or reason

    def _function(self, call: Node) -> None:
        parts = name_parts(call.funcname)
        if not parts or len(parts) > 2:
            self._refuse("It calls a function by a name with more than two parts.")
            return
        self._objection(parts[-1], call.args or ())

    def _objection(self, name: str, args: Sequence[Node]) -> None:
        decision, reason = function_objection(name)
        if decision == "refuse":
            self._refuse(reason)
        elif decision == "plan":
            self._plan(reason)
        if matches(name, HEAVY_FUNCTIONS):
            self.heavy = self.heavy or name
            if not any(isinstance(node, (ast.ColumnRef, ast.ParamRef)) for node in walk(tuple(args))):
                self.has_columns = False


def _with_depth(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth; an own stack, so that depth does not matter."""
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        if depth <= MAX_DEPTH:
            stack.extend((child, depth + 1) for child in children(node))


def _spoken(node: Node) -> str:
    return type(node).__name__
