"""EXPLAIN's objects with other names of indexes."""

from collections.abc import Mapping
from typing import Any


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A copy in which each index that ``names`` knows is called as it says."""
    if isinstance(value, dict):
        return {
            key: names.get(part, part) if key == "Index Name" else renamed(part, names) for key, part in value.items()
        }
    if isinstance(value, list):
        return [renamed(part, names) for part in value]
    return value
