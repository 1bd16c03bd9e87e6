"""Encryption at rest of passwords and sampled values (MultiFernet: the newest key writes, all keys read)."""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from analyzer.errors import PgLoupeError


class CannotDecrypt(PgLoupeError):
    def __str__(self) -> str:
        return "A stored secret cannot be decrypted: its key is missing from PGLOUPE_ENCRYPTION_KEYS; enter it again"


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ENCRYPTION_KEYS])


def encrypt(text: str) -> str:
    return _fernet().encrypt(text.encode()).decode() if text else ""


def decrypt(token: str) -> str:
    if not token:
        return ""
    try:
        return _fernet().decrypt(token.encode()).decode()
    except InvalidToken:
        raise CannotDecrypt from None  # the cause would carry nothing a person can use
