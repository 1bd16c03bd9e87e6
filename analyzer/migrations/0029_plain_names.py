"""Fields get the names that a newcomer would guess, and one that nobody read goes."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0028_finding_dearer")]

    operations = [
        migrations.RenameField("serverevent", "said", "description"),
        migrations.RenameField("plancause", "said", "description"),
        migrations.RenameField("nosuggestion", "said_at", "decided_at"),
        migrations.RenameField("findingevent", "what", "kind"),
        migrations.RemoveField("findingrecord", "times_reopened"),
    ]
