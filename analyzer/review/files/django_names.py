"""Tables and columns that a Django migration means by its models and fields."""

from dataclasses import dataclass, field

from analyzer.review.files.migration import Remark
from analyzer.review.files.python_values import sql_list
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.quoting import quote_identifier


@dataclass
class DjangoNames:
    """``tables``: db_table of models that this file makes; ``made``: all of them, in lower case. ``needs_app``: a name
    was made of the app's label. ``no_way_back``: operations without one, as they are met.
    """

    app: str
    schema: SchemaFacts | None
    tables: dict[str, str] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    needs_app: bool = False
    no_way_back: list[Remark] = field(default_factory=list)

    def table(self, model: str) -> str:
        """Quoted; as the model's db_table says, or as Django names it."""
        return quote_identifier(self.table_name(model))

    def table_name(self, model: str) -> str:
        app, _, name = model.rpartition(".")
        known = self.tables.get(name.lower()) if app.lower() in ("", self.app.lower()) else None
        if known is None:
            self.needs_app = True
        return known or f"{(app or self.app or 'app').lower()}_{name.lower()}"

    def known_table(self, model: str) -> TableFacts | None:
        """As the server has it."""
        return self.schema.find_table(self.table_name(model)) if self.schema is not None else None

    def key(self, model: str) -> tuple[str, str]:
        """What a foreign key references: the table, quoted, and its key's type, bigint where nobody tells."""
        table = self.known_table(model)
        column = table.column(table.primary_key[0]) if table is not None and len(table.primary_key) == 1 else None
        return self.table(model), column.type_name if column is not None else "bigint"

    def column(self, model: str, field: str) -> str:
        """A foreign key's column ends in _id: the server tells which a field is."""
        table = self.known_table(model)
        if table is not None and table.column(field) is None and table.column(f"{field}_id") is not None:
            return f"{field}_id"
        return field

    def columns(self, model: str, fields: list[str]) -> str:
        return sql_list([self.column(model, f.lstrip("-")) for f in fields])
