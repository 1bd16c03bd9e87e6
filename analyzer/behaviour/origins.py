"""Where in the application a lookup is asked row by row, by the tags of the statements that sessions were seen running.

A tag of a sampled statement names its true caller. That of a text in pg_stat_statements names one caller of perhaps
many: it counts only where the samples agree.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter

from analyzer.behaviour.workload import Origin, SessionEvidence, StatementSeries
from analyzer.statements.routes import route_name
from analyzer.words.visible import visible_line

LEAST_SEEN = 3  # executions from one place before it is said to be the place; judgement
MOST_OF_THEM = 0.8  # of the lookup's executions, where nothing else tells the page
ENOUGH_OF_LOOKUP, ENOUGH_OF_PAGE = 8, 3  # executions that have to have a route in common, or be of different pages
MOST_OF_ALL = 0.5  # of the samples with a route: judgement, one that more are on is the only one there is
OFTEN, MOST_APPLICATIONS = 5, 4  # judgement: names of applications are few and each is seen again and again


def shared_route(evidence: SessionEvidence, lookup: StatementSeries, page: Sequence[StatementSeries]) -> str:
    """The route that both the lookup and a statement of the page were seen on; "" where none is known.

    One that half of all is seen on, as GraphQL's, tells nothing of a page.
    """
    of_lookup = _routes(evidence, lookup)
    of_page: Counter[str] = Counter()
    for series in page:
        of_page.update(_routes(evidence, series))
        of_page[route_name(series.tags)] += 0
    everywhere = _all_routes(evidence)
    common = [
        route
        for route in of_page
        if route and of_lookup[route] >= 2 and everywhere[route] < MOST_OF_ALL * everywhere.total()
    ]
    return max(common, key=lambda route: (of_page[route], of_lookup[route]), default="")


def are_of_different_pages(evidence: SessionEvidence, lookup: StatementSeries, page: StatementSeries) -> bool:
    """Both were seen often enough, and never with one route; where routes do not tell, from one application.

    A name that every process has of its own is no application's.
    """
    of_lookup, of_page = _routes(evidence, lookup), _routes(evidence, page)
    if _are_enough(of_lookup, of_page):
        return not of_lookup.keys() & of_page
    of_lookup, of_page = _applications(evidence, lookup), _applications(evidence, page)
    names = of_lookup.keys() | of_page.keys()
    if len(names) > MOST_APPLICATIONS or any(max(of_lookup[n], of_page[n]) < OFTEN for n in names):
        return False
    return _are_enough(of_lookup, of_page) and not of_lookup.keys() & of_page


def _are_enough(of_lookup: Counter[str], of_page: Counter[str]) -> bool:
    return of_lookup.total() >= ENOUGH_OF_LOOKUP and of_page.total() >= ENOUGH_OF_PAGE


def origin_of(evidence: SessionEvidence, lookup: StatementSeries, route: str) -> Origin:
    """Where the lookup comes from on this route; "" for the route: where nearly all of it comes from, if anywhere."""
    seen: Counter[Origin] = Counter(evidence.origins.get(lookup.fingerprint, {}))
    if route:
        seen = Counter({origin: n for origin, n in seen.items() if origin.route == route})
    return Origin(
        visible_line(route) or _most([origin.route for origin in seen.elements()]),
        _most([origin.file for origin in seen.elements()], 0.5 if route else MOST_OF_THEM),
        _most([origin.application for origin in seen.elements()]),
    )


def _most(names: Sequence[str], least: float = MOST_OF_THEM) -> str:
    """The name that nearly all of them are."""
    if not names:
        return ""
    name, times = Counter(names).most_common(1)[0]
    return visible_line(name) if times >= max(LEAST_SEEN, least * len(names)) else ""


def _routes(evidence: SessionEvidence, series: StatementSeries) -> Counter[str]:
    return _named([evidence.origins.get(series.fingerprint, {})], attrgetter("route"))


def _all_routes(evidence: SessionEvidence) -> Counter[str]:
    return _named(evidence.origins.values(), attrgetter("route"))


def _applications(evidence: SessionEvidence, series: StatementSeries) -> Counter[str]:
    return _named([evidence.origins.get(series.fingerprint, {})], attrgetter("application"))


def _named(seen: Iterable[Mapping[Origin, int]], name_of: Callable[[Origin], str]) -> Counter[str]:
    """Executions by that name of their origins; those without one are left out."""
    names: Counter[str] = Counter()
    for origins in seen:
        for origin, times in origins.items():
            if name := name_of(origin):
                names[name] += times
    return names
