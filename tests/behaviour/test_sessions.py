"""What sampled executions say of single sessions, and of where a lookup is asked."""

import pytest

from analyzer.behaviour.sessions import Execution, judge_sessions, session_evidence
from analyzer.behaviour.workload import Origin


def run_of(found: str, session: str = "1", since_s: float = 0.0, transaction_s: float | None = None):
    return [
        Execution(session, since_s + at * 0.01, transaction_s, name, Origin("orders", "views.py:4"))
        for at, name in enumerate(found)
    ]


def test_a_lookup_that_follows_its_parent_or_itself_is_told_from_one_that_only_comes_often():
    seen = session_evidence([*run_of("pccccc"), *run_of("sxsysz", "2")])
    assert (seen.sampled["c"], seen.follows["p", "c"], seen.follows["c", "c"]) == (5, 1, 4)
    assert seen.origins["c"] == {Origin("orders", "views.py:4"): 5}
    of_lookup, of_session = judge_sessions(seen, "c", "p"), judge_sessions(seen, "s", "p")
    assert of_lookup.is_shown(3, 3)
    assert of_lookup.followed == 5
    assert not of_session.is_shown(3, 3)


def test_one_execution_shows_nothing_however_rare_it_is():
    seen = session_evidence([*run_of("pc"), *run_of("x" * 500, "2")])
    assert judge_sessions(seen, "c", "p").log_likelihood_ratio > 3
    assert not judge_sessions(seen, "c", "p").is_shown(3, 3)


@pytest.mark.parametrize(
    ("executions", "runs"),
    [
        (run_of("ccc"), (3,)),
        (run_of("ccc", transaction_s=1.0), (3,)),
        ([*run_of("cc", transaction_s=1.0), *run_of("c", since_s=0.1, transaction_s=2.0)], (2, 1)),  # a job's rows
        ([*run_of("cc"), *run_of("c", since_s=5.0)], (2, 1)),
        ([*run_of("cc", transaction_s=1.0), *run_of("c", since_s=5.0, transaction_s=1.0)], (3,)),
        ([*run_of("cc"), *run_of("c", "2")], (2, 1)),
    ],
)
def test_a_run_ends_with_its_transaction_its_session_or_a_pause(executions, runs):
    assert session_evidence(executions).runs["c"] == runs
