"""What is measured, planned and assumed of a figure, and how long it was watched."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0014_database_orm")]

    operations = [
        migrations.AddField(
            model_name="findingrecord",
            name="impact_assumed_s_per_day",
            field=models.FloatField(default=0),
        ),
        migrations.AddField(
            model_name="findingrecord",
            name="watched_s",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="suggestionrecord",
            name="saved_time_s_per_day",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="suggestionrecord",
            name="watched_s",
            field=models.FloatField(null=True),
        ),
    ]
