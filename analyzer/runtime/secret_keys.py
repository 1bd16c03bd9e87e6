"""The two kinds of key pgLoupe needs, from the environment or from a 0600 file made on first start.

``PGLOUPE_SECRET_KEY`` signs sessions and links. ``PGLOUPE_ENCRYPTION_KEYS`` (Fernet keys separated by commas or line
ends, the newest first) encrypt the passwords of monitored servers; an old key stays in the list until everything is
re-encrypted (``manage.py rotate_keys``). Each may come from a file: ``PGLOUPE_SECRET_KEY_FILE``.

``PGLOUPE_KEYS=given`` (the image) makes none: containers that each made their own could not read each other's secrets.
``PGLOUPE_KEYS=throwaway`` is for commands that sign and encrypt nothing, such as collectstatic in a build.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from analyzer.runtime.environment import secret
from analyzer.runtime.places import program


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    signing: str
    encryption: tuple[str, ...]


def load_or_create_keys(var_dir: Path) -> Keys:
    """Keys from the environment, the missing ones from ``var_dir/keys.json`` (made with mode 0600)."""
    signing = secret("PGLOUPE_SECRET_KEY")
    encryption = tuple(secret("PGLOUPE_ENCRYPTION_KEYS").replace(",", " ").split())
    _refuse_what_is_no_key(encryption)
    if signing and encryption:
        return Keys(signing, encryption)
    policy = os.environ.get("PGLOUPE_KEYS", "")
    if policy == "throwaway":
        return Keys(secrets.token_urlsafe(50), (Fernet.generate_key().decode(),))
    if policy == "given":
        missing = "PGLOUPE_ENCRYPTION_KEYS" if signing else "PGLOUPE_SECRET_KEY"
        raise ImproperlyConfigured(f"{missing} is not set, nor {missing}_FILE: all parts of pgLoupe need the same keys")
    try:
        stored = _stored_keys(key_file(var_dir))
    except OSError as error:
        raise ImproperlyConfigured(
            f"Set PGLOUPE_SECRET_KEY and PGLOUPE_ENCRYPTION_KEYS (or their _FILE): there are no keys in the"
            f" environment, and {key_file(var_dir)} cannot be made or read: {error.strerror}"
        ) from None
    return Keys(signing or str(stored["signing"]), encryption or tuple(stored["encryption"]))


def key_file(var_dir: Path) -> Path:
    return var_dir / "keys.json"


def key_name(key: str) -> str:
    """A short public name of a key, so that people can tell which one they hold without showing it."""
    return hashlib.sha256(f"pgloupe key {key}".encode()).hexdigest()[:8]


def replace_encryption_keys(var_dir: Path, keys: Sequence[str]) -> None:
    """Write the list into the key file, whole or not at all."""
    path = key_file(var_dir)
    stored = {**_stored_keys(path), "encryption": list(keys)}
    draft = path.with_name(f".keys-{os.getpid()}-{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(stored))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _refuse_what_is_no_key(keys: Sequence[str]) -> None:
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise ImproperlyConfigured(
                f"PGLOUPE_ENCRYPTION_KEYS: number {number} of {len(keys)} is no key;"
                f" `{program()} rotate_keys --generate` prints one"
            ) from None


def _stored_keys(path: Path) -> dict[str, str | list[str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = json.dumps({"signing": secrets.token_urlsafe(50), "encryption": [Fernet.generate_key().decode()]})
    # Written whole under another name, then linked: two processes starting at once agree on one file.
    draft = path.with_name(f".keys-{os.getpid()}-{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    stored: dict[str, str | list[str]] = json.loads(path.read_text())
    return stored
