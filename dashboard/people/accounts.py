"""How people get an account, a role and back in: one-time links, invitations, changes of role.

There is no default password: the first person comes in by a one-time link that `up` prints.
"""

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.models import User as AuthUser
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from analyzer.models import LoginLink
from dashboard.models import Invitation
from dashboard.people import login_sessions
from dashboard.permissions import OPERATOR, ROLES

LINK_LIFETIME = timedelta(minutes=30)
INVITATION_LIFETIME = timedelta(days=7)
FIRST_USER_NAME = "admin"


def one_time_login_link(base_url: str, user_name: str | None = None) -> str:
    """A link that logs in once, within 30 minutes. The first user is made when there is none.

    Without ``user_name`` it is for the oldest active superuser or else operator. Only the token's hash is kept.
    """
    User = get_user_model()
    with transaction.atomic():
        if user_name is None:
            user = operators().order_by("-is_superuser", "pk").first()
            if user is None:
                user, _ = User.objects.get_or_create(username=FIRST_USER_NAME)
                user.is_active = user.is_staff = user.is_superuser = True
                if not user.password:
                    user.set_unusable_password()
                user.save()
            user_name = user.get_username()
        token = secrets.token_urlsafe(32)
        now = timezone.now()
        LoginLink.objects.filter(expires_at__lt=now - timedelta(days=7)).delete()
        LoginLink.objects.create(token_hash=token_hash(token), user_name=user_name, expires_at=now + LINK_LIFETIME)
    origin = base_url.rstrip("/").removesuffix(settings.FORCE_SCRIPT_NAME or "")
    return origin + reverse("login_once", args=[token])


def token_hash(token: str) -> str:
    """The token has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_is_good(token: str) -> bool:
    """Looks only: opening a link (mail scanners do) must not use it up."""
    return LoginLink.objects.filter(token_hash=token_hash(token), used_at=None, expires_at__gt=timezone.now()).exists()


def use_link(token: str) -> AuthUser | None:
    """The link's user, once; None when it was used, is too old or never was. Safe against two at a time."""
    now = timezone.now()
    links = LoginLink.objects.filter(token_hash=token_hash(token), used_at=None, expires_at__gt=now)
    with transaction.atomic():
        link = links.select_for_update().first()
        if link is None:
            return None
        link.used_at = now
        link.save(update_fields=["used_at"])
    return get_user_model().objects.filter(username=link.user_name, is_active=True).first()


class LastOperator(Exception):
    """Refused: nobody would be left who can change anything."""

    def __str__(self) -> str:
        return "Somebody has to stay an operator: make another person one first."


def operators() -> QuerySet[AuthUser]:
    """Who can log in and change things."""
    return AuthUser.objects.filter(Q(is_superuser=True) | Q(groups__name=OPERATOR), is_active=True).distinct()


def set_role(user: AuthUser, role: str) -> None:
    """Make the user a viewer or an operator; a superuser who becomes a viewer is a superuser no more."""
    with transaction.atomic():
        groups = _locked_groups()
        if role != OPERATOR:
            _not_the_last(user)
            user.is_superuser = user.is_staff = False
            user.save(update_fields=["is_superuser", "is_staff"])
        user.groups.remove(*groups.values())
        user.groups.add(groups[role])


def set_active(user: AuthUser, is_active: bool) -> None:
    """Let the user in again, or keep the user out at once: with every session and unused link."""
    with transaction.atomic():
        _locked_groups()
        if not is_active:
            _not_the_last(user)
            login_sessions.end(user)
            LoginLink.objects.filter(user_name=user.get_username(), used_at=None).delete()
        user.is_active = is_active
        user.save(update_fields=["is_active"])


def invite(email: str, role: str, invited_by: str) -> tuple[Invitation, str]:
    """An invitation and its token, which is kept nowhere. An earlier one for the same address no longer works."""
    if role not in ROLES:
        raise ValueError(role)
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        open_invitations().filter(email__iexact=email).update(withdrawn_at=now)
        invitation = Invitation.objects.create(
            token_hash=token_hash(token),
            email=email,
            role=role,
            invited_by=invited_by,
            expires_at=now + INVITATION_LIFETIME,
        )
    return invitation, token


def open_invitations() -> QuerySet[Invitation]:
    return Invitation.objects.filter(used_at=None, withdrawn_at=None, expires_at__gt=timezone.now())


def invitation_of(token: str) -> Invitation | None:
    """Looks only, as ``link_is_good`` does."""
    return open_invitations().filter(token_hash=token_hash(token)).first()


def accept(token: str, user_name: str, password: str) -> AuthUser | None:
    """The account the invitation is for, made once; None when it was used, withdrawn or is too old."""
    with transaction.atomic():
        invitation = open_invitations().select_for_update().filter(token_hash=token_hash(token)).first()
        if invitation is None:
            return None
        user = AuthUser.objects.create_user(user_name, invitation.email, password)
        user.groups.add(_locked_groups()[invitation.role])
        invitation.used_at, invitation.used_by = timezone.now(), user_name
        invitation.save(update_fields=["used_at", "used_by"])
    return user


def withdraw(invitation: Invitation) -> None:
    invitation.withdrawn_at = timezone.now()
    invitation.save(update_fields=["withdrawn_at"])


def mail_is_set_up() -> bool:
    """Whether a mail reaches anybody: without an SMTP server mails are files in a folder."""
    return not settings.EMAIL_BACKEND.startswith("dashboard.mail.folder.")


def _locked_groups() -> dict[str, Group]:
    """The groups of the roles, locked: changes of who is an operator happen one after the other."""
    for role in ROLES:
        Group.objects.get_or_create(name=role)
    return {group.name: group for group in Group.objects.select_for_update().filter(name__in=ROLES).order_by("name")}


def _not_the_last(user: AuthUser) -> None:
    others = operators().exclude(pk=user.pk)
    if operators().filter(pk=user.pk).exists() and not others.exists():
        raise LastOperator
