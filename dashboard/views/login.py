"""Getting in: by password, or by a link that works once."""

from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from dashboard.accounts import link_is_good, use_link

# Judgement: a person who forgot which password it was needs fewer, a guesser needs far more.
MOST_FAILURES = 10
FAILURES_KEPT_S = 900


class Login(LoginView):
    """Ten wrong passwords from one address within 15 minutes close this door for the rest of them.

    Counted per process (Django's local cache): several processes allow several times as many.
    """

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        if cache.get(self._key, 0) >= MOST_FAILURES:
            context = self.get_context_data(form=AuthenticationForm(request), is_locked=True)
            return render(request, "registration/login.html", context, status=429)
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        cache.add(self._key, 0, FAILURES_KEPT_S)
        cache.incr(self._key)
        return super().form_invalid(form)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        cache.delete(self._key)
        return super().form_valid(form)

    @property
    def _key(self) -> str:
        return f"login-failures:{self.request.META.get('REMOTE_ADDR', '')}"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_once(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and changes nothing: mail and chat programs open links to look at them. POST logs in."""
    if request.method == "POST":
        user = use_link(token)
        if user is not None:
            login(request, user, backend="dashboard.backends.AccountBackend")
            return redirect("overview")
        return render(request, "registration/login_once.html", {"is_good": False}, status=410)
    is_good = link_is_good(token)
    return render(request, "registration/login_once.html", {"is_good": is_good}, status=200 if is_good else 410)


@login_required
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Set a password (after a one-time link) or change it."""
    user = get_object_or_404(User, pk=request.user.pk)
    form: SetPasswordForm[User]  # (an annotation only: Django's forms are generic in its stubs alone)
    if user.has_usable_password():
        form = PasswordChangeForm(user, request.POST or None)
    else:
        form = SetPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        update_session_auth_hash(request, user)
        messages.success(request, "Your password is set.")
        return redirect("overview")
    return render(request, "registration/password.html", {"form": form})
