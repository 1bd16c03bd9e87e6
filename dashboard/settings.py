"""Django settings, read from the environment; the unit of a number stands in its name.

Nothing has to be set: without DATABASE_URL and REDIS_URL `manage.py up` runs its own under ``var/``.
"""

import math
import os
import sys
from collections.abc import Collection
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from django.core.exceptions import ImproperlyConfigured

from analyzer.errors import BadInput
from analyzer.monitored.access.address_policy import DEFAULT_AND_LOOPBACK, AddressPolicy
from analyzer.monitored.connection_settings import is_loopback
from analyzer.runtime import places
from analyzer.runtime.environment import secret
from analyzer.runtime.instance import InstanceLock
from analyzer.runtime.missing_store import NO_STORE_URL
from analyzer.runtime.secret_keys import load_or_create_keys
from dashboard.mail.settings import mail_settings

BASE_DIR = places.ROOT
VAR_DIR = places.data_dir()
STORE_SCHEMES = ("postgresql", "postgres", "pgsql", "psql", "postgis")  # also with a driver, as postgresql+psycopg
QUEUE_SCHEMES = ("redis", "rediss", "unix")


def _flag(name: str, default: bool) -> bool:
    return os.environ.get(name, "1" if default else "0").strip().lower() in {"1", "true", "yes", "on"}


def _number(name: str, default: int, least: int = 1) -> int:
    text = os.environ.get(name, "").strip()
    try:
        number = int(text) if text else default
    except ValueError:
        number = least - 1
    if number < least:
        raise ImproperlyConfigured(f"{name} is {text!r}; it has to be a whole number, {least} or more")
    return number


def _milliseconds(name: str, default: float) -> float:
    text = os.environ.get(name, "").strip()
    try:
        number = float(text) if text else default
    except ValueError:
        number = -1.0
    if not (math.isfinite(number) and number >= 0):
        raise ImproperlyConfigured(f"{name} is {text!r}; it has to be a number, 0 or more")
    return number


def _time_zone(name: str) -> str:
    text = os.environ.get(name, "").strip() or "UTC"
    try:
        ZoneInfo(text)
    except (ValueError, KeyError, OSError):  # ZoneInfoNotFoundError is a KeyError
        if text != "UTC":  # of which nothing has to be installed
            raise ImproperlyConfigured(f"{name} is {text!r}, which is no time zone (Europe/Berlin is one)") from None
    return text


def _parts(name: str, url: str, example: str, schemes: Collection[str]) -> SplitResult:
    """The URL's; what is wrong with it is said without a word of it, which may be a piece of the password."""
    try:
        parts = urlsplit(url)
        is_read = (parts.port or 0) >= 0
    except ValueError:
        parts, is_read = urlsplit(""), False
    is_cut = "@" in parts.path + parts.fragment  # behind the password, of which a / or # ended the address
    if not is_read or is_cut or parts.scheme.partition("+")[0] not in schemes:
        raise ImproperlyConfigured(
            f"{name} cannot be read: it has to be like {example}, with / # ? @ : of a password as %2F %23 %3F %40 %3A"
        )
    return parts


def _database(url: str) -> dict[str, object]:
    """``postgresql://user:password@host:port/name?sslmode=require`` as Django's DATABASES entry."""
    parts = _parts("DATABASE_URL", url, "postgresql://user:password@host:5432/pgloupe", STORE_SCHEMES)
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "pgloupe",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.pop("host", None) or unquote(parts.hostname or ""),
        "PORT": query.pop("port", None) or parts.port or "",
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"application_name": "pgloupe store", "connect_timeout": 5, **query},
    }


def _with_password(url: str, password: str) -> str:
    """The URL with the password put in: so that only the password has to be a secret file."""
    if not (url and password):
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return url  # what is wrong with it is said where it is used
    if parts.password:
        raise ImproperlyConfigured("A password stands both in the URL and on its own; take it out of the URL")
    user, _, where = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{where}"))


# One key signs sessions and links; the others (newest first) encrypt passwords of monitored servers at rest.
_keys = load_or_create_keys(VAR_DIR)
SECRET_KEY = _keys.signing
ENCRYPTION_KEYS = _keys.encryption

DEBUG = _flag("PGLOUPE_DEBUG", False)
ALLOWED_HOSTS = [h.strip() for h in os.environ.get("PGLOUPE_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")]
CSRF_TRUSTED_ORIGINS = [o for o in os.environ.get("PGLOUPE_TRUSTED_ORIGINS", "").split(",") if o]

# What `up` runs under var/ is found by every other command: its store, its queue and the address of its pages.
_running = InstanceLock(VAR_DIR).holder()
DATABASE_URL = _with_password(secret("DATABASE_URL"), secret("DATABASE_PASSWORD"))
REDIS_URL = _with_password(secret("REDIS_URL"), secret("REDIS_PASSWORD")) or (_running.redis_url if _running else "")
DATABASES = {"default": _database(DATABASE_URL or (_running.database_url if _running else NO_STORE_URL))}
# Of what is typed, files aside: 100 kB of SQL can become nine times as long on its way
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "dashboard.people.admin_config.UsersAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "analyzer",
    "dashboard",
]
MIDDLEWARE = [
    "dashboard.health.healthz.Healthz",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pages; it pads them against BREACH. Static files come compressed.
    "dashboard.middleware.ContentSecurityPolicy",
    "dashboard.middleware.NoStore",
    "dashboard.middleware.RefreshAfterLogout",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "dashboard.middleware.SignInRequired",
    "dashboard.middleware.SeenSession",
    "dashboard.middleware.NoNul",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [] if places.IS_INSTALLED else [BASE_DIR / "templates"],  # a wheel has them in dashboard/
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.role",
                "dashboard.context.adding",
            ],
        },
    }
]

# Mail: by SMTP where EMAIL_HOST is set, else as files in var/mail (docs/mail.md).
_mail = mail_settings(VAR_DIR, {"PGLOUPE_BASE_URL": _running.url, **os.environ} if _running else None)
EMAIL_BACKEND, EMAIL_FOLDER = _mail.backend, _mail.folder
EMAIL_HOST, EMAIL_PORT, EMAIL_TIMEOUT = _mail.host, _mail.port, _mail.timeout_s
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.tls == "starttls", _mail.tls == "ssl"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.sender
PGLOUPE_BASE_URL = _mail.base_url  # scheme and host where people open it; ``reverse`` gives the rest
# Below a path of a proxy: every link, cookie and static file is there.
FORCE_SCRIPT_NAME = _mail.url_prefix or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{_mail.url_prefix}/"

STATIC_URL = f"{_mail.url_prefix}/static/"
STATICFILES_DIRS = [] if places.IS_INSTALLED else [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("PGLOUPE_STATIC_ROOT", VAR_DIR / "static"))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
# `up` collects and compresses static files first, then turns the finders off: theirs would hide the small ones.
WHITENOISE_USE_FINDERS = _flag("PGLOUPE_STATIC_FINDERS", True)

# The names of vendored files hold their version: they never change.
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/vendor/.+/"

# What prints a one-time login link on the machine pgLoupe runs on, and where to type it: pages and `up` name it so.
_python = Path(sys.executable)
if "PGLOUPE_IN_CONTAINER" in os.environ:
    _call = "docker compose exec web python manage.py"
elif places.IS_INSTALLED:
    _call = places.program()
else:
    _call = f"{_python.relative_to(BASE_DIR) if _python.is_relative_to(BASE_DIR) else _python} {places.program()}"
LOGIN_COMMAND = f"{_call} login_link"
# What adds a server from there; in a container it is added on the page.
_dsn = "'postgresql://pgloupe@db.example.com/app'"
_up = f"{_call} up {_dsn}" if places.IS_INSTALLED or places.program() != "manage.py" else f"make up DSN={_dsn}"
UP_COMMAND = "" if "PGLOUPE_IN_CONTAINER" in os.environ else _up
LOGIN_PLACE = "on the machine pgLoupe runs on" + ("" if places.IS_INSTALLED else ", in its folder")
ONE_TIME_LOGIN_LINK = "dashboard.people.accounts.one_time_login_link"  # what `up` prints
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["dashboard.backends.AccountBackend"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# Off by default because `up` serves plain http on loopback; on behind TLS.
BEHIND_TLS = _flag("PGLOUPE_BEHIND_TLS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
# How many proxies of our own stand in front: so many entries of X-Forwarded-For are believed, from the right.
TRUSTED_PROXIES = _number("PGLOUPE_TRUSTED_PROXIES", 1 if BEHIND_TLS else 0, least=0)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_HSTS_SECONDS = 31536000 if BEHIND_TLS else 0
# Not "no-referrer": browsers then send "Origin: null" with our own forms, and CSRF protection refuses them.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en"
TIME_ZONE = _time_zone("TZ_NAME")
USE_TZ = True
USE_I18N = False

# Where servers added on the page may be, and where a connection may do without TLS (networks, separated by commas).
# This machine itself is among them where nobody else reaches the page.
_known_as = (os.environ.get("PGLOUPE_LISTENS_ON", ""), urlsplit(PGLOUPE_BASE_URL).hostname or "")
_is_alone = all(map(is_loopback, _known_as)) and not TRUSTED_PROXIES
try:
    ADDRESS_POLICY = AddressPolicy.parse(
        os.environ.get("PGLOUPE_ALLOWED_ADDRESSES", "").strip() or (DEFAULT_AND_LOOPBACK if _is_alone else ""),
        os.environ.get("PGLOUPE_ALLOWED_PORTS", ""),
        os.environ.get("PGLOUPE_ALLOW_PLAINTEXT_TO", ""),
    )
except BadInput as wrong:
    raise ImproperlyConfigured(str(wrong)) from None

# Celery: Redis carries ids only; everything that matters is in PostgreSQL.
CELERY_BROKER_URL = REDIS_URL or "redis://127.0.0.1:6379/0"
_parts("REDIS_URL", CELERY_BROKER_URL, "redis://:password@host:6379/0", QUEUE_SCHEMES)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the next tick starts the work anew
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_LOG_COLOR = False  # control sequences, which logs spell out
CELERY_TASK_ROUTES = {
    "analyzer.tasks.take_snapshot": {"queue": "sample"},
    "analyzer.tasks.tick": {"queue": "tick"},  # its own: never behind the work it hands out
    "analyzer.tasks.explain_statements": {"queue": "explain"},
    "analyzer.tasks.read_texts": {"queue": "texts"},  # many new servers do not keep the rest waiting: taken in turn
    "analyzer.tasks.*": {"queue": "maintenance"},
    "dashboard.tasks.*": {"queue": "maintenance"},
}
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 5, "socket_timeout": 30, "visibility_timeout": 3600}

# Sampling, explaining, keeping.
ANALYZER_SAMPLE_INTERVAL_S = _number("ANALYZER_SAMPLE_INTERVAL_S", 60)
ANALYZER_CATALOG_INTERVAL_S = _number("ANALYZER_CATALOG_INTERVAL_S", 600)
ANALYZER_ACTIVITY_INTERVAL_S = _number("ANALYZER_ACTIVITY_INTERVAL_S", 10)
ANALYZER_CONNECT_TIMEOUT_S = _number("ANALYZER_CONNECT_TIMEOUT_S", 5)
ANALYZER_STATEMENT_TIMEOUT_MS = _number("ANALYZER_STATEMENT_TIMEOUT_MS", 10_000)
ANALYZER_LOCK_TIMEOUT_MS = _number("ANALYZER_LOCK_TIMEOUT_MS", 100)
ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR = _number("ANALYZER_EXPLAIN_BUDGET_S_PER_HOUR", 60, least=0)
ANALYZER_EXPLAIN_STATEMENTS_PER_ROUND = _number("ANALYZER_EXPLAIN_STATEMENTS_PER_ROUND", 20, least=0)
ANALYZER_KEEP_MINUTES_DAYS = _number("ANALYZER_KEEP_MINUTES_DAYS", 7)
ANALYZER_KEEP_HOURS_DAYS = _number("ANALYZER_KEEP_HOURS_DAYS", 35)
ANALYZER_KEEP_DAYS_DAYS = _number("ANALYZER_KEEP_DAYS_DAYS", 400)
ANALYZER_KEEP_PLANNER_DAYS = _number("ANALYZER_KEEP_PLANNER_DAYS", 35, least=0)
ANALYZER_OUTCOME_CALLS = _number("ANALYZER_OUTCOME_CALLS", 30, least=0)
ANALYZER_OUTCOME_WAIT_S = _number("ANALYZER_OUTCOME_WAIT_S", 3600, least=0)
ANALYZER_ASSUMED_ROUND_TRIP_MS = _milliseconds("ANALYZER_ASSUMED_ROUND_TRIP_MS", 0.5)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {
            "class": "analyzer.runtime.log_lines.VisibleFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": os.environ.get("PGLOUPE_LOG_LEVEL", "INFO")},
}
