"""The index for an SQLModel class: SQLAlchemy's ``__table_args__``, or ``Field(index=True)`` where that is enough."""

from analyzer.advice.code.change import Change, CodeOptions, CodeTab
from analyzer.advice.code.sqlalchemy import table_args_tab


def sqlmodel_tab(change: Change, options: CodeOptions) -> CodeTab:
    return table_args_tab(change, options, "sqlmodel", "SQLModel", "sqlmodel", _short_way(change))


def _short_way(change: Change) -> tuple[str, ...]:
    """``Field(index=True)`` names its index ix_table_column: SQLAlchemy's default naming convention."""
    definition = change.definition
    if definition is None or definition.method != "btree" or definition.body() != f"({definition.columns[0].sql()})":
        return ()
    column = definition.columns[0]
    if definition.is_unique or column.sql() != column.name or change.name != f"ix_{change.table.name}_{column.name}":
        return ()
    if change.table.schema != "public":
        return ()
    return (f"The same by the field: {column.name}: ... = Field(index=True) makes an index of this name.",)
