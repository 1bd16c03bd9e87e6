"""The ORM call that ends an N+1, per shape (detection.md, "Fix per ORM").

Names of models are guessed from table names as Django builds them (``shop_order`` -> ``Order``), and said to be.
"""

import enum

from analyzer.findings import Fix


class Shape(enum.StrEnum):
    TO_ONE = "to-one"
    TO_MANY = "to-many"
    COUNT = "count per row"
    EXISTS = "exists per row"


def model_name(table: str) -> str:
    """``shop_order_line`` -> ``OrderLine``: Django's app label goes, the rest becomes CamelCase."""
    head, _, rest = table.partition("_")
    return "".join(part[:1].upper() + part[1:] for part in (rest or head).split("_")) or table


def fixes(shape: Shape, parent_table: str, child_table: str, foreign_key_column: str) -> tuple[Fix, ...]:
    """``foreign_key_column`` is in the parent table for TO_ONE, else in the child table."""
    parent, child = model_name(parent_table), model_name(child_table)
    field = foreign_key_column.removesuffix("_id")
    reverse = child.lower()
    if shape is Shape.TO_ONE:
        django = f'{parent}.objects.select_related("{field}")'
        alchemy = f"select({parent}).options(joinedload({parent}.{field}))"
        sql = (
            f"select ... from {parent_table}"
            f" left join {child_table} on {child_table}.id = {parent_table}.{foreign_key_column}"
        )
    elif shape is Shape.TO_MANY:
        django = f'{parent}.objects.prefetch_related("{reverse}_set")  # or its related_name'
        alchemy = f"select({parent}).options(selectinload({parent}.{reverse}s))"
        sql = f"select ... from {child_table} where {foreign_key_column} = any($1)  -- all ids of the page at once"
    elif shape is Shape.COUNT:
        django = f'{parent}.objects.annotate({reverse}_count=Count("{reverse}"))  # or its related_query_name'
        alchemy = (
            f"counts = (\n    select({child}.{foreign_key_column}, func.count().label('n'))\n"
            f"    .group_by({child}.{foreign_key_column})\n    .subquery()\n)\n"
            f"select({parent}, func.coalesce(counts.c.n, 0)).outerjoin(counts)"
        )
        sql = (
            f"select {foreign_key_column}, count(*) from {child_table}"
            f" where {foreign_key_column} = any($1) group by {foreign_key_column}"
        )
    else:
        django = (
            f"{parent}.objects.annotate(\n"
            f'    has_{reverse}=Exists({child}.objects.filter({field}=OuterRef("pk")))\n)'
        )
        alchemy = f"select({parent}, exists().where({child}.{foreign_key_column} == {parent}.id))"
        sql = f"select distinct {foreign_key_column} from {child_table} where {foreign_key_column} = any($1)"
    return (
        Fix("Django (model names guessed from the tables)", "django", django),
        Fix("SQLAlchemy / SQLModel", "sqlalchemy", alchemy),
        Fix("SQL: one statement instead of N", "sql", sql),
    )


def loop_fixes(table: str, column: str) -> tuple[Fix, ...]:
    """For a loop of lookups whose parent is not known: fetch the known ids at once."""
    model = model_name(table)
    return (
        Fix("Django (model name guessed from the table)", "django", f"{model}.objects.in_bulk(ids)"),
        Fix("SQLAlchemy / SQLModel", "sqlalchemy", f"select({model}).where({model}.{column}.in_(ids))"),
        Fix("SQL: one statement instead of N", "sql", f"select ... from {table} where {column} = any($1)"),
    )
