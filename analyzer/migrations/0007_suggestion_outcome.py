"""What became of a suggestion. What is closed so far was never looked for on the server."""

from django.db import migrations, models

STATES = [
    ("suggested", "to be created"),
    ("built", "created, its use not yet known"),
    ("realised", "created and of use"),
    ("not_used", "created and not used"),
    ("closed", "no longer suggested"),
]


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0006_server_address_trust")]
    operations = [
        migrations.AddField("suggestionrecord", "definition", models.JSONField(default=dict)),
        migrations.AddField(
            "suggestionrecord", "state", models.CharField(choices=STATES, default="suggested", max_length=10)
        ),
        migrations.AddField("suggestionrecord", "built_at", models.DateTimeField(null=True)),
        migrations.AddField(
            "suggestionrecord", "built_index_name", models.CharField(blank=True, default="", max_length=63)
        ),
        migrations.AddField("suggestionrecord", "outcome", models.JSONField(default=dict)),
        migrations.RunSQL(
            "update analyzer_suggestionrecord set state = 'closed' where closed_at is not null",
            migrations.RunSQL.noop,
        ),
    ]
