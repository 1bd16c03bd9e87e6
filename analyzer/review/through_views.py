"""Tables behind a view: LOCK TABLE locks them all, and what is written to a plain view is written to its table."""

from dataclasses import replace

from analyzer.review.actions import Action, Kind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.schema.facts import TableFacts
from analyzer.statements.parse import TableName

VIEW = "v"  # pg_class.relkind
WRITES = frozenset({Kind.INSERT, Kind.UPDATE, Kind.DELETE, Kind.MERGE})


def tables_behind(view: TableFacts, known: FactsAtStatement) -> list[TableFacts]:
    """Through views of views, not through materialized ones."""
    views = known.live.views if known.live is not None else {}
    found: dict[int, TableFacts] = {}
    waiting = [view]
    while waiting:
        name = waiting.pop().qualified_name
        for oid in {oid for (oid, _), readers in views.items() if name in readers} - found.keys():
            table = known.facts.table(oid) if known.facts is not None else None
            if table is not None:
                found[oid] = table
                waiting += [table] if table.kind == VIEW else []
    return [table for _, table in sorted(found.items()) if table.kind != VIEW]


def table_written(name: TableName, known: FactsAtStatement) -> TableFacts | None:
    """Of a view that PostgreSQL writes through by itself, as far as the catalog tells: of one table, no trigger."""
    view = known.table(name)
    if view is None or view.kind != VIEW or view.triggers:
        return None
    tables = tables_behind(view, known)
    return tables[0] if len(tables) == 1 and tables[0].kind in "rp" else None


def on_its_table(action: Action, known: FactsAtStatement) -> Action:
    """The same on the table that the view writes to; the action itself where there is none."""
    if action.kind not in WRITES or action.relation is None:
        return action
    table = table_written(action.relation, known)
    return action if table is None else replace(action, relation=TableName(table.schema, table.name))
