"""Whether a server's address came from whoever runs pgLoupe. All servers there are were added by a command."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0005_reports")]
    operations = [
        migrations.AddField(model_name="server", name="is_address_trusted", field=models.BooleanField(default=False)),
        migrations.RunSQL("update analyzer_server set is_address_trusted = true", migrations.RunSQL.noop),
    ]
