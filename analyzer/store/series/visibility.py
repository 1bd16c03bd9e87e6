"""Whose statements a login may see, and when that changes. Pure numpy.

pg_stat_statements shows every entry to everybody but names (queryid) only one's own, and all of them to members of
pg_read_all_stats. When that is granted, or the login becomes another, entries appear with the counters of months:
they are no work of the interval. PostgreSQL's own counters cannot tell them from new ones, the roles can.
"""

import numpy as np
from numpy.typing import NDArray

SHOWN = "statements of other roles became visible to pgLoupe's login: what they did before is not counted"
HIDDEN = "statements of other roles are hidden from pgLoupe's login since then (pg_read_all_stats)"


def change_of_visibility(
    keys_before: NDArray[np.void],
    hidden_before: frozenset[int] | None,
    keys: NDArray[np.void],
    hidden: frozenset[int] | None,
) -> str:
    """Why two readings do not show the same roles' entries, "" where they do or it is not known.

    A role without any entry before is no change: what it has now is new.
    """
    if hidden_before is not None and not hidden_before.isdisjoint(np.unique(keys["role_oid"]).tolist()):
        return SHOWN
    if hidden is not None and not hidden.isdisjoint(np.unique(keys_before["role_oid"]).tolist()):
        return HIDDEN
    return ""
