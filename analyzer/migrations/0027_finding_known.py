"""For what a finding stands, and what was known of that and of its severity: what is more makes it worse."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0026_route_of_sample")]
    operations = [
        migrations.AddField("findingrecord", "members", models.JSONField(default=list)),
        migrations.AddField("findingrecord", "known_severity", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField("findingrecord", "known_members", models.JSONField(default=list)),
    ]
