"""What a log on a terminal shows of texts that a monitored server chose: control sequences are spelled out."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOGS = """
import logging
{setup}
for name in ("analyzer.steps", "celery.task", "analyzer.tasks"):
    logging.getLogger(name).warning("server %s", "\\x1b]0;owned\\x07\\u202e")
from celery.utils.log import get_task_logger
get_task_logger("analyzer.tasks").error("task \\x1b[2J")
try:
    raise ValueError("trace \\x1b[31m")
except ValueError:
    logging.getLogger("analyzer").exception("failed")
"""
WEB = "import django; django.setup()"
WORKER = "from dashboard.celery import app; app.log.setup(loglevel='INFO', redirect_stdouts=False)"


@pytest.mark.slow
@pytest.mark.parametrize("setup", [WEB, WORKER], ids=["web", "worker"])
def test_a_terminal_gets_no_control_sequence(setup: str) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    with subprocess.Popen([sys.executable, "-c", LOGS.format(setup=setup)], cwd=ROOT, env=environment, stdout=theirs,
                          stderr=theirs):  # fmt: skip
        os.close(theirs)
        shown = b""
        while piece := _read(ours):
            shown += piece
    os.close(ours)
    text = shown.decode()
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("server ⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+202E⟩") == 3, text
    assert "task ⟨U+001B⟩[2J" in text
    assert "\r\nTraceback" in text
    assert "trace ⟨U+001B⟩[31m" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so at the end
        return b""
