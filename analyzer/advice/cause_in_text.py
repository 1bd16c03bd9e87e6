"""What in a statement's own text keeps an index from a table, and what asks the same in a way that an index serves."""

import re
from collections.abc import Mapping

from pglast import ast

from analyzer.advice.candidates.immutable import time_zone_column
from analyzer.advice.candidates.specialised import key_of, kind_of
from analyzer.advice.definition import IndexColumn
from analyzer.advice.sizing.key_widths import fits_btree, key_bytes, too_wide
from analyzer.plans.redact import redact_expression
from analyzer.schema.facts import TableFacts
from analyzer.statements.blocks import PATTERNS, Predicate, QueryBlock, TableUse
from analyzer.statements.index_expressions import can_be_key, unqualified
from analyzer.statements.shaping import ConstantRole, constants, is_surely_shaping, shapes
from analyzer.statements.tree import Node, Unparsable, parse, walk, without_casts
from analyzer.words.lists import and_list

INDEXABLE = PATTERNS | {"eq", "in", "any", "in_subquery", "lt", "gt", "between", "like_prefix", "contains", "semi"}
NOT_IMMUTABLE = "marked IMMUTABLE"
PART_OF_DAY = re.compile(r"(EXTRACT\((?!YEAR|EPOCH)|(pg_catalog\.)?date_part\('(?!year|epoch))", re.IGNORECASE)
POSITION = re.compile(r"(pg_catalog\.)?(position|strpos)\(", re.IGNORECASE)


def in_text(block: QueryBlock, use: TableUse, table: TableFacts, refused: Mapping[str, str]) -> str | None:
    for predicate in use.predicates:
        reason = _of_predicate(predicate, table, refused)
        if reason is not None:
            return reason
    for term in block.order_by:
        key = IndexColumn(term.column) if term.column and term.alias == use.alias else None
        if key is not None and block.has_limit and not fits_btree(key, table) and table.column(key.name):
            return f"{too_wide(key, table)}, so nothing can keep its order."
    return None


def _of_predicate(predicate: Predicate, table: TableFacts, refused: Mapping[str, str]) -> str | None:
    column = table.column(predicate.column)
    if column is None:
        return None
    is_negated = predicate.operator == "is_false" or predicate.text.startswith(("NOT", "IS "))
    if not is_negated and (predicate.expression or "").startswith("jsonb_path_exists("):
        return (
            f"No index serves jsonb_path_exists(). {predicate.column} @? path asks the same, and a GIN index on"
            f" {predicate.column} (jsonb_path_ops) serves that."
        )
    searching = POSITION.match(predicate.expression or "")
    if searching is not None and kind_of(IndexColumn(column.name), column) == "text":
        return f"No index serves {searching[2]}().{_in_place_of_position(predicate, column.name)}"
    if not is_negated and (predicate.expression or "").startswith("regexp_like("):
        return _regexp_like(predicate, column.name)
    if predicate.expression is not None and not can_be_key(predicate.expression):
        if zoned := time_zone_column(predicate.expression, table):
            return _by_time_zone(without_values(predicate.expression), zoned)
        return _unknown_constant(predicate.expression) if predicate.operator in INDEXABLE else None
    key = key_of(predicate)
    if key is None:
        return None
    why = next((w for body, w in refused.items() if f"({key.name})" in body), "")
    if NOT_IMMUTABLE in why and predicate.expression is not None:
        return _not_immutable(predicate, key, table)
    if predicate.operator == "contains" and predicate.text == "=":
        return (
            f"No index serves = ANY ({predicate.column}). {predicate.column} @> ARRAY[...] asks for the same rows, and"
            f" a GIN index on {predicate.column} serves that."
        )
    if predicate.operator in PATTERNS | {"like_prefix"} and kind_of(key, column) == "citext":
        return (
            f"{predicate.column} is citext, whose LIKE no index serves. {predicate.column}::text ILIKE asks the same,"
            f" and a trigram index on (({predicate.column}::text)) serves that."
        )
    is_ordered = predicate.operator in ("lt", "gt", "between", "row_lt", "row_gt")
    if is_ordered and not predicate.is_in_or and not fits_btree(key, table) and key_bytes(key, table) > 0:
        return f"{too_wide(key, table)}."
    return None


def _in_place_of_position(predicate: Predicate, name: str) -> str:
    """``position('x' in name) > 0`` asks for the rows that hold it, ``= 1`` for those that begin with it; of another
    number, or of a value that is each row's own, LIKE tells nothing like it."""
    call = _call(predicate.expression)
    within, *values = call.args if call is not None else [None]
    if isinstance(without_casts(within), ast.ColumnRef) and not any(isinstance(n, ast.ColumnRef) for n in walk(values)):
        if predicate.operator in ("gt", "ne"):  # than 0: a number that pg_stat_statements leaves out
            return (
                f" Where it asks whether {name} holds a text, {name} LIKE '%...%' asks for the same rows, and a trigram"
                f" index on {name} serves that."
            )
        if predicate.operator == "eq" and predicate.constants == ("1",):
            return (
                f" {name} LIKE '...%' asks for the same rows, and an index on {name} with text_pattern_ops serves that."
            )
    return f" Another condition on {name} itself, such as LIKE, could use one."


def _regexp_like(predicate: Predicate, name: str) -> str | None:
    call = _call(predicate.expression)
    if call is None or not isinstance(call.args[0], ast.ColumnRef):
        return None
    if any(isinstance(n, ast.ColumnRef) for n in walk(call.args[1:])):
        return None
    operator = "~" if len(call.args) == 2 else "~ or ~*"
    return (
        f"No index serves regexp_like(). {name} {operator} '...' can ask for the same rows, and an index serves that."
    )


def _call(expression: str | None) -> Node | None:
    statements = parse(f"SELECT {expression}")
    node = None if isinstance(statements, Unparsable) else statements[0].stmt.targetList[0].val
    return node if isinstance(node, ast.FuncCall) and node.args else None


def _unknown_constant(expression: str) -> str | None:
    statements = parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return None
    parameters = [(node, place) for node, place in constants(statements) if isinstance(node, ast.ParamRef)]
    if not parameters or any(place is ConstantRole.VALUE for _, place in parameters):
        return None
    which = " and ".join(f"${number}" for number in sorted({node.number for node, _ in parameters}))
    return (
        f"An index on {without_values(expression)} would need the constant in the place of {which}, which the"
        " recorded text does not hold. It is told by a run seen in pg_stat_activity, or by asking with the values in"
        " the text (manage.py predict, or Try a statement)."
    )


def computed_with_values(use: TableUse) -> str | None:
    """Of a condition on something computed with what is looked for: an index would be good for that one value."""
    for predicate in use.predicates:
        expression = predicate.expression
        if expression is None or predicate.operator not in INDEXABLE or can_be_key(expression):
            continue
        statements = parse(f"SELECT {expression}")
        if isinstance(statements, Unparsable) or any(isinstance(n, ast.SubLink) for n in walk(statements)):
            continue
        values = [n for n, place in constants(statements) if place is ConstantRole.VALUE or not _is_shaping(n, place)]
        if values:
            names = [f"${n.number}" if isinstance(n, ast.ParamRef) else "a constant" for n in values]
            return (
                f"{without_values(expression)} is computed with {and_list(list(dict.fromkeys(names)))}: an index would"
                " hold what comes of that, and serve no other value. A condition on"
                f" {predicate.column} itself could use one, where the rest can be computed on the other side."
            )
    return None


def skipped_for_its_constant(use: TableUse, table: TableFacts, refused: Mapping[str, str]) -> str | None:
    """Of a run's condition on which no index was tried, because the constant in it is not for all runs."""
    for predicate in use.predicates:
        expression = predicate.expression
        if (
            expression is None
            or predicate.operator not in INDEXABLE
            or predicate.is_in_or
            or not can_be_key(expression)
        ):
            continue
        key = unqualified(expression)
        if not any(constants(parse(f"SELECT {expression}"))) or any(key in body for body in refused):
            continue
        column = table.column(predicate.column)
        is_field = column is not None and kind_of(IndexColumn(column.name), column) == "jsonb" and "->>" in key
        instead = (
            f" {predicate.column} @> jsonb_build_object(field, value) asks for any field's text, and a GIN index on"
            f" {predicate.column} serves that."
        )
        return (
            f"An index on {without_values(expression)} would be for one constant alone, and the runs that were seen"
            " differ in it, or it may be somebody's data."
            f"{instead if is_field and predicate.operator == 'eq' else ''}"
        )
    return None


def _is_shaping(node: Node, place: ConstantRole) -> bool:
    return isinstance(node, ast.ParamRef) or shapes(node, place)


def without_values(expression: str) -> str:
    """An expression with bare names, and without values: the text may be one of a run."""
    text, statements = unqualified(expression), parse(f"SELECT {expression}")
    if isinstance(statements, Unparsable):
        return redact_expression(text)
    is_clean = all(isinstance(n, ast.ParamRef) or is_surely_shaping(n, place) for n, place in constants(statements))
    return text if is_clean else redact_expression(text)


def _not_immutable(predicate: Predicate, key: IndexColumn, table: TableFacts) -> str:
    if zoned := time_zone_column(key.name, table):
        return _by_time_zone(key.name, zoned)
    if key.name.startswith("to_tsvector("):
        return (
            f"{key.name} depends on default_text_search_config, so no index can hold it. With the configuration named,"
            " as in to_tsvector('english', ...), in the statement and in a GIN index, it can."
        )
    return (
        f"{key.name} is not immutable: its result may change with the session's settings, so no index can hold it."
        f" A condition on {predicate.column} itself could use one."
    )


def _by_time_zone(expression: str, column: str) -> str:
    if PART_OF_DAY.match(expression):
        return (
            f"{expression} depends on the session's TimeZone, so no index can hold it. With the zone named, as in"
            f" {column} AT TIME ZONE 'UTC' in the place of {column}, an index on the expression can."
        )
    return (
        f"{expression} depends on the session's TimeZone, so no index can hold it. A range of {column} itself can ask"
        f" for the same rows ({column} >= start AND {column} < end), and an index on {column} serves that."
    )
