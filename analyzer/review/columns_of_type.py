"""Tables with columns of a domain or another type, by the names that the catalog writes for those."""

import re
from collections.abc import Iterator, Sequence

from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.schema.facts import ColumnFacts, TableFacts
from analyzer.schema.quoting import quote_identifier
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, name_parts

OF_ROWS = "rm"  # pg_class.relkind


def tables_of_type(
    types: Sequence[TableName], known: FactsAtStatement, kinds: str = OF_ROWS, suffix: str = ""
) -> list[TableFacts]:
    """Of these types themselves, and of domains over them."""
    return list({t.oid: t for t, _ in columns_of_type(types, known, suffix) if t.kind in kinds}.values())


def type_altered(statement: Node) -> TableName:
    """By ALTER DOMAIN."""
    *schema, name = name_parts(statement.typeName)
    return TableName(schema[-1] if schema else "", name)


def columns_of_type(
    types: Sequence[TableName], known: FactsAtStatement, suffix: str = ""
) -> Iterator[tuple[TableFacts, ColumnFacts]]:
    """``suffix``: "[]" for arrays of them. Less what the file dropped before."""
    written = [_written(each) for each in _with_domains_over(types, known)]
    for table in known.facts or ():
        for column in table.columns if not known.is_dropped(table, "") else ():
            is_gone = known.has_column(TableName(table.schema, table.name), column.name) is False
            is_of = column.type_name.endswith(suffix) and any(
                each.fullmatch(column.type_name.removesuffix(suffix)) for each in written
            )
            if is_of and not is_gone:
                yield table, column


def _with_domains_over(types: Sequence[TableName], known: FactsAtStatement) -> list[TableName]:
    over, waiting = list(types), list(types)
    domains = known.live.domains if known.live is not None else {}
    while waiting:
        base = _written(waiting.pop())
        new = [TableName("", name) for name, d in domains.items() if d.over and base.fullmatch(d.over)]
        waiting += [each for each in new if each not in over]
        over += [each for each in new if each not in over]
    return over


def _written(name: TableName) -> re.Pattern[str]:
    schema = re.escape(quote_identifier(name.schema)) if name.schema else r'([^".]|"[^"]*")+'
    return re.compile(rf"({schema}\.)?{re.escape(quote_identifier(name.name))}")
