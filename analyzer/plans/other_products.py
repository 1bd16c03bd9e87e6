"""Plans of databases other than PostgreSQL, some of them made of it: told by words that PostgreSQL never prints."""

import re

SIGNS = {
    "Amazon Redshift": re.compile(r"^[^\w\n]*XN [A-Z]\w+.*\(cost=", re.MULTILINE),
    "Greenplum": re.compile(r"\b(?:Gather|Redistribute|Broadcast) Motion \d+:\d+  ?\(slice\d"),
    "MySQL": re.compile(r"^[ \t]*-> .*\(cost=[\d.]+ rows=[\d.]+\)", re.MULTILINE),
    "CockroachDB": re.compile(r"[├└]── • \w|^[ \t]*distribution: (?:local|full)\b", re.MULTILINE),
    "YugabyteDB": re.compile(r"\bStorage (?:(?:Table|Index) )?Read Requests:"),
    "TiDB": re.compile(r"\b(?:TableReader|IndexLookUp|IndexReader|TableFullScan)_\d+\b"),
    "SQL Server": re.compile(r"<ShowPlanXML\b"),
    "Oracle": re.compile(r"\|\s*(?:SELECT STATEMENT|TABLE ACCESS)\b"),
    "Spark": re.compile(r"^== Physical Plan ==", re.MULTILINE),
}
LOOKED_AT = 20_000  # characters; a plan says what it is of in its first steps


def product_of(text: str) -> str | None:
    """Of a text that could not be read as a plan; None where nothing tells."""
    begins = text[:LOOKED_AT]
    return next((product for product, sign in SIGNS.items() if sign.search(begins)), None)
