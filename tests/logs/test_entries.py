"""Entries out of lines as servers and those who carry their logs write them."""

import gzip
import io
import json
import re
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from analyzer.logs import csv_log, events, reader, statements, stderr_log, syslog_log
from analyzer.logs.carried_log import CARRIERS, CarriedReader
from analyzer.logs.entries import blocks_of, reader_for
from analyzer.logs.events import query_text, sql_of, sql_with_values
from analyzer.logs.line_prefix import database_pattern, logged_time
from analyzer.logs.parameters import parameters_at, with_values
from analyzer.logs.read_log import LogReading, read_log
from analyzer.logs.statements import logged_statements
from analyzer.logs.stderr_log import StderrReader
from analyzer.logs.syslog_log import SyslogReader
from analyzer.logs.text_key import text_key
from analyzer.reports.log_report import log_report
from analyzer.statements.fingerprint import fingerprint

RUN = "LOG:  duration: 12.500 ms  statement: select 1 from t\n\twhere a = 5"


def only(log: str, prefix: str | None = None) -> tuple[int, float, str | None, str]:
    (statement,) = logged_statements(read_log([log.encode()], prefix).totals)
    entry = statement.logged.main.newest
    assert entry is not None
    return statement.calls, statement.total_ms, statement.database, sql_of(entry)


@pytest.mark.parametrize(
    ("head", "prefix", "database"),
    [
        ("2026-11-30 08:11:04.634 UTC [6404] ", None, None),
        ("2026-11-30 08:11:04.634 UTC [6404] me@shop ", None, "shop"),
        ("2026-11-30 08:11:04 UTC:10.0.0.1(5432):me@shop:[123]:", None, "shop"),
        ("2026-11-30 08:11:04 CET [1]: [3-1] user=me,db=shop,app=psql,client=::1 ", None, "shop"),
        ("1764490264.634 <me|shop> ", "%n <%u|%d> ", "shop"),
        ("shop of 6404 ", "%d of %p ", "shop"),
        ("", "", None),
        ("2026-11-30 08:11:04 UTC:  [6404] me@shop:  ", None, "shop"),
        ("6404:  me:  shop ", "%p:  %u:  %d ", "shop"),
        ("APP:  shop ", "%a:  %d ", "shop"),
    ],
)
def test_prefixes(head: str, prefix: str | None, database: str | None) -> None:
    log = f"{head}ERROR:  no\n{head}STATEMENT:  select 2\n{head}{RUN}\n{head}LOG:  checkpoint starting: time\n"
    assert only(log, prefix) == (1, 12.5, database, "select 1 from t\nwhere a = 5")


@pytest.mark.parametrize("prefix", [None, "%m:  %d "])
def test_an_entry_in_the_text_of_another_is_none_whatever_the_prefix(prefix: str | None) -> None:
    head = "2026-11-30 08:11:04.634 UTC:  shop "
    forged = f"{head}ERROR:  LOG:  {RUN[6:]}\n{head}FEHLER:  x LOG:  {RUN[6:]}\n"
    assert only(f"{forged}{head}{RUN}\n", prefix)[:2] == (1, 12.5)


def test_a_table_s_name_is_no_entry_where_the_prefix_is_shorter_without_a_session() -> None:
    head = "2026-11-30 08:11:04.634 UTC "
    forged = f'{head}LOG:  automatic vacuum of table "shop.public.x:  {RUN[6:]}": index scans: 0\n'
    assert only(f"{forged}{head}shop:  {RUN}\n", "%m %q%d:  ")[:2] == (1, 12.5)


@pytest.mark.parametrize("head", ["2026-11-30 08:11:04.634 UTC [1] me@shop ", "Nov 30 08:11:04 db1 postgres[1]: [{}] "])
def test_verbose_entries(head: str) -> None:
    lines = [
        "LOG:  00000: duration: 12.500 ms  execute <unnamed>: select 1 from t where a = $1",
        "DETAIL:  parameters: $1 = '5'",
        "LOCATION:  exec_execute_message, postgres.c:2390",
        "LOG:  00000: checkpoint starting: time",
    ]
    log = "".join(head.format("4-1" if n == 4 else f"3-{n}") + line + "\n" for n, line in enumerate(lines, 1))
    (statement,) = logged_statements(read_log([log.encode()]).totals)
    assert [sql_with_values(entry) for entry in statement.samples] == ["select 1 from t where a = '5'"]


def in_json_file(log: str) -> str:
    pieces = [line[at : at + 16_384] for line in log.splitlines(keepends=True) for at in range(0, len(line), 16_384)]
    return "".join(json.dumps({"log": piece, "stream": "stderr"}) + "\n" for piece in pieces)


def in_collector(log: str) -> str:
    return "".join(json.dumps({"ts": 1, "textPayload": line}) + "\n" for line in log.splitlines())


def in_cloudnativepg(log: str) -> str:
    message = log.split("LOG:  ")[1].split("\n20")[0].replace("\n\t", "\n")
    record = {"log_time": "2026-11-30 08:11:04.634 UTC", "database_name": "shop", "message": message}
    return json.dumps({"level": "info", "msg": "record", "record": record | {"detail": "parameters: $1 = 'x'"}}) + "\n"


def in_cloudnativepg_pod(log: str) -> str:
    return f"2026-11-30T08:11:04.6Z stderr F {in_cloudnativepg(log)}" * 2


@pytest.mark.parametrize("carried", [in_json_file, in_collector, in_cloudnativepg, in_cloudnativepg_pod])
def test_logs_inside_of_json(carried: Callable[[str], str]) -> None:
    head = "2026-11-30 08:11:04.634 UTC [1] me@shop "
    long = f"{RUN} and b = '{'x' * 20_000}'"
    log = carried(f"{head}{long}\n{head}DETAIL:  parameters: $1 = 'x'\n{head}LOG:  checkpoint starting: time\n")
    (statement,) = logged_statements(
        read_log(log[at : at + 30_000].encode() for at in range(0, len(log), 30_000)).totals
    )
    assert (statement.database, sql_of(statement.samples[0])) == (
        "shop",
        long.partition("statement: ")[2].replace("\n\t", "\n"),
    )
    assert statement.samples[0].detail == b"parameters: $1 = 'x'"


def test_jsonlog_written_again_with_spaces() -> None:
    entry = {"timestamp": "2026-11-30 08:11:04.634 UTC", "dbname": "shop", "error_severity": "LOG"}
    assert only(json.dumps(entry | {"message": RUN.removeprefix("LOG:  ")}) + "\n")[2:] == (
        "shop",
        "select 1 from t\n\twhere a = 5",
    )


def test_lines_of_no_format_that_is_read_are_told() -> None:
    reading = read_log([json.dumps({"content": RUN}).encode()])
    assert reading.totals.entries == 0
    (note,) = log_report(reading.totals, 5, has_unread=reading.has_unread).notes
    assert note.startswith("No line of a format that is read")
    assert not read_log([b"LOG:  duration: 1.0 ms  parse s: select 1\n"]).has_unread
    assert read_log([b"x LOGG:  varaktighet: 1.000 ms  sats: select 1\n"]).has_unread


def test_text_of_another_entry_is_no_entry() -> None:
    head = "2026-11-30 08:11:04.634 UTC [6404] "
    forged = "LOG:  duration: 9.000 ms  statement: select 2"
    log = f"{head}{RUN} and b = '{forged}'\n{head}ERROR:  x\n{head}STATEMENT:  select '{forged}'\n\t{head}{forged}\n"
    assert only(log)[:2] == (1, 12.5)


@pytest.mark.parametrize(
    "own", ["ERROR:  x", "FEHLER:  x", "ОШИБКА:  x", "LOG:  duration: 1.000 ms  statement: select 3"]
)
@pytest.mark.parametrize(
    ("prefix", "before", "behind"), [("%m [%a] ", "x [", "] "), ("%a:  ", "", ":  "), (None, "", " ")]
)
def test_a_session_s_name_is_no_entry(prefix: str | None, before: str, behind: str, own: str) -> None:
    mine = f"{before}app{behind}{RUN}\n"
    forged = f"{before}LOG:  duration: 99999.000 ms  statement: select evil{behind}{own}\n"
    detail = f"{before}DETAIL:  Parameters: $1 = 'x'{behind}{own}\n"
    log = f"{mine}{forged}{mine}{detail}"
    (statement,) = logged_statements(read_log([log.encode()], prefix).totals)
    assert (statement.calls, statement.slowest_ms) == (2, 12.5)
    assert {entry.detail for entry in statement.samples} == {b""}


@pytest.mark.parametrize("remark", ["-- TODO:  later", "/* NOTE:  x */", "-- see FIXME:  x"])
def test_a_remark_in_a_text_is_no_severity(remark: str) -> None:
    assert only(f"x [app] LOG:  duration: 12.500 ms  statement: {remark}\n\tselect 1\n", "%m [%a] ")[:2] == (1, 12.5)


def test_a_severity_in_a_text_stays_there_where_a_prefix_has_no_names() -> None:
    log = "1 LOG:  duration: 12.500 ms  statement: select 1 from t where a = 'x LOG:  y'\n"
    assert only(log, "%p ")[:2] == (1, 12.5)


def test_syslog_in_pieces_of_several_processes() -> None:
    head = "Nov 30 08:11:04 db1 postgres[{}]: [{}-{}] "
    when = "2026-11-30 08:11:04.634 UTC [1] me@shop "
    lines = [
        head.format(1, 3, 1) + when + "LOG:  duration: 12.500 ms  execute <unnamed>: select 1 from",
        head.format(2, 9, 1) + when + "LOG:  duration: 1.000 ms  parse <unnamed>: select 3",
        head.format(1, 3, 2) + " t",
        head.format(1, 3, 3) + "#011where a = $1",
        head.format(1, 3, 4) + when + "DETAIL:  parameters: $1 = 'x'",
    ]
    (statement,) = logged_statements(read_log(["\n".join(lines).encode()]).totals)
    (entry,) = statement.samples
    assert sql_with_values(entry) == "select 1 from t\nwhere a = 'x'"


@pytest.mark.parametrize(
    "carrier",
    [
        "Nov 30 08:11:04 db1 postgres[{}]: ",
        "2026-11-30T08:11:04.6{}Z stderr F ",
        "db-1  | ",
        "2026-11-30T08:11:04.6{}Z ",
    ],
)
def test_lines_as_journald_and_containers_carry_them(carrier: str) -> None:
    head = "2026-11-30 08:11:04.634 UTC [1] me@shop "
    lines = f"{head}{RUN}\n{head}DETAIL:  parameters: $1 = 'x'\n{head}LOG:  checkpoint starting: time\n".split("\n")
    log = "\n".join(carrier.format(number) + line for number, line in enumerate(lines[:-1])) + "\n"
    (statement,) = logged_statements(read_log(log[at : at + 200].encode() for at in range(0, len(log), 200)).totals)
    assert (statement.database, sql_of(statement.samples[0])) == ("shop", "select 1 from t\nwhere a = 5")
    assert statement.samples[0].detail == b"parameters: $1 = 'x'"


def test_cut_values_are_no_values() -> None:
    log = (
        "2026-11-30 08:11:04.634 UTC [1] LOG:  duration: 1.000 ms  execute s: select $1, $2\n"
        "2026-11-30 08:11:04.634 UTC [1] DETAIL:  parameters: $1 = 'abc...', $2 = 'x'\n"
    )
    (statement,) = logged_statements(read_log([log.encode()]).totals)
    assert sql_with_values(statement.samples[0]) is None


def test_entry_that_is_too_long_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_ENTRY_BYTES", 10_000)
    head = "2026-11-30 08:11:04.634 UTC [1] "
    log = f"{head}LOG:  duration: 1.000 ms  statement: select 1\n" + "\t, 'LOG:  duration: 2.000 ms'\n" * 3000
    log += f"{head}LOG:  duration: 3.000 ms  statement: select 2 from t\n"
    reading = LogReading()
    for at in range(0, len(log), 1000):
        reading.add(log[at : at + 1000].encode())
    reading.finish()
    assert (reading.cut, reading.totals.entries) == (1, 2)


def test_gzip_is_unpacked_in_blocks() -> None:
    data = b"".join(b"line %d\n" % number for number in range(400_000))
    packed = gzip.compress(data[:1_000_000]) + gzip.compress(data[1_000_000:])
    blocks = list(blocks_of(io.BytesIO(packed)))
    assert b"".join(blocks) == data
    assert max(map(len, blocks)) <= 1 << 20


def test_memory_does_not_grow_with_the_log() -> None:
    def blocks(count: int):
        for block in range(count):
            yield b"".join(
                b"08:11:04 [1] a@b LOG:  duration: %d.000 ms  statement: select c%d from t%d where x = %d\n"
                % (number % 7, number % 50, block % 10, block * 500 + number)
                for number in range(500)
            )

    peaks = []
    for count in (10, 60):
        tracemalloc.start()
        totals = read_log(blocks(count)).totals
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (totals.entries, len(totals.statements)) == (count * 500, 500)
    assert peaks[1] < peaks[0] * 1.2


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("select a from t where b = 5", "select a from t where b = 67", True),
        ("select a from t where b='it''s'", "select a from t where b='x'", True),
        ("select a from t /* id=1 */ where b = 1", "select a from t /* id='2' */ where b = 1", True),
        ("select a from t1 where b = 5", "select a from t2 where b = 5", False),
        ('select a from "t 1" where b = 5', 'select a from "t 2" where b = 5', False),
        ("select a from t where b < 5", "select a from t where b > 5", False),
        ("select a from t where b = E'x\\'' and c = 'y'", "select a from t where b = E'x\\'' or c = 'y'", False),
        ("select $$it's$$ from a where x = 'y'", "select $$it's$$ from b where x = 'y'", False),
        (
            f"select a from t where b in ({', '.join('123456' * 200)})",
            f"select a from t where b in ({'1, ' * 900}2)",
            True,
        ),
    ],
)
def test_texts_with_one_key_are_one_statement(one: str, other: str, are_same: bool) -> None:
    assert (text_key(one.encode()) == text_key(other.encode())) is are_same
    assert (fingerprint(one) == fingerprint(other)) is are_same


@pytest.mark.parametrize(
    ("prefix", "head", "database"),
    [
        ("%t:%r:%u@%d:[%p]:", b"2026-11-30 08:11:04 UTC:::1(5432):me@shop:[123]:", b"shop"),
        ("%m [%p] app=%a db=%d,", b"2026-11-30 08:11:04.634 CET [1] app=DB Tool 2 - Main db=shop,", b"shop"),
        ("%-8u %-8d|", b"me       shop    |", b"shop"),
        ("%8u %8d|", b"      me     shop|", b"shop"),
        ("100%% %q%d ", b"100% shop ", b"shop"),
        ("%d%p ", b"shop123 ", None),
        ("%p %d", b"123 shop", None),
    ],
)
def test_prefixes_as_given(prefix: str, head: bytes, database: bytes | None) -> None:
    entries = StderrReader(prefix.encode()).feed(head + RUN.encode() + b"\n" + head + b"LOG:  x\n")
    assert [entry.database for entry in entries] == [database]


def test_a_prefix_never_goes_back_over_a_line() -> None:
    pattern = database_pattern(b"%a%h%p%a%u%-9a" * 5 + b"%dX")
    assert pattern is not None
    assert not re.search(rb"[*+]", re.sub(rb"[*+?]\+", b"", pattern.pattern))
    assert pattern.match(b"a" * 1_000) is None
    long = database_pattern(b"%a%d" + b"x" * 190)
    assert long is not None
    assert len(long.pattern) < 300


class _Counted:
    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern, self.calls = pattern, 0

    def search(self, *arguments: Any) -> re.Match[bytes] | None:
        self.calls += 1
        return self.pattern.search(*arguments)


def test_each_line_is_looked_at_once_however_many_blocks_its_entry_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = _Counted(stderr_log.FIELD_LINE)
    monkeypatch.setattr(stderr_log, "FIELD_LINE", counted)
    reader_ = StderrReader()
    for _ in range(50):
        assert not list(reader_.feed(b"1 HINT:  x\n" * 20))
    assert counted.calls <= 50 * 20 + 50


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda text: stderr_log.DETAIL_TEXT.match(text), b"\n\t" * 500_000),
        (lambda text: csv_log.ROW.match(text), b'2026-11-30 08:11:04 UTC,"' + b'""' * 500_000),
        (lambda text: text_key(text), b"select e'" + b"\\\\" * 500_000 + b"'"),
        (lambda text: query_text(text), b'{ "Query Text": "' + b"\\n" * 500_000 + b'"'),
        (lambda text: parameters_at(text), b"parameters: $1 = '" + b"''" * 500_000 + b"'"),
    ],
    ids=("stderr", "csv", "key", "json", "values"),
)
def test_memory_of_a_long_text_is_that_of_the_text(read: Any, text: bytes) -> None:
    tracemalloc.start()
    read(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * len(text)


def test_numbers_that_no_server_writes_are_none() -> None:
    head = "2026-11-30 08:11:04.634 UTC [6404] "
    log = f"{head}LOG:  duration: {'9' * 400}.0 ms  statement: select 2\n{head}{RUN}\n"
    assert only(log)[:2] == (1, 12.5)
    assert parameters_at(b"parameters: $" + b"1" * 5_000 + b" = '1'") == (None, 0)
    assert with_values("select $" + "1" * 5_000, {1: "x"}) is None
    assert logged_time(b"0001-01-01 00:00:00 +14") is None


def test_texts_are_parsed_up_to_a_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    real = events.parse
    monkeypatch.setattr(events, "parse", lambda sql: tried.append(len(sql)) or real(sql))
    text = b"Query Text: select (" + b"x" * 50_000 + b"\nSeq Scan  (cost=0" * 20
    query_text(text)
    assert 0 < sum(tried) <= events.MOST_TRIED_BYTES

    monkeypatch.setattr(statements, "MOST_DESCRIBED_BYTES", 100)
    log = "".join(f"LOG:  duration: {n}.000 ms  statement: select {n} from t{n}\n" for n in range(10, 30))
    assert 1 < len(logged_statements(read_log([log.encode()]).totals)) < 6


SYSLOG = b"Nov 30 08:11:04 db1 postgres[%d]: [3-%d] "


def test_a_syslog_entry_that_is_too_long_is_cut_and_all_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_ENTRY_BYTES", 10_000)
    syslog = SyslogReader()
    list(syslog.feed(b"".join(SYSLOG % (1, 1 + n) + b"x" * 1_000 + b"\n" for n in range(15))))
    assert syslog.cut == 1

    monkeypatch.setattr(syslog_log, "MOST_WAITING_BYTES", 100_000)
    syslog = SyslogReader()
    entry = b"2026-11-30 08:11:04 UTC LOG:  duration: 1.000 ms  statement: select 1" + b"x" * 5_000
    found = list(syslog.feed(b"".join(SYSLOG % (n, 1) + entry + b"\n" for n in range(100))))
    assert 75 < len(found) < 85
    assert len(found) + len(list(syslog.close())) == 100


def test_only_the_beginning_of_a_syslog_line_is_searched_for_its_header() -> None:
    assert syslog_log.PIECE.match(b"a" * 1_000 + SYSLOG % (1, 1), 0, syslog_log.HEADER_BYTES) is None
    assert not list(SyslogReader().feed(b"a" * 390 + SYSLOG % (1, 1) + RUN.encode() + b"\n"))


def test_a_carried_line_that_is_too_long_is_cut_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_ENTRY_BYTES", 10_000)
    head = "db-1  | 2026-11-30 08:11:04.634 UTC [1] LOG:  duration: {}.000 ms  statement: select {}"
    log = head.format(1, 1) + ", 2" * 30_000 + "\n" + "".join(head.format(n, n) + "\n" for n in (2, 3))
    carried = CarriedReader(partial(CARRIERS[2].sub, b""), StderrReader())
    found, waiting = [], []
    for at in range(0, len(log), 1_000):
        found += carried.feed(log[at : at + 1_000].encode())
        waiting.append(len(carried._line) + len(carried.rest))
    found += carried.close()
    assert max(waiting) <= 11_000
    assert carried.cut == 1
    assert [(entry.duration_ms, entry.is_cut) for entry in found] == [(1.0, True), (2.0, False), (3.0, False)]


def test_members_without_content_end_the_unpacking() -> None:
    line = b"line\n" * 1_000
    members = gzip.compress(line) + gzip.compress(b"") * 5_000 + gzip.compress(line)
    assert b"".join(blocks_of(io.BytesIO(members))) == line
    assert len(b"".join(blocks_of(io.BytesIO(gzip.compress(line) * 2_000)))) == 2_000 * len(line)


def test_an_open_field_of_csv_is_walked_back_by_its_quotes() -> None:
    rows = b'2026-11-30 08:11:04.634 UTC,"me","shop",1,"a ""b"" \n c"\n'
    csv = csv_log.CsvReader()
    assert csv._end_of_whole(rows + b'x,"' + b"\n" * 500 + b'""\n\n') == len(rows)
    assert csv._end_of_whole(rows * 2 + b'x,"y') == len(rows) * 2
    assert csv._end_of_whole(b'x,"\n\n') == 0


ROW = (
    '2026-11-30 08:11:04.634 UTC,"me","shop",{0},,6b0.1,{0},"SELECT",2026-11-30 08:11:00 UTC,0/1,0,LOG,00000,'
    '"duration: {0}.500 ms  execute s: select $1\n\tfrom t","parameters: $1 = \'a\nb\'",'
    ',,,,,,,"app","client backend",,0\n'
)


def values_of(log: bytes, block_bytes: int = 1 << 20) -> list[str | None]:
    csv = reader_for(log)
    entries = [entry for at in range(0, len(log), block_bytes) for entry in csv.feed(log[at : at + block_bytes])]
    return [sql_with_values(entry) for entry in (*entries, *csv.close())]


def test_csv_that_begins_within_an_entry_or_was_written_by_windows() -> None:
    """Behind the middle of a quoted field, however long, quotes open where they would close."""
    whole = "".join(map(ROW.format, range(10, 40))).encode()
    assert values_of(whole, 100) == ["select 'a\nb'\n\tfrom t"] * 30
    assert values_of(whole[whole.index(b"select") :], 100) == ["select 'a\nb'\n\tfrom t"] * 29
    plan = b"Query Text: select 1\n" + b"  ->  Seq Scan on t\n" * 200 + b'",,,\n'
    assert values_of(plan + whole, 100) == ["select 'a\nb'\n\tfrom t"] * 30
    assert values_of(whole.replace(b"\n", b"\r\n"))[0] == "select 'a\nb'\n\tfrom t"


def test_lines_of_other_programs_do_not_make_a_plain_log_json() -> None:
    assert only('{"level": "info", "message": "ready"}\n' + f"2026-11-30 08:11:04 UTC [1] {RUN}\n" * 2)[:2] == (2, 25.0)


@pytest.mark.parametrize(
    ("run", "detail"),
    [
        ("Dauer: 12.500 ms  Anweisung: ", "DETAIL:  Parameter: "),
        ("Dauer: 12.500 ms  Ausführen s: ", "DETAIL:  Parameter: "),
        ("durée : 12.500 ms, instruction : ", "DÉTAIL:  paramètres : "),
        ("durée : 12.500 ms  exécute fetch à partir de s: ", "DÉTAIL:  paramètres : "),
        ("duración: 12.500 ms  ejecutar s: ", "DETALLE:  parámetros: "),
        ("durata: 12.500 ms  esecuzione di s: ", "DETTAGLI:  parametri: "),
    ],
)
def test_runs_in_other_languages(run: str, detail: str) -> None:
    head = "2026-11-30 08:11:04.634 UTC [6404] "
    plain = f"{head}LOG:  {run}select $1\n{head}{detail}$1 = 'x'\n"
    csv = ROW.replace("duration: {0}.500 ms  execute s: ", run).replace("parameters: ", detail.partition(":  ")[2])
    message = {"message": f"{run}select $1", "detail": f"{detail.partition(':  ')[2]}$1 = 'x'"}
    carried = json.dumps({"error_severity": "LOG", **message}, ensure_ascii=False, separators=(",", ":"))
    assert values_of(plain.encode()) == values_of(carried.encode()) == ["select 'x'"]
    assert values_of(plain.encode("latin-1")) == ["select 'x'"]
    assert values_of(csv.format(1).encode()) == ["select 'a\nb'\n\tfrom t"]


@pytest.mark.parametrize("detail", ["Parameter: ", "Parameters: "])
def test_texts_that_look_like_another_language_s_words_stay(detail: str) -> None:
    head = "2026-11-30 08:11:04.634 UTC [6404] "
    text = "select 'Dauer: 1.0 ms', 'Parameter: $1', 'durata: 2 ms', $1"
    log = f"{head}LOG:  Dauer: 12.500 ms  Anweisung: {text}\n{head}DETAIL:  {detail}$1 = 'x'\n"
    assert values_of(log.encode()) == [text.replace(", $1", ", 'x'")]


def test_steps_of_parsing_in_other_languages_are_no_runs() -> None:
    steps = ("Dauer: 1.0 ms  Parsen s: ", "Dauer: 1.0 ms  Binden s: ", "durée : 1.0 ms, analyse s : ",
             "durée : 1.0 ms, lien s : ", "duración: 1.0 ms  bind s: ", "durata: 1.0 ms  analisi di s: ")  # fmt: skip
    assert not read_log(["".join(f"x LOG:  {step}select 1\n" for step in steps).encode()]).totals.entries


@pytest.mark.parametrize("format", ["xml", "yaml"])
def test_values_in_plans_of_every_format(format: str) -> None:
    """From 16 on; a group that has nothing in it is none."""
    text = {
        "xml": "<explain>\n <Query-Text>select $1</Query-Text>\n <Query-Parameters>$1 = 'a&lt;\n'</Query-Parameters>\n"
        " <Plan>\n  <Node-Type>Result</Node-Type>\n </Plan>\n <Settings>\n </Settings>\n</explain>",
        "yaml": 'Query Text: "select $1"\nQuery Parameters: "$1 = \'a<\\n\'"\nPlan: \n  Node Type: "Result"\n',
    }[format]
    log = "x LOG:  duration: 1.000 ms  plan:\n" + "".join(f"\t{line}\n" for line in text.split("\n"))
    (entry,) = (*(plain := StderrReader()).feed(log.encode()), *plain.close())
    assert sql_with_values(entry) == "select 'a<\n'"
    assert [node.node_type for node in events.logged_plan(entry).plan] == ["Result"]
