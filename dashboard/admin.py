"""Users in Django's admin: names, mail addresses, passwords. Roles and access are set on the users page, which sees to
it that somebody stays an operator. Nothing of the monitored servers is registered: their passwords never show up."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest

from dashboard.people import audit_log as audit
from dashboard.permissions import is_operator

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class Users(UserAdmin):  # type: ignore[type-arg]
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": ("first_name", "last_name", "email")}),
        ("Access, changed on pgLoupe's users page", {"fields": ("is_active", "groups", "is_superuser")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("is_active", "groups", "is_superuser", "last_login", "date_joined")
    list_display = ("username", "email", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    filter_horizontal = ()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_operator(request.user)

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return is_operator(request.user)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_operator(request.user)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """An operator who is none may not become a superuser by setting one's password."""
        may_all = isinstance(request.user, User) and request.user.is_superuser
        return is_operator(request.user) and (may_all or obj is None or not obj.is_superuser)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False  # deactivated instead: what they did keeps their name

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit.record(request, "user_added", obj.get_username(), where="admin")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit.record(request, "user_changed", obj.get_username(), where="admin")
        return super().log_change(request, obj, message)
