"""Sequences, functions and types that a DROP names."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pglast import enums

from analyzer.review.actions import Kind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.files.migration import MigrationStep
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


def names_dropped(steps: Iterable[MigrationStep]) -> Iterator[str]:
    """Without their schemas."""
    for action in (action for step in steps for action in step.actions):
        if action.kind is Kind.DROP_OTHER:
            yield from (dropped.name.name for dropped in objects_dropped(action.statement) if dropped.what)


def is_absent(dropped: Dropped, known: FactsAtStatement) -> bool:
    """Whether nothing of the name was there when the server was asked."""
    there = known.live.there if known.live is not None else None
    name, what = dropped.name, "relation" if dropped.what == "sequence" else dropped.what
    return bool(what) and there is not None and not any(
        (each, of) == (what, name.name) and schema == (name.schema or schema) for each, schema, of in there
    )  # fmt: skip


def is_nowhere(dropped: Dropped, known: FactsAtStatement) -> bool:
    """By the server's catalog, and what the file made; False where only the server would tell."""
    facts = known.facts
    if facts is None or known.is_new(dropped.name):
        return False
    there = {"sequence": facts.sequences, "function": facts.functions}.get(dropped.what)
    return there is not None and dropped.name.name not in {each.name for each in there}
