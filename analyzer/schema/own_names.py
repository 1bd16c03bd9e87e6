"""Names that begin with the schema of the table they stand at, as a tenant's own types do: in another schema they are
that schema's own.
"""

import re

from analyzer.schema.quoting import quote_identifier

_NAME = re.compile(r'(?P<name>"(?:[^"]|"")+"|[^."\[(]+)(?:\[|\(|$)')


def in_schema(text: str, old: str, new: str) -> str:
    """An expression or a type's name with ``new`` where the schema ``old`` stands before a name."""
    always_quoted = '"' + old.replace('"', '""') + '"'
    either = "|".join(re.escape(name) for name in dict.fromkeys((quote_identifier(old), always_quoted)))
    return re.sub(rf"""(?<![\w$".'])(?:{either})\.""", lambda _: f"{quote_identifier(new)}.", text)


def without_schema(text: str, schema: str) -> str:
    """To compare it with the same of another schema."""
    return in_schema(text, schema, "*")


def own_type(type_name: str, schema: str) -> str | None:
    """Of format_type()'s text the bare name, where the type is of that schema and no path of ours finds it."""
    prefix = f"{quote_identifier(schema)}."
    match = _NAME.match(type_name[len(prefix) :]) if type_name.startswith(prefix) else None
    if match is None:
        return None
    name = match["name"]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
