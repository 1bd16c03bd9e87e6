"""Getting in: by password, by a link that works once, by an invitation, by a mail when the password is forgotten."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm, BaseUserCreationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, PasswordResetConfirmView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from dashboard.models import LoginAttempt
from dashboard.people import accounts, login_sessions, rate_limit, reset_mail
from dashboard.people import audit_log as audit
from dashboard.people.client_address import address_of, network_of
from dashboard.permissions import viewer_required

BACKEND = "dashboard.backends.AccountBackend"


def _login_link() -> dict[str, str]:
    """How whoever runs pgLoupe gets one, for the pages of those who cannot log in."""
    return {"login_command": settings.LOGIN_COMMAND, "login_place": settings.LOGIN_PLACE}


class Login(LoginView):
    """By password; how often one may guess is in ``dashboard/people/rate_limit.py``.

    A wrong password and a user who does not exist or may not come in are answered alike, after the same time (Django's
    backend hashes the password for each).
    """

    redirect_authenticated_user = True
    extra_context = {"section": "login"}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.POST.get("username", "")
        attempt = rate_limit.begin(LoginAttempt.Kind.PASSWORD, network_of(address_of(request)), name)
        if attempt is None:
            context = self.get_context_data(form=AuthenticationForm(request), is_locked=True)
            return render(request, "registration/login.html", context, status=429)
        self.attempt = attempt
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        rate_limit.forget(self.attempt)
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {"mail_is_set_up": accounts.mail_is_set_up(), **_login_link(), **super().get_context_data(**kwargs)}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_once(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows a button and changes nothing: mail and chat programs open links to look at them. POST logs in."""
    if request.method == "POST":
        user = accounts.use_link(token)
        if user is not None:
            login(request, user, backend=BACKEND)
            audit.record(request, "login_by_link", user.get_username())
            return redirect("overview")
        return render(request, "registration/login_once.html", {"is_good": False, **_login_link()}, status=410)
    is_good = accounts.link_is_good(token)
    context = {"is_good": is_good, **_login_link()}
    return render(request, "registration/login_once.html", context, status=200 if is_good else 410)


class InvitedForm(BaseUserCreationForm):  # type: ignore[type-arg]
    """User name and password of somebody who was invited; the mail address and the role came with the invitation."""

    class Meta(BaseUserCreationForm.Meta):
        fields = ("username",)
        labels = {"username": "User name"}
        help_texts = {"username": "Letters, digits and @ . + - _"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password2"].label = "The password again"
        self.fields["password2"].help_text = ""

    def clean_username(self) -> str:
        name = str(self.cleaned_data["username"])
        if User.objects.filter(username__iexact=name).exists():
            raise forms.ValidationError("This name is taken.")
        return name


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Choose a name and a password; opening the link changes nothing."""
    invited = accounts.invitation_of(token)
    if invited is None:
        return render(request, "registration/invitation.html", {"invitation": None}, status=410)
    form = InvitedForm(request.POST or None, initial={"username": invited.email.partition("@")[0][:150]})
    form.instance.email = invited.email  # no password may be it
    if request.method == "POST" and form.is_valid():
        user = accounts.accept(token, form.cleaned_data["username"], form.cleaned_data["password1"])
        if user is None:  # somebody else was quicker
            return render(request, "registration/invitation.html", {"invitation": None}, status=410)
        login(request, user, backend=BACKEND)
        audit.record(request, "invitation_accepted", invited.email, role=invited.role, invited_by=invited.invited_by)
        return redirect("overview")
    status = 422 if request.method == "POST" else 200
    return render(request, "registration/invitation.html", {"invitation": invited, "form": form}, status=status)


@viewer_required
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Set a password (after a one-time link) or change it; other sessions of the person end."""
    user = get_object_or_404(User, pk=request.user.pk)
    form: SetPasswordForm[User]  # (an annotation only: Django's forms are generic in its stubs alone)
    if user.has_usable_password():
        form = PasswordChangeForm(user, request.POST or None)
    else:
        form = SetPasswordForm(user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        login_sessions.end(user, but_key=request.session.session_key)
        update_session_auth_hash(request, user)
        login_sessions.remember(request, user)
        messages.success(request, "Your password is set.")
        return redirect("overview")
    return render(request, "registration/password.html", {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
def password_reset(request: HttpRequest) -> HttpResponse:
    """Ask for a mail with a link. The answer, and how long it takes, are the same whether the address is known or not:
    looking it up and sending happen after the answer."""
    context: dict[str, object] = {"mail_is_set_up": accounts.mail_is_set_up(), "form": reset_mail.ResetForm()}
    context |= _login_link()
    if request.method != "POST" or not context["mail_is_set_up"]:
        return render(request, "registration/password_reset.html", context)
    form = reset_mail.ResetForm(request.POST)
    if not form.is_valid():
        return render(request, "registration/password_reset.html", {**context, "form": form}, status=422)
    email = form.cleaned_data["email"]
    if rate_limit.begin(LoginAttempt.Kind.RESET, network_of(address_of(request)), email) is None:
        return render(request, "registration/password_reset.html", {**context, "is_locked": True}, status=429)
    reset_mail.send_in_background(email, request.get_host(), request.is_secure())
    return redirect("password_reset_sent")


@require_GET
def password_reset_sent(request: HttpRequest) -> HttpResponse:
    return render(request, "registration/password_reset_sent.html")


class PasswordResetConfirm(PasswordResetConfirmView):
    """The link of the mail: a new password, and the end of every session there is."""

    template_name = "registration/password_reset_confirm.html"
    success_url = reverse_lazy("login")

    def form_valid(self, form: "SetPasswordForm[User]") -> HttpResponse:
        user = form.user
        login_sessions.end(user)
        audit.write(self.request, user.get_username(), "password_reset", user.get_username(), {})
        messages.success(self.request, "Your password is set. Log in with it.")
        return super().form_valid(form)
