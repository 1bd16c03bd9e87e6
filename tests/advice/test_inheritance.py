"""Tables that inherit (INHERITS): an index holds the rows of one table, so each that is large is advised on."""

from datetime import UTC, datetime

import pytest

from analyzer.advice.advise import advise
from analyzer.advice.rules.suggest import WorkloadStatement
from analyzer.advice.select import SelectionOptions
from analyzer.advice.show import advice_as_text
from analyzer.monitored.catalog.schema import read_schema
from analyzer.monitored.connection import connect
from analyzer.questions.predict import predict
from analyzer.schema.kept import decode, encode
from analyzer.twin import lease
from tests.environment import reachable_dir
from tests.twin.conftest import settings_of

pytestmark = pytest.mark.postgres

SETUP = (
    "create table par (id int primary key, x int, y text)",
    "create table chi (z int) inherits (par)",
    "create table grandchild () inherits (chi)",
    "create table tiny () inherits (par)",
    # partitioned the old way: the parent is empty
    "create table log (at date, who int)",
    "create table log_1 (check (at < '2025-01-01')) inherits (log)",
    "create table log_2 (check (at >= '2025-01-01')) inherits (log)",
    # of two parents
    "create table named (x int); create table both_of () inherits (par, named)",
    "insert into par select g, g, 'y' || g from generate_series(1, 30000) as g",
    "insert into chi select g, g, 'y' || g, g from generate_series(30001, 90000) as g",
    "insert into grandchild select g, g, 'y' || g, g from generate_series(90001, 120000) as g",
    "insert into tiny select g, g, 'y' from generate_series(120001, 120010) as g",
    "insert into log_1 select '2024-05-05', g from generate_series(1, 40000) as g",
    "insert into log_2 select '2025-05-05', g from generate_series(1, 40000) as g",
    "insert into both_of select g, g, 'y' || g from generate_series(1, 20000) as g",
)


@pytest.fixture
def database(any_postgres, scratch_database):
    found = scratch_database(any_postgres)
    found.execute(*SETUP)
    found.vacuum()
    return found


def tables(proposals):
    return sorted(f"{p.chosen.index.definition.table.name} {p.chosen.index.definition.body()}" for p in proposals)


def test_children_get_indexes_of_their_own(database):
    settings = settings_of(database.dsn)
    with connect(settings) as connection:
        facts = decode(encode(read_schema(connection)))
    workload = [
        WorkloadStatement("x", "select * from par where x = $1", 1000.0, 10.0, 10.0),
        WorkloadStatement("who", "select * from log where who = $1", 1000.0, 10.0, 10.0),
    ]
    with lease(settings, reachable_dir("inheritance")) as twin:
        found = advise(twin, workload, facts, SelectionOptions(), now=datetime.now(UTC))
        assert tables(found.proposals) == [
            "both_of (x)", "chi (x)", "grandchild (x)", "log_1 (who)", "log_2 (who)", "par (x)"
        ]  # fmt: skip
        assert found.selection.cost_after < found.selection.cost_before / 20
        assert found.selection.cost_after < 500_000  # no sequential scan is left of a large one
        liked = predict(twin, facts, "select * from par where x = 77", now=datetime.now(UTC)).likes
        assert sorted(like.table_name for like in liked) == ["both_of", "chi", "grandchild", "par"]
        only = predict(twin, facts, "select * from chi where x = 77", now=datetime.now(UTC)).likes
        assert sorted(like.table_name for like in only) == ["chi", "grandchild"]
    text = " ".join(advice_as_text(found).split())
    assert (
        "It holds rows of public.par alone: tables that inherit from it (public.both_of, public.chi, public.tiny and 1"
        " more) have indexes of their own, which are advised where they are large enough." in text
    )
    assert "public.chi inherits from public.par: statements on it read it, too" in text
    assert "public.both_of inherits from public.par and public.named: statements on them read it, too" in text
    # really built, the server uses them
    for proposal in found.proposals:
        with database.connect() as server:
            for statement in proposal.ddl.statements:
                server.execute(statement)
    with database.connect() as server:
        plan = "\n".join(line for (line,) in server.execute("explain select * from par where x = 77"))
        assert plan.count("Index Scan") + plan.count("Bitmap Index Scan") >= 4
        assert plan.count("Seq Scan") == 1  # of the tiny one
