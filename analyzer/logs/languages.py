"""Durations as PostgreSQL logs them in German, French, Spanish and Italian (``lc_messages``), as English has them.

The texts are those of its own translations. auto_explain's plans have none: they are in English everywhere.
"""

import re

DURATIONS = ("Dauer: ", "durée : ", "duración: ", "durata: ")
WORDS = tuple({text.encode(encoding) for text in DURATIONS for encoding in ("utf-8", "latin-1")})
FORMATS = rb'(LOG:  (?:00000: )?|,00000,"|"message"\s*+:\s*+")'  # plain, csvlog, jsonlog; no value can begin so
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


DURATION = re.compile(
    FORMATS
    + b"(?:" + b"|".join(WORDS) + rb")(\d{1,15}\.\d{1,9}) ms"
    + _in_either(f"(?:(?:, |  )(?:({STATEMENT}):|({FETCH}) |({EXECUTE}) |({STEP})))?")
)  # fmt: skip
DETAIL = re.compile(
    _in_either(
        '(?:(,"|"detail":")|(?:DETAIL|DÉTAIL|DETALLE|DETTAGLI):  )'
        "(?:(?:Parameter|paramètres |parámetros|parametri|Parameters): (?=\\$\\d)|"
        "(Vorbereiten|préparation |preparazione|prepare): )"
    )
)
ENGLISH = (b"  statement:", b"  execute fetch from ", b"  execute ", b"  parse ")


def in_english(data: bytes) -> bytes:
    if not any(word in data for word in WORDS):
        return data
    return DETAIL.sub(_detail, DURATION.sub(_duration, data))


def _duration(match: re.Match[bytes]) -> bytes:
    words = (english for english, group in zip(ENGLISH, match.groups()[2:], strict=True) if group is not None)
    return match[1] + b"duration: " + match[2] + b" ms" + b"".join(words)


def _detail(match: re.Match[bytes]) -> bytes:
    return (match[1] or b"DETAIL:  ") + (b"Parameters: " if match[2] is None else b"prepare: ")
