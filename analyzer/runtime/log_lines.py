"""Log lines may repeat what a monitored server says, and a terminal that shows them obeys control sequences."""

import logging

from analyzer.words.visible import visible


class VisibleFormatter(logging.Formatter):
    """Spells them out, in tracebacks too. ``around``: a formatter of somebody else's, whose lines they are."""

    def __init__(self, *args: str | None, around: logging.Formatter | None = None) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.around = around

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record) if self.around is None else self.around.format(record))
