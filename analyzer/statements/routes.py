"""Which code of the application sent a statement, by the tags of its comment: its route and its place in a file."""

from collections.abc import Mapping

MOST_CHARACTERS = 200


def route_name(tags: Mapping[str, str]) -> str:
    """sqlcommenter's route, else marginalia's controller and action ("orders#list"), else the job; "" without any."""
    if route := tags.get("route"):
        return route[:MOST_CHARACTERS]
    if controller := tags.get("controller"):
        action = tags.get("action")
        return f"{controller}#{action}"[:MOST_CHARACTERS] if action else controller[:MOST_CHARACTERS]
    return (tags.get("task") or tags.get("job") or tags.get("action") or "")[:MOST_CHARACTERS]


def file_name(tags: Mapping[str, str]) -> str:
    """Where in the code ("orders/views.py:41"): by ``file``, marginalia's ``line`` or Rails' ``source_location``."""
    place = tags.get("file") or tags.get("source_location") or ""
    line = tags.get("line", "")
    if line.isdigit():
        return f"{place}:{line}"[:MOST_CHARACTERS] if place else ""
    return (place or line)[:MOST_CHARACTERS]
