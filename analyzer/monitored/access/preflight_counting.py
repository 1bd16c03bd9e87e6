"""Items of the preflight about what is counted: what keeps statements from it, or texts from being whole. Pure."""

from collections.abc import Iterator, Mapping

from analyzer.monitored.readings import PreflightItem, ServerState

# sqlcommenter's tags stand at the end of a text and are cut first. Judgement: ORMs' longer statements fit in 4 kB
ENOUGH_QUERY_BYTES = 4096
# each deallocation drops 5 % of the entries (pg_stat_statements.c, USAGE_DEALLOC_PERCENT): more than one in five
# hours is more than 1 % of the entries an hour. Judgement.
DEALLOCATIONS_PER_HOUR = 0.2
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
    detail = f"{entries:,} of {most:,} entries are in use."
    reset, dropped = state.stats_reset_at, state.deallocations
    if reset is not None and dropped:
        hours = max((state.taken_at - reset).total_seconds() / 3600, 1.0)
        if dropped / hours > DEALLOCATIONS_PER_HOUR:
            sql = f"ALTER SYSTEM SET pg_stat_statements.max = {most * 2};\n{RESTART}"
            detail = (
                f"Entries were dropped for lack of room {dropped:,} times in {hours:,.0f} h,"
                f" 5 % of the {most:,} each time; figures of rare statements have gaps."
            )
            yield PreflightItem(name, "warning", detail, sql)
            return
    elif dropped is None and entries >= most * 0.95:  # before 14: full is all that can be seen
        sql = f"ALTER SYSTEM SET pg_stat_statements.max = {most * 2};\n{RESTART}"
        yield PreflightItem(name, "warning", f"{detail} Rare statements are dropped for lack of room.", sql)
        return
    yield PreflightItem(name, "ok", detail)
