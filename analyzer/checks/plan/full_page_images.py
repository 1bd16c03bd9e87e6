"""Most of what a statement wrote to the WAL are images of whole pages.

The first change of a page after a checkpoint logs the whole page (8 kB), so that a crash in the middle of writing it
does no harm. The sooner checkpoints follow each other, the more often. To verify, compare wal_fpi with wal_records in
pg_stat_wal (14+), and see in the log (log_checkpoints) whether checkpoints come by time or by WAL. Larger
max_wal_size and checkpoint_timeout make them rarer, at the price of a longer recovery; wal_compression makes the
images smaller. Never turn full_page_writes off for it. Leave it alone for a rare bulk change, and where WAL costs
nobody anything. Only plans made with EXPLAIN's option WAL show it. How large the images were is not printed: 8 kB
each at most. It is about volume, not about the statement's time.
"""

from collections.abc import Iterator

from analyzer.checks import Check, EvidenceLevel, Fix, Threshold
from analyzer.findings import Finding, Severity
from analyzer.plans import Plan
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.words.sizes import size_words

RECORD_BYTES = 200  # of a record without an image: judgement, most rows' are shorter

SEE = """\
SELECT name, setting, unit FROM pg_settings
WHERE name IN ('max_wal_size', 'checkpoint_timeout', 'wal_compression', 'full_page_writes');"""

check = Check(
    __name__,
    code="PL093",
    title="WAL is mostly full page images",
    severity=Severity.INFO,
    images=Threshold(1_000, "full page images", "judgement: 8 MB of WAL at most"),
    images_ratio=Threshold(0.30, "images' bytes / WAL bytes", "judgement: below it the rows themselves are the most"),
)


@check.on(Plan)
def full_page_images(plan: Plan) -> Iterator[Finding]:
    logged = [node for node in plan if node.wal is not None]
    node = max(logged, key=lambda n: n.wal.bytes if n.wal is not None else 0, default=None)
    wal = node.wal if node is not None else None
    if node is None or wal is None or wal.full_page_images < check["images"] or not wal.bytes:
        return
    # holes in pages are left out and images may be compressed: what the records cannot be, at most a page each
    images_bytes = min(wal.full_page_images * PAGE_BYTES, wal.bytes - wal.records * RECORD_BYTES)
    if images_bytes < wal.bytes * check["images_ratio"]:
        return
    yield check.finding(
        node=node,
        subject=node.label,
        message=(
            f"{node.label} wrote {size_words(wal.bytes)} of WAL in {wal.records:,} records, of which"
            f" {wal.full_page_images:,} hold an image of a whole page: up to"
            f" {size_words(min(wal.bytes, wal.full_page_images * PAGE_BYTES))}."
        ),
        hint=(
            "If this statement runs often, make checkpoints rarer (max_wal_size, checkpoint_timeout) and the images"
            " smaller (wal_compression)."
        ),
        evidence={
            "wal_bytes": wal.bytes,
            "wal_records": wal.records,
            "full_page_images": wal.full_page_images,
        },
        level=EvidenceLevel.EXECUTED,
        fixes=(Fix("See the settings", "sql", SEE),),
    )
