"""What an N+1 is called: title, subject and the half sentence that says for what it is looked up."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from analyzer.behaviour.pages import PageLookup
from analyzer.behaviour.pairs import Multiplicity
from analyzer.behaviour.parents import Parent
from analyzer.behaviour.workload import Origin
from analyzer.findings import Finding
from analyzer.schema.facts import TableFacts
from analyzer.words.lists import and_list

TWO_A_ROW = 1.5  # lookups a row: both of two columns bring keys


@dataclass(frozen=True, slots=True)
class Wording:
    title: str
    subject: str
    description: str


def wording(group: Sequence[PageLookup], parent: Parent | None, base: TableFacts | None) -> Wording:
    """``base``: the table that the parent's rows are of."""
    lookup = group[0].lookup
    looked_up = f"{lookup.rows.qualified_name}({', '.join(lookup.columns) or 'all of it'})"
    if parent is None or base is None:
        which = looked_up if len(group) == 1 else f"lookups beside {looked_up}"
        return Wording(
            f"{lookup.rows.name} is looked up several times per page",
            f"{which} several times per page",
            "several times for each call of another statement, whose rows are not seen to bring its keys",
        )
    said = f"for each call of a statement that returns {parent.rows_per_call:.1f} rows of {base.qualified_name}"
    if parent.is_repeated:
        rows = parent.rows_per_call * parent.calls_per_page
        said = f"for each of {rows:.1f} rows of {base.qualified_name} that a page looks up in turn"
    if len(group) > 1:
        return Wording(
            f"{len(group)} lookups run once per row of {base.name}", f"lookups per row of {base.qualified_name}", said
        )
    if parent.link.shape is Multiplicity.DEFERRED:
        columns = ", ".join(parent.link.deferred)
        return Wording(
            f"{columns} of {base.name} is read row by row",
            f"{columns} of {base.qualified_name} row by row",
            said,
        )
    return Wording(
        f"{lookup.rows.name} is looked up once per row of {base.name}",
        f"{looked_up} per row of {base.qualified_name}",
        said,
    )


def what_to_do(group: Sequence[PageLookup], parent: Parent | None) -> str:
    if parent is not None:
        return f"Fetch what belongs to all rows at once: the one call below ends all of it.{_undecided(group)}"
    if any(one.lookup.children[0].is_by_conditions for one in group):
        return "What the page knows before its loop can be asked of all at once."
    return "The same row, or rows that are known before: fetch them once, before the loop."


def _undecided(group: Sequence[PageLookup]) -> str:
    """Which of several columns brings the keys of one lookup a row."""
    for one in group:
        if one.parent is not None and one.parent.link.also_by and one.parent.per_row < TWO_A_ROW:
            columns = and_list([one.parent.link.foreign_key_column, *one.parent.link.also_by])
            return f" Which of {columns} brings the keys cannot be seen: the call fetches by each of them."
    return ""


def with_distinct_subjects(findings: Iterable[Finding]) -> Iterator[Finding]:
    """With subjects of their own: a lookup may be asked row by row on several pages, of rows of one table.

    By the page's statement; which of them was told so before, the store knows (store/finding_keys.py).
    """
    seen: set[str] = set()
    for finding in sorted(findings, key=lambda f: f.related_fingerprints[:1]):
        is_other = finding.key in seen
        seen.add(finding.key)
        subject = f"{finding.subject}{Finding.BY_PAGE}{finding.page[:8]}" if is_other else finding.subject
        yield replace(finding, subject=subject, family=finding.subject)


def where(origin: Origin) -> str:
    """`` on route "orders", by orders/views.py:41`` as far as it is known."""
    said = f' on route "{origin.route}"' if origin.route else ""
    said += f", by {origin.file}" if origin.file else ""
    return said + (f", of {origin.application}" if origin.application else "")
