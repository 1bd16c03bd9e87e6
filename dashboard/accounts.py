"""One-time login links: how the first person gets in, since there is no default password."""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User as AuthUser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from analyzer.models import LoginLink

LINK_LIFETIME = timedelta(minutes=30)
FIRST_USER_NAME = "admin"


def one_time_login_link(base_url: str, user_name: str | None = None) -> str:
    """A link that logs in once, within 30 minutes. The first user is made when there is none.

    Without ``user_name`` it is for the oldest active superuser. Only the token's hash is kept.
    """
    User = get_user_model()
    with transaction.atomic():
        if user_name is None:
            user = User.objects.filter(is_active=True, is_superuser=True).order_by("pk").first()
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
    return base_url.rstrip("/") + reverse("login_once", args=[token])


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
