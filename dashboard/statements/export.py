"""The list of statements as CSV: every statement that matches, streamed, safe to open in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator, Mapping

from django.http import StreamingHttpResponse

from analyzer.models import Server
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.store.series.totals import StatementPage
from analyzer.store.series.windows import Window
from dashboard.statements.relations import Relations

MOST_ROWS = 100_000
NAMES = (
    "fingerprint", "kind", "tables", "calls", "total_exec_time_ms", "mean_exec_time_ms", "load_ratio", "rows",
    "shared_read_bytes", "io_time_ms", "wal_bytes", "temp_written_bytes", "total_exec_time_before_ms", "first_seen",
    "last_seen", "sql",
)  # fmt: skip
# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
NEEDED = (
    "calls", "total_exec_time_us", "rows", "shared_read_blocks", "shared_read_time_us", "shared_write_time_us",
    "wal_bytes", "temp_written_blocks",
)  # fmt: skip


class _Echo:
    def write(self, line: str) -> str:
        return line


def as_csv(
    server: Server, window: Window, page: StatementPage, before_ms: Mapping[int, float] | None, relations: Relations
) -> StreamingHttpResponse:
    """``before_ms``: by line, of the window before; None: not measured."""
    response = StreamingHttpResponse(_lines(page, before_ms, relations), content_type="text/csv; charset=utf-8")
    name = f"statements-{server.slug}-{window.start:%Y%m%dT%H%MZ}-{window.end:%Y%m%dT%H%MZ}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(page: StatementPage, before_ms: Mapping[int, float] | None, relations: Relations) -> Iterator[str]:
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    yield _written(writer.writerow(NAMES))
    for row in page.rows:
        figures: Iterable[object] = (
            row.fingerprint, row.kind, ", ".join(relations.tables_of(row)), row.calls, _ms(row.total_exec_time_ms),
            _ms(row.mean_exec_time_ms), "" if row.load_ratio is None else f"{row.load_ratio:.6f}", row.rows,
            row.shared_read_blocks * PAGE_BYTES, _ms(row.shared_read_time_ms + row.shared_write_time_ms),
            row.wal_bytes, row.temp_written_blocks * PAGE_BYTES,
            "" if before_ms is None else _ms(before_ms.get(row.line, 0.0)),
            row.first_seen.isoformat(timespec="seconds"), row.last_seen.isoformat(timespec="seconds"),
            row.normalized_sql,
        )  # fmt: skip
        yield _written(writer.writerow(map(harmless, figures)))


def _written(line: object) -> str:
    return str(line)  # what _Echo returned: csv's own type says int


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def harmless(value: object) -> object:
    """A text that a spreadsheet would compute, as a text: with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
