"""The twin's plans beside the server's own: the 22 queries of TPC-H, before and after ten real indexes of mixed kinds.

After: the server has built the indexes and analysed its tables; on the twin they are out of sight and hypothetical ones
of the same definitions in their place, once with what is known of the real ones (size, height, rows, statistics of
expressions) and once with everything estimated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, cast

import psycopg

from analyzer.advice.ddl import name_columns
from analyzer.advice.definition import IndexDefinition
from analyzer.advice.planner import NONE, Query, Refused
from analyzer.monitored.catalog.planner_facts import Relation, read_planner_facts
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.plans import parse_plan
from analyzer.plans.compare import Sameness, sameness
from analyzer.runtime.postgres import PostgresCluster
from analyzer.schema.index_names import index_name
from analyzer.twin import Twin, lease
from analyzer.twin.hypothetical_size import Size, estimate_size
from analyzer.values.column_statistics import ColumnStatistics
from bench.results import Context, Result
from bench.tpch import EXTENSIONS, load, queries, ten_indexes

SETTINGS: dict[str, str | int] = {
    "autovacuum": "off",  # statistics stay those that the twin was given
    "fsync": "off",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "4GB",
}
SCALES = {18: (0.1, 1.0), 15: (0.1,), 13: (0.1,)}
Plans = dict[str, Mapping[str, Any]]


def measure(context: Context) -> list[Result]:
    found = []
    for version, scales in SCALES.items():
        bin_dir = _bin_dir(version)
        if isinstance(bin_dir, str):
            print(f"  PostgreSQL {version} is not here: {bin_dir}")
            continue
        for scale in scales:
            place = context.place / f"tpch-{version}-{scale:g}"
            with PostgresCluster(place, bin_dir=bin_dir, settings=SETTINGS) as server:
                with psycopg.connect(server.dsn(), autocommit=True) as connection:
                    connection.execute("create database tpch")
                found += compare(server.dsn("tpch"), version, scale, context.place)
    return found


def compare(dsn: str, version: int, scale: float, place: Path) -> list[Result]:
    """Fills the database and compares; what differs is printed."""
    settings = ConnectionSettings.from_dsn(dsn, allow_local=True)
    var_dir = place / f"twin-{version}-{scale:g}"
    var_dir.mkdir()
    with psycopg.connect(dsn, autocommit=True) as server:
        for extension in (*EXTENSIONS, "pageinspect"):
            server.execute(cast(LiteralString, f"create extension {extension}"))
        (place / "csv").mkdir(exist_ok=True)
        load(server, scale, place / "csv")
        with lease(settings, var_dir) as twin:
            print(f"  PostgreSQL {version}, scale {scale:g}: the twin was ready in {twin.timing.total_s:.1f} s")
            for missing in twin.missing:
                print(f"    not on the twin: {missing}")
            before = Compared("before", _of_twin(twin), _of_server(server))
        with connect(settings) as connection:
            wanted = ten_indexes(read_schema(connection))
        names = [index_name(d.table.name, name_columns(d)) for d in wanted]
        for definition, name in zip(wanted, names, strict=True):
            unique = "unique " if definition.is_unique else ""
            server.execute(
                cast(LiteralString, f"create {unique}index {name} on {definition.table.name} {definition.body()}")
            )
        server.execute("vacuum analyze")
        after = _of_server(server)
        with connect(settings) as connection:
            facts = read_schema(connection)
            real = {r.name: r for r in read_planner_facts(connection).relations}
        rows = dict(
            server.execute("select relname::text, reltuples::float8 from pg_class where relkind = 'i'").fetchall()
        )
    same_sizes = RealSizes(wanted, names, real, rows)
    compared = [before]
    for what, estimator in (("after, real sizes", same_sizes), ("after, estimated sizes", estimate_size)):
        with lease(settings, var_dir, fresh_s=0, estimator=estimator) as twin:
            if estimator is same_sizes:
                _tell_statistics(twin, wanted, names)
            shown = []
            for index in twin.hypothesize(ten_indexes(facts)):
                assert not isinstance(index, Refused), index
                shown.append(index.id)
            hidden = [index.oid for table in facts for index in table.indexes if index.name in names]
            compared.append(Compared(what, _of_twin(twin, shown, hidden), after))
    return [
        one.result(version, scale, 0 if version == 18 and "estimated" not in one.what else None) for one in compared
    ]


class RealSizes:
    """An estimator that knows what PostgreSQL built."""

    def __init__(
        self,
        wanted: Sequence[IndexDefinition],
        names: Sequence[str],
        real: Mapping[str, Relation],
        rows: Mapping[str, float],
    ) -> None:
        self.real = {
            (definition.table.name, definition.body()): (real[name], rows[name])
            for definition, name in zip(wanted, names, strict=True)
        }

    def __call__(self, definition: IndexDefinition, _statistics: Mapping[str, ColumnStatistics], _rows: float) -> Size:
        built, rows = self.real[definition.table.name, definition.body()]
        return Size(built.blocks, built.level, built.gin, rows)


def _tell_statistics(twin: Twin, wanted: Sequence[IndexDefinition], names: Sequence[str]) -> None:
    """Of expressions, as ANALYZE found them for the real indexes."""
    for definition, name in zip(wanted, names, strict=True):
        expressions = [column.name for column in definition.columns if column.is_expression]
        found = twin.column_statistics(definition.table.schema, name).values()
        for expression, statistics in zip(expressions, found, strict=True):
            twin.set_expression_statistics(definition.table, expression, statistics)


def _of_twin(twin: Twin, shown: Sequence[int] = (), hidden: Sequence[int] = ()) -> Plans:
    found = {}
    for label, sql in queries().items():
        answer = twin.explain(Query(label, label, sql, 1.0), shown or NONE, hidden or NONE)
        assert not isinstance(answer, Refused), (label, answer)
        found[label] = answer
    return found


def _of_server(server: psycopg.Connection[Any]) -> Plans:
    found = {}
    for label, sql in queries().items():
        row = server.execute(cast(LiteralString, f"explain (format json, verbose) {sql}")).fetchone()
        assert row is not None
        found[label] = row[0][0]
    return found


@dataclass(frozen=True, slots=True)
class Compared:
    what: str
    twin: Plans
    server: Plans

    def result(self, version: int, scale: float, limit: int | None) -> Result:
        """Queries whose plan is not the same: another shape, or a cost that is more than 0.1 % off."""
        verdicts = {label: self._sameness(label) for label in self.server}
        differing = {label: found for label, found in verdicts.items() if found.verdict != "same plan"}
        shapes = sum(found.is_same_shape for found in verdicts.values())
        steps = sum(_steps(self.server[label]["Plan"]) == _steps(self.twin[label]["Plan"]) for label in verdicts)
        print(
            f"    {self.what}: {len(verdicts) - len(differing)} of {len(verdicts)} same plan, {shapes} same shape,"
            f" {steps} same steps on the same tables and indexes"
        )
        for label, found in differing.items():
            print(f"      {label}: {found.verdict} (cost ratio {found.cost_ratio or 0:.4f})")
        what = f"{version}, scale {scale:g}, {self.what}: of {len(verdicts)} queries, planned otherwise"
        return Result(what, len(differing), "", limit)

    def _sameness(self, label: str) -> Sameness:
        return sameness(parse_plan([self.server[label]]), parse_plan([self.twin[label]]))


def _steps(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """A shape that versions do not write in different ways: conditions are left out."""
    own = (node["Node Type"], node.get("Relation Name"), node.get("Index Name"))
    return (*own, *(_steps(child) for child in node.get("Plans", ())))


def _bin_dir(version: int) -> Path | str:
    """Where that version's programs are; a sentence where they cannot be had."""
    from tests.server_binaries import Missing, npm_bin_dir

    try:
        return PostgresCluster(Path("unused")).bin_dir if version == 18 else npm_bin_dir(version)
    except Missing as reason:
        return str(reason)
