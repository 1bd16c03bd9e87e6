"""Types that are a schema's own, as a tenant's are, by how format_type() prints them."""

import re

from analyzer.schema.quoting import quote_identifier

_NAME = re.compile(r'(?P<name>"(?:[^"]|"")+"|[^."\[(]+)(?:\[|\(|$)')


def own_type(type_name: str, schema: str) -> str | None:
    """Of format_type()'s text the bare name, where the type is of that schema and no path of ours finds it."""
    prefix = f"{quote_identifier(schema)}."
    match = _NAME.match(type_name[len(prefix) :]) if type_name.startswith(prefix) else None
    if match is None:
        return None
    name = match["name"]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
