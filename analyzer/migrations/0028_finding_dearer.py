"""What a finding cost when it was last told to be dearer, so that it is not told again."""

from django.db import migrations, models

KNOWN = """
    update analyzer_findingrecord as record
    set dearer_since = event.at, dearer_impact_s_per_day = event.impact_s_per_day
    from analyzer_findingevent as event
    where event.finding_id = record.id and event.at = record.worse_since
    and event.what in ('worse', 'unmuted') and event.detail like 'it cost%'
"""


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0027_finding_known")]
    operations = [
        migrations.AddField("findingrecord", "dearer_since", models.DateTimeField(null=True)),
        migrations.AddField("findingrecord", "dearer_impact_s_per_day", models.FloatField(null=True)),
        migrations.RunSQL(KNOWN, migrations.RunSQL.noop),
    ]
