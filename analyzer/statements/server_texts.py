"""Texts of pg_stat_statements that PostgreSQL's own parser does not take, since ``$n`` stands where no value may."""

import re

from analyzer.statements.tree import Unparsable, parse

# 18 writes CAST('pg_class' AS regclass) so, as SQLAlchemy's reflection has it
_CAST = re.compile(r"\$(\d+)\(\$\1(?=\s+as\s)", re.IGNORECASE)
# from 17 on
_NAME = re.compile(
    r"((?:savepoint|release(?:\s+savepoint)?|rollback(?:\s+(?:work|transaction))?\s+to(?:\s+savepoint)?"
    r"|deallocate(?:\s+prepare)?)\s+)(\$\d+)(\s*;?\s*)",
    re.IGNORECASE,
)
_STRING = re.compile(
    r"((?:set\s+transaction\s+snapshot|prepare\s+transaction|(?:commit|rollback)\s+prepared)\s+)(\$\d+)(\s*;?\s*)",
    re.IGNORECASE,
)


def readable(sql: str | None) -> str | None:
    """The text as a statement that can be parsed, where it is known what ``$n`` stands for; else as it is."""
    if not sql or "$" not in sql:
        return sql
    text = sql.strip()
    if _NAME.fullmatch(text):
        return _NAME.sub(r'\1"\2"\3', text)
    if _STRING.fullmatch(text):
        return _STRING.sub(r"\1'\2'\3", text)
    if _CAST.search(sql) is None or not isinstance(parse(sql), Unparsable):
        return sql
    written = _CAST.sub(r"CAST($\1", sql)
    return sql if isinstance(parse(written), Unparsable) else written
