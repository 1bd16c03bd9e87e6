"""Sizes in words, in PostgreSQL's own units: kB, MB and GB of 1024, as pg_size_pretty() and work_mem count. Pure."""

KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
BIGGER = ("kB", "MB", "GB", "TB", "PB")


def short_number(number: float) -> str:
    """Three digits that matter, without trailing zeros: 1.2, 34, 567."""
    magnitude = abs(number)
    digits = 0 if magnitude >= 99.5 else 1 if magnitude >= 9.95 else 2
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size_words(size_bytes: float) -> str:
    """ "812 B", "1.3 MB", "214 GB"."""
    amount, unit = float(size_bytes), "B"
    for bigger in BIGGER:
        if abs(amount) < 1023.5:
            break
        amount, unit = amount / 1024, bigger
    return f"{short_number(amount)} {unit}"


def setting_bytes(setting: str) -> int | None:
    """Of a memory setting as SHOW, current_setting() and EXPLAIN (SETTINGS) print it; None for -1, no limit.

    Without a unit it counts kB, as work_mem and temp_file_limit do.
    """
    for number, unit in enumerate(BIGGER, 1):
        if setting.endswith(unit) and setting.removesuffix(unit).isdigit():
            return int(setting.removesuffix(unit)) << 10 * number
    return int(setting) * KB if setting.isdigit() else None


def memory_setting(size_bytes: float) -> str:
    """As ``work_mem`` takes it, rounded up to whole megabytes: "28MB"."""
    return str(-(-int(size_bytes) // MB)) + "MB"
