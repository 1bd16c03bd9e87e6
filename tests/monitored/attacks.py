"""SQL that tries to leave the gate, with what must happen to it; and the server's state, to compare afterwards.

The cases follow the two columns of the safety reference, section 1 (what READ ONLY stops, what it does not), then
what hides behind names, what takes resources, and what breaks parsers.
"""

from dataclasses import dataclass
from typing import Any

import psycopg

PATH = ("public", "ev")  # the application's search_path: ev holds what an attacker could make there


@dataclass(frozen=True)
class Attack:
    """``rights``: a login with the least privileges may be refused by the server's rights instead.

    ``decision`` "twin": refused, and left to the planner twin.
    """

    name: str
    sql: str
    decision: str
    layer: str
    reason: str  # a part of it
    rights: bool = False
    since: int = 13


def refuse(layer: str, reason: str, **cases: str) -> list[Attack]:
    return [Attack(name, sql, "refused", layer, reason) for name, sql in cases.items()]


def plan(layer: str, reason: str, *, rights: bool = False, since: int = 13, **cases: str) -> list[Attack]:
    return [Attack(name, sql, "plan_only", layer, reason, rights, since) for name, sql in cases.items()]


def twin(layer: str, reason: str, *, since: int = 13, **cases: str) -> list[Attack]:
    return [Attack(name, sql, "twin", layer, reason, since=since) for name, sql in cases.items()]


ATTACKS: list[Attack] = [
    # -- the text itself
    *refuse(
        "text",
        "NUL",
        nul="select 1\0; drop table victim",
        nul_first="\0select 1",
    ),
    *refuse("text", "not valid Unicode", surrogate="select '\ud800'"),
    *refuse(
        "text",
        "parser does not take",
        explain_option="analyze delete from victim",
        explain_parentheses="(analyze) delete from victim",
        stmt_quote="select 1 $stmt$; drop table victim; --",
        close_parenthesis="select 1) ; drop table victim; --",
        cut="select * from victim where id = 'ab",
    ),
    *refuse("text", "no statement", empty="", comment_only="-- drop table victim"),
    *refuse("text", "parser does not take", deep_parentheses="select " + "(" * 20_000 + "1" + ")" * 20_000),
    *refuse("text", "nested too deeply", deep_sum="select 1" + "+1" * 30_000),
    *refuse("text", "longer than 100 kB", long="select 1 /* " + "x" * 100_000 + " */"),
    *refuse("ast", "500 levels", deep_but_short="select 1" + "+1" * 600),
    *refuse("text", "may not see this text", hidden="<insufficient privilege>"),
    # -- several statements
    *refuse(
        "ast",
        "statements",
        two="select 1; insert into victim values (99)",
        commit_first="commit; drop table victim",
        commit_inside="select 1; commit; drop table victim",
        rollback="rollback; insert into victim values (99)",
        read_write="set transaction read write; delete from victim",
        empty_between="select 1;; delete from victim",
    ),
    # -- utilities; EXPLAIN ANALYZE CREATE TABLE AS creates a table in a read-only transaction
    *refuse(
        "ast",
        "utility statement",
        explain_ctas="explain analyze create table stolen as select * from victim",
        ctas="create table stolen as select * from victim",
        temp_table="create temp table stolen (a int)",
        explain_delete="explain analyze delete from victim",
        begin="begin read write",
        set_read_write="set transaction read write",
        set_read_only_off="set transaction_read_only = off",
        set_timeout="set statement_timeout = 0",
        set_session="set session authorization default",
        copy_file="copy (select 1) to '/tmp/pgloupe_stolen'",
        copy_program="copy (select 1) to program 'touch /tmp/x'",
        copy_from="copy victim from '/etc/passwd'",
        do_block="do $$ begin delete from victim; end $$",
        call="call ev.proc()",
        lock="lock table victim in access share mode",
        listen="listen x",
        notify="notify x",
        truncate="truncate victim",
        analyze="analyze victim",
        vacuum="vacuum victim",
        cluster="cluster",
        create_index="create index on victim (id)",
        refresh="refresh materialized view frozen",
        grant="grant all on victim to public",
        comment="comment on table victim is 'x'",
        declare="declare c cursor with hold for select * from victim",
        execute="execute p",
        prepare="prepare p as delete from victim",
        discard="discard all",
        reset="reset all",
        load="load 'x'",
        checkpoint="checkpoint",
        alter_system="alter system set work_mem = '1GB'",
        drop="drop table victim",
        security_label="alter role postgres password 'x'",
    ),
    *refuse("ast", "SELECT INTO", select_into="select * into stolen from victim"),
    *refuse("ast", "another database", other_database="select * from otherdb.public.victim"),
    # -- rows locked or changed
    *twin(
        "ast",
        "locks rows",
        for_update="select * from victim for update",
        for_share="select * from victim for share",
        for_key_share="select * from victim for key share",
        for_update_nested="select * from (select id from victim for update) x",
        job_queue="select id from victim order by id limit 1 for update skip locked",
    ),
    *twin(
        "ast",
        "changes data in a WITH query",
        cte_insert="with x as (insert into victim values (99) returning *) select * from x",
        cte_update="with x as (update victim set note = 'x' returning *) select * from x",
        cte_delete="with x as (delete from victim returning *) select * from x",
        cte_second="with a as (select 1), x as (delete from victim returning *) select count(*) from x, a",
    ),
    *twin(
        "ast",
        "changes data",
        insert="insert into victim values (99)",
        update="update victim set note = 'x' where id = $1",
        delete="delete from victim",
        insert_select="insert into victim select nextval('victim_seq'), 'x'",
        upsert="insert into victim values (1, 'x') on conflict (id) do update set note = 'y'",
    ),
    *twin(
        "ast",
        "changes data",
        since=15,
        merge="merge into victim v using (select 1 as id) s on v.id = s.id when matched then delete",
    ),
    # -- functions that READ ONLY does not stop
    *plan(
        "ast",
        "can act outside",
        rights=True,
        sleep="select pg_sleep(30)",
        sleep_where="select * from victim where pg_sleep(1) is null",
        sleep_qualified="select pg_catalog.pg_sleep_for('30 s')",
        advisory="select pg_advisory_lock(4711)",
        advisory_try="select pg_try_advisory_lock(4711)",
        advisory_xact="select pg_advisory_xact_lock_shared(4711)",
        nextval="select nextval('victim_seq')",
        setval="select setval('victim_seq', 4711)",
        lo_create="select lo_create(4711)",
        lo_from_bytea="select lo_from_bytea(4711, 'x')",
        lo_import="select lo_import('/etc/passwd')",
        lo_unlink="select lo_unlink(1)",
        set_config="select set_config('statement_timeout', '0', false)",
        set_config_read_write="select set_config('transaction_read_only', 'off', false)",
        pg_notify="select pg_notify('x', 'y')",
        read_file="select pg_read_file('/etc/passwd')",
        ls_dir="select pg_ls_dir('/')",
        stat_file="select pg_stat_file('/etc/passwd')",
        query_to_xml="select query_to_xml('delete from victim', true, true, '')",
        cursor_to_xml="select cursor_to_xml('c', 1, true, true, '')",
        ts_stat="select * from ts_stat('select to_tsvector(note) from victim')",
        logical_message="select pg_logical_emit_message(false, 'x', 'y')",
        export_snapshot="select pg_export_snapshot()",
        switch_wal="select pg_switch_wal()",
        restore_point="select pg_create_restore_point('x')",
        slot="select pg_create_physical_replication_slot('stolen')",
        reload="select pg_reload_conf()",
        stat_reset="select pg_stat_reset()",
        terminate="select pg_terminate_backend(pid) from pg_stat_activity",
        cancel="select pg_cancel_backend(1)",
        setseed="select setseed(0.5)",
        in_order_by="select id from victim order by pg_sleep(1)::text",
        in_case="select case when true then nextval('victim_seq') end",
        in_lateral="select * from victim v, lateral (select pg_sleep(v.id)) x",
        in_from="select * from pg_sleep(30)",
        attribute="select (1.5::float8).pg_sleep",
        attribute_of_column="select (v.id::bigint).pg_advisory_lock from victim v",
        attribute_of_a_namesake="select (v).pg_sleep from (select 1.5::float8 as v) v",
    ),
    *twin(
        "catalog",
        "is not PostgreSQL's own",
        statements_reset="select pg_stat_statements_reset()",
        crosstab="select * from crosstab('delete from victim returning 1, 2, 3') as t (a int, b int)",
    ),
    *refuse(
        "ast",
        "acts already while the server plans",
        database_to_xml="select database_to_xml(true, true, '')",
        table_to_xml="select table_to_xml('view_function', true, true, '')",
        input_of_a_domain="select pg_input_is_valid('1', 'ev.dom')",
        hash_partition="select satisfies_hash_partition('victim'::regclass, 2, 0, 1)",
        txid="select txid_current()",
        xact_id="select pg_current_xact_id()",
        dblink="select dblink_exec('dbname=postgres', 'delete from victim')",
        dblink_from="select * from dblink('dbname=postgres', 'delete from victim returning 1') as t (a int)",
    ),
    # -- behind names: nothing that reaches a user's code is sent at all
    *twin(
        "catalog",
        "The function writer",
        user_function="select ev.writer()",
        user_function_by_path="select writer()",
        user_function_named="select writer() as a from victim where id = $1",
        view_function="select * from view_function",
        view_nested="select * from view_nested",
    ),
    *twin(
        "catalog",
        "The operator @@@ can lead to",
        user_operator="select id operator(ev.@@@) 1 from victim",
        user_operator_by_path="select id @@@ 1 from victim",
        any_operator="select 1 operator(ev.@@@) any (select id from victim)",
        all_operator="select id from victim where id @@@ all (array[1, 2])",
    ),
    *twin(
        "catalog",
        "The function wiper is not PostgreSQL's own",
        attribute_notation="select v.wiper from victim v",
        attribute_parentheses="select (v).wiper from victim v",
        attribute_beside_a_shield="select v.wiper from victim v, shield",
    ),
    *twin("catalog", "The function evil_sum is not PostgreSQL's own", aggregate="select ev.evil_sum(id) from victim"),
    *twin(
        "catalog",
        "The cast ev.colour to integer can lead to",
        user_cast="select 'red'::ev.colour::int",
        user_cast_column="select colour::int from painted",
        implicit_cast="select abs(colour) from painted",
        cast_of_elements="select 1 = any(colours) from palette",
    ),
    *twin(
        "catalog",
        "The function initcap is not PostgreSQL's own",
        shadowed="select initcap(1)",
        shadow_possible="select initcap(note) from victim",
    ),
    *twin("catalog", "The function innocent is not PostgreSQL's own", sql_function="select ev.innocent(1)"),
    *twin("catalog", "The function definer is not PostgreSQL's own", security_definer="select ev.definer()"),
    *twin(
        "catalog",
        "The function liar is not PostgreSQL's own",
        immutable_liar="select * from victim where id = ev.liar(id)",
        folded="select * from victim where id = ev.liar(1)",
    ),
    *twin("catalog", "The function sleepy is not", sleepy="select * from victim where id = ev.sleepy()"),
    *twin("catalog", "The function stubborn is not", stubborn="select * from victim where id = ev.stubborn()"),
    *twin(
        "catalog",
        "The function check_it (by",
        domain_cast="select '1'::ev.dom",
        domain_array="select '{1}'::ev.dom[]",
        domain_as_cast="select cast('1' as ev.dom)",
        domain_as_function="select dom('1')",
        domain_in_column_list="select * from json_to_recordset('[{\"a\": 1}]') as x (a ev.dom)",
        domain_of_domain="select '1'::ev.dom2",
        row_type="select json_populate_record(null::ev.pair, '{\"a\": 1}')",
    ),
    *plan("catalog", "may not be executed", rights=True, view_sleep="select * from view_sleep"),
    *twin("catalog", "It locks rows", view_lock="select * from view_lock"),
    *plan(
        "catalog",
        "own catalog",
        rights=True,
        activity="select * from pg_stat_activity",
        classes="select * from pg_class",
        settings="select * from pg_settings",
        information="select * from information_schema.tables",
        view_of_catalog="select * from view_of_activity",
    ),
    *refuse(
        "catalog",
        "secrets",
        authid="select rolpassword from pg_authid",
        shadow="select passwd from pg_shadow",
        shadow_qualified="select passwd from pg_catalog.pg_shadow",
        mappings="select * from pg_user_mappings",
        view_of_shadow="select * from view_of_shadow",
        hba="select * from pg_hba_file_rules",
    ),
    *plan("catalog", "neither a table nor a view", rights=True, sequence="select * from victim_seq"),
    *plan("catalog", "foreign table", foreign="select * from distant", foreign_partition="select * from parted"),
    *refuse(
        "catalog",
        "asked already for a plan",
        foreign_estimate="select * from distant_estimate",
        foreign_estimate_on="select * from distant_on",
        foreign_estimate_capitals="select * from distant_capitals",
    ),
    *plan("catalog", "volatile", volatile_own="select lastval()", currval="select currval('victim_seq')"),
    *twin("catalog", "not found", no_table="select * from nowhere", no_function="select nothing_of_that_name(1)"),
    # -- resources
    *refuse(
        "ast",
        "memory",
        repeat="select repeat('x', 900000000)",
        repeat_text="select repeat('x', '900000000')",
        repeat_nested="select repeat(repeat(repeat('x', 1000), 1000), 1000)",
        repeat_arithmetic="select repeat('x', 30000 * 30000)",
        lpad="select lpad('x', 900000000)",
        rpad="select rpad('x', 1000000000)",
        padded="select " + ", ".join(["'x'::char(10485760)"] * 20),
        replaced="select length(replace(repeat('a', 9000), 'a', repeat('b', 9000)))",
        namesakes="select length(repeat(z, 300000000)) from (select 1 as a, 2 as a, 'abc'::text b) s(x, y, z)",
        typmod_function="select " + ", ".join(["bpchar('x', 10485760, true)"] * 20),
        pretty="select jsonb_pretty('" + "[" * 3000 + "1" + ",1" * 5000 + "]" * 3000 + "')",
        path="select jsonb_path_query_array('" + "[" * 60 + "]" * 60 + "', '$.**.**.**.**')",
        by_levels="with a as (select repeat('x', 9999) s), b as (select s||s||s||s s from a),"
        " c as (select s||s||s||s s from b) select s||s||s from c",
    ),
    *refuse(
        "ast",
        "digits",
        product="select 1e65000 * 1e65000",
        power="select power(10::numeric, 100000)",
        by_text="select (('1e' || '65000')::numeric) + 1",
        by_repeat="select ln(repeat('9', 9999)::numeric)",
        by_column="select power(x, y) from (select 10::numeric x, 100000 y) v",
    ),
    *refuse("ast", "no timeout ends", heavy="select crypt('x', '$2a$31$abcdefghijklmnopqrstuv')"),
    *twin(
        "ast",
        "size that is not known",
        repeat_computed="select repeat('x', length($1))",
        repeat_column="select repeat(note, 9000) from victim",
        folded_case="select length(repeat(coalesce('abc', note), 300000000)) from victim",
        folded_function="select length(repeat(x, 300000000)) from lower('ABC') x",
    ),
    *plan(
        "plan",
        "ceiling",
        series="select count(*) from generate_series(1, 1000000000) g",
    ),
    *plan(
        "plan",
        "ceiling",
        cross_join="select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b",
    ),
    *plan(
        "plan",
        "recursive",
        endless="with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t",
        bomb="with recursive t(s) as (select 'x' union all select s || s from t) select length(s) from t",
    ),
]

SETUP = (
    "create schema ev",
    "create table victim (id int primary key, note text)",
    "insert into victim select g, 'note ' || g from generate_series(1, 1000) g",
    "create sequence victim_seq",
    "create table traces (what text)",
    "create materialized view frozen as select count(*) from victim",
    """create function ev.writer() returns int language plpgsql volatile as
       $$ begin insert into traces values ('writer'); return 1; end $$""",
    """create function ev.definer() returns int language plpgsql volatile security definer as
       $$ begin insert into traces values ('definer'); return 1; end $$""",
    """create function ev.act(a int, b int) returns boolean language plpgsql volatile as
       $$ begin perform pg_advisory_lock(4711); return true; end $$""",
    "create operator ev.@@@ (leftarg = int, rightarg = int, function = ev.act)",
    """create function ev.wiper(v victim) returns int language plpgsql volatile as
       $$ begin perform pg_advisory_lock(4712); return 1; end $$""",
    """create function ev.step(a int, b int) returns int language plpgsql volatile as
       $$ begin perform pg_advisory_lock(4713); return 1; end $$""",
    "create aggregate ev.evil_sum(int) (sfunc = ev.step, stype = int, initcond = '0')",
    "create type ev.colour as enum ('red', 'blue')",
    """create function ev.paint(c ev.colour) returns int language plpgsql immutable as
       $$ begin perform pg_advisory_lock(4714); return 1; end $$""",
    "create cast (ev.colour as int) with function ev.paint(ev.colour) as implicit",
    "create table painted (colour ev.colour)",
    "insert into painted values ('red')",
    "create table palette (colours ev.colour[])",
    "create table shield (wiper int)",
    "create function ev.initcap(a int) returns int language plpgsql volatile as $$ begin return 1; end $$",
    "create function ev.innocent(a int) returns int language sql volatile as $$ select nextval('victim_seq')::int $$",
    """create function ev.check_it(a int) returns boolean language plpgsql immutable as
       $$ begin perform pg_advisory_lock(4715); return true; end $$""",
    "create domain ev.dom as int check (ev.check_it(value))",
    "create domain ev.dom2 as ev.dom",
    "create type ev.pair as (a ev.dom)",
    "create procedure ev.proc() language plpgsql as $$ begin delete from victim; end $$",
    """create function ev.liar(a int) returns int language plpgsql immutable as
       $$ begin perform pg_sleep(60); return 1; end $$""",
    """create function ev.sleepy() returns int language plpgsql immutable as
       $$ begin perform pg_sleep(60); return 1; end $$""",
    """create function ev.stubborn() returns int language plpgsql immutable as $$
       begin
         loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop;
       end $$""",
    "create view view_function as select ev.writer() as a",
    "create view view_sleep as select pg_sleep(30)::text as a",
    "create view view_lock as select * from victim for update",
    "create view view_nested as select * from view_function",
    "create view view_of_activity as select pid from pg_stat_activity",
    "create view view_of_shadow as select usename, passwd from pg_shadow",
    "create view view_good as select id, note from victim where id > 5",
    "create table secured (id int, owner text)",
    "create table filtered (id int)",
    "create policy p on filtered using (id > 0)",
    "alter table filtered enable row level security",
    """create policy p on secured using (ev.act(1, 1))""",
    "alter table secured enable row level security",
    "create extension postgres_fdw",
    "create server far foreign data wrapper postgres_fdw options (host '127.0.0.1', port '1')",
    "create user mapping for public server far options (user 'x', password 'y')",
    "create foreign table distant (id int) server far",
    "create foreign table distant_estimate (id int) server far options (use_remote_estimate 'true')",
    "create foreign table distant_on (id int) server far options (use_remote_estimate 'on')",
    "create foreign table distant_capitals (id int) server far options (use_remote_estimate 'TRUE')",
    "create table parted (id int) partition by range (id)",
    "create table parted_1 partition of parted for values from (0) to (10)",
    "create foreign table parted_2 partition of parted for values from (10) to (20) server far",
    "create extension if not exists tablefunc",
    "create extension if not exists dblink",
    "create table secrets_of_others (id int)",
    "analyze victim",
)  # fmt: skip


def state(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """All that an attack could change, as seen by a superuser's second session."""
    questions = {
        "victim": "select count(*), md5(string_agg(v::text, ',' order by id)) from victim v",
        "traces": "select count(*) from traces",
        "sequence": "select last_value, is_called from victim_seq",
        "classes": "select count(*), max(oid) from pg_class"
        " where relnamespace::regnamespace::text !~ '^pg_toast|^pg_temp'",
        "functions": "select count(*) from pg_proc",
        "advisory locks": "select count(*) from pg_locks where locktype = 'advisory'",
        "large objects": "select count(*) from pg_largeobject_metadata",
        "slots": "select count(*) from pg_replication_slots",
        "prepared": "select count(*) from pg_prepared_xacts",
        "roles": "select md5(string_agg(r::text, ',' order by rolname)) from pg_authid r",
        "role settings": "select count(*) from pg_db_role_setting",
        "settings": "select md5(string_agg(name || setting, ',' order by name)) from pg_settings"
        " where source not in ('session', 'client') and name !~ 'transaction'",
        "files": "select count(*) from pg_ls_dir('/tmp') f where f ~ 'pgloupe_stolen'",
    }
    found = {}
    for name, question in questions.items():
        found[name] = connection.execute(question).fetchone()  # type: ignore[call-overload]
    return found


def our_sessions(connection: psycopg.Connection[Any], dbname: str) -> int:
    row = connection.execute(
        "select count(*) from pg_stat_activity where datname = %s and application_name = 'pgloupe'", [dbname]
    ).fetchone()
    assert row is not None
    return int(row[0])
