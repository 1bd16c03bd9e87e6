"""One unit for sizes: PostgreSQL's kB, MB, GB of 1024, made in one place."""

import re
from pathlib import Path

import pytest

from analyzer.words.sizes import MB, setting_bytes, size_words
from dashboard.templatetags.quantities import quantity, size

ROOT = Path(__file__).parent.parent
# a number put before a unit of size, or a division that makes one
OF_ITS_OWN = re.compile(r"(?<!%)\{[^{}\"']+\}\s?[MGT]i?B\b|/\s*(?:1024|1e6|1_000_000)\b[^\n]*\b[kMG]B\b")
IN_TEMPLATES = re.compile(r"\}\}\s*[MGT]i?B\b|\|filesizeformat|\b[kMG]iB\b")
# what PostgreSQL is told, not a person
EXCUSED = {"analyzer/monitored/explain/session.py", "analyzer/words/sizes.py"}


@pytest.mark.parametrize(
    ("size_bytes", "words"),
    [(0, "0 B"), (812, "812 B"), (8192, "8 kB"), (1_000_000, "977 kB"), (MB, "1 MB"), (5 * MB, "5 MB"),
     (1.25 * MB, "1.25 MB"), (1_500_000_000, "1.4 GB"), (-3 * MB, "-3 MB"), (1 << 62, "4,096 PB")],
)  # fmt: skip
def test_a_size_is_told_as_pg_size_pretty_counts(size_bytes, words):
    assert size_words(size_bytes) == words
    assert size(size_bytes) == quantity(size_bytes, "size_bytes") == words.replace(",", "\u202f").replace(" ", "\u202f")


@pytest.mark.postgres
def test_it_counts_as_the_server_does(postgres18):
    with postgres18.connect() as connection:
        for size_bytes in (10_485_760, 52_428_800, 107_374_182_400):
            (pretty,) = connection.execute("select pg_size_pretty(%s::int8)", [size_bytes]).fetchone()
            assert size_words(size_bytes) == pretty


def test_no_page_mail_or_command_makes_a_unit_of_its_own():
    found = []
    for path in [*ROOT.glob("analyzer/**/*.py"), *ROOT.glob("dashboard/**/*.py")]:
        name = str(path.relative_to(ROOT))
        lines = enumerate(path.read_text().splitlines(), 1)
        if name not in EXCUSED:
            found += [f"{name}:{n} {line.strip()}" for n, line in lines if OF_ITS_OWN.search(line)]
    for path in ROOT.glob("templates/**/*"):
        if path.is_file():
            lines = enumerate(path.read_text().splitlines(), 1)
            found += [f"{path.relative_to(ROOT)}:{n}" for n, line in lines if IN_TEMPLATES.search(line)]
    assert found == []


def test_the_search_for_them_finds_some():
    assert OF_ITS_OWN.search('f"{size / MB:,.1f} MB"')
    assert OF_ITS_OWN.search('f"{n} MiB"')
    assert IN_TEMPLATES.search("{{ size }} MB")
    assert IN_TEMPLATES.search("{{ size|filesizeformat }}")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("4MB", 4 * MB),
        ("64kB", 65_536),
        ("2GB", 2048 * MB),
        ("1TB", 1024**4),
        ("512", 524_288),
        ("-1", None),
        ("", None),
    ],
)
def test_a_memory_setting_in_bytes(setting: str, expected: int | None) -> None:
    assert setting_bytes(setting) == expected
