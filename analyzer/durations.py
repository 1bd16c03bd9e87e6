"""Lengths of time in words, and how long one has to look before it says something of a day. Pure."""

# Judgement: less holds a bulk load as easily as an idle moment; the same as monitored/workload.py takes for statements.
SHORTEST_OF_A_DAY_S = 3_600
DAY_S = 86_400


def span_words(seconds: float) -> str:
    """ "90 s", "5 minutes", "30 hours", "3 days": two or more of each unit."""
    for unit, length_s in (("days", DAY_S), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"
