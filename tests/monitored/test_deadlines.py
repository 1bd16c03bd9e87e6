"""Work that is not finished in time."""

import os
import threading
import time

from analyzer.monitored.deadlines import Deadlines
from tests.environment import IN_VAIN_S


def test_late_work_is_interrupted_once_and_work_in_time_never():
    found, deadlines = threading.Event(), Deadlines()
    in_time: list[str] = []
    with deadlines.within(0.05, lambda: in_time.append("ran")):
        pass
    with deadlines.within(60, lambda: in_time.append("ran")), deadlines.within(0.05, found.set):
        assert found.wait(IN_VAIN_S)
    assert in_time == []


def test_an_earlier_deadline_wakes_a_thread_that_waits_for_a_later_one():
    found, deadlines = threading.Event(), Deadlines()
    with deadlines.within(60, lambda: None):
        time.sleep(0.05)
        with deadlines.within(0.05, found.set):
            assert found.wait(IN_VAIN_S)


def test_many_pieces_of_work_share_one_thread():
    deadlines = Deadlines()
    before = threading.active_count()
    for _ in range(100):
        with deadlines.within(60, lambda: None), deadlines.within(60, lambda: None):
            assert threading.active_count() <= before + 1


def test_a_forked_child_has_deadlines_of_its_own():
    deadlines = Deadlines()
    with deadlines.within(60, lambda: None):
        child = os.fork()
        if not child:
            found = threading.Event()
            with deadlines.within(0.05, found.set):
                os._exit(0 if found.wait(IN_VAIN_S) else 1)
        assert os.waitpid(child, 0)[1] == 0
