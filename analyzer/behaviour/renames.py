"""Indexes that have another name than before, and tables of which the name is all that stayed. Pure.

An index is known again by its definition, a table by the oid that the server gave it: a name alone may have been given
to another one since, as ``ALTER TABLE ... RENAME`` does when a table is swapped for a new one.
"""

from collections.abc import Mapping
from dataclasses import replace

from pglast import ast

from analyzer.behaviour.planner_past import PlannerPast, Structure, TablePast, index_and_column, of_index
from analyzer.statements.index_definition import index_on, index_statement
from analyzer.statements.tree import name_parts, walk, written


def renamed_indexes(old: Structure, new: Structure) -> dict[str, str]:
    """Name then -> name now, of those that are one as the other in all but their names.

    None that has the name of an index that is gone: nothing tells it from one made anew under that name.
    """
    gone, come = _by_definition(old.indexes, new.indexes), _by_definition(new.indexes, old.indexes)
    pairs = ((gone[definition], come[definition]) for definition in gone.keys() & come.keys())
    names = {was[0]: now[0] for was, now in pairs if len(was) == len(now) == 1 and was != now}
    while taken := [was for was, now in names.items() if now in old.indexes and now not in names]:
        for was in taken:
            del names[was]
    return names


def _by_definition(indexes: Mapping[str, str], others: Mapping[str, str]) -> dict[str, list[str]]:
    """Names of those that are not among the others as they are."""
    names: dict[str, list[str]] = {}
    for name, definition in indexes.items():
        if others.get(name) != definition and (bare := index_on(definition, name="", schema="", table="")):
            names.setdefault(bare, []).append(name)
    return names


def differ_by_a_columns_name(old: Structure, new: Structure, index: str) -> bool:
    """Whether nothing of the index changed but what one of its columns is called."""
    gone, come = ([c for c in one.columns if c not in other.columns] for one, other in ((old, new), (new, old)))
    if len(gone) != 1 or len(come) != 1 or old.columns[gone[0]] != new.columns[come[0]]:
        return False
    statement = index_statement(old.indexes[index])
    if statement is None:
        return False
    for node in walk((statement,)):
        if isinstance(node, ast.IndexElem) and node.name == gone[0]:
            node.name = come[0]
        elif isinstance(node, ast.ColumnRef) and name_parts(node.fields)[-1:] == (gone[0],):
            node.fields = (ast.String(sval=come[0]),)
    now = index_statement(new.indexes[index])
    return now is not None and written(statement) == written(now)


def as_called_now(then: PlannerPast, now: PlannerPast) -> PlannerPast:
    """``then`` with the names that its indexes have now."""
    return replace(
        then,
        tables={
            name: _as_called(table, now.tables[name].structure) if name in now.tables else table
            for name, table in then.tables.items()
        },
    )


def _as_called(table: TablePast, now: Structure) -> TablePast:
    names = renamed_indexes(table.structure, now)
    if not names:
        return table
    structure, figures = table.structure, table.figures
    definitions = {names.get(name, name): definition for name, definition in structure.indexes.items()}
    return replace(
        table,
        structure=replace(structure, indexes=definitions | {name: now.indexes[name] for name in names.values()}),
        figures=replace(figures, indexes={names.get(name, name): size for name, size in figures.indexes.items()}),
        statistics={_key(key, names): value for key, value in table.statistics.items()},
    )


def _key(key: str, names: Mapping[str, str]) -> str:
    """Of ``TablePast.statistics``, of an expression in an index."""
    index, column, is_inherited = index_and_column(key)
    if index not in names:
        return key
    return of_index(names[index], column) + (" inherited" if is_inherited else "")
