"""Names and texts in Python code to copy: a table or column may be called anything, and must not become other code."""

from analyzer.schema.orm_models import is_name


def python_string(text: str) -> str:
    """A literal in double quotes, as formatters write it."""
    if '"' in text and "'" not in text:
        return repr(text)
    single = repr(text)
    if single.startswith('"'):
        return single
    return '"' + single[1:-1].replace("\\'", "'").replace('"', '\\"') + '"'


def python_name(text: str) -> str:
    """An identifier as near to ``text`` as can be, as Django's inspectdb makes them; one that is stays as it is."""
    if is_name(text):
        return text
    name = "".join(c if f"_{c}".isidentifier() else "_" for c in text).strip("_") or "unnamed"
    if not name.isidentifier():
        name = f"number_{name}"
    return name if is_name(name) else f"{name}_field"
