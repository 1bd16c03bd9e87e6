"""Secrets from the environment, or from the file that ``<NAME>_FILE`` names, as Docker and Kubernetes mount them."""

import os
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def secret(name: str, default: str = "", environment: Mapping[str, str] | None = None) -> str:
    """The value of ``name``, or the content of the file in ``<name>_FILE`` without the line's end.

    Raises ImproperlyConfigured when both are set or the file cannot be read; the text names no value.
    """
    environment = os.environ if environment is None else environment
    value, file = environment.get(name, ""), environment.get(f"{name}_FILE", "")
    if value and file:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; unset one of them")
    if not file:
        return value or default
    try:
        content = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which cannot be read: {reason}") from None
    if not content:
        raise ImproperlyConfigured(f"{name}_FILE names {file}, which is empty")
    return content
