"""A statement written otherwise, as something to copy: for checks whose finding it ends."""

from dataclasses import dataclass

from analyzer.checks.engine import Context
from analyzer.checks.facts import StatementFacts
from analyzer.findings import Fix
from analyzer.plans.conditions import Condition
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.equivalents import (
    COUNT,
    DISTINCT_JOIN,
    FIRST_ROWS,
    INTERVAL,
    NOT_IN,
    RANGE,
    UNION,
    Equivalent,
    NotRewritten,
    keyset,
    rewritten,
)
from analyzer.statements.equivalents.notes import ANY_ROW, FIRST_OF_GROUP, ONE_DAY, SINCE
from analyzer.statements.time_calls import parts_in_plan

SAME_ROWS = "The same rows"  # what the title of such a fix begins with
# the one form of a kind of which the code below tells
SAID_OF = {RANGE: ONE_DAY, INTERVAL: SINCE, COUNT: ANY_ROW, FIRST_ROWS: FIRST_OF_GROUP}
IN_DJANGO = {
    RANGE: "filter(created_at__gte=day, created_at__lt=day + timedelta(days=1))  # instead of created_at__date=day",
    INTERVAL: "filter(created_at__gt=now() - timedelta(days=1))  # instead of an expression of the column",
    COUNT: 'filter(Exists(Order.objects.filter(customer=OuterRef("pk"))))  # instead of Count("orders"), count__gt=0',
    NOT_IN: 'filter(~Exists(Order.objects.filter(customer=OuterRef("pk"))))  # instead of exclude(pk__in=orders)',
    DISTINCT_JOIN: 'filter(Exists(Order.objects.filter(customer=OuterRef("pk"))))  # instead of distinct()',
    FIRST_ROWS: 'order_by("customer", "-created_at").distinct("customer")  # instead of Window(RowNumber(), ...)',
    UNION: "first.union(second, all=True)",
}
IN_SQLALCHEMY = {
    RANGE: "where(T.created_at >= day, T.created_at < day + timedelta(days=1))  # instead of func.date(...) == day",
    COUNT: "where(exists().where(Order.customer_id == Customer.id))  # instead of a scalar subquery of func.count()",
    NOT_IN: "where(~exists().where(Order.customer_id == Customer.id))  # instead of Customer.id.not_in(select(...))",
    DISTINCT_JOIN: "where(Customer.orders.any(...))  # instead of join(Customer.orders).distinct()",
    FIRST_ROWS: "distinct(T.customer_id).order_by(T.customer_id, T.created_at.desc())",
    UNION: "union_all(first, second)",
}


@dataclass(frozen=True, slots=True)
class RewriteOffer:
    """``why_not``: " It is not written out here: ..." where the statement has what such a rewrite changes, and none."""

    fixes: tuple[Fix, ...] = ()
    why_not: str = ""


def otherwise(known: Context | StatementFacts, *kinds: str, condition: Condition | None = None) -> RewriteOffer:
    """The statement with the same rows, of each kind that the schema proves or that says what has to hold.

    ``condition``: of the plan, which has what the recorded text leaves open.
    """
    calls = condition.time_calls if condition is not None else ()
    found = [
        rewritten(kind, sql, facts, parts_in_plan(sql, calls) if calls else {})
        for sql, facts in _known(known)
        for kind in kinds
    ]
    equivalents = [each for each in found if isinstance(each, Equivalent)]
    fixes = tuple(fix for each in equivalents for fix in (_as_sql(each), *_in_orms(each)))
    return RewriteOffer(fixes) if fixes else RewriteOffer(why_not=_why_not(found))


def _why_not(outcomes: list[Equivalent | NotRewritten]) -> str:
    reasons = [reason for each in outcomes if isinstance(each, NotRewritten) for reason in each.reasons]
    return f" It is not written out here: {reasons[0]}." if reasons else ""


def rewrites(known: Context | StatementFacts, *kinds: str) -> tuple[Fix, ...]:
    return otherwise(known, *kinds).fixes


def next_page(known: Context | StatementFacts) -> RewriteOffer:
    """The statement that asks for the rows after the last one of a page, where a key completes its order."""
    found = [keyset(sql, facts) for sql, facts in _known(known)]
    pages = [each for each in found if isinstance(each, Equivalent)]
    fixes = [Fix(f"The next page, where {'; '.join(page.assumptions)}", "sql", page.laid_out) for page in pages]
    return RewriteOffer(tuple(fixes)) if fixes else RewriteOffer(why_not=_why_not(found))


def _known(known: Context | StatementFacts) -> list[tuple[str, SchemaFacts]]:
    return [] if known.facts is None or known.normalized_sql is None else [(known.normalized_sql, known.facts)]


def _as_sql(equivalent: Equivalent) -> Fix:
    provided = f", provided that {'; '.join(equivalent.assumptions)}" if equivalent.assumptions else ""
    return Fix(f"{SAME_ROWS}{provided}", "sql", equivalent.laid_out)


def _in_orms(equivalent: Equivalent) -> tuple[Fix, ...]:
    """() where the code would say something else than this form of the kind."""
    kind = equivalent.kind
    if kind in SAID_OF and equivalent.forms != (SAID_OF[kind],):
        return ()
    titles = (("django", "In Django", IN_DJANGO), ("sqlalchemy", "In SQLAlchemy", IN_SQLALCHEMY))
    return tuple(Fix(f"{title}, likewise", name, code[kind]) for name, title, code in titles if kind in code)
