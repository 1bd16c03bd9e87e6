"""``(SELECT count(*) ...) > 0`` as ``EXISTS (SELECT 1 ...)``, which ends at the first row; ``= 0`` as NOT EXISTS.

The same always, in conditions, in CASE and in the output: a count without GROUP BY gives one row and no NULL. Counting
a column that may be NULL asks for a row where it is not. Subqueries that call functions which may have effects are
left alone: they would be called for fewer rows. Whether a parameter is the number that makes it this question only its
giver knows.
"""

from collections.abc import Iterator
from copy import deepcopy

from pglast import ast, enums

from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents.build import all_of, integer_constant, negated, one
from analyzer.statements.equivalents.calls import own_name, unsteady_call
from analyzer.statements.equivalents.comparisons import Compared, readings
from analyzer.statements.equivalents.notes import ANY_ROW, NO_ROW, ROW_SHOWN, Notes
from analyzer.statements.equivalents.scopes import is_never_null, is_plain, own_nodes, owner, replaced, tables_of
from analyzer.statements.output_names import output_name
from analyzer.statements.tree import Node, conjuncts, walk

# operator behind the count -> the number with which it asks whether there is a row
NUMBERS = {">": 0, ">=": 1, "<>": 0, "=": 0, "<": 1, "<=": 0}
MEANS = {(operator, number): operator in (">", ">=", "<>") for operator, number in NUMBERS.items()}


def count_to_exists(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Changes those of its WHERE and of its output; whether there was one."""
    where = _asking(select.whereClause, facts, notes)
    select.whereClause = replaced(select.whereClause, where)
    output = {} if _is_written_twice(select) else _in_output(select, facts, notes)
    return bool(where or output)


def asked_for_a_row(select: ast.SelectStmt, facts: SchemaFacts) -> set[int]:
    """Ids of the subqueries that EXISTS answers, whatever parameters are."""
    return {
        id(link)
        for root in (*(select.targetList or ()), select.whereClause)
        for node in own_nodes(root)
        for compared, call, link in _compared_counts(node)
        if isinstance(compared.value, ast.A_Const) and _means(compared) is not None
        if _counts_rows(call, deepcopy(link.subselect), facts, Notes())
    }


def _is_written_twice(select: ast.SelectStmt) -> bool:
    """Whether an expression of the output with a subquery has to be the same elsewhere, too."""
    sorts = select.sortClause if select.distinctClause else ()
    elsewhere = (*(select.groupClause or ()), *(select.distinctClause or ()), *(sorts or ()))
    return any(isinstance(node, ast.SubLink) for node in walk(elsewhere))


def _in_output(select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> dict[int, Node]:
    """The columns keep the names that they have."""
    changed: dict[int, Node] = {}
    for target in select.targetList or ():
        if isinstance(target.val, ast.ColumnRef):  # a star has no name
            continue
        name = output_name(target.val)
        asking = _asking(target.val, facts, notes, ROW_SHOWN)
        target.val = replaced(target.val, asking)
        if asking and target.name is None and output_name(target.val) != name:
            target.name = name or "?column?"
        changed |= asking
    return changed


def _asking(condition: Node | None, facts: SchemaFacts, notes: Notes, form: str | None = None) -> dict[int, Node]:
    """By their id the nodes that ask for a row by counting, with what they become."""
    changes: dict[int, Node] = {}
    for node in list(own_nodes(condition)):
        for compared, call, link in _compared_counts(node):
            exists = _means(compared)
            if exists is None or not _counts_rows(call, link.subselect, facts, notes):
                continue
            if isinstance(compared.value, ast.ParamRef):
                notes.need(f"the statement's ${compared.value.number} is {NUMBERS[compared.operator]}")
            link.subselect.targetList, link.subselect.sortClause = one(), None
            link.subLinkType = enums.SubLinkType.EXISTS_SUBLINK
            notes.form(form or (ANY_ROW if exists else NO_ROW))
            changes[id(node)] = link if exists else negated(link)
            break
    return changes


def _compared_counts(node: Node) -> Iterator[tuple[Compared, Node, ast.SubLink]]:
    """``(SELECT count(*) ...) > 0``, ``coalesce((SELECT count(*) ...), 0) > 0``, ``(SELECT count(*) > 0 ...)``."""
    for compared in readings(node):
        link = compared.left
        if isinstance(link, ast.CoalesceExpr) and all(map(_is_given, link.args[1:])):
            link = link.args[0]
        if _is_count(call := _value(link)):
            yield compared, call, link
    for compared in readings(_value(node)):
        if _is_count(compared.left):
            yield compared, compared.left, node


def _value(link: Node) -> Node | None:
    """What a subquery of one value gives."""
    if not isinstance(link, ast.SubLink) or link.subLinkType != enums.SubLinkType.EXPR_SUBLINK:
        return None
    targets: list[ast.ResTarget] = list(link.subselect.targetList or ())
    return targets[0].val if len(targets) == 1 else None


def _is_given(node: Node) -> bool:
    return isinstance(node, (ast.A_Const, ast.ParamRef))


def _is_count(node: Node | None) -> bool:
    return isinstance(node, ast.FuncCall) and own_name(node) == "count" and not node.over


def _means(compared: Compared) -> bool | None:
    """Whether it asks for a row or for none; None for neither. Of a parameter the one number that would."""
    if isinstance(compared.value, ast.ParamRef):
        return MEANS.get((compared.operator, NUMBERS.get(compared.operator, -1)))
    number = integer_constant(compared.value)
    return None if number is None else MEANS.get((compared.operator, number))


def _counts_rows(call: ast.FuncCall, select: ast.SelectStmt, facts: SchemaFacts, notes: Notes) -> bool:
    """Whether the count is 0 of no row alone; of a column that may be NULL the subquery then leaves NULLs out."""
    if not is_plain(select) or select.distinctClause:
        return notes.refuse("the subquery that counts is limited, grouped or made distinct")
    if call.agg_filter or call.agg_order:
        return notes.refuse("it counts with FILTER or ORDER BY")
    tables = tables_of(select, facts, outer_joins=True)
    if tables is None:
        return notes.refuse("the subquery that counts reads something else than plain tables")
    if (name := unsteady_call((*select.targetList, *select.fromClause, select.whereClause), facts)) is not None:
        return notes.refuse(f"the subquery calls {name}(), which may have effects")
    counted = call.args[0] if len(call.args or ()) == 1 else None
    if call.agg_star or (isinstance(counted, ast.A_Const) and not counted.isnull):
        return True
    column = owner(counted, tables)
    if column is None:
        return notes.refuse("what it counts may be NULL, and is no plain column of its tables")
    if tables_of(select, facts) is None or not is_never_null(column, tables, facts):
        known_column = tables[column[0]].column(column[1])
        if known_column is not None and known_column.type_kind == "c":
            return notes.refuse("it counts a column of a composite type, of which IS NOT NULL asks for each field")
        known = ast.NullTest(arg=counted, nulltesttype=enums.NullTestType.IS_NOT_NULL)
        select.whereClause = all_of([*conjuncts(select.whereClause), known])
    return True
