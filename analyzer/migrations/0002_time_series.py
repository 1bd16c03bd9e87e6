"""The time series (see analyzer/store/series/partitions.py) and two indexes the store's own look-ups need."""

from django.db import migrations

# Written out, not taken from analyzer.store.series.columns: a migration says what was true when it was written.
SUMS = [
    "plans", "total_plan_time_us", "calls", "total_exec_time_us", "rows", "shared_hit_blocks",
    "shared_read_blocks", "shared_dirtied_blocks", "shared_written_blocks", "local_hit_blocks",
    "local_read_blocks", "local_dirtied_blocks", "local_written_blocks", "temp_read_blocks",
    "temp_written_blocks", "shared_read_time_us", "shared_write_time_us", "local_read_time_us",
    "local_write_time_us", "temp_read_time_us", "temp_write_time_us", "wal_records",
    "wal_full_page_images", "wal_bytes", "wal_buffers_full", "jit_functions", "jit_generation_time_us",
    "jit_inlining_count", "jit_inlining_time_us", "jit_optimization_count", "jit_optimization_time_us",
    "jit_emission_count", "jit_emission_time_us", "jit_deform_count", "jit_deform_time_us",
    "parallel_workers_to_launch", "parallel_workers_launched",
]  # fmt: skip
GAUGES = [
    "min_plan_time_us", "max_plan_time_us", "stddev_plan_time_us", "min_exec_time_us",
    "max_exec_time_us", "stddev_exec_time_us",
]  # fmt: skip
COUNTERS = ", ".join(f"{name} bigint" for name in SUMS + GAUGES)
PACKED = ", ".join(f"{name} bytea" for name in SUMS + GAUGES)
EXTERNAL = ", ".join(f"alter column {name} set storage external" for name in ["entry_ids", "taken_at", *SUMS, *GAUGES])

CREATE = f"""
create table statement_delta (
    taken_at timestamptz not null, entry_id bigint not null, server_id bigint not null, {COUNTERS}
) partition by range (taken_at);
create index ix_statement_delta_entry on statement_delta (entry_id);
create index ix_statement_delta_server on statement_delta (server_id, taken_at);

create table statement_packed (
    hour timestamptz not null, first_entry bigint not null, last_entry bigint not null,
    server_id bigint not null, points integer not null,
    entry_ids bytea not null, taken_at bytea not null, {PACKED}
) partition by range (hour);
alter table statement_packed {EXTERNAL};
create index ix_statement_packed_server on statement_packed (server_id, hour, first_entry);

create table statement_hour (
    starts_at timestamptz not null, entry_id bigint not null, server_id bigint not null, {COUNTERS},
    primary key (entry_id, starts_at)
) partition by range (starts_at);
create index ix_statement_hour_server on statement_hour (server_id, starts_at);

create table statement_day (
    starts_at timestamptz not null, entry_id bigint not null, server_id bigint not null, {COUNTERS},
    primary key (entry_id, starts_at)
) partition by range (starts_at);
create index ix_statement_day_server on statement_day (server_id, starts_at);

create table rolled_up (server_id bigint primary key, taken_at timestamptz not null);

create table server_delta (
    taken_at timestamptz not null, server_id bigint not null, interval_s double precision not null, {COUNTERS},
    primary key (server_id, taken_at)
) partition by range (taken_at);

create table activity_sample (
    taken_at timestamptz not null, server_id bigint not null,
    backend_start timestamptz, xact_start timestamptz, query_start timestamptz, state_change timestamptz,
    role_oid bigint, database_oid bigint, entry_id bigint, statement_id bigint,
    pid integer not null, state text, wait_event_type text, wait_event text,
    application_name text not null, blocked_by integer[] not null default '{{}}'
) partition by range (taken_at);
create index ix_activity_sample_server on activity_sample (server_id, taken_at);

create table relation_sample (
    taken_at timestamptz not null, database_id bigint not null, table_oid bigint not null,
    seq_scans bigint, seq_rows_read bigint, index_scans bigint,
    inserted_rows bigint, updated_rows bigint, deleted_rows bigint, hot_updated_rows bigint,
    primary key (database_id, table_oid, taken_at)
) partition by range (taken_at);

create index ix_statemententry_textless on analyzer_statemententry (server_id)
    where is_own or statement_id is null;
create index ix_snapshot_taken on analyzer_snapshot (taken_at);
"""
DROP = """
drop index ix_snapshot_taken;
drop index ix_statemententry_textless;
drop table relation_sample, activity_sample, server_delta, rolled_up, statement_day, statement_hour,
    statement_packed, statement_delta;
"""


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0001_initial")]
    operations = [migrations.RunSQL(CREATE, DROP)]
