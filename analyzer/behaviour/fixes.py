"""The one ORM call that ends what a page looks up row by row.

Names are those of the application's classes where somebody gave the map; else they are guessed from tables and columns
as Django names them (``shop_order`` -> ``Order``), and said to be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from analyzer.behaviour.pairs import Link, Multiplicity
from analyzer.findings import Fix
from analyzer.schema.facts import SchemaFacts, TableFacts
from analyzer.schema.orm_models import Models, class_of, field_of, model_of
from analyzer.schema.python_source import python_name, python_string
from analyzer.schema.quoting import quote_identifier
from analyzer.words.plurals import plural, singular

LOADED = (Multiplicity.TO_ONE, Multiplicity.TO_MANY, Multiplicity.DEFERRED)  # by an option of SQLAlchemy's


@dataclass(frozen=True, slots=True)
class FetchStep:
    """From the rows of a table to what is looked up for each; ``then`` are the steps from there on."""

    link: Link
    then: tuple["FetchStep", ...] = ()


def fixes(
    table: TableFacts, steps: Sequence[FetchStep], facts: SchemaFacts, models: Models, *, is_admin: bool
) -> tuple[Fix, ...]:
    """For Django, SQLAlchemy and SQL. ``is_admin``: the rows are those of a list of Django's admin."""
    django, alchemy = Django(facts, models.django), SqlAlchemy(facts, models)
    known, mapped = bool(models.django), bool(models.classes)
    title = "Django admin" if is_admin else "Django"
    code = django.admin(table, steps) if is_admin else django.call(table, steps)
    return (
        Fix(title if known else f"{title} (names guessed from the tables)", "django", code),
        Fix(
            "SQLAlchemy / SQLModel" if mapped else "SQLAlchemy / SQLModel (names guessed from the tables)",
            "sqlalchemy", alchemy.call(table, steps),
        ),
        Fix("SQL: one statement instead of N", "sql", "\n".join(dict.fromkeys(map(_sql, _links(steps))))),
    )  # fmt: skip


def loop_fixes(table: TableFacts, column: str | None, facts: SchemaFacts, models: Models) -> tuple[Fix, ...]:
    """For a loop of lookups whose parent is not known: fetch the known keys at once.

    ``column`` None: the whole table is read again and again.
    """
    django, alchemy = Django(facts, models.django), SqlAlchemy(facts, models)
    if column is None:
        once = "# read once a request and kept"
        return (
            Fix("Django", "django", f"rows = list({django.name(table)}.objects.all())  {once}"),
            Fix("SQLAlchemy / SQLModel", "sqlalchemy", f"session.scalars(select({alchemy.name(table)})).all()  {once}"),
        )
    key = "" if (column,) == table.primary_key else f", field_name={python_string(column)}"
    is_unique = (column,) in table.unique_keys
    call = f"in_bulk(keys{key})" if is_unique else f"filter({django.field(table, column)}__in=keys)"
    name = alchemy.name(table)
    return (
        Fix("Django", "django", f"{django.name(table)}.objects.{call}  # once, before the loop; the same row: keep it"),
        Fix("SQLAlchemy / SQLModel", "sqlalchemy", f"select({name}).where({name}.{python_name(column)}.in_(keys))"),
        Fix(
            "SQL: one statement instead of N", "sql",
            f"select ... from {quote_identifier(table.name)} where {quote_identifier(column)} = any($1)",
        ),
    )  # fmt: skip


def condition_fix() -> Fix:
    """For a statement that is asked again and again by conditions, with other values each time."""
    return Fix(
        "SQL: one statement instead of N", "sql",
        "select asked.*, answer.* from (values ($1, $2), ($3, $4)) as asked (a, b)\n"
        "left join lateral (...) as answer on true  -- the statement, with asked.a and asked.b for its parameters",
    )  # fmt: skip


def _links(steps: Sequence[FetchStep]) -> list[Link]:
    return [link for step in steps for link in (step.link, *_links(step.then))]


def _sql(link: Link) -> str:
    child, key = quote_identifier(link.child.name), quote_identifier(link.foreign_key_column)
    if link.shape is Multiplicity.DEFERRED:
        columns = ", ".join(quote_identifier(column) for column in link.deferred) or key
        return f"select ..., {columns} from {child}  -- in the statement that reads the rows"
    if link.shape is Multiplicity.TO_ONE:
        parent = quote_identifier(link.parent.name)
        return (
            f"select ... from {parent} left join {child}"
            f" on {child}.{quote_identifier(link.referenced_column)} = {parent}.{key}"
        )
    if link.shape is Multiplicity.COUNT:
        return f"select {key}, count(*) from {child} where {key} = any($1) group by {key}"
    distinct = "distinct " if link.shape is Multiplicity.EXISTS else ""
    what = key if link.shape is Multiplicity.EXISTS else "..."
    return f"select {distinct}{what} from {child} where {key} = any($1)  -- the keys of all rows at once"


@dataclass
class Calls:
    """Arguments by method, in the order the methods were first needed."""

    arguments: dict[str, list[str]] = field(default_factory=dict)

    def add(self, method: str, argument: str) -> None:
        known = self.arguments.setdefault(method, [])
        if argument not in known:
            known.append(argument)


@dataclass(frozen=True)
class Django:
    facts: SchemaFacts
    models: Mapping[str, object]

    def name(self, table: TableFacts) -> str:
        model = model_of(table, self.facts, self.models)  # type: ignore[arg-type]
        return model.model if model and model.model else camel_case(table.name.partition("_")[2] or table.name)

    def field(self, table: TableFacts, column: str) -> str:
        model = model_of(table, self.facts, self.models)  # type: ignore[arg-type]
        return (field_of(table, column, model) if model else None) or python_name(column.removesuffix("_id"))

    def accessor(self, link: Link) -> str:
        """The attribute of the parent's row that looks up what the link brings."""
        if link.shape is Multiplicity.TO_ONE:
            return self.field(link.parent, link.foreign_key_column)
        model = model_of(link.child, self.facts, self.models)  # type: ignore[arg-type]
        key = link.foreign_key_column
        if link.joined and model and key in model.m2m:
            return model.m2m[key]
        if link.joined:
            return self._many_to_many(link)
        if model and key in model.reverse:
            return model.reverse[key]
        name = self.name(link.child).lower()
        return name if link.is_one_to_one else f"{name}_set"

    def _many_to_many(self, link: Link) -> str:
        """``app_model_field`` is the table of a ManyToManyField of app_model; from the other side it is model_set."""
        through, parent = link.child.name, link.parent.name
        if through.startswith(f"{parent}_"):
            return python_name(through.removeprefix(f"{parent}_"))
        return f"{self.name(link.joined[0]).lower()}_set"

    def call(self, table: TableFacts, steps: Sequence[FetchStep]) -> str:
        calls = Calls()
        for step in steps:
            self._add(calls, step, "", "select_related")
        return f"{self.name(table)}.objects" + "".join(
            f".{method}({', '.join(arguments)})" for method, arguments in _ordered(calls)
        )

    def admin(self, table: TableFacts, steps: Sequence[FetchStep]) -> str:
        calls = Calls()
        for step in steps:
            self._add(calls, step, "", "select_related")
        related = calls.arguments.pop("select_related", [])
        lines = [f"class {self.name(table)}Admin(admin.ModelAdmin):"]
        if related:
            lines.append(f"    list_select_related = ({', '.join(related)}{',' if len(related) == 1 else ''})")
        if calls.arguments:
            chained = "".join(f".{method}({', '.join(arguments)})" for method, arguments in _ordered(calls))
            lines += [*([""] if related else []), "    def get_queryset(self, request):",
                      f"        return super().get_queryset(request){chained}"]  # fmt: skip
        return "\n".join(lines)

    def _add(self, calls: Calls, step: FetchStep, path: str, method: str) -> None:
        link = step.link
        accessor = self.accessor(link)
        name = accessor.removesuffix("_set")
        here = f"{path}__{accessor}" if path else accessor
        if link.shape is Multiplicity.DEFERRED:
            if not path:
                calls.add("defer", "None")  # takes only() back too
        elif link.shape is Multiplicity.COUNT and not path:
            calls.add("annotate", f'{name}_count=Count("{name}", distinct=True)')
        elif link.shape is Multiplicity.EXISTS and not path:
            child, key = self.name(link.child), self.field(link.child, link.foreign_key_column)
            calls.add("annotate", f'has_{name}=Exists({child}.objects.filter({key}=OuterRef("pk")))')
        elif link.shape is Multiplicity.TO_ONE or link.is_one_to_one:
            if not step.then or method == "select_related":
                calls.add(method, f'"{here}"')
        else:
            method = "prefetch_related"
            if not any(s.link.shape in (Multiplicity.TO_ONE, Multiplicity.TO_MANY) for s in step.then):
                calls.add(method, f'"{here}"')
        for then in step.then:
            self._add(calls, then, here, method)


def _ordered(calls: Calls) -> list[tuple[str, list[str]]]:
    order = ("defer", "select_related", "prefetch_related", "annotate")
    arguments = {m: _without_prefixes(a) if m == "select_related" else a for m, a in calls.arguments.items()}
    return sorted(arguments.items(), key=lambda item: order.index(item[0]))


def _without_prefixes(arguments: list[str]) -> list[str]:
    """``"a__b"`` brings ``"a"`` along."""
    return [a for a in arguments if not any(o != a and o.startswith(f"{a[:-1]}__") for o in arguments)]


@dataclass(frozen=True)
class SqlAlchemy:
    facts: SchemaFacts
    models: Models

    def name(self, table: TableFacts) -> str:
        mapped = class_of(table, self.facts, self.models.classes)
        if mapped:
            return mapped.name.rpartition(".")[2]
        if self.models.django or self._is_django():
            return Django(self.facts, self.models.django).name(table)
        head, _, last = table.name.rpartition("_")
        return camel_case(f"{head}_{singular(last)}" if head else singular(last))

    def _is_django(self) -> bool:
        return self.facts.find_table("django_migrations") is not None or any(
            table.name.startswith("django_") for table in self.facts
        )

    def attribute(self, link: Link) -> str:
        classes = self.models.classes
        key = link.foreign_key_column
        if link.shape is Multiplicity.TO_ONE:
            parent = class_of(link.parent, self.facts, classes)
            return (parent.one.get(key) if parent else None) or python_name(key.removesuffix("_id"))
        child = classes.get(link.child.qualified_name) or classes.get(link.child.name)
        known = (child.m2m.get(key) or child.reverse.get(key)) if child else None
        target = link.joined[0] if link.joined else link.child
        name = snake_case(self.name(target))
        return known or python_name(name if link.is_one_to_one else plural(name))

    def call(self, table: TableFacts, steps: Sequence[FetchStep]) -> str:
        name = self.name(table)
        loads = list(dict.fromkeys(
            load for step in steps for load in self._loads(step) if step.link.shape in LOADED
        ))  # fmt: skip
        lines = []
        if loads:
            one_line = f"select({name}).options({', '.join(loads)})"
            lines.append(one_line if len(one_line) <= 100 else
                         f"select({name}).options(\n    " + ",\n    ".join(loads) + ",\n)")  # fmt: skip
        for step in steps:
            child, key = self.name(step.link.child), python_name(step.link.foreign_key_column)
            referenced = python_name(step.link.referenced_column)
            if step.link.shape is Multiplicity.COUNT:
                lines.append(
                    f'counts = (\n    select({child}.{key}, func.count().label("n"))\n    .group_by({child}.{key})\n'
                    f"    .subquery()\n)\nselect({name}, func.coalesce(counts.c.n, 0)).outerjoin("
                    f"counts, counts.c.{key} == {name}.{referenced})"
                )
            elif step.link.shape is Multiplicity.EXISTS:
                lines.append(f"select({name}, exists().where({child}.{key} == {name}.{referenced}))")
        return "\n".join(lines)

    def _loads(self, step: FetchStep, before: str = "") -> list[str]:
        link = step.link
        if link.shape is Multiplicity.DEFERRED:
            name = self.name(link.child)
            return [f"{before}undefer({name}.{python_name(column)})" for column in link.deferred]
        is_one = link.shape is Multiplicity.TO_ONE or link.is_one_to_one
        method = "joinedload" if is_one else "selectinload"
        here = f"{before}{method}({self.name(link.parent)}.{self.attribute(link)})"
        then = [load for s in step.then if s.link.shape in LOADED for load in self._loads(s, f"{here}.")]
        return then or [here]


def camel_case(name: str) -> str:
    """A class's name, whatever the table's holds."""
    return python_name("".join(part[:1].upper() + part[1:] for part in python_name(name).split("_")))


def snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() and at else c.lower() for at, c in enumerate(name))
