"""Which code of the application sent a statement: one name out of the tags of its comment."""

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
