"""Readings as they are kept -> facts; what cannot be read is as if it had not been kept, and never stops the next."""

import logging
import zlib
from collections.abc import Callable
from typing import TypeVar

logger = logging.getLogger(__name__)
T = TypeVar("T")


def unpacked(data: bytes | memoryview, decode: Callable[[bytes], T], called: str) -> T | None:
    """None, and a line in the log, where it cannot be read."""
    try:
        return decode(zlib.decompress(data))
    except (zlib.error, ValueError) as problem:  # msgspec's are ValueErrors
        logger.warning("%s cannot be read, and is taken for none: %s", called, problem)
        return None
