"""The fixed parts of a rollout script: statements kept in psql variables (``:wait``, ``:outcome``), used by each step.

A step says what it is about in settings of the session, ``pgloupe.table`` and ``pgloupe.index``, since a DO block
cannot read psql's variables; names therefore stand in SQL literals alone. psql replaces ``:name`` by a variable's text
outside quotes, with other variables inside it, so a loop is a row of equal lines (CREATE INDEX CONCURRENTLY cannot run
in a DO block). Everything but the statement itself runs with search_path pg_catalog: nobody's function steps in.
What CREATE INDEX CONCURRENTLY waits for: the manual, CREATE INDEX, "Building Indexes Concurrently", and indexcmds.c.
"""

from analyzer.advice.ddl import LOCK_TIMEOUT_S

# name -> value, what it means. Source: judgement, but for lock_timeout_s (ddl.LOCK_TIMEOUT_S)
SETTINGS = {
    "tries": (10, "how often a step looks whether others are still in its way"),
    "pause_s": (30, "seconds between two looks"),
    "brief_s": (5, "younger transactions end by themselves: nobody looks at them"),
    "long_s": (60, "an older transaction of this database would keep a build waiting at its end: it does not start"),
    "build_wait_s": (600, "a build that waits longer for others is given up and tried again; nobody queues behind it"),
    "lock_timeout_s": (LOCK_TIMEOUT_S, "for brief steps that need a strong lock: others queue behind them as long"),
}
STATEMENT_TRIES = 3  # judgement: each after up to tries x pause_s of waiting

# Lock modes in a build's way (in that of other steps: all): it takes SHARE UPDATE EXCLUSIVE, then waits for whoever may
# write, as if it took SHARE
STRONG = ("ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock")
WRITING = ("RowExclusiveLock", *STRONG)

SESSION = r"""
\set QUIET on
\set ON_ERROR_STOP on
\set AUTOCOMMIT on
\set VERBOSITY terse
\set SHOW_CONTEXT never
\encoding UTF8
\pset pager off
\pset format unaligned
\pset tuples_only on
SET standard_conforming_strings = on;
SET client_min_messages = notice;
SET application_name = 'pgLoupe rollout';
SELECT count(set_config(name, '0', false)) AS ignored FROM pg_catalog.pg_settings
WHERE name IN ('statement_timeout', 'transaction_timeout') \gset
SELECT current_setting('search_path') AS own_path \gset
SET search_path = pg_catalog, pg_temp;
"""

# Whether psql runs beside the server, which is the only way to see free disk: SQL does not tell it.
FREE_DISK = r"""
\set free_kb unknown
SELECT inet_server_addr() IS NULL AND s.setting IS NOT NULL AS is_beside,
    coalesce(nullif(pg_tablespace_location(d.dattablespace), ''), s.setting, '') AS data_directory
FROM pg_database AS d LEFT JOIN pg_settings AS s ON s.name = 'data_directory' WHERE d.datname = current_database() \gset
\if :is_beside
\setenv PGLOUPE_DATA_DIRECTORY :data_directory
\set free_kb `df -Pk "$PGLOUPE_DATA_DIRECTORY" 2>/dev/null | awk 'NR == 2 {print $4}'`
\endif
"""


def settings() -> str:
    """Each with its default unless psql -v gave it, and known to DO blocks."""
    lines = []
    for name, (value, meaning) in SETTINGS.items():
        lines.append(f"-- {name}: {meaning}\n\\if :{{?{name}}}\n\\else\n\\set {name} {value}\n\\endif\n")
    known = ",\n    ".join(f"set_config('pgloupe.{name}', :'{name}', false) AS ignored_{name}" for name in SETTINGS)
    return (
        "-- Settings; psql -v tries=60 changes one\n" + "".join(lines) + f"SELECT\n    {known} \\gset\n"
        "SELECT :'lock_timeout_s' || 's' AS brief_timeout, :'build_wait_s' || 's' AS build_timeout \\gset\n"
    )


# Rows (who): sessions and prepared transactions that a step on these tables would wait for. Others' transactions have
# no age for a plain role: of those only whoever holds a strong lock is seen (pg_locks shows everybody's).
OTHERS = f"""\
    SELECT format('pid %s (role %s, %s, open for %s%s)', a.pid, a.usename, coalesce(a.state, 'state not visible'),
        coalesce(date_trunc('second', clock_timestamp() - a.xact_start)::text, 'an unknown time'),
        ', ' || l.modes) AS who
    FROM pg_stat_activity AS a
    LEFT JOIN (
        SELECT pid, string_agg(DISTINCT mode, ', ') AS modes,
            bool_or(mode = ANY ('{{{{{",".join(STRONG)}}}}}')) AS is_strong
        FROM pg_locks
        WHERE locktype = 'relation' AND granted AND relation IN ({{tables}})
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (current_setting('pgloupe.kind') <> 'build' OR mode = ANY ('{{{{{",".join(WRITING)}}}}}'))
        GROUP BY pid
    ) AS l ON l.pid = a.pid
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
        AND coalesce(a.backend_type, '') NOT IN ('autovacuum worker', 'parallel worker')
        AND (l.is_strong
            OR l.pid IS NOT NULL
                AND a.xact_start < clock_timestamp() - current_setting('pgloupe.brief_s')::float * interval '1 s'
            OR a.backend_xmin IS NOT NULL
                AND a.xact_start < clock_timestamp() - current_setting('pgloupe.long_s')::float * interval '1 s')
    UNION ALL
    SELECT format('prepared transaction %L (role %s, open for %s): COMMIT PREPARED or ROLLBACK PREPARED ends it',
        p.gid, p.owner, date_trunc('second', clock_timestamp() - p.prepared))
    FROM pg_prepared_xacts AS p
    WHERE p.database = current_database() AND EXISTS (
        SELECT FROM pg_locks AS l JOIN pg_locks AS x USING (virtualtransaction)
        WHERE l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.transactionid = p.transaction
            AND l.relation IN ({{tables}})
            AND (current_setting('pgloupe.kind') <> 'build' OR l.mode = ANY ('{{{{{",".join(WRITING)}}}}}'))
    )"""

WAIT = f"""DO $wait$
DECLARE
    tries int := current_setting('pgloupe.tries')::int;
    others text;
BEGIN
    FOR try IN 1..tries LOOP
        SELECT string_agg(who, '; ') INTO others FROM (
{OTHERS.format(tables="to_regclass(current_setting('pgloupe.table'))")}
        ) AS o;
        IF others IS NULL THEN
            RETURN;
        END IF;
        IF try < tries THEN
            RAISE NOTICE '% waits for %; look % of %', current_setting('pgloupe.step'), others, try, tries;
            COMMIT;
            PERFORM pg_sleep(current_setting('pgloupe.pause_s')::float);
            COMMIT;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'Gave up on % after % looks: in the way is still %. Run this script again when that has ended.',
        current_setting('pgloupe.step'), tries, others;
END $wait$"""

# What is left to do, as psql's variable, before and after a statement; a brief one is judged by its error alone.
IS_NOT_VALID = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_index WHERE indisvalid"
    " AND indexrelid = pg_catalog.to_regclass(pg_catalog.current_setting('pgloupe.index')))"
)
IS_THERE = "pg_catalog.to_regclass(pg_catalog.current_setting('pgloupe.index')) IS NOT NULL"
HAS_FAILED = ":'SQLSTATE' <> '00000'"
TODO_AFTER = {"build": IS_NOT_VALID, "drop": IS_THERE, "brief": HAS_FAILED}


def todo(kind: str) -> str:
    """The same before the first try."""
    condition = "true" if kind == "brief" else TODO_AFTER[kind]
    return f"SELECT todo, todo AS again FROM (SELECT {condition} AS todo) AS t"


def outcome(todo: str) -> str:
    """Whether the step is still to do and worth another try: only locks (55P03) and deadlocks (40P01) pass."""
    return f"""SELECT todo, todo AND :'SQLSTATE' IN ('00000', '55P03', '40P01') AS again,
    pg_catalog.set_config('pgloupe.error', CASE :'SQLSTATE'
        WHEN '00000' THEN pg_catalog.current_setting('pgloupe.error')
        WHEN '55P03' THEN 'others kept it waiting for too long'
        ELSE :'LAST_ERROR_MESSAGE' END, false) AS ignored,
    pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false) AS ignored_path
FROM (SELECT {todo} AS todo) AS t"""


DROP_INVALID = """SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %s', current_setting('pgloupe.index'))
    FROM pg_index WHERE indexrelid = to_regclass(current_setting('pgloupe.index')) AND NOT indisvalid"""

OWN_PATH = "SELECT set_config('search_path', :'own_path', false) AS ignored"

FAIL = """DO $fail$
DECLARE
    left_over text := '';
BEGIN
    IF EXISTS (SELECT FROM pg_index WHERE NOT indisvalid
            AND indexrelid = to_regclass(current_setting('pgloupe.index'))) THEN
        left_over := format(' The invalid index %s is left, which costs writes and serves nothing; this script drops it'
            ' when it runs again.', current_setting('pgloupe.index'));
    END IF;
    RAISE EXCEPTION 'Gave up on %: %.% Steps done before stay; run this script again once that is solved.',
        current_setting('pgloupe.step'), current_setting('pgloupe.error'), left_over;
END $fail$"""

STOP = "DO $stop$ BEGIN RAISE EXCEPTION '%', current_setting('pgloupe.stop'); END $stop$"

OK = {
    "build": """SELECT format('OK: %s is valid, %s: %s', current_setting('pgloupe.index'),
    pg_size_pretty(pg_relation_size(to_regclass(current_setting('pgloupe.index')))),
    pg_get_indexdef(to_regclass(current_setting('pgloupe.index'))))""",
    "drop": "SELECT format('OK: %s is gone', current_setting('pgloupe.index'))",
    "brief": "SELECT format('OK: %s', current_setting('pgloupe.step'))",
    "whole": "SELECT format('OK: %s is valid for the whole table', current_setting('pgloupe.index'))",
}

# the index of a whole partitioned table is valid once each partition's is attached
CHECK_WHOLE = """SELECT i.indisvalid AS is_whole, set_config('pgloupe.stop', format(
        'The index %s is not valid: these partitions have none attached, perhaps since they are newer than this script:'
        ' %s. Make the script anew and run it.', i.indexrelid::regclass, (
            SELECT string_agg(p.relid::text, ', ') FROM pg_partition_tree(i.indrelid) AS p
            WHERE p.isleaf AND NOT EXISTS (
                SELECT FROM pg_partition_tree(i.indexrelid) AS t JOIN pg_index AS x ON x.indexrelid = t.relid
                WHERE x.indrelid = p.relid))), false) AS ignored
    FROM pg_index AS i WHERE i.indexrelid = to_regclass(current_setting('pgloupe.index'))"""

PROBLEMS = """SELECT count(*) > 0 AS must_stop, set_config('pgloupe.stop', coalesce(min(problem), ''), false) AS ignored
FROM (
    WITH wanted (table_name, index_name) AS (VALUES
        {rows}
    )
    SELECT 'This server is a replica: run this script on its primary.' AS problem WHERE pg_is_in_recovery()
    UNION ALL
    SELECT format('There is no table %s in database %s: is this the right one?', table_name, current_database())
    FROM wanted WHERE to_regclass(table_name) IS NULL
    UNION ALL
    SELECT format('Role %s may not change indexes of %s: run this script as %s, who owns it.', current_user, table_name,
        pg_get_userbyid(c.relowner))
    FROM wanted JOIN pg_class AS c ON c.oid = to_regclass(table_name)
    WHERE NOT pg_has_role(c.relowner, 'USAGE')
    UNION ALL
    SELECT format('Role %s may not create anything in schema %s.', current_user, c.relnamespace::regnamespace)
    FROM wanted JOIN pg_class AS c ON c.oid = to_regclass(table_name)
    WHERE index_name <> '' AND NOT has_schema_privilege(c.relnamespace, 'CREATE')
    UNION ALL
    SELECT format('The name %s is taken by something that is no index of %s.', index_name, table_name)
    FROM wanted JOIN pg_class AS c ON c.oid = to_regclass(nullif(index_name, ''))
    WHERE NOT EXISTS (
        SELECT FROM pg_index AS i WHERE i.indexrelid = c.oid AND i.indrelid = to_regclass(table_name))
) AS found \\gset
"""

DISK = """
SELECT :'free_kb' ~ '^[0-9]+$' AS is_free_known,
    CASE WHEN :'free_kb' ~ '^[0-9]+$' THEN :'free_kb' ELSE '0' END AS free_kb \\gset
SELECT :'is_free_known'::bool AND :free_kb::bigint * 1024 < needed AS must_stop,
    set_config('pgloupe.stop', format('Too little free disk: about %s needed, %s free.', pg_size_pretty(needed),
        pg_size_pretty(:free_kb::bigint * 1024)), false) AS ignored,
    format('Disk: %s needed ({factor} times the indexes: a build sorts about as much again), %s.',
        CASE WHEN unknown > 0 THEN 'more than ' ELSE 'about ' END || pg_size_pretty(needed),
        CASE WHEN :'is_free_known'::bool THEN pg_size_pretty(:free_kb::bigint * 1024) || ' free'
        ELSE 'free disk cannot be seen from here, so look before you go on; the database has '
            || pg_size_pretty(pg_database_size(current_database())) END) AS said
FROM (
    SELECT coalesce(sum({factor} * bytes), 0)::bigint AS needed, count(*) FILTER (WHERE bytes IS NULL) AS unknown
    FROM (VALUES
    {rows}
    ) AS build (index_name, bytes)
    WHERE NOT EXISTS (SELECT FROM pg_index WHERE indisvalid AND indexrelid = to_regclass(index_name))
) AS all_builds \\gset
SELECT :'said';
\\if :must_stop
:stop;
\\endif
"""


def waits(tables: str) -> str:
    """Whom the steps would wait for now, and what this role cannot see."""
    return f"""
SELECT set_config('pgloupe.kind', '', false) AS ignored \\gset
SELECT 'In the way now: ' || coalesce(string_agg(who, '; '), 'nobody') FROM (
{OTHERS.format(tables=tables)}
) AS o;
SELECT format('Role %s cannot see the transactions of other roles'' sessions, %s here; pg_monitor would show them.',
    current_user, count(*))
FROM pg_stat_activity
WHERE datname = current_database() AND query = '<insufficient privilege>' HAVING count(*) > 0;
"""
