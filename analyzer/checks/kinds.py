"""What checks can look at, and which step provides it: the one list of both.

``Check.on`` of a type that is not here fails at import, so no check waits for a thing that nobody brings.
``analyzer/steps/check.py`` and its siblings hand the containers to ``run_checks``; tests/checks/test_engine.py looks
that they do.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from analyzer.behaviour.past import StatementPast
from analyzer.behaviour.workload import ObservedWorkload
from analyzer.checks.facts import StatementFacts
from analyzer.plans import Plan, PlanNode
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.facts import ForeignKeyOf, IndexOf, SchemaFacts, TableFacts
from analyzer.schema.foreign_keys import foreign_key_owner
from analyzer.schema.server import ServerFacts


@dataclass(frozen=True, slots=True, eq=False)
class SubjectKind:
    """Things of one type, in a container of another that a step provides.

    ``about(thing, fingerprint)``: what findings on the thing are about (``Finding.about``); "" where the check has to
    say it for each.
    """

    subject_type: type
    container: type
    provided_by: str  # the step
    subjects: Callable[[Any], Iterable[Any]]
    about: Callable[[Any, str | None], str]


def _itself(container: Any) -> Iterable[Any]:
    return (container,)


def _statement(_: Any, fingerprint: str | None) -> str:
    return fingerprint or ""


def _indexes(facts: SchemaFacts) -> Iterable[IndexOf]:
    return (IndexOf(table, index) for table in facts for index in table.indexes)


def _foreign_keys(facts: SchemaFacts) -> Iterable[ForeignKeyOf]:
    return (ForeignKeyOf(table, key) for table in facts for key in table.foreign_keys)


KINDS: dict[type, SubjectKind] = {
    kind.subject_type: kind
    for kind in (
        SubjectKind(Plan, Plan, "check", _itself, _statement),
        SubjectKind(PlanNode, Plan, "check", iter, _statement),
        SubjectKind(StatementFacts, StatementFacts, "check", _itself, lambda s, _: s.fingerprint),
        SubjectKind(StatementPast, StatementPast, "check", _itself, lambda p, _: p.fingerprint),
        SubjectKind(ObservedWorkload, ObservedWorkload, "check", _itself, lambda *_: ""),
        SubjectKind(SchemaFacts, SchemaFacts, "schema", _itself, lambda *_: ""),
        SubjectKind(TableFacts, SchemaFacts, "schema", iter, lambda table, _: table.qualified_name),
        SubjectKind(IndexOf, SchemaFacts, "schema", _indexes, lambda of, _: f"{of.index.schema}.{of.index.name}"),
        SubjectKind(
            ForeignKeyOf, SchemaFacts, "schema", _foreign_keys, lambda of, _: foreign_key_owner(of.table, of.key)
        ),
        SubjectKind(ClusterFacts, ClusterFacts, "schema", _itself, lambda *_: ""),
        SubjectKind(ServerFacts, ServerFacts, "activity", _itself, lambda *_: ""),
    )
}
