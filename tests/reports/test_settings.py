"""Mail settings from the environment, wrong ones named."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dashboard.mail.settings import mail_settings

VAR = Path("/var/lib/pgloupe")


def test_without_a_server_mails_are_files():
    found = mail_settings(VAR, {})
    assert (found.backend, found.folder) == ("dashboard.mail.folder.FolderBackend", VAR / "mail")
    assert (found.base_url, found.sender) == ("http://127.0.0.1:8000", "pgLoupe <pgloupe@localhost>")


def test_smtp_by_environment_with_the_password_from_a_file(tmp_path):
    (tmp_path / "password").write_text("sesame\n")
    found = mail_settings(
        VAR,
        {
            "EMAIL_HOST": "smtp.example.com",
            "EMAIL_USER": "loupe",
            "EMAIL_PASSWORD_FILE": str(tmp_path / "password"),
            "PGLOUPE_BASE_URL": "https://loupe.example.com/",
        },
    )
    assert found.backend == "django.core.mail.backends.smtp.EmailBackend"
    assert (found.host, found.port, found.tls, found.password) == ("smtp.example.com", 587, "starttls", "sesame")
    assert (found.base_url, found.sender) == ("https://loupe.example.com", "pgLoupe <pgloupe@loupe.example.com>")
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("ssl", 465), ("NONE", 25)])
def test_port_follows_the_tls_mode(tls, port):
    assert mail_settings(VAR, {"EMAIL_HOST": "mx", "EMAIL_TLS": tls}).port == port
    assert mail_settings(VAR, {"EMAIL_HOST": "mx", "EMAIL_TLS": tls, "EMAIL_PORT": "2525"}).port == 2525


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("EMAIL_TLS", "yes", "EMAIL_TLS is 'yes'; it has to be starttls, ssl or none"),
        ("EMAIL_PORT", "smtp", "EMAIL_PORT is 'smtp'; it has to be a whole number from 1 to 65535"),
        ("EMAIL_FROM", "a@b.example\nBcc: c@d.example", "EMAIL_FROM has to be one address"),
        ("PGLOUPE_BASE_URL", "loupe.example.com", "PGLOUPE_BASE_URL has to be where people open pgLoupe"),
        ("PGLOUPE_BASE_URL", "javascript:alert(1)", "PGLOUPE_BASE_URL has to be where people open pgLoupe"),
        ("EMAIL_PASSWORD_FILE", "/nonexistent", "EMAIL_PASSWORD_FILE names /nonexistent, which cannot be read"),
    ],
)
def test_wrong_value_is_named(name, value, said):
    with pytest.raises(ImproperlyConfigured, match=said.replace("(", r"\(")):
        mail_settings(VAR, {name: value})
