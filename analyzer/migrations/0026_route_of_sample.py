"""Which code asked for what a session was seen running: the route and the file that its comment names."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0025_events")]
    operations = [
        migrations.RunSQL(
            "alter table activity_sample add column route text not null default '', add column file text not null default ''",
            "alter table activity_sample drop column route, drop column file",
        ),
    ]
