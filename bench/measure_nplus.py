"""How much of what two real projects look up row by row is named, and how much of what is named is true."""

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import process_time

from analyzer.checks import run_checks
from analyzer.checks.statement.n_plus_one_burst import check
from analyzer.findings import Finding
from bench.projects import PER_MINUTE, PROJECTS, monitored, record
from bench.results import Context, Result
from tests.apps.recorded import INTERVALS, Recording, judge

LEAST_PRECISION, LEAST_RECALL = 1.0, 0.9
TAGS = {False: "no tags", True: "tags"}


def measure(context: Context) -> list[Result]:
    results = []
    began, recordings = process_time(), 0
    with tempfile.TemporaryDirectory(prefix="nplus-", dir=context.place) as place:
        Path(place).chmod(0o755)
        before = os.times()
        for recording in recorded(Path(place)):
            recordings += 1
            results += of_recording(recording)
        after = os.times()
    spent = process_time() - began + after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    return [*results, Result(f"processor time of {recordings} half hours, PostgreSQL included", spent, "s")]


def recorded(place: Path) -> Iterator[Recording]:
    with monitored(place) as cluster:
        for name in PROJECTS:
            yield from record(cluster, place, name, PER_MINUTE)


def of_recording(recording: Recording) -> list[Result]:
    results = []
    for tagged, said in TAGS.items():
        judged = judge(recording, found_in(recording, tagged))
        n = len(judged.findings)
        grades = Counter(str(f.evidence["confidence"]) for f in judged.findings)
        what = f"{recording.project}, {recording.rate} rate, {said}"
        how = ", ".join(f"{grades[g]} {g}" for g in ("confirmed", "likely", "possible"))
        results += [
            Result(f"{what}: precision ({how})", 1 - len(judged.false) / max(1, n), "", least=LEAST_PRECISION),
            Result(f"{what}: recall, of {judged.planted} pages", len(judged.pages) / judged.planted, "",
                   least=LEAST_RECALL),
            Result(f"{what}: of {len(judged.repeated)} repeated statements",
                   len(judged.named) / max(1, len(judged.repeated)), ""),
        ]  # fmt: skip
        if tagged:
            right = sum(1 for f in judged.findings if f.evidence.get("route")) - len(judged.wrong_routes)
            results += [Result(f"{what}: findings that name their route", right, f"of {n}"),
                        Result(f"{what}: that name a wrong one", len(judged.wrong_routes), "", 0)]  # fmt: skip
    return results


def found_in(recording: Recording, tagged: bool, intervals: int = INTERVALS) -> list[Finding]:
    return run_checks(recording.workload(intervals, tagged=tagged), checks=[check]).findings
