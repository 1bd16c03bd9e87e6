"""The mail that helps somebody who forgot the password."""

import logging
from threading import Thread

from django.conf import settings
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.models import User
from django.db import connection
from django.urls import set_script_prefix

log = logging.getLogger(__name__)


class ResetForm(PasswordResetForm):
    def get_users(self, email: str) -> list[User]:
        """Also who never set a password: whoever reads the mail may."""
        return list(User.objects.filter(email__iexact=email, is_active=True))


def send(email: str, host: str, is_secure: bool) -> None:
    """Look the address up and mail its users, if there are any."""
    form = ResetForm({"email": email})
    if form.is_valid():
        form.save(
            domain_override=host,
            use_https=is_secure,
            subject_template_name="registration/password_reset_subject.txt",
            email_template_name="registration/password_reset_email.txt",
        )


def send_in_background(email: str, host: str, is_secure: bool) -> None:
    """Without a queue, which may be away. A mail lost with its process is asked for again."""

    def work() -> None:
        set_script_prefix(settings.FORCE_SCRIPT_NAME or "/")  # a new thread has none
        try:
            send(email, host, is_secure)
        except Exception:
            log.exception("A password reset mail could not be sent")
        finally:
            connection.close()

    Thread(target=work, name="password-reset-mail", daemon=True).start()
