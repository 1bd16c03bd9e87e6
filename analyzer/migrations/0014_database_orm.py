from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("analyzer", "0013_statements_by_tables"),
    ]

    operations = [
        migrations.AddField(
            model_name="database",
            name="orm",
            field=models.CharField(
                blank=True,
                choices=[
                    ("django", "Django"),
                    ("sqlalchemy", "Alembic and SQLAlchemy"),
                    ("sqlmodel", "Alembic and SQLModel"),
                    ("sql", "SQL"),
                ],
                default="",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="database",
            name="orm_found",
            field=models.CharField(blank=True, default="", max_length=10),
        ),
    ]
