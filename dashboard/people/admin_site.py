"""Django's admin has users only, for operators; it has no login of its own, which would go around the rate limit."""

from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.decorators import method_decorator

from dashboard.permissions import is_operator


class UsersAdminSite(AdminSite):
    site_header = site_title = "pgLoupe users"
    index_title = "Users"
    site_url = "/"

    def has_permission(self, request: HttpRequest) -> bool:
        return is_operator(request.user)

    @method_decorator(login_not_required)
    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponseBase:  # type: ignore[override]
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied("Only operators may do this. Ask one of them, or ask to become one.")
        return redirect_to_login(request.GET.get("next", reverse("admin:index")))

    def password_change(self, request: HttpRequest, extra_context: object = None) -> HttpResponseBase:  # type: ignore[override]
        return redirect("password")
