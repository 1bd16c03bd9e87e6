"""The planner takes the storage for a turning disk: random_page_cost is 4.

The default says that a page read somewhere costs four times one read in a row. On flash (SSD, NVMe, the volumes of
cloud providers) the two cost nearly the same, and with 4 the planner reads whole tables where an index would be
faster; 1.1 is usual there. What kind of disk it is cannot be seen from a database session: look with ``lsblk -d -o
name,rota`` (0: flash). It can be set for one tablespace (ALTER TABLESPACE ... SET), and be tried in a session before.
Leave it alone on turning disks, and where plans are right as they are.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.settings import for_everybody, setting_fix, total_bytes
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of
from analyzer.words.sizes import GB, size_words

check = Check(
    __name__,
    code="SV026",
    title="random_page_cost is that of a turning disk",
    severity=Severity.INFO,
    data=Threshold(1, "GB of databases", "judgement: smaller ones are in memory, and few scans are worth a thought"),
)


@check.on(ClusterFacts)
def random_page_cost_of_disks(facts: ClusterFacts) -> Iterator[Finding]:
    random, in_a_row = (for_everybody(facts, name) for name in ("random_page_cost", "seq_page_cost"))
    size = total_bytes(facts)
    if random is None or in_a_row is None or size < check["data"] * GB:
        return
    if random.is_changed or float(random.value) != 4.0 or float(in_a_row.value) != 1.0:
        return
    host = host_of(facts)
    disk = f"{host.name}'s usual storage is flash" if host else "Whether the disk turns cannot be seen from here"
    yield check.finding(
        subject="random_page_cost",
        message=f"random_page_cost is 4, the default, with {size_words(size)} of databases. {disk}.",
        hint="On flash set it to 1.1; try it first in a session: SET random_page_cost = 1.1, then EXPLAIN.",
        evidence={"random_page_cost": 4.0, "databases_bytes": size},
        fixes=(setting_fix(facts, "random_page_cost", "1.1", "Where the storage is flash"),),
    )
