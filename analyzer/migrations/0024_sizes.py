"""Sizes by day, and the disk of a server as somebody may enter it."""

from django.db import migrations, models

CREATE = """
create table size_day (
    day timestamptz not null, database_id bigint not null, relation_oid bigint not null,
    taken_at timestamptz not null, size_bytes bigint, rows double precision, last_value bigint,
    primary key (database_id, relation_oid, day)
) partition by range (day)
"""


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0023_logs")]

    operations = [
        migrations.RunSQL(CREATE, "drop table size_day"),
        migrations.AddField(model_name="server", name="disk_gb", field=models.FloatField(null=True)),
    ]
