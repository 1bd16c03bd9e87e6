"""May a text from elsewhere be explained, and may it be executed: the text and tree layers of the gate.

What is executed is an allow-list: every node class of an accepted tree is named here, so a construct of a newer
PostgreSQL is planned and not run until somebody looked at it. What the tree cannot show (what a name means on the
server) is returned as ``Names`` for the catalog layer. Source: reference/safety.md, sections 1 and 2.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from pglast import ast

from analyzer.statements.tree import Node, Unparsable, children, name_parts, parse, walk

Decision = Literal["analyze", "plan", "refuse"]
Name = tuple[str, str]  # schema or "", name

# Deeper trees are refused: comparing and deparsing them recurse in C. ORMs stay below 100 (judgement).
MAX_DEPTH = 500

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
    ast.JsonReturning, ast.JsonIsPredicate,
))  # fmt: skip

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
    "hypopg*", "pg_stop*",
)  # fmt: skip
# Denied ones that are not VOLATILE: the planner may run them, so not even a plan is asked for.
RUN_WHILE_PLANNING = ("txid_current", "pg_current_xact_id", "dblink*")
# Immutable, so folded by the planner when their arguments are constants: repeat('x', 900000000) takes 900 MB there.
HUNGRY_FUNCTIONS = frozenset({"repeat", "lpad", "rpad", "array_fill", "factorial", "gen_random_bytes", "format"})
HUNGRY_LIMIT = 10_000

CONSTANT_PARTS = (
    ast.A_Const, ast.A_ArrayExpr, ast.TypeCast, ast.TypeName, ast.String, ast.Integer, ast.Float, ast.Boolean,
    ast.BitString,
)  # fmt: skip

# A_Expr kinds whose "name" is a keyword, and the operators they stand for.
KEYWORD_OPERATORS = {
    "BETWEEN": (">=", "<="), "BETWEEN SYMMETRIC": (">=", "<="),
    "NOT BETWEEN": ("<", ">"), "NOT BETWEEN SYMMETRIC": ("<", ">"),
}  # fmt: skip
# JOIN USING, DISTINCT, GROUP BY, ORDER BY, CASE and IN look these up without naming them.
IMPLIED_OPERATORS = ("=", "<>", "<", ">", "<=", ">=")


@dataclass(frozen=True, slots=True)
class Names:
    """What the tree names and only the catalog can judge. Sorted, without doubles."""

    relations: tuple[Name, ...] = ()  # CTE names too: a table of that name is then looked at for nothing
    functions: tuple[Name, ...] = ()
    operators: tuple[Name, ...] = ()
    types: tuple[Name, ...] = ()
    attributes: tuple[str, ...] = ()  # x of t.x and (t).x, which call a function x(t) where there is no column x

    def __or__(self, other: "Names") -> "Names":
        def joined(a: tuple[Name, ...], b: tuple[Name, ...]) -> tuple[Name, ...]:
            return tuple(sorted({*a, *b}))

        return Names(
            joined(self.relations, other.relations), joined(self.functions, other.functions),
            joined(self.operators, other.operators), joined(self.types, other.types),
            tuple(sorted({*self.attributes, *other.attributes})),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """``decision`` is the most that is allowed; ``reason`` one sentence, "" for analyze.

    ``is_recursive``: WITH RECURSIVE, whose size no plan tells. ``generic_only``: the planner must see no values.
    """

    decision: Decision
    layer: str = ""  # text, ast
    reason: str = ""
    names: Names = Names()
    is_recursive: bool = False
    generic_only: bool = False
    parameter_count: int = 0  # the highest $n


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
    depth = 0
    for node, depth in _with_depth(root):
        if depth > MAX_DEPTH:
            return Verdict("refuse", "ast", f"The statement is nested more than {MAX_DEPTH} levels deep.")
        findings.note(node)
    if findings.refused:
        return Verdict("refuse", "ast", findings.refused)
    names = findings.names()
    if not isinstance(root, ast.SelectStmt):
        reason = f"It changes data ({_spoken(root).removesuffix('Stmt').upper()}), so it is planned and never executed."
        return Verdict("plan", "ast", reason, names, findings.is_recursive, True, findings.parameters)
    if findings.plan_only:
        return Verdict(
            "plan", "ast", findings.plan_only, names, findings.is_recursive, findings.generic_only, findings.parameters
        )
    return Verdict("analyze", "", "", names, findings.is_recursive, False, findings.parameters)


def is_allowed(root: Node) -> bool:
    """Whether every node below and including ``root`` is of an allowed class."""
    return all(type(node) in ALLOWED for node, _ in _with_depth(root))


def matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class _Findings:
    """What the walk over a tree saw; the first reason of each kind is kept."""

    def __init__(self) -> None:
        self.refused = self.plan_only = ""
        self.is_recursive = self.generic_only = False
        self.parameters = 0
        self.relations: set[Name] = set()
        self.functions: set[Name] = set()
        self.operators: set[Name] = {("", name) for name in IMPLIED_OPERATORS}
        self.types: set[Name] = set()
        self.attributes: set[str] = set()

    def names(self) -> Names:
        return Names(
            tuple(sorted(self.relations)), tuple(sorted(self.functions)), tuple(sorted(self.operators)),
            tuple(sorted(self.types)), tuple(sorted(self.attributes)),
        )  # fmt: skip

    def note(self, node: Node) -> None:
        match node:
            case ast.IntoClause():
                self._refuse("SELECT INTO makes a table.")
            case ast.LockingClause():
                self._plan("It locks rows (FOR UPDATE or FOR SHARE), which a read-only transaction may not.")
            case ast.InsertStmt() | ast.UpdateStmt() | ast.DeleteStmt() | ast.MergeStmt():
                self._plan("It changes data in a WITH query.")
            case ast.CurrentOfExpr():
                self._plan("It refers to a cursor of its own session (CURRENT OF).")
            case _ if type(node) not in ALLOWED:
                self._plan(f"It holds a construct pgLoupe does not execute ({type(node).__name__}).")
            case ast.FuncCall():
                self._function(node)
            case ast.RangeVar():
                if node.catalogname:
                    self._refuse("It names a table of another database.")
                self.relations.add((node.schemaname or "", node.relname))
            case ast.A_Expr():
                self._operator(node.name)
            case ast.SubLink() if node.operName:
                self._operator(node.operName)
            case ast.SortBy() if node.useOp:
                self._operator(node.useOp)
            case ast.TypeName():
                self._type(node)
            case ast.ColumnRef():
                parts = name_parts(node.fields)
                if len(parts) > 1:
                    self.attributes.add(parts[-1])
            case ast.A_Indirection():
                self.attributes.update(name_parts(node.indirection))
            case ast.WithClause() if node.recursive:
                self.is_recursive = True
            case ast.ParamRef():
                self.parameters = max(self.parameters, node.number)

    def _refuse(self, reason: str) -> None:
        self.refused = self.refused or reason

    def _plan(self, reason: str) -> None:
        self.plan_only = self.plan_only or reason

    def _function(self, call: Node) -> None:
        parts = name_parts(call.funcname)
        if not parts or len(parts) > 2:
            self._refuse("It calls a function by a name with more than two parts.")
            return
        name = parts[-1]
        self.functions.add(("" if len(parts) == 1 else parts[0], name))
        if matches(name, RUN_WHILE_PLANNING):
            self._refuse(f"It calls {name}(), which acts already while the server plans.")
        elif matches(name, DENIED_FUNCTIONS):
            self._plan(f"It calls {name}(), which can act outside a read-only transaction.")
        elif name in HUNGRY_FUNCTIONS:
            self._hungry(call, name)

    def _hungry(self, call: Node, name: str) -> None:
        """Constant arguments are worked on by the planner, so too large ones may not even be planned."""
        args = call.args or ()
        size = 1.0
        for node in walk(args):  # nested calls multiply, and are below the outer one
            if isinstance(node, ast.A_Expr) and node.lexpr is not None:
                size = float("inf")  # arithmetic is not worked out here
            elif isinstance(node, ast.A_Const):
                size *= max(1.0, _largest_number(node))
        if size > HUNGRY_LIMIT:
            self._refuse(f"It calls {name}() with numbers that may take the server's memory already while it plans.")
        elif not all(isinstance(n, CONSTANT_PARTS) for n in walk(_size_arguments(name, args))):
            self._plan(f"It calls {name}() with a size that is not known beforehand.")
            self.generic_only = True

    def _operator(self, names: tuple[Node, ...]) -> None:
        parts = name_parts(names)
        schema, name = ("" if len(parts) == 1 else parts[-2]), parts[-1]
        for operator in KEYWORD_OPERATORS.get(name, (name,)):
            self.operators.add((schema, operator))

    def _type(self, type_name: Node) -> None:
        parts = name_parts(type_name.names)
        if type_name.pct_type or len(parts) > 2:
            self._plan("It names a type in a form pgLoupe does not follow.")
        elif parts:
            self.types.add(("" if len(parts) == 1 else parts[0], parts[-1]))


def _with_depth(root: Node) -> Iterator[tuple[Node, int]]:
    """Every node with its depth; an own stack, so that depth does not matter."""
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        if depth <= MAX_DEPTH:
            stack.extend((child, depth + 1) for child in children(node))


def _size_arguments(name: str, args: tuple[Node, ...]) -> tuple[Node, ...]:
    """The arguments that tell how large the result becomes."""
    if name != "format":
        return args[1:] or args
    is_fixed = bool(args) and isinstance(args[0], ast.A_Const) and "*" not in getattr(args[0].val, "sval", "")
    return args[:1] if is_fixed else args  # %*s takes its width from the next argument


def _largest_number(constant: Node) -> float:
    """In a number or in a text: repeat('x', '900000000'), format('%900000000s', 'x')."""
    if constant.isnull:
        return 0.0
    value = constant.val
    if isinstance(value, ast.Integer):
        return abs(float(value.ival))
    text = value.fval if isinstance(value, ast.Float) else getattr(value, "sval", "")
    return max((float(digits) for digits in re.findall(r"\d+", text)), default=0.0)


def _spoken(node: Node) -> str:
    return type(node).__name__
