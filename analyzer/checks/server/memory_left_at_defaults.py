"""Memory settings are PostgreSQL's defaults, which fit a machine of long ago, on a server with far more data.

``shared_buffers`` is 128 MB by default: the manual (19.4) calls a quarter of the memory reasonable for a server of
its own. ``effective_cache_size`` (4 GB) takes no memory: it tells the planner how much of the data it may expect in
caches, and where it is too low, index scans look dearer than they are; half to three quarters of the memory is usual.

How much memory the machine has is not to be seen from a database session. Verify with ``free -h`` there. Leave it
alone on a machine with 1 GB or less, or where the data that are used are few. Managed services
set both by the memory of the instance; theirs are not looked at.
"""

from collections.abc import Iterator

from analyzer.checks import Check, Threshold
from analyzer.checks.settings import bytes_of, for_everybody, setting_fix, total_bytes
from analyzer.findings import Finding, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.hosts import host_of
from analyzer.words.sizes import GB, size_words

check = Check(
    __name__,
    code="SV025",
    title="Memory settings were left at their defaults",
    severity=Severity.INFO,
    data=Threshold(10, "GB of databases", "judgement: below it much of the data is in the kernel's cache anyhow"),
)
DEFAULT_BUFFERS = 128 * 1024**2  # initdb writes it into postgresql.conf, so it looks chosen


@check.on(ClusterFacts)
def memory_left_at_defaults(facts: ClusterFacts) -> Iterator[Finding]:
    size = total_bytes(facts)
    if size < check["data"] * GB or host_of(facts) is not None:
        return  # services set them by the memory of the instance, or cache pages in their own way
    buffers = bytes_of(facts, "shared_buffers")
    if buffers is not None and buffers <= DEFAULT_BUFFERS:
        yield check.finding(
            subject="shared_buffers",
            severity=Severity.WARNING,
            message=f"shared_buffers is {size_words(buffers)}; the databases have {size_words(size)}.",
            hint="Give it about a quarter of the machine's memory (which a session cannot see): 4GB of 16 GB.",
            evidence={"shared_buffers_bytes": buffers, "databases_bytes": size},
            fixes=(setting_fix(facts, "shared_buffers", "4GB", "For a machine with 16 GB"),),
        )
    cache = for_everybody(facts, "effective_cache_size")
    if cache is not None and not cache.is_changed and cache.in_bytes is not None:
        yield check.finding(
            subject="effective_cache_size",
            message=(
                f"effective_cache_size is {size_words(cache.in_bytes)}, the default; the databases have"
                f" {size_words(size)}."
            ),
            hint="Set it to half to three quarters of the machine's memory; it takes none.",
            evidence={"effective_cache_size_bytes": cache.in_bytes, "databases_bytes": size},
            fixes=(setting_fix(facts, "effective_cache_size", "12GB", "For a machine with 16 GB"),),
        )
