"""The planner twin: a private PostgreSQL with a monitored database's schema and statistics and none of its rows.

    with lease(ConnectionSettings.from_dsn(dsn, allow_local=True), var_dir) as twin:
        (index,) = twin.hypothesize([definition])
        twin.plan(query, [index.id])

Its planner answers as the server's would; nothing is installed or planned there, and nothing is executed here.
"""

from analyzer.twin.keeper import ANEW as ANEW
from analyzer.twin.keeper import NeedsOwnAddress as NeedsOwnAddress
from analyzer.twin.keeper import lease as lease
from analyzer.twin.restore import Missing as Missing
from analyzer.twin.twin import Timing as Timing
from analyzer.twin.twin import Twin as Twin
from analyzer.twin.upkeep import remove as remove
from analyzer.twin.upkeep import remove_superseded as remove_superseded
from analyzer.twin.upkeep import remove_surplus as remove_surplus
from analyzer.twin.upkeep import remove_unused as remove_unused
from analyzer.twin.upkeep import remove_unwatched as remove_unwatched
