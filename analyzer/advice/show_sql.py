"""A set of indexes as SQL to copy or to run with psql -f: what is to be known of each change is a comment before it.

A set is advice, or a step of its curve. ``-- `` begins every line that is no statement of ours, so that no name in a
sentence ends its comment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from analyzer.advice.kept_point import KeptDrop, KeptHurt, KeptIndex
from analyzer.advice.planner import VALUES_IN_WORDS
from analyzer.advice.rollout.script import colons_apart
from analyzer.plans.compare import cost_figure, cost_words
from analyzer.schema.quoting import comment
from analyzer.words.sizes import size_words


def set_as_sql(
    indexes: Iterable[KeptIndex],
    drops: Iterable[KeptDrop],
    hurt: Iterable[KeptHurt] = (),
    assumed: Mapping[str, str] | None = None,
) -> str:
    """One statement at a time, outside a transaction. ``assumed``: statement and what of its plan is."""
    warnings = [f"Dearer than before: {each.statement}: {hurt_words(each)}" for each in hurt]
    warnings += [f"Assumed: {statement}: {what}." for statement, what in sorted((assumed or {}).items())]
    head = "".join(map(comment, warnings))
    parts = [*map(_with_figures, indexes), *map(_drop, drops)]
    return "\n".join([*([head] if head else []), *parts])


def index_as_sql(index: KeptIndex) -> str:
    return _script(_of_index(index), index.statements)


def statements_as_sql(statements: Sequence[str]) -> str:
    return "".join(f"{colons_apart(statement)};\n" for statement in statements)


def costs_words(before: float, after: float) -> str:
    """ "cost 1,000 becomes 10, 100x cheaper"."""
    return f"cost {cost_figure(before)} becomes {cost_figure(after)}, {cost_words(before, after)}"


def hurt_words(hurt: KeptHurt) -> str:
    """ "cost 10 becomes 20, 2.0x dearer with a rare value (planned)": of other values, the statement may be cheaper."""
    values = VALUES_IN_WORDS.get(hurt.values, "")
    return f"{costs_words(hurt.cost_before, hurt.cost_after)}{values and f' {values}'} (planned)"


def _with_figures(index: KeptIndex) -> str:
    helped = len(index.helps)
    figures = f"{size_words(index.size_bytes)}, helps {helped} {'statement' if helped == 1 else 'statements'}"
    return _script([figures, *_of_index(index)], index.statements)


def _drop(drop: KeptDrop) -> str:
    return _script([sentence for sentence in (drop.reason, drop.proof) if sentence], drop.statements)


def _of_index(index: KeptIndex) -> Iterator[str]:
    yield from index.remarks
    for risk in index.at_risk:
        yield f"May run slower: {risk.statement}: {risk.reason}"


def _script(remarks: Iterable[str], statements: Sequence[str]) -> str:
    return "".join(map(comment, remarks)) + statements_as_sql(statements)
