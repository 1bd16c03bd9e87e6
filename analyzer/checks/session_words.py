"""What a session runs or ran last, and what code sent it, in a sentence."""

from analyzer.schema.server import SessionFacts
from analyzer.words.visible import visible_line


def statement_words(session: SessionFacts, *, of: str = "Its") -> str:
    """With a blank before it; "" where neither is known."""
    is_idle = (session.state or "").startswith("idle in transaction")
    what = f"{of} last statement" if is_idle else f"{of} statement"
    route = visible_line(session.route)
    if not session.statement:
        return f" {what} was sent by {route}." if route else ""
    by = f", sent by {route}" if route else ""
    return f" {what}{by}: {visible_line(session.statement)}"
