"""The two kinds of key pgLoupe needs, from the environment or from a 0600 file made on first start.

``PGLOUPE_SECRET_KEY`` signs sessions and links. ``PGLOUPE_ENCRYPTION_KEYS`` (comma separated Fernet keys, the newest
first) encrypt the passwords of monitored servers; an old key stays in the list until everything is re-encrypted.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.fernet import Fernet


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    signing: str
    encryption: tuple[str, ...]


def load_or_create_keys(var_dir: Path) -> Keys:
    """Keys from the environment, the missing ones from ``var_dir/keys.json`` (made with mode 0600)."""
    signing = os.environ.get("PGLOUPE_SECRET_KEY", "")
    encryption = tuple(k.strip() for k in os.environ.get("PGLOUPE_ENCRYPTION_KEYS", "").split(",") if k.strip())
    if signing and encryption:
        return Keys(signing, encryption)
    stored = _stored_keys(var_dir / "keys.json")
    return Keys(signing or str(stored["signing"]), encryption or tuple(stored["encryption"]))


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
