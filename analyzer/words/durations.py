"""Lengths of time in words, and how long one has to look before it says something of a day. Pure."""

from analyzer.words.sizes import short_number

THIN = "\u202f"  # narrow no-break space, for pages and mails; a terminal takes a plain one
UNKNOWN = "unknown"

# Judgement: less holds a bulk load as easily as an idle moment; as monitored/sample/workload.py takes for statements.
SHORTEST_OF_A_DAY_S = 3_600
DAY_S = 86_400


def span_words(seconds: float) -> str:
    """ "90 s", "5 minutes", "30 hours", "3 days": two or more of each unit."""
    for unit, length_s in (("days", DAY_S), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def months_words(days: float) -> str:
    """How far off something is: "12 days", "4 months", "3 years", "more than 20 years"."""
    if days < 60:
        return f"{days:.0f} day{'' if f'{days:.0f}' == '1' else 's'}"
    if days < 2 * 365:
        return f"{days / 30.44:.0f} months"
    return f"{days / 365.25:.0f} years" if days <= 20 * 365.25 else "more than 20 years"


def allows_daily_rate(watched_s: float | None) -> bool:
    """Whether what was seen in that span may be said "a day". None: how long it was watched was not kept."""
    return watched_s is None or watched_s >= SHORTEST_OF_A_DAY_S


def ran_once(calls_per_day: float, watched_s: float | None) -> bool:
    """Whether it was seen once in less than an hour, which says nothing of a day: a migration, or a first time."""
    return not allows_daily_rate(watched_s) and calls_per_day * (watched_s or 0.0) / DAY_S < 1.5


def rate_words(s_per_day: float, watched_s: float | None, space: str = " ") -> str:
    """ "52 min 10 s a day"; "41 s in 24 minutes", what was seen, where less than an hour was watched."""
    seconds, span = seen_of(s_per_day, watched_s)
    return f"{time_words(seconds * 1000, space)} {span}"


def count_words(per_day: float, watched_s: float | None, space: str = ",") -> str:
    """ "43,200 a day"; "450 in 15 minutes"."""
    count, span = seen_of(per_day, watched_s)
    return f"{count:,.0f} {span}".replace(",", space)


def seen_of(per_day: float, watched_s: float | None) -> tuple[float, str]:
    """What was seen and the words of the span: 43,200 and "a day"; 450 and "in 15 minutes"."""
    if watched_s is None or allows_daily_rate(watched_s):
        return per_day, "a day"
    return per_day * watched_s / DAY_S, f"in {span_words(watched_s)}"


def time_words(ms: float | None, space: str = " ") -> str:
    """12 µs, 340 ms, 1.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if ms is None:
        return UNKNOWN
    sign, ms = ("−" if ms < 0 else ""), abs(ms)
    if ms == 0:
        return f"0{space}ms"
    if ms < 0.9995:
        return f"{sign}{short_number(ms * 1000)}{space}µs"
    if ms < 999.5:
        return f"{sign}{short_number(ms)}{space}ms"
    seconds = ms / 1000
    if seconds < 99.5:
        return f"{sign}{short_number(seconds)}{space}s"
    for big, small, big_s, small_s in (("min", "s", 60, 1), ("h", "min", 3600, 60)):
        if seconds < big_s * (60 if big == "min" else 24):
            return sign + _two_units(seconds, big, small, big_s, small_s, space)
    return sign + _two_units(seconds, "d", "h", DAY_S, 3600, space)


def _two_units(seconds: float, big: str, small: str, big_s: int, small_s: int, space: str) -> str:
    whole, rest = divmod(round(seconds / small_s), big_s // small_s)
    tail = f" {rest}{space}{small}" if rest and whole < 100 else ""
    return f"{whole:,}".replace(",", THIN) + f"{space}{big}{tail}"
