"""The index as SQLAlchemy's ``Index(...)`` for a model's ``__table_args__``."""

import re

from pglast import ast

from analyzer.advice.code.change import (
    Change,
    CodeOptions,
    CodeTab,
    python_call,
    python_comment,
    python_list,
    storage_parameters,
)
from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.schema.orm_models import class_of
from analyzer.schema.python_source import python_string
from analyzer.statements.tree import Unparsable, single_statement

# sqlalchemy.sql.compiler.BIND_PARAMS: what text() takes for a parameter, and the backslash that says it is none
BIND_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)|\\:")
MODEL_NOTE = (
    "The model alone changes nothing in a database that is there; create_all() only makes what is new."
    " Apply the change with the Alembic tab."
)


def sqlalchemy_tab(change: Change, options: CodeOptions) -> CodeTab:
    return table_args_tab(change, options, "sqlalchemy", "SQLAlchemy", "sqlalchemy")


def table_args_tab(
    change: Change, options: CodeOptions, key: str, title: str, package: str, more_notes: tuple[str, ...] = ()
) -> CodeTab:
    """The ``__table_args__`` with this index alone, in its class where the map tells it."""
    mapped = class_of(change.table, change.facts, options.classes)
    file_name = f"{mapped.module.replace('.', '/')}.py" if mapped else "models.py"
    if change.definition is None:
        code = python_comment(f"{change.title}: the model cannot say this index, so there is nothing to change here")
        return CodeTab(key, title, file_name, "python", code, (MODEL_NOTE,))
    pad = "    " if mapped else ""
    arguments = [python_string(change.name), *index_keys(change.definition), *index_options(change.definition)]
    index = python_call("Index", arguments, 4 + len(pad))
    names = ["Index", *(["text"] if "text(" in index else [])]
    what = "delete this entry from" if change.is_drop else "add this entry to"
    entry = f"{pad}__table_args__ = (\n{pad}    {index},\n{pad})\n"
    if mapped:
        base = "SQLModel, table=True" if key == "sqlmodel" else "Base"
        where = python_comment(f"{what} class {mapped.name} of {mapped.module}")
        entry = f"{where}class {mapped.name.rpartition('.')[2]}({base}):\n    # ...\n{entry}"
    else:
        entry = python_comment(f"{what} the model of table {change.table.qualified_name}") + entry
    notes = [MODEL_NOTE, "Where __table_args__ has a dictionary, it stays last."]
    if change.is_drop:
        notes.append("An index that comes from index=True or unique=True on the column goes by deleting that.")
    elif not mapped:
        notes.append("A map of your classes gives the class and its module.")
    code = f"from {package} import {', '.join(names)}\n\n{chr(10) if mapped else ''}{entry}"
    return CodeTab(key, title, file_name, "python", code, (*notes, *more_notes))


def index_keys(definition: IndexDefinition, prefix: str = "") -> list[str]:
    """Columns as strings, anything else as ``text(...)``; ``prefix`` goes before text, as in ``sa.``."""
    return [
        python_string(c.name) if _is_plain(c) else f"{prefix}text({python_string(text_source(_key_sql(c)))})"
        for c in definition.columns
    ]


def index_options(definition: IndexDefinition, prefix: str = "") -> list[str]:
    options = ["unique=True"] if definition.is_unique else []
    if definition.method != "btree":
        options.append(f"postgresql_using={python_string(definition.method)}")
    opclasses = {c.name: c.opclass for c in definition.columns if _is_plain(c) and c.opclass}
    if opclasses:
        options.append(f"postgresql_ops={_dictionary(opclasses)}")
    if definition.include:
        options.append(f"postgresql_include={python_list([python_string(c) for c in definition.include])}")
    storage = storage_parameters(definition.storage)
    if storage:
        options.append(f"postgresql_with={_dictionary(storage)}")
    if definition.predicate:
        options.append(f"postgresql_where={prefix}text({python_string(text_source(definition.predicate))})")
    return options


def text_source(sql: str) -> str:
    """SQL for text(), which takes ``:name`` for a parameter unless a backslash stands before the colon."""
    return sql.replace(":", "\\:") if BIND_PARAMETER.search(sql) else sql


def _key_sql(column: IndexColumn) -> str:
    """As pg_get_indexdef prints it, a function call without brackets: alembic compares the two as texts."""
    sql = column.sql()
    is_call = column.is_expression and _is_function_call(column.name)
    return f"{column.name}{sql[len(column.name) + 2 :]}" if is_call else sql


def _is_function_call(sql: str) -> bool:
    """Source: ruleutils.c, looks_like_function()."""
    node = single_statement(f"SELECT {sql}")
    if isinstance(node, Unparsable) or len(node.targetList or ()) != 1:
        return False
    return isinstance(node.targetList[0].val, ast.FuncCall | ast.CoalesceExpr | ast.MinMaxExpr)


def _is_plain(column: IndexColumn) -> bool:
    return not (column.is_expression or column.descending or column.nulls_first)


def _dictionary(values: dict[str, str]) -> str:
    items = [f"{python_string(k)}: {v if v.isdecimal() else python_string(v)}" for k, v in values.items()]
    return "{" + ", ".join(items) + "}"
