"""Pages of real applications under load, from recordings of what each request asked (tests/behaviour/pages/).

A recording holds, for several requests of each page, the calls and rows that pg_stat_statements 1.12 counted for that
request alone, with its texts, and the facts of the schema. So counters per interval are sums of whole requests, as a
server counts them, and which statement runs how often for a page is known.
"""

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import msgspec
import numpy as np

from analyzer.behaviour.workload import ObservedWorkload, StatementSeries
from analyzer.schema.facts import SchemaFacts
from analyzer.statements.fingerprint import fingerprint

PAGES = Path(__file__).parent / "pages"
REPEATED = 5  # in one request: what Sentry and Scout call N+1


@dataclass(frozen=True)
class Recording:
    texts: tuple[str, ...]  # by fingerprint's place
    fingerprints: tuple[str, ...]
    pages: dict[str, list[dict[int, tuple[float, float, float]]]]  # page -> requests: statement -> calls, rows, ms
    facts: SchemaFacts

    def true_pages(self, parent: str, child: str) -> list[str]:
        """Pages that repeat the child and whose parent returned rows for it, or is repeated itself.

        Four a request may be estimated at five.
        """
        at = {f: i for i, f in enumerate(self.fingerprints)}
        c, p = at[child], at[parent]
        return [
            name
            for name, requests in self.pages.items()
            if any(
                c in r and p in r and r[c][0] >= REPEATED - 1 and (r[p][1] >= 2 or r[p][0] >= REPEATED)
                for r in requests
            )
        ]

    def repeated(self, names):
        """Statements that a request of these pages repeats, on average: fingerprint -> pages."""
        found = defaultdict(list)
        for name in names:
            requests = self.pages[name]
            for c in {c for request in requests for c in request}:
                mean = sum(request.get(c, (0, 0, 0))[0] for request in requests) / len(requests)
                if mean >= REPEATED and self.texts[c].lstrip()[:6].lower() == "select":
                    found[self.fingerprints[c]].append(name)
        return dict(found)


@cache
def recording(app: str) -> Recording:
    data = json.loads(gzip.decompress((PAGES / f"{app}.json.gz").read_bytes()))
    prints = [fingerprint(text) or text for text in data["texts"]]
    place: dict[str, int] = {}
    for each in prints:
        place.setdefault(each, len(place))
    texts = {place[f]: text for f, text in zip(prints, data["texts"], strict=True)}
    pages = defaultdict(list)
    for request in data["requests"]:
        counts = defaultdict(lambda: (0.0, 0.0, 0.0))
        for k, more in request["counts"].items():
            at = place[prints[int(k)]]
            counts[at] = tuple(a + b for a, b in zip(counts[at], more, strict=True))
        pages[request["page"]].append(dict(counts))
    order = sorted(place.values())
    facts = msgspec.convert(data["facts"], SchemaFacts)
    return Recording(tuple(texts[i] for i in order), tuple(place), dict(pages), facts)


def arrivals(random, intervals, per_interval):
    """Requests by chance at a rate that drifts on its own."""
    wave = np.exp(np.cumsum(random.normal(0, 0.15, intervals)))
    return random.poisson(per_interval * wave / wave.mean())


def load(found: Recording, names, seed, intervals=60, busiest=40.0, since=None, more=()):
    """A workload of these pages; ``since``: page -> first interval; ``more``: further (text, calls, rows)."""
    random = np.random.default_rng(seed)
    shape = (len(found.texts), intervals)
    calls, rows, ms = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for name in names:
        requests = found.pages[name]
        hits = arrivals(random, intervals, busiest * float(random.uniform(0.15, 1)))
        hits[: (since or {}).get(name, 0)] = 0
        for i, n in enumerate(hits):
            for which, times in zip(*np.unique(random.integers(0, len(requests), n), return_counts=True), strict=True):
                for c, (a, b, t) in requests[which].items():
                    calls[c, i] += a * times
                    rows[c, i] += b * times
                    ms[c, i] += t * times
    series = [
        StatementSeries(found.fingerprints[c], found.texts[c], 10, True, calls[c], rows[c], ms[c])
        for c in range(len(found.texts))
        if calls[c].any()
    ]
    series += [StatementSeries(fingerprint(sql), sql, 10, True, c, r, c * 0.05) for sql, c, r in more]
    return ObservedWorkload(60.0, tuple(series), found.facts)
