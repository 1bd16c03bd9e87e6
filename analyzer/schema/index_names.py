"""What a new index is called: so that PostgreSQL and Django take the name, and unlike what there is."""

import hashlib
from collections.abc import Collection, Sequence

from analyzer.schema.quoting import MAX_NAME_BYTES

# Index.max_name_length of Django (system check models.E034): one name in the DDL, in migrations and in models
MAX_NAME_CHARACTERS = 30


def index_name(table: str, columns: Sequence[str], taken: Collection[str] = ()) -> str:
    """``ix_table_col1_col2``, at most 30 characters and 63 bytes, unlike ``taken`` (the schema's relations).

    A longer one keeps its beginning and ends in a mark of the whole: the same for the same table and columns.
    """
    wanted = "_".join(["ix", table, *columns])
    name, attempt = _fit(wanted), 1
    while name in taken:
        attempt += 1
        name = _fit(f"{wanted}_{attempt}")
    return name


def _fit(name: str) -> str:
    if fits(name):
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    head = name[: MAX_NAME_CHARACTERS - len(mark) - 1].encode()[: MAX_NAME_BYTES - len(mark) - 1]
    return f"{head.decode(errors='ignore').rstrip('_')}_{mark}"


def fits(name: str) -> bool:
    """Whether PostgreSQL keeps the name whole and Django takes it for an index (models.E033, E034)."""
    return len(name) <= MAX_NAME_CHARACTERS and len(name.encode()) <= MAX_NAME_BYTES and name[:1] not in "_0123456789"
