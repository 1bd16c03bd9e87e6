"""What pgstattuple measured of a table's heap and of a B-tree, as facts."""

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HeapFill:
    """``pgstattuple_approx``. ``row_bytes``: of a living row, on average, None without any."""

    measured_at: datetime
    size_bytes: int
    free_bytes: int
    dead_rows: int
    row_bytes: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "row_bytes", _finite(self.row_bytes))


@dataclass(frozen=True, slots=True)
class BtreeFill:
    """``pgstatindex``. ``leaf_density_ratio``: how full the leaf pages are, on average, None without any."""

    measured_at: datetime
    size_bytes: int
    leaf_pages: int
    internal_pages: int
    leaf_density_ratio: float | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaf_density_ratio", _finite(self.leaf_density_ratio))


def _finite(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None
