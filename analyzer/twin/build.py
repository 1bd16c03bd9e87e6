"""From a dump and the server's figures to a database whose planner sees what the server's sees."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from analyzer.advice.sizing.size import btree_height
from analyzer.monitored.catalog.planner_facts import PlannerFacts, Relation
from analyzer.runtime.postgres import PostgresCluster
from analyzer.schema.page_layout import PAGE_BYTES
from analyzer.twin.cluster import SCHEMA, connect_role, create_database, superuser
from analyzer.twin.extended_statistics import restore_extended_statistics
from analyzer.twin.extensions import create_extensions, create_stand_ins
from analyzer.twin.files import DataFiles
from analyzer.twin.hypothetical_size import DEFAULT_KEY_BYTES
from analyzer.twin.restore import Missing, Restorer
from analyzer.twin.stand_ins import StandInCollation, StandInType, create_types, replace_icu


@dataclass(frozen=True, slots=True)
class Built:
    """``notes``: what differs from the server as a whole, in sentences."""

    missing: tuple[Missing, ...]
    notes: tuple[str, ...]
    seconds: float
    types: tuple[StandInType, ...] = ()
    collations: tuple[StandInCollation, ...] = ()
    incomplete: tuple[tuple[str, str, str], ...] = ()  # schema, table, why a partition is not in it

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Built":
        return cls(
            tuple(Missing(**m) for m in data["missing"]),
            tuple(data["notes"]),
            data["seconds"],
            tuple(StandInType(**t) for t in data["types"]),
            tuple(StandInCollation(**c) for c in data["collations"]),
            tuple((schema, table, why) for schema, table, why in data["incomplete"]),
        )


def build(cluster: PostgresCluster, dump: Path, facts: PlannerFacts) -> Built:
    """Fill the cluster; an earlier database in it is dropped."""
    begun = time.monotonic()
    note = create_database(cluster, facts)
    with superuser(cluster) as connection:
        missing_extensions = create_extensions(connection, facts)
        types = create_types(connection, facts.types, missing_extensions)
        collations = replace_icu(connection)
    with connect_role(cluster) as connection:
        create_stand_ins(connection, facts.functions)
    restorer = Restorer(cluster, dump, pg_restore=cluster.bin_dir / "pg_restore")
    done_schemas = {schema for _, schema in facts.extensions} | {type.schema for type in types}
    missing = restorer.restore(missing_extensions, done_schemas, types)
    missing += [
        Missing("table", f"{r.schema}.{r.name}", "the login may not read it (GRANT SELECT)", r.oid)
        for r in facts.relations
        if r.kind in ("r", "p") and not r.is_readable
    ]
    missing += [
        Missing(
            "statistics data", f"{r.schema}.{r.name}", "row security hides them from the login (needs BYPASSRLS)", r.oid
        )
        for r in facts.relations
        if r.is_readable and r.hides_statistics
    ]
    with superuser(cluster) as connection:
        missing += restore_extended_statistics(connection, facts.extended_statistics)
        connection.execute(f"select * from {SCHEMA}.pg_buffercache_evict_all()")
        set_sizes(connection, DataFiles(cluster.data_dir, cluster.user), facts)
    return Built(
        tuple(missing),
        (note,) if note else (),
        time.monotonic() - begun,
        tuple(types),
        (*collations, *restorer.collations),
        tuple(restorer.incomplete),
    )


# every table and index of the role's, with what the planner reads its size from
RELATIONS = """
select c.oid::int8, n.nspname, c.relname, c.relkind::text, am.amname, pg_relation_filepath(c.oid), i.indrelid::int8,
    coalesce((
        select sum(coalesce(s.stawidth, 0)) from unnest(i.indkey::int2[]) with ordinality as k (number, place)
        left join pg_statistic as s on s.starelid = case when k.number = 0 then c.oid else i.indrelid end
            and s.staattnum = case when k.number = 0 then k.place else k.number end
            and not s.stainherit
        where k.place <= i.indnkeyatts
    ), 0)::float8
from pg_class as c
join pg_namespace as n on n.oid = c.relnamespace
left join pg_am as am on am.oid = c.relam
left join pg_index as i on i.indexrelid = c.oid
where c.relkind in ('r', 'm', 'i') and c.oid >= 16384 and n.nspname !~ '^pg_'
order by c.relkind desc, c.oid
"""


def set_sizes(connection: "psycopg.Connection[Any]", files: DataFiles, facts: PlannerFacts) -> None:
    """Give every file the size it has on the server, and every B-tree its height; no page may be cached."""
    known: dict[tuple[str, str], Relation] = {(r.schema, r.name): r for r in facts.relations}
    table_blocks: dict[int, int] = {}
    hidden: list[int] = []
    rows = connection.execute(RELATIONS).fetchall()
    for oid, schema, name, kind, method, path, table_oid, key_bytes in sorted(rows, key=lambda row: row[3] == "i"):
        relation = known.get((schema, name))
        if relation is None:
            continue
        if kind != "i":
            table_blocks[oid] = relation.blocks
            files.set_blocks(path, relation.blocks)
            continue
        if not relation.is_usable:
            hidden.append(oid)
        if method == "btree":
            level = relation.level
            if level is None:
                level = btree_height(relation.blocks * PAGE_BYTES, key_bytes or DEFAULT_KEY_BYTES)
            files.make_btree(path, relation.blocks, level)
        elif method == "gin":
            files.make_gin(path, relation.blocks, relation.gin)
        elif method == "brin":
            files.make_brin(path, relation.blocks, table_blocks.get(table_oid, 0))
        else:
            files.set_blocks(path, max(relation.blocks, 1))
    if hidden:  # invalid on the server: its planner does not see them either
        connection.execute("update pg_index set indisvalid = false where indexrelid = any (%s::oid[])", [hidden])
