from django.contrib.admin.apps import AdminConfig


class UsersAdminConfig(AdminConfig):
    """Django's admin, for users only. (Not in apps.py: Django would take it for the dashboard's own.)"""

    default_site = "dashboard.people.admin_site.UsersAdminSite"
