"""Sequences, functions and types that a DROP names."""

from collections.abc import Iterator
from dataclasses import dataclass

from pglast import enums

from analyzer.review.facts_at_statement import Known
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, name_parts

OBJECT = enums.ObjectType
WHAT = {
    OBJECT.OBJECT_SEQUENCE: "sequence",
    **dict.fromkeys(
        (OBJECT.OBJECT_FUNCTION, OBJECT.OBJECT_PROCEDURE, OBJECT.OBJECT_ROUTINE, OBJECT.OBJECT_AGGREGATE), "function"
    ),
    **dict.fromkeys((OBJECT.OBJECT_TYPE, OBJECT.OBJECT_DOMAIN), "type"),
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """``what``: "sequence", "function", "type"; "" of others. ``has_arguments``: of a routine, so that it is no
    trigger's.
    """

    name: TableName
    what: str
    has_arguments: bool = False


def objects_dropped(statement: Node) -> Iterator[Dropped]:
    """One of no name for each other kind of object."""
    what = WHAT.get(statement.removeType, "")
    for each in statement.objects:
        names = each if isinstance(each, tuple) else getattr(each, "objname", None) or getattr(each, "names", None)
        parts = (name_parts(names) if names else ()) or ("",)
        schema = parts[-2] if len(parts) > 1 else ""
        yield Dropped(TableName(schema, parts[-1]), what, bool(getattr(each, "objargs", None)))


def is_nowhere(dropped: Dropped, known: Known) -> bool:
    """By the server's catalog, and what the file made; False where only the server would tell."""
    facts = known.facts
    if facts is None or known.is_new(dropped.name):
        return False
    there = {"sequence": facts.sequences, "function": facts.functions}.get(dropped.what)
    return there is not None and dropped.name.name not in {each.name for each in there}
