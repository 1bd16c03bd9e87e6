"""Everything that pgLoupe reads a statement or an index with, called on texts: none of it may fail, whatever the text.

    python -m tests.statements.survey src/test/regress/sql

does so with the .sql files of a directory (those of PostgreSQL's sources, say), and prints what fails.
"""

import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pglast import ast

from analyzer.advice.candidates.enumerate_indexes import workload_candidates
from analyzer.advice.cautions import searches_texts
from analyzer.advice.code.existing import definition_of
from analyzer.advice.outcome import built_index, kept_for
from analyzer.advice.planner import Query
from analyzer.advice.references import implied_references
from analyzer.advice.resolved_workload import as_read, missing_table, why_unread
from analyzer.advice.rules.suggest import suggest_indexes
from analyzer.advice.selection.drops import proposals
from analyzer.advice.selection.relevance import columns_named, tables_of_text
from analyzer.advice.shapes import shape_of_index
from analyzer.advice.why_none import why_none
from analyzer.checks import run_checks
from analyzer.checks.facts import StatementFacts
from analyzer.schema.facts import ColumnFacts, IndexFacts, SchemaFacts, TableActivity, TableFacts
from analyzer.statements.display import display_sql
from analyzer.statements.equivalents import KINDS, Equivalent, keyset, rewritten
from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.index_definition import index_on
from analyzer.statements.index_expressions import can_be_key, comparable, lasts, unqualified
from analyzer.statements.inner_query import fetched_cursor, planned_kind, planned_query
from analyzer.statements.key_checks import key_check_of
from analyzer.statements.lookup import parent_shape, repeatable_shapes
from analyzer.statements.parse import parse_statement, reads_catalog_only
from analyzer.statements.predicates import parameter_columns, query_blocks
from analyzer.statements.preparable import preparable_sql
from analyzer.statements.safety import check_statement
from analyzer.statements.sampled_literals import texts_with_deciding_constants
from analyzer.statements.secrets import comment_tags, redact_sql
from analyzer.statements.split import split_statements
from analyzer.statements.tree import Unparsable, parse, walk, written
from analyzer.statements.variables import with_parameters
from tests.advice.builders import facts as facts_of
from tests.advice.builders import statement

ROWS = 1_000_000.0
FREQUENT = {
    "calls_per_day": 100_000.0, "time_s_per_day": 50_000.0, "mean_exec_time_ms": 500.0, "rows_per_call": 100_000.0,
    "watched_s": 86_400.0, "plan_time_s_per_day": 40_000.0, "jit_time_s_per_day": 40_000.0, "entries": 20,
}  # fmt: skip
EXPRESSIONS = (ast.A_Expr, ast.FuncCall, ast.TypeCast, ast.BoolExpr, ast.NullTest, ast.CoalesceExpr, ast.CaseExpr)


def read_everywhere(sql: str, facts: SchemaFacts) -> None:
    """Of the functions that keep a fault to one statement the log tells."""
    check_statement(sql)
    for each in (parse_statement, fingerprint, redact_sql, display_sql, parent_shape, repeatable_shapes, comment_tags,
                 key_check_of, planned_kind, planned_query, fetched_cursor, reads_catalog_only):  # fmt: skip
        each(sql)
    query_blocks(sql)
    for read in (query_blocks, parameter_columns, repeatable_shapes, parent_shape, with_parameters, tables_of_text,
                 searches_texts, why_unread, missing_table):  # fmt: skip
        read(sql, facts)
    prepared = preparable_sql(sql, facts=facts)
    for text in dict.fromkeys(filter(None, (sql, prepared.sql))):
        texts_with_deciding_constants(text, (sql,))
        columns_named(Query("q", "q", text, 1.0))
        read_as = as_read([statement(text)], facts)
        workload_candidates([("q", each.sql) for each in read_as], facts)
        suggest_indexes(read_as, facts)
        implied_references([text], facts)
        why_none(text, facts, None, {}, ())
        for rewrite in (*(rewritten(kind, text, facts) for kind in KINDS), keyset(text, facts)):
            if isinstance(rewrite, Equivalent):
                assert parse_statement(rewrite.laid_out).is_plannable
    parsed = parse_statement(sql)
    run_checks(StatementFacts("f", sql, parsed.kind, tuple(map(str, parsed.tables)), facts, **FREQUENT))
    for expression in expressions(sql):
        for read_expression in (comparable, unqualified, can_be_key, lasts):
            read_expression(expression)


def read_indexes_everywhere(facts: SchemaFacts) -> None:
    for table in facts:
        for index in table.indexes:
            shape_of_index(index)
            kept_for(index, table)
            if (definition := definition_of(index, table)) is not None:
                built_index(definition)
            index_on(index.definition, name="other", schema="s", table="t")
    list(proposals(facts))


def expressions(sql: str) -> Iterator[str]:
    statements = parse(sql)
    for node in walk(() if isinstance(statements, Unparsable) else statements):
        if isinstance(node, EXPRESSIONS) and (text := written(node)) is not None:
            yield text


def schema_of(sqls: list[str]) -> SchemaFacts:
    """Large tables with the columns and indexes that CREATE TABLE and CREATE INDEX name, as far as they can be read."""
    tables: dict[str, TableFacts] = {}
    for sql in sqls:
        statements = parse(sql)
        node = None if isinstance(statements, Unparsable) else statements[0].stmt
        if isinstance(node, ast.CreateStmt):
            names = [e.colname for e in node.tableElts or () if isinstance(e, ast.ColumnDef)]
            columns = tuple(ColumnFacts(name, at, "text", 25, False, ROWS) for at, name in enumerate(names, start=1))
            name = node.relation.relname
            tables[name] = TableFacts(
                len(tables) + 1, "public", name, "r", ROWS, 2**30, columns, activity=TableActivity()
            )
        elif isinstance(node, ast.IndexStmt) and node.relation.relname in tables:
            table = tables[node.relation.relname]
            tables[table.name] = replace(table, indexes=(*table.indexes, _index(node, sql, len(table.indexes))))
    return facts_of(*tables.values())


def _index(node: ast.IndexStmt, sql: str, at: int) -> IndexFacts:
    keys = node.indexParams or ()
    return IndexFacts(
        10_000 + at,
        "public",
        node.idxname or f"index_{at}",
        node.accessMethod or "btree",
        tuple(key.name for key in keys),
        expressions=tuple(written(key.expr) or "?" for key in keys if key.expr is not None),
        predicate=written(node.whereClause) if node.whereClause is not None else None,
        definition=sql,
        size_bytes=2**30,
        scans=0,
    )


def faults(sqls: list[str], facts: SchemaFacts) -> list[tuple[str, BaseException, str]]:
    """Where in pgLoupe, what and on which text, also of those that it keeps to one statement."""
    kept: list[tuple[str, BaseException, str]] = []

    class Keeper(logging.Handler):
        sql = ""

        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1]:
                kept.append((_place(record.exc_info[1]), record.exc_info[1], self.sql))

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            kept.append((_place(error), error, keeper.sql))

    keeper, logger = Keeper(), logging.getLogger("analyzer")
    logger.addHandler(keeper)
    try:
        for keeper.sql in sqls:
            guarded(lambda: read_everywhere(keeper.sql, facts))
        keeper.sql = "(indexes)"
        guarded(lambda: read_indexes_everywhere(facts))
    finally:
        logger.removeHandler(keeper)
    return kept


def _place(error: BaseException) -> str:
    frames, frame = [], error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        frames.append(f"{Path(code.co_filename).name}:{frame.tb_lineno} {code.co_name}")
        frame = frame.tb_next
    return " < ".join(reversed(frames[-4:]))


def main(directory: str) -> None:
    logging.lastResort = None
    seen: Counter[str] = Counter()
    texts: dict[Path, list[str]] = {}
    for file in sorted(Path(directory).glob("*.sql")):
        lines = file.read_text(errors="replace").splitlines()
        joined = "\n".join("" if line.startswith("\\") else line for line in lines)
        texts[file] = [piece.sql for piece in split_statements(joined)]
    schema = schema_of([sql for sqls in texts.values() for sql in sqls])
    for file, sqls in texts.items():
        for place, error, sql in faults(sqls, schema):
            seen[place] += 1
            if seen[place] == 1:
                sys.stdout.write(
                    f"{file.name}: {type(error).__name__}: {error}\n  {place}\n  {' '.join(sql.split())[:300]}\n"
                )
    total = sum(map(len, texts.values()))
    sys.stdout.write(f"{sum(seen.values())} faults at {len(seen)} places in {total:,} texts of {len(texts)} files\n")


if __name__ == "__main__":
    main(sys.argv[1])
