"""The two roles, and a lock on the audit log: its rows can be added, not changed or taken away."""

from django.db import migrations

ROLES = ("viewer", "operator")


def make_roles(apps, schema_editor):
    group = apps.get_model("auth", "Group")
    for name in ROLES:
        group.objects.get_or_create(name=name)


APPEND_ONLY = """
create function dashboard_auditentry_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'the audit log is append-only' using errcode = 'restrict_violation';
end $$;
create trigger append_only before update or delete on dashboard_auditentry
  for each row execute function dashboard_auditentry_is_append_only();
"""
UNDO = """
drop trigger append_only on dashboard_auditentry;
drop function dashboard_auditentry_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_accounts"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
