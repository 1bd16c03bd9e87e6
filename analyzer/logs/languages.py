"""Durations as PostgreSQL logs them in German, French, Spanish and Italian (``lc_messages``), as English has them.

The texts are those of its own translations. auto_explain's plans have none: they are in English everywhere.
"""

import re
from collections.abc import Sequence
from functools import cache

# duration -> before a detail, its parameters, and what EXECUTE runs
LANGUAGES = {
    "Dauer: ": ("DETAIL:  ", "Parameter: ", "Vorbereiten: "),
    "durée : ": ("DÉTAIL:  ", "paramètres : ", "préparation : "),
    "duración: ": ("DETALLE:  ", "parámetros: ", "prepare: "),
    "durata: ": ("DETTAGLI:  ", "parametri: ", "preparazione: "),
}
# what stands before a duration in the plain log, in csvlog and in jsonlog; no value can end so
FORMATS = (b"LOG:  ", b"LOG:  00000: ", b',00000,"', b'"message":"', b'"message": "', b'"message" : "')
VALUES = (b',"', b'"detail":"', b'"detail": "')  # before a detail in csvlog and in jsonlog
STATEMENT = "Anweisung|instruction |sentencia|istruzione"
FETCH = "Ausführen Fetch von|exécute fetch à partir de|ejecutar fetch desde|esecuzione di fetch da"
EXECUTE = "Ausführen|exécute|ejecutar|esecuzione di"
STEP = "Parsen |analyse |parse: |analisi di |Binden |lien |bind "


def _in_either(pattern: str) -> bytes:
    """A pattern whose letters are in UTF-8, or as LATIN1 has them."""
    return b"".join(
        letter.encode() if letter.isascii() else b"(?:%s|%s)" % (letter.encode(), letter.encode("latin-1"))
        for letter in pattern
    )


def _behind(begins: Sequence[bytes], word: bytes) -> bytes:
    """The word behind one of these. What a pattern begins with is looked for ten times as fast where it is one text."""
    return re.escape(word) + b"(?:" + b"|".join(b"(?<=%s)" % re.escape(text + word) for text in begins) + b")"


@cache
def _duration_pattern(word: bytes) -> re.Pattern[bytes]:
    said = _in_either(f"(?:(?:, |  )(?:({STATEMENT}):|({FETCH}) |({EXECUTE}) |({STEP})))?")
    return re.compile(_behind(FORMATS, word) + rb"(\d{1,15}\.\d{1,9}) ms" + said)


@cache
def _detail_patterns(label: bytes, parameters: bytes, prepare: bytes) -> dict[bytes, re.Pattern[bytes]]:
    """What they begin with -> the pattern; group 1 is the label, group 2 what PREPARE would have."""
    listed = b"(?:%s|Parameters: )(?=\\$\\d)" % re.escape(parameters)
    prepared = b"(%s|prepare: )" % re.escape(prepare)
    return {
        label: re.compile(b"(%s)(?:%s|%s)" % (re.escape(label), listed, prepared)),
        parameters: re.compile(b"()()" + _behind(VALUES, parameters) + rb"(?=\$\d)"),
        prepare: re.compile(b"()(%s)" % _behind(VALUES, prepare)),
    }


DETAILS = {
    word.encode(encoding): tuple(other.encode(encoding) for other in others)
    for word, others in LANGUAGES.items()
    for encoding in ("utf-8", "latin-1")
}
ENGLISH = (b"  statement:", b"  execute fetch from ", b"  execute ", b"  parse ")


def in_english(data: bytes) -> bytes:
    for word in [word for word in DETAILS if word in data]:
        data = _duration_pattern(word).sub(_duration, data)
        for begins, pattern in _detail_patterns(*DETAILS[word]).items():
            if begins in data:
                data = pattern.sub(_detail, data)
    return data


def _duration(match: re.Match[bytes]) -> bytes:
    words = (english for english, group in zip(ENGLISH, match.groups()[1:], strict=True) if group is not None)
    return b"duration: " + match[1] + b" ms" + b"".join(words)


def _detail(match: re.Match[bytes]) -> bytes:
    return (b"DETAIL:  " if match[1] else b"") + (b"prepare: " if match[2] else b"Parameters: ")
