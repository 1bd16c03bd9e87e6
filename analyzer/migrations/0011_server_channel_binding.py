from django.db import migrations, models


class Migration(migrations.Migration):
    """A constant default: no table is rewritten."""

    dependencies = [("analyzer", "0010_advice_runs")]
    operations = [
        migrations.AddField("server", "requires_channel_binding", models.BooleanField(default=False)),
    ]
