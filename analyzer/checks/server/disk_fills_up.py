"""The databases grow so that their disk is full soon, or so that they double soon where its size is not known.

A server whose disk is full stops. PostgreSQL does not tell how large the disk is: an operator can enter it in the
server's settings. The pace is that of the last four weeks, one size of all databases a day (pg_database_size): the
median of the slopes between any two days, which one bulk load does not move, with an error bar of 90 %. A finding needs
the slow end of the error bar to say so. WAL, logs, temporary files and other programs' files come on top.

Look at the tables page for what grows, and delete, archive, or drop partitions of what nobody needs; a larger disk is
the other way. Leave it alone where somebody loads data on purpose and knows when that ends.
"""

from collections.abc import Iterator

from analyzer.checks import Check, NotRun, Threshold
from analyzer.findings import Finding, Quantity, Severity
from analyzer.schema.cluster import ClusterFacts
from analyzer.schema.pace import AHEAD_DAYS, Pace
from analyzer.words.sizes import GB, size_words

check = Check(
    __name__,
    code="SV044",
    title="Databases outgrow their disk",
    severity=Severity.WARNING,
    full_in=Threshold(90, "days", "judgement: time to archive, or to order a disk"),
    full_soon=Threshold(14, "days", "judgement: to be dealt with now"),
    used_ratio=Threshold(0.9, "bytes / bytes of the disk", "judgement: WAL and temporary files need the rest"),
    doubling=Threshold(90, "days", "judgement: nobody planned for twice the size within a quarter"),
    size=Threshold(10, "GB", "judgement: smaller ones fit anywhere twice"),
)


@check.on(ClusterFacts)
def disk_fills_up(facts: ClusterFacts) -> Iterator[Finding]:
    sizes = [database.size_bytes for database in facts.databases or ()]
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes):
        raise NotRun("needs the sizes of all databases (pg_read_all_stats)")
    total, pace = sum(known), facts.pace or Pace()
    is_full = facts.disk_bytes is not None and total >= facts.disk_bytes * check["used_ratio"]
    if pace.per_day is None and not is_full:
        days = pace.days_missing
        raise NotRun(f"needs 7 days of the databases' sizes, {days} more to go")
    severity = _of_disk(facts.disk_bytes, total, pace) if facts.disk_bytes is not None else _of_doubling(total, pace)
    if severity is not None:
        yield _finding(facts, total, pace, severity)


def _of_disk(disk_bytes: int, total: int, pace: Pace) -> Severity | None:
    reached = pace.reaches(disk_bytes - total)
    if reached is not None and reached.latest_days <= check["full_soon"]:
        return Severity.CRITICAL
    is_soon = reached is not None and reached.latest_days <= check["full_in"]
    return Severity.WARNING if is_soon or total >= disk_bytes * check["used_ratio"] else None


def _of_doubling(total: int, pace: Pace) -> Severity | None:
    reached = pace.reaches(total)
    doubles = reached is not None and reached.latest_days <= check["doubling"] and total >= check["size"] * GB
    return Severity.INFO if doubles else None


def _finding(facts: ClusterFacts, total: int, pace: Pace, severity: Severity) -> Finding:
    disk = facts.disk_bytes
    said = f"The databases take {size_words(total)}" + (f" of the {size_words(disk)} of their disk" if disk else "")
    grow = growth_words(pace)
    end = ""
    if grow and disk and (reached := pace.reaches(disk - total)) is not None:
        end = f", which they fill in {reached.words}"
    elif grow and not disk and (reached := pace.reaches(total)) is not None:
        end = f", which doubles them in {reached.words}"
    per_day = pace.per_day
    evidence: dict[str, Quantity] = {
        "databases_bytes": total,
        "disk_bytes": disk,
        "growth_bytes_per_day": None if per_day is None else round(per_day),
        "seen_days": pace.days or None,
        f"in_{AHEAD_DAYS}_days_bytes": None if per_day is None else round(total + per_day * AHEAD_DAYS),
    }
    return check.finding(
        about="disk",
        subject="databases",
        severity=severity,
        title=None if disk else "Databases double soon",
        message=f"{said}{f'; they grow by {grow}{end}' if grow else ''}.{_fastest(facts)}",
        hint="Archive, delete or drop partitions of what nobody needs, or give them a larger disk in time."
        + ("" if disk else " How large the disk is can be entered in the server's settings."),
        evidence=evidence,
    )


def growth_words(pace: Pace) -> str:
    """ "1.2 GB a day (0.9 GB to 1.5 GB, 28 days seen)"; "" where it is not known to grow."""
    if pace.per_day is None or pace.low_per_day is None or pace.high_per_day is None or not pace.is_growing:
        return ""
    low, high = size_words(pace.low_per_day), size_words(pace.high_per_day)
    between = "" if low == high else f"{low} to {high}, "
    return f"{size_words(pace.per_day)} a day ({between}{pace.days} days seen)"


def _fastest(facts: ClusterFacts) -> str:
    """Which of several databases grows most."""
    paces = {name: pace for name, pace in facts.database_paces.items() if pace.per_day is not None and pace.is_growing}
    if len(facts.databases or ()) < 2 or not paces:
        return ""
    name, pace = max(paces.items(), key=lambda item: item[1].per_day or 0.0)
    return f" Fastest is {name}, with {size_words(pace.per_day or 0.0)} a day."
