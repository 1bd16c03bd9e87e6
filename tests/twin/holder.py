"""Another process that holds a twin: ``python holder.py DSN VAR_DIR``; says what it has, then waits for a line."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from analyzer.advice.planner import Query
from analyzer.monitored.connection_settings import ConnectionSettings
from analyzer.twin import lease

dsn, var_dir = sys.argv[1:]
with lease(ConnectionSettings.from_dsn(dsn, allow_local=True), Path(var_dir)) as twin:
    (data,) = twin._superuser.execute("show data_directory").fetchone()
    planned = twin.plan(Query("q", "q", "select * from t where a = 5", 1.0))
    sys.stdout.write(json.dumps({"data": data, "cost": planned.total_cost}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()
