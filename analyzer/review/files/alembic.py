"""An Alembic revision's operations as the statements they run, read from the code of upgrade()."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from analyzer.review.actions import Action, Kind
from analyzer.review.column_types import type_named
from analyzer.review.files.alembic_columns import type_sql
from analyzer.review.files.alembic_operations import OPERATIONS
from analyzer.review.files.migration import Migration, MigrationStep, Remark, refuse_too_many, split, steps_of_sql
from analyzer.review.files.python_values import argument, code_of, last_name, lines_of, text

Items = Iterator[MigrationStep | Remark]
ONE = "All statements are taken to run in one transaction, as Alembic does it, but for those in an autocommit_block()."


def read_alembic(source: str) -> Migration:
    tree = ast.parse(source)
    functions = functions_of(tree)
    upgrade = functions["upgrade"]
    reader = _Reader(lines_of(source))
    steps, remarks = split(reader.body(upgrade.body))
    lacking: tuple[Remark, ...] = ()
    if steps and not _does_something(functions.get("downgrade")):
        lacking = (Remark(steps[0].line, "downgrade() does nothing, so the migration cannot go back."),)
    return Migration("alembic", tuple(steps), tuple(remarks), lacking, ONE if steps else "", is_wrapped=True)


def functions_of(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _does_something(function: ast.FunctionDef | None) -> bool:
    if function is None:
        return False
    return any(isinstance(node, (ast.Call, ast.Raise)) for node in ast.walk(function))


@dataclass
class _Reader:
    lines: list[str]
    count: int = 0  # of operations
    transaction: int = 1
    is_alone: bool = False
    batch: dict[str, tuple[str, str]] = field(default_factory=dict)  # name of a batch -> table, schema

    def body(self, nodes: Sequence[ast.stmt]) -> Items:
        for node in nodes:
            if isinstance(node, ast.With):
                yield from self._with(node)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                yield from self._call(node.value)
            elif isinstance(node, (ast.If, ast.For, ast.While, ast.Try)):
                yield Remark(node.lineno, f"{_word(node)} is not followed: what stands in it is taken to run once.")
                yield from self.body(node.body)
            elif any(isinstance(n, ast.Call) and _is_op(n) for n in ast.walk(node)):
                yield Remark(node.lineno, "Not reviewed: only running the code would tell what it does.")

    def _with(self, node: ast.With) -> Items:
        item = node.items[0]
        name = last_name(item.context_expr)
        if name == "autocommit_block":
            self.is_alone = True
            yield from self.body(node.body)
            self.is_alone, self.transaction = False, self.transaction + 1  # it ended the one before
        elif name == "batch_alter_table" and isinstance(item.context_expr, ast.Call):
            if isinstance(item.optional_vars, ast.Name):
                call = item.context_expr
                self.batch[item.optional_vars.id] = (text(call, "table_name", 0), text(call, "schema"))
            yield from self.body(node.body)
        else:
            yield from self.body(node.body)

    def _call(self, call: ast.Call) -> Items:
        name = last_name(call)
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        batch = self.batch.get(owner.id) if isinstance(owner, ast.Name) else None
        if not (batch or _is_op(call)):
            if name and not name.startswith("print"):
                yield Remark(call.lineno, f"{name}() is not looked into.")
            return
        self.count += 1
        refuse_too_many(self.count)
        read = OPERATIONS.get(name)
        items = read(call, batch) if read is not None else None
        if items is None:
            why = "it is not known here" if read is None else "not all of it is written plainly"
            yield Remark(
                call.lineno, f"op.{name}() is not reviewed: {why}; give alembic upgrade --sql's output instead."
            )
            return
        code = code_of(self.lines, call)
        for sql in items:
            for step in steps_of_sql(sql, call.lineno, f"op.{name}"):
                if isinstance(step, MigrationStep):
                    step = replace(step, actions=tuple(_with_type_before(a, call) for a in step.actions))
                    number = 0 if self.is_alone else self.transaction
                    yield replace(step, source=code, transaction=number)
                else:
                    yield step


def _with_type_before(action: Action, call: ast.Call) -> Action:
    existing = argument(call, "existing_type")
    was = type_sql(existing) if action.kind is Kind.ALTER_TYPE and existing is not None else None
    return replace(action, was=type_named(was)) if was is not None else action


def _is_op(call: ast.Call) -> bool:
    func = call.func
    return isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "op"


def _word(node: ast.stmt) -> str:
    return {ast.If: "if", ast.For: "for", ast.While: "while", ast.Try: "try"}.get(type(node), "a block")
