"""Items of the preflight about what is counted: what keeps statements from it, or texts from being whole. Pure."""

from collections.abc import Iterator, Mapping

from analyzer.monitored.readings import PreflightItem, ServerState
from analyzer.schema.cluster import Evictions
from analyzer.schema.evictions import TIMES_A_DAY, dropped_words, larger, times_a_day
from analyzer.words.lists import counted

# sqlcommenter's tags stand at the end of a text and are cut first. Judgement: ORMs' longer statements fit in 4 kB
ENOUGH_QUERY_BYTES = 4096
RELOAD = "SELECT pg_reload_conf();\n-- on a managed service: set it in its parameters"
RESTART = "-- takes effect after a restart of the server (on a managed service: set it in its parameters)"


def counting_items(
    settings: Mapping[str, str], entries: int | None, state: ServerState | None
) -> Iterator[PreflightItem]:
    """``entries``: of pg_stat_statements; None, as ``state``, where it does not answer."""
    yield from _track(settings)
    yield from _query_size(settings)
    yield from _entries(settings, entries, state)


def _track(settings: Mapping[str, str]) -> Iterator[PreflightItem]:
    for setting in ("track_activities", "track_counts"):
        if settings.get(setting) == "off":
            sql = f"ALTER SYSTEM SET {setting} = on;\n{RELOAD}"
            yield PreflightItem(setting, "missing", f"{setting} is off; the server counts nothing for it.", sql)
    if settings.get("pg_stat_statements.track") == "none":
        sql = f"ALTER SYSTEM SET pg_stat_statements.track = 'top';\n{RELOAD}"
        detail = "pg_stat_statements.track is none, so no statement is counted."
        yield PreflightItem("pg_stat_statements.track", "missing", detail, sql)
    if settings.get("compute_query_id") == "off":  # 14+
        sql = f"ALTER SYSTEM SET compute_query_id = 'auto';\n{RELOAD}"
        detail = "compute_query_id is off, so statements have no id and are not counted."
        yield PreflightItem("compute_query_id", "missing", detail, sql)
    elif "compute_query_id" in settings:
        detail = f"compute_query_id is {settings['compute_query_id']}: sessions show which statement they run."
        yield PreflightItem("compute_query_id", "ok", detail)


def _query_size(settings: Mapping[str, str]) -> Iterator[PreflightItem]:
    name = "track_activity_query_size"
    size = int(settings.get(name, "1024"))
    if size >= ENOUGH_QUERY_BYTES:
        yield PreflightItem(name, "ok", f"Sessions show the first {size:,} bytes of their statement.")
        return
    detail = (
        f"Sessions show only the first {size:,} bytes of their statement; longer ones have no real parameters"
        " and no comment tags."
    )
    sql = f"ALTER SYSTEM SET {name} = {ENOUGH_QUERY_BYTES};\n{RESTART}"
    yield PreflightItem(name, "warning", detail, sql)


def _entries(settings: Mapping[str, str], entries: int | None, state: ServerState | None) -> Iterator[PreflightItem]:
    name = "pg_stat_statements.max"
    if entries is None or state is None or name not in settings:
        return
    most = int(settings[name])
    doubled = larger(most)
    sql = f"ALTER SYSTEM SET {name} = {doubled};\n{RESTART}" if doubled is not None else ""
    detail = f"{entries:,} of {most:,} entries are in use."
    if state.deallocations is None and entries >= most * 0.95:  # before 14: full is all that can be seen
        yield PreflightItem(name, "warning", f"{detail} Rare statements are dropped for lack of room.", sql)
        return
    if state.stats_reset_at is not None and state.deallocations:
        dropped = Evictions(state.deallocations, (state.taken_at - state.stats_reset_at).total_seconds(), True)
        a_day = times_a_day(dropped)
        if a_day is not None and a_day >= TIMES_A_DAY:  # as SV048, which then looks at the last day
            yield PreflightItem(name, "warning", dropped_words(dropped, most), sql)
            return
        detail = f"{detail} Rare ones were dropped {counted(dropped.times, 'time')} since the counters were reset."
    yield PreflightItem(name, "ok", detail)
