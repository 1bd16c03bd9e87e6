"""Who may log in and as what: invitations, roles, access. For operators."""

from smtplib import SMTPException
from typing import cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.mail import EmailMessage, get_connection
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from dashboard.models import Invitation
from dashboard.people import accounts
from dashboard.people import audit_log as audit
from dashboard.permissions import OPERATOR, ROLES, operator_required

PER_PAGE = 50
MAIL_TIMEOUT_S = 10  # judgement: the operator waits for it


class InvitationForm(forms.Form):
    email = forms.EmailField(max_length=254)
    role = forms.ChoiceField(choices=[(role, role.title()) for role in ROLES])

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        if User.objects.filter(email__iexact=email).exists():
            raise forms.ValidationError("Somebody with this address has an account.")
        return email


@operator_required
@require_GET
def users(request: HttpRequest) -> HttpResponse:
    return _page(request)


@operator_required
@never_cache
@require_POST
def invite(request: HttpRequest) -> HttpResponse:
    """The link is shown this once (only its hash is kept), and mailed where mail is set up."""
    form = InvitationForm(request.POST)
    if not form.is_valid():
        return _page(request, form=form, status=422)
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    invitation, token = accounts.invite(email, role, request.user.get_username())
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    audit.record(request, "user_invited", email, role=role)
    trouble, is_mailed = "", False
    if accounts.mail_is_set_up():
        trouble = _mail(invitation, link)
        is_mailed = not trouble
    return _page(request, invited=invitation, link=link, is_mailed=is_mailed, mail_trouble=trouble)


@operator_required
@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    invitation = get_object_or_404(accounts.open_invitations(), pk=pk)
    accounts.withdraw(invitation)
    audit.record(request, "invitation_withdrawn", invitation.email)
    messages.success(request, "The invitation no longer works.")
    return redirect("users")


@operator_required
@require_POST
def role(request: HttpRequest, pk: int) -> HttpResponse:
    user = _of(request, pk)
    wanted = request.POST.get("role", "")
    if wanted not in ROLES:
        return _page(request, trouble="There is no such role.", status=422)
    try:
        with transaction.atomic():
            accounts.set_role(user, wanted)
            audit.record(request, "role_changed", user.get_username(), role=wanted)
    except accounts.LastOperator as refused:
        return _page(request, trouble=str(refused), status=422)
    messages.success(request, f"{user.get_username()} is {'an' if wanted == OPERATOR else 'a'} {wanted} now.")
    return redirect("users" if user.pk != request.user.pk or wanted == OPERATOR else "overview")


@operator_required
@require_POST
def active(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep somebody out, or let them in again."""
    user = _of(request, pk)
    is_active = request.POST.get("active") == "yes"
    if user.pk == request.user.pk and not is_active:
        return _page(request, trouble="You cannot deactivate yourself: ask another operator.", status=422)
    try:
        with transaction.atomic():
            accounts.set_active(user, is_active)
            audit.record(request, "user_activated" if is_active else "user_deactivated", user.get_username())
    except accounts.LastOperator as refused:
        return _page(request, trouble=str(refused), status=422)
    messages.success(request, f"{user.get_username()} can {'log in again' if is_active else 'no longer log in'}.")
    return redirect("users")


@operator_required
@never_cache
@require_POST
def link(request: HttpRequest, pk: int) -> HttpResponse:
    """A one-time login link for somebody who forgot the password and gets no mail."""
    user = _of(request, pk)
    if not user.is_active:
        return _page(request, trouble="Activate the account first.", status=422)
    made = accounts.one_time_login_link(request.build_absolute_uri("/"), user.get_username())
    audit.record(request, "login_link_made", user.get_username())
    return _page(request, link=made, link_for=user)


def _of(request: HttpRequest, pk: int) -> User:
    """The user to change. Over superusers only superusers decide: else an operator could become one."""
    user = get_object_or_404(User, pk=pk)
    if user.is_superuser and not cast(User, request.user).is_superuser:
        raise PermissionDenied("Only a superuser may change a superuser's account.")
    return user


def _mail(invitation: Invitation, link: str) -> str:
    """Why it could not be sent; "" when it was."""
    body = render_to_string("registration/invitation_email.txt", {"invitation": invitation, "link": link})
    try:
        connection = get_connection(timeout=MAIL_TIMEOUT_S)
        EmailMessage("An invitation to pgLoupe", body, to=[invitation.email], connection=connection).send()
    except (OSError, SMTPException) as trouble:
        return str(trouble) or type(trouble).__name__
    return ""


def _page(request: HttpRequest, *, status: int = 200, **more: object) -> HttpResponse:
    in_operators = User.groups.through.objects.filter(user=OuterRef("pk"), group__name=OPERATOR)
    users = User.objects.annotate(in_operators=Exists(in_operators)).order_by("-is_active", "username")
    context = {
        "section": "users",
        "page": Paginator(users, PER_PAGE).get_page(request.GET.get("page")),
        "invitations": accounts.open_invitations().order_by("-invited_at")[:PER_PAGE],
        "roles": ROLES,
        "form": InvitationForm(),
        "mail_is_set_up": accounts.mail_is_set_up(),
        "may_change_superusers": cast(User, request.user).is_superuser,
        **more,
    }
    return render(request, "dashboard/users.html", context, status=status)
