"""EMAIL_* and PGLOUPE_BASE_URL of the environment; docs/mail.md lists them."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from analyzer.runtime.environment import secret

PORTS = {"starttls": 587, "ssl": 465, "none": 25}
PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
DEFAULT_BASE_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True, slots=True, repr=False)
class MailSettings:
    """``backend``: SMTP where a host is set, else files in ``folder``."""

    backend: str
    folder: Path
    host: str
    port: int
    user: str
    password: str
    tls: str
    timeout_s: int
    sender: str
    base_url: str
    url_prefix: str


def mail_settings(var_dir: Path, environment: Mapping[str, str] | None = None) -> MailSettings:
    """Raises ImproperlyConfigured with what to set instead.

    ``base_url`` ends with the host: a path of PGLOUPE_BASE_URL is ``url_prefix``, which every address begins with.
    """
    environment = os.environ if environment is None else environment
    host = environment.get("EMAIL_HOST", "").strip()
    tls = environment.get("EMAIL_TLS", "").strip().lower() or "starttls"
    if tls not in PORTS:
        raise ImproperlyConfigured(f"EMAIL_TLS is {tls!r}; it has to be starttls, ssl or none")
    base_url = environment.get("PGLOUPE_BASE_URL", "").strip().rstrip("/") or DEFAULT_BASE_URL
    parts = urlsplit(base_url)
    prefix = environment.get("PGLOUPE_URL_PREFIX", "").strip().strip("/")
    prefix = f"/{prefix}" if prefix else parts.path
    is_wrong = parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment
    if is_wrong or not PREFIX.fullmatch(prefix) or (parts.path and parts.path != prefix):
        raise ImproperlyConfigured(
            "PGLOUPE_BASE_URL has to be where people open pgLoupe, as https://loupe.example.com, or below a path, as"
            " https://tools.example.com/pgloupe (PGLOUPE_URL_PREFIX, if set, is that path)"
        )
    host_name = parts.hostname or ""
    domain = host_name if any(c.isalpha() for c in host_name) and ":" not in host_name else "localhost"
    sender = environment.get("EMAIL_FROM", "").strip() or f"pgLoupe <pgloupe@{domain}>"
    if any(ord(character) < 32 for character in sender) or "@" not in sender:
        raise ImproperlyConfigured("EMAIL_FROM has to be one address, as pgLoupe <pgloupe@example.com>")
    return MailSettings(
        backend="django.core.mail.backends.smtp.EmailBackend" if host else "dashboard.mail.folder.FolderBackend",
        folder=var_dir / "mail",
        host=host or "localhost",
        port=_number(environment, "EMAIL_PORT", PORTS[tls]),
        user=environment.get("EMAIL_USER", "").strip(),
        password=secret("EMAIL_PASSWORD", environment=environment),
        tls=tls,
        timeout_s=_number(environment, "EMAIL_TIMEOUT_S", 20),
        sender=sender,
        base_url=base_url.removesuffix(parts.path),
        url_prefix=prefix,
    )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 65_536):
        raise ImproperlyConfigured(f"{name} is {text!r}; it has to be a whole number from 1 to 65535")
    return int(text) if text else default
