"""Periods of plans: which came after which. Of the plans known, the newest for each kind of values begins them."""

import django.db.models.deletion
from django.db import migrations, models

BEGIN = """
insert into analyzer_planperiodrecord
    (statement_id, database_id, values_source, is_by_twin, shape, first_seen, last_seen, times_seen)
select distinct on (statement_id, database_id, values_source, is_by_twin)
    statement_id, database_id, values_source, is_by_twin, shape, first_seen, last_seen, times_seen
from analyzer_planrecord
order by statement_id, database_id, values_source, is_by_twin, last_seen desc, is_analyzed desc
"""


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0019_databases")]
    operations = [
        migrations.CreateModel(
            name="PlanPeriodRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("values_source", models.CharField(max_length=10)),
                ("is_by_twin", models.BooleanField(default=False)),
                ("shape", models.CharField(max_length=32)),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("times_seen", models.PositiveIntegerField(default=1)),
                (
                    "database",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="analyzer.database"),
                ),
                (
                    "statement",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="plan_periods",
                        to="analyzer.statement",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["statement", "database", "-last_seen"], name="ix_planperiod_statement")
                ],
            },
        ),
        migrations.RunSQL(BEGIN, migrations.RunSQL.noop),
    ]
