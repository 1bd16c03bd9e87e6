"""What a server would have told, from a case's few lines of TOML."""

from dataclasses import replace
from typing import Any

from pglast import ast
from pglast.stream import RawStream

from analyzer.review.alter_table import CONSTR, new_column
from analyzer.review.live_facts import CheckConstraint, DomainFacts, LiveFacts, UsingStatement
from analyzer.review.using import using_statement
from analyzer.schema.facts import (
    ColumnFacts,
    ForeignKeyFacts,
    IndexFacts,
    SchemaFacts,
    TableActivity,
    TableFacts,
    packed_freqs,
)
from analyzer.schema.objects import FunctionFacts, SequenceFacts
from analyzer.schema.row_security import PolicyFacts
from analyzer.schema.triggers import TriggerFacts
from analyzer.statements.tree import name_parts, parse
from analyzer.words.durations import DAY_S
from analyzer.words.sizes import MB

INTEGERS = {"int": "integer", "int4": "integer", "int8": "bigint"}  # as format_type() has them


def live_facts(case: dict[str, Any], version: int) -> LiveFacts:
    """``schema``: CREATE TABLE and CREATE INDEX; ``sizes`` in MB and ``rows`` by table; ``columns``: null_frac and
    n_distinct by table.column; ``statements``: text -> calls of the day that was watched.
    """
    tables: dict[str, TableFacts] = {}
    checks: list[CheckConstraint] = []
    parents = case.get("partitions", {})
    for raw in parse(case.get("schema", "")) if case.get("schema") else ():
        statement = raw.stmt
        if isinstance(statement, ast.CreateStmt):
            table = _table(statement, len(tables) + 1, case, tables)
            table = replace(table, kind=case.get("kinds", {}).get(table.name, "r"))
            if table.name in parents:
                table = replace(table, parent_oid=tables[parents[table.name]].oid)
            tables[table.name] = table
            checks += _checks(statement, table.oid)
        elif isinstance(statement, ast.IndexStmt):
            table = tables[statement.relation.relname]
            index = _index(
                statement.idxname, tuple(e.name for e in statement.indexParams), case, bool(statement.unique)
            )
            tables[table.name] = replace(table, indexes=(*table.indexes, index))
    sequences = tuple(
        SequenceFacts(0, "public", name, "bigint", last, True, table_oid=tables[table].oid, column=column)
        for name, (of, last) in case.get("sequences", {}).items() for table, column in [of.split(".")]
    )  # fmt: skip
    functions = tuple(
        FunctionFacts("public", name, "", "sql", False, "v", "u", "owner", False, True, is_named_as_built_in=known)
        for name, known in case.get("functions", {}).items()
    )
    facts = SchemaFacts(
        "app", version, tuple(tables.values()), days_since_stats_reset=10.0, sequences=sequences, functions=functions
    )
    return LiveFacts(
        facts,
        checks=tuple(checks),
        volatility=case.get("volatility", {}),
        domains={name: DomainFacts(*of) for name, of in case.get("domains", {}).items()},
        views={
            (tables[t].oid, c): tuple(v) for key, v in case.get("views", {}).items() for t, c in [key.split(".")]
        },
        there=frozenset(map(tuple, case["there"])) if "there" in case else None,
        lock_timeouts=tuple(case.get("lock_timeouts", ())),
        oldest_transaction_s=case.get("oldest_transaction_s"),
        statements=None if case.get("no_statements") else tuple(
            _using(text, calls, facts) for text, calls in case.get("statements", {}).items()
        ),
        why_no_statements="pg_stat_statements is not installed.",
    )  # fmt: skip


def _table(statement: Any, oid: int, case: dict[str, Any], known: dict[str, TableFacts]) -> TableFacts:
    name = statement.relation.relname
    rows = float(case.get("rows", {}).get(name, 0))
    columns, indexes, keys = [], [], []
    for number, element in enumerate(statement.tableElts, start=1):
        if isinstance(element, ast.ColumnDef):
            new = new_column(element)
            statistics = dict(case.get("columns", {}).get(f"{name}.{new.name}", {}))
            if "common_freqs" in statistics:
                statistics["common_freqs"] = packed_freqs(statistics["common_freqs"])
            type_name = INTEGERS.get(written := RawStream()(element.typeName), written)
            columns.append(ColumnFacts(new.name, number, type_name, 0, new.is_not_null, rows, **statistics))
            if new.is_primary:
                indexes.append(_index(f"{name}_pkey", (new.name,), case, True, True))
            if new.references is not None:
                keys.append(_key(name, (new.name,), new.references.name, known))
        elif element.contype == CONSTR.CONSTR_FOREIGN:
            keys.append(_key(name, name_parts(element.fk_attrs), element.pktable.relname, known))
    return TableFacts(
        oid, "public", name, "r", rows, int(case.get("sizes", {}).get(name, 0) * MB), tuple(columns), tuple(indexes),
        tuple(keys), primary_key=next((i.columns for i in indexes if i.is_primary), ()),
        triggers=tuple(TriggerFacts(n, f) for n, f in case.get("triggers", {}).get(name, {}).items()),
        has_row_security=name in case.get("row_security", ()), policies=_policies(case.get("policies", {}).get(name)),
        public_privileges=tuple(case["public"].get(name, ())) if "public" in case else None,
        activity=TableActivity(
            deleted_rows=case.get("deleted_rows", {}).get(name, 0), index_scans=case.get("index_scans", {}).get(name, 0)
        ),
    )  # fmt: skip


def _policies(names: list[str] | None) -> tuple[PolicyFacts, ...] | None:
    return None if names is None else tuple(PolicyFacts(name, True, "ALL", ("public",)) for name in names)


def _index(
    name: str, columns: tuple[str, ...], case: dict[str, Any], is_unique: bool = False, is_primary: bool = False
) -> IndexFacts:
    return IndexFacts(
        0, "public", name, "btree", columns, is_unique=is_unique, is_primary=is_primary, backs_constraint=is_primary,
        options=(0,) * len(columns), is_default_opclass=(True,) * len(columns),
        definition=f"CREATE INDEX {name} ON public.t USING btree ({', '.join(columns)})",
        scans=case.get("scans", {}).get(name, 0), is_valid=name not in case.get("invalid", ()), is_being_built=False,
    )  # fmt: skip


def _key(table: str, columns: tuple[str, ...], referenced: str, known: dict[str, TableFacts]) -> ForeignKeyFacts:
    return ForeignKeyFacts(f"{table}_fk", columns, known[referenced].oid, "public", referenced, ("id",))


def _checks(statement: Any, oid: int) -> list[CheckConstraint]:
    found = []
    for element in statement.tableElts:
        if isinstance(element, ast.Constraint) and element.contype == CONSTR.CONSTR_CHECK:
            valid = not element.skip_validation
            text = f"CHECK ({RawStream()(element.raw_expr)}){'' if valid else ' NOT VALID'}"
            found.append(CheckConstraint(oid, element.conname, text, valid))
    return found


def _using(text: str, calls: float, facts: SchemaFacts) -> UsingStatement:
    return using_statement(text, text, calls, calls, DAY_S, facts)
