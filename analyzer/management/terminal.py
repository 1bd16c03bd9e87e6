"""Commands whose output may hold what a monitored server or a file says: names, statements, messages.

A terminal obeys control sequences in a text, so they are spelled out wherever a command writes (``visible``).
"""

from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper

from analyzer.words.visible import visible


class TerminalOutput(OutputWrapper):
    def write(self, msg: str = "", style_func: Any = None, ending: str | None = None) -> None:  # type: ignore[override]
        super().write(visible(msg), style_func, ending)

    def write_for_machines(self, text: str) -> None:
        """As it is, where a program reads it: SQL with another name in it would be other SQL."""
        out: Any = self._out
        out.write(visible(text) if self.isatty() else text)


class TerminalCommand(BaseCommand):
    stdout: TerminalOutput
    stderr: TerminalOutput

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("stdout", "stderr"):
            wrapper: Any = getattr(self, name)
            made = TerminalOutput(wrapper._out)
            made.style_func = wrapper.style_func
            setattr(self, name, made)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """``call_command(..., stdout=...)`` gives streams of its own."""
        for name in ("stdout", "stderr"):
            if options.get(name):
                setattr(self, name, TerminalOutput(options.pop(name)))
        return super().execute(*args, **options)
