"""Samples of sessions -> what single ones ran one after another, and from where."""

from datetime import timedelta

from analyzer.behaviour.workload import Origin
from analyzer.models import Database
from analyzer.store.series.activity import keep_activity, session_evidence
from tests.dashboard import world

TAGS = "/*route='orders.list',file='orders%2Fviews.py:41'*/"


def test_executions_come_back_in_their_sessions_order_with_route_file_and_application(fake):
    fake.run(7)
    fake.run(8)
    fake.read()
    fake.name({7: "select a from t where b = $1", 8: "select b from s"})
    of = {queryid: fake.entry(queryid).statement.fingerprint for queryid in (7, 8)}
    samples = []
    for at_s, queryid, text in (
        (0.0, 8, "select b from s"),
        (0.1, 7, f"select a from t where b = 1 {TAGS}"),
        (0.1, 7, f"select a from t where b = 1 {TAGS}"),  # the same execution, seen twice
        (0.2, 7, "select a from t where b = 2"),
        (9.0, 7, "select a from t where b = 3"),
    ):
        at = fake.now + timedelta(seconds=at_s)
        seen = {"backend_start": fake.now, "query_start": at, "xact_start": None, "application_name": "web"}
        samples.append((at, [world.backend(at, queryid=queryid, text=text, **seen)]))
    keep_activity(fake.server, samples)
    row = samples[0][1][0]
    seen = session_evidence(
        fake.server, Database(oid=row.database_oid), fake.now - timedelta(minutes=1), fake.now + timedelta(minutes=1)
    )
    assert seen.sampled == {of[7]: 3, of[8]: 1}
    assert seen.follows == {(of[8], of[7]): 1, (of[7], of[7]): 1}
    assert seen.runs == {of[8]: (1,), of[7]: (2, 1)}
    assert seen.origins[of[7]] == {
        Origin("orders.list", "orders/views.py:41", "web"): 1,
        Origin(application="web"): 2,
    }
