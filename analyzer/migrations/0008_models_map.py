import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analyzer", "0007_suggestion_outcome"),
    ]

    operations = [
        migrations.CreateModel(
            name="ModelsMap",
            fields=[
                (
                    "database",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="models_map",
                        serialize=False,
                        to="analyzer.database",
                    ),
                ),
                ("text", models.TextField()),
                ("tables", models.PositiveIntegerField()),
                ("uploaded_at", models.DateTimeField()),
                ("uploaded_by", models.CharField(max_length=150)),
            ],
        ),
    ]
