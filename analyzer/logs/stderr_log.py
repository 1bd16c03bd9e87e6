"""The plain log (``log_destination = stderr``), whatever its ``log_line_prefix``.

A line that begins with a tab goes on with the one before; DETAIL, CONTEXT and the like are lines with the same prefix.
"""

import re
from collections.abc import Iterator

from analyzer.logs import line_prefix
from analyzer.logs.entry import MILLISECONDS, WORDS, LogEntry, kind_of
from analyzer.logs.languages import in_english
from analyzer.logs.reader import LogReader

# with log_error_verbosity = verbose behind its SQLSTATE
DURATION = re.compile(
    rb":  (?:00000: )?duration: " + MILLISECONDS + rb" ms(?:" + WORDS + rb")?[ \n]?([^\n]*+(?:\n\t[^\n]*+)*+)"
)
FIELD_LINE = re.compile(
    rb"\b(?:DETAIL|D(?:\xc3\x89|\xc9)TAIL|DETALLE|DETTAGLI|HINT|QUERY|CONTEXT|LOCATION|STATEMENT|BACKTRACE):  "
)
DETAIL = b"DETAIL:  "
DETAIL_TEXT = re.compile(rb"[^\n]*+(?:\n\t[^\n]*+)*+")
SEVERITY = re.compile(rb"\b(?:LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT):  ")
LONGER = 12  # bytes: %l counts the lines of an entry, too
# At the end of a prefix, in any language of PostgreSQL: words with a letter that is not ASCII, and these.
# Where one stands behind a duration, that may be a session's name: a client writes its application_name, and the names
# of a role and of a database that it only tries.
SEVERITIES = (
    "DEBUG|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|QUERY|CONTEXT|LOCATION|BACKTRACE|STATEMENT"
    "|FEHLER|WARNUNG|HINWEIS|PANIK|TIPP|ANFRAGE|ZUSAMMENHANG|ORT|ANWEISUNG|ERREUR|ATTENTION|ASTUCE|CONTEXTE|EMPLACEMENT"
    "|INSTRUCTION|ADVERTENCIA|AVISO|DETALLE|SUGERENCIA|CONSULTA|CONTEXTO|SENTENCIA|ERRORE|ATTENZIONE|FATALE|PANICO"
    "|DETTAGLI|SUGGERIMENTO|CONTESTO|ISTRUZIONE|ERRO|DETALHE|DICA|COMANDO|FEL|VARNING|NOTIS|DETALJ|TIPS|SAMMANHANG|SATS"
    "|CHYBA|KONTEKST|HATA|UYARI|DETAY"
)
SEVERITY_BEHIND = re.compile(
    rb"(?<![\w'\"])(?:(?=[A-Z]*[\x80-\xff])[A-Z\x80-\xff]{3,30}|" + SEVERITIES.encode() + rb"):  "
)
NAME_AND_PREFIX = 63 + line_prefix.MOST_PREFIX  # bytes, from a name's beginning to the prefix's end
FROM_CLIENTS = (b"a", b"u", b"d")  # %-letters
TAB = 9
SIGN = b":  "  # behind a severity
LINES_LOOKED_AT = 5_000


class StderrReader(LogReader):
    def __init__(self, log_line_prefix: bytes | None = None) -> None:
        super().__init__()
        pattern = line_prefix.database_pattern(log_line_prefix) if log_line_prefix else None
        self._database_at_start = pattern
        self._is_prefix_known = log_line_prefix is not None
        letters = line_prefix.letters(log_line_prefix or b"")
        self._has_names = log_line_prefix is None or not letters.isdisjoint(FROM_CLIENTS)
        self._signs = None if log_line_prefix is None else log_line_prefix.count(SIGN)

    def _end_of_whole(self, data: bytes) -> int:
        end, searched = data.rfind(b"\n"), self.rest.rfind(b"\n")
        while end > max(searched, 0):
            start = data.rfind(b"\n", 0, end) + 1
            if data[start] != TAB and not FIELD_LINE.search(data, start, end):
                return start
            end = start - 1
        return 0

    def _what_remains_of_cut(self, data: bytes) -> bytes:
        return b"\t"  # as if the rest went on with the line before

    def _entries(self, data: bytes, *, is_cut: bool = False) -> Iterator[LogEntry]:
        data = data.replace(b"\r\n", b"\n") if b"\r\n" in data else data
        data = in_english(data)
        at, rfind, find, search = 0, data.rfind, data.find, DURATION.search
        while (match := search(data, at)) is not None:
            at = match.end()
            start = rfind(b"\n", 0, match.start()) + 1
            head = data[start : min(match.start(), start + line_prefix.MOST_HEAD_BYTES)]
            # in the text of another entry, or behind a severity: said by whoever wrote that text, not by the server
            is_text = data[start] == TAB or self._is_in_text(data, start, match.start())
            if is_text or self._may_be_a_name(data, match.start()):
                at = self._after_line(data, match.start())
                continue
            kind = kind_of(match[2])
            if kind is None:
                continue
            text, detail = match[3], b""
            following = find(DETAIL, at, at + len(head) + LONGER)
            is_next = following >= 0 and find(b"\n", at + 1, following) < 0
            if is_next and not self._may_be_a_name(data, following + len(DETAIL) - len(SIGN)):
                whole = DETAIL_TEXT.match(data, following + len(DETAIL))
                if whole is not None:
                    detail, at = whole[0], whole.end()
            if b"\n\t" in text:
                text = text.replace(b"\n\t", b"\n").removeprefix(b"\t")
            elif text[:1] == b"\t":
                text = text[1:]
            if b"\n\t" in detail:
                detail = detail.replace(b"\n\t", b"\n")
            yield LogEntry(kind, float(match[1]), text, detail, head, self._database(head), is_cut)

    def _is_in_text(self, data: bytes, start: int, end: int) -> bool:
        """Whether a severity stands before ``end`` in the line: a prefix may hold its sign, too."""
        signs = data.count(SIGN, start, end)
        if signs and self._signs is None:
            self._signs = _signs_in_prefix(data + self.rest)
        if signs > (self._signs or 0):
            return True
        # behind %q a prefix has less where no session writes
        return signs > 0 and SEVERITY.search(data, start, end) is not None

    def _may_be_a_name(self, data: bytes, sign: int) -> bool:
        """Whether the severity whose sign stands there may be part of a name, with the line's own behind it."""
        if not self._has_names:
            return False
        begin, most = sign + len(SIGN), sign + NAME_AND_PREFIX
        end = data.find(b"\n", begin, most)
        end = most if end < 0 else end
        return data.find(SIGN, begin, end) >= 0 and SEVERITY_BEHIND.search(data, begin, end) is not None

    def _after_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        return len(data) if end < 0 else end

    def _database(self, head: bytes) -> bytes | None:
        if self._is_prefix_known:
            match = self._database_at_start.match(head) if self._database_at_start else None
            name = match[1].strip(b" ") if match else None
        else:
            name = line_prefix.likely_database(head)
        return None if name is None or name in line_prefix.NO_DATABASE else name


def _signs_in_prefix(data: bytes) -> int:
    """As many as stand before every severity."""
    lines = (line for line in data.split(b"\n", LINES_LOOKED_AT)[:LINES_LOOKED_AT] if line[:1] != b"\t")
    begins = ((line, severity.start()) for line in lines if (severity := SEVERITY.search(line)))
    return min((line.count(SIGN, 0, end) for line, end in begins), default=0)
