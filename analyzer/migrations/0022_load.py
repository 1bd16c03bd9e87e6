"""Sessions at work by minute and hour, and the cores of a server as something nobody may have said."""

from django.db import migrations, models

PARTS = """
    starts_at timestamptz not null, server_id bigint not null,
    wait_event_type text not null, wait_event text not null,
    statement_id bigint not null, role_oid bigint not null, database_oid bigint not null,
    application_name text not null, route text not null,
    active double precision not null,
    primary key (server_id, starts_at, wait_event_type, wait_event, statement_id, role_oid, database_oid,
        application_name, route)
"""
CREATE = f"""
create table session_look (
    starts_at timestamptz not null, server_id bigint not null,
    looks integer not null, active double precision not null, active_squared double precision not null,
    primary key (server_id, starts_at)
) partition by range (starts_at);
create table session_load ({PARTS}) partition by range (starts_at);
create table session_load_hour ({PARTS}) partition by range (starts_at);
"""
DROP = "drop table session_look, session_load, session_load_hour"
# 8 was what nobody had changed: it is assumed again where it matters
FORGET_DEFAULT = "update analyzer_server set cores = null where cores = 8"


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0021_planner_past")]

    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.AlterField(model_name="server", name="cores", field=models.PositiveIntegerField(null=True)),
        migrations.RunSQL(FORGET_DEFAULT, "update analyzer_server set cores = 8 where cores is null"),
    ]
