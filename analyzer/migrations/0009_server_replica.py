from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    """Constant defaults: no table is rewritten."""

    dependencies = [("analyzer", "0008_models_map")]
    operations = [
        migrations.AddField("server", "replica_host", models.CharField(blank=True, default="", max_length=255)),
        migrations.AddField(
            "server",
            "replica_port",
            models.PositiveIntegerField(default=5432, validators=[MinValueValidator(1), MaxValueValidator(65535)]),
        ),
    ]
