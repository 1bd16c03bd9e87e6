"""What people did, in words."""

from django import template

from dashboard.templatetags.texts import visible

register = template.Library()

_ACTIONS = {
    "user_invited": "invited",
    "invitation_withdrawn": "withdrew the invitation of",
    "invitation_accepted": "came in by an invitation",
    "user_added": "added the user",
    "user_changed": "changed the user",
    "role_changed": "changed the role of",
    "user_activated": "let in again",
    "user_deactivated": "deactivated",
    "login_link_made": "made a login link for",
    "login_by_link": "logged in by a one-time link",
    "password_reset": "set a new password by mail",
    "mute": "muted the finding",
    "check_changed": "changed the check",
    "unmute": "unmuted the finding",
    "server_added": "added the server",
    "log_kept": "kept plans and values of a log for the server",
    "server_changed": "changed the server",
    "server_removed": "removed the server",
    "models_map_kept": "uploaded the map of models for",
    "models_map_forgotten": "removed the map of models of",
    "orm_chosen": "chose what code comes first for",
    "connection_tested": "tested a connection to",
    "questions_limited": "asked the twins for more than one person may",
}
_DECISIONS = {
    "executed": ("Executed", "ok"),
    "plan_only": ("Only planned", "info"),
    "refused": ("Refused", "warning"),
    "failed": ("Failed", "critical"),
}


@register.filter
def action_words(action: str) -> str:
    return visible(_ACTIONS.get(action, action.replace("_", " ").replace(":", " ")))


@register.filter
def decision_words(decision: str) -> str:
    return _DECISIONS.get(decision, (decision, ""))[0]


@register.filter
def decision_word(decision: str) -> str:
    """The badge's colour."""
    return _DECISIONS.get(decision, ("", ""))[1]
