"""What the views below a statement bring into it once they are written out, as the planner does before anything else.

A view is a short text, and of two references to a view of two references come a thousand tables after ten of them, as
of ``v + v`` a thousand columns. No setting of the server limits what planning takes, and while views are written out
it hears no cancel.
"""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from analyzer.monitored.connection import Row
from analyzer.statements.folding import sizes
from analyzer.statements.names import Name, joined_tables, table_references
from analyzer.statements.output_columns import Outputs
from analyzer.statements.safety import Decision, worse
from analyzer.statements.tree import Node, Unparsable, parse


class ViewsBelow:
    """``tables``: how many each brings in; ``outputs``: how large its columns can become."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.judged: tuple[Decision, str] = ("analyze", "")
        self.tables: dict[Name, int] = {}
        self.outputs: dict[Name, Outputs] = {}
        roots: dict[Name, Node] = {}
        for row in rows:
            if row.view_sql is not None and not row.is_system:
                statements = parse(row.view_sql)
                if not isinstance(statements, Unparsable):
                    roots[row.schema, row.name] = statements[0].stmt
        try:
            for name in TopologicalSorter({name: _named(root) for name, root in roots.items()}).static_order():
                if name in roots:
                    self._write_out(name, roots[name])
        except CycleError:
            self.judged = ("twin", "Its views read each other in a circle.")

    def tables_below(self, name: Name) -> int:
        """Of a view; one of a table."""
        return self.tables.get(name, 1)

    def _write_out(self, name: Name, root: Node) -> None:
        self.tables[name] = max(1, joined_tables(root, self.tables_below))
        size = sizes(root, self.outputs)
        self.outputs[name] = size.outputs
        if problem := size.refusal or size.objection:
            self.judged = worse(self.judged, ("twin", f"Of the view {'.'.join(name)}: {problem}"))


def _named(root: Node) -> list[Name]:
    return [(node.schemaname or "", node.relname) for node in table_references(root)]
