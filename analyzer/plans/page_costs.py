"""The planner's prices of pages and rows, as a server has set them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageCosts:
    """The planner's constants under which the plan was made."""

    seq_page: float = 1.0
    random_page: float = 4.0
    cpu_tuple: float = 0.01
    cpu_index_tuple: float = 0.005
    cpu_operator: float = 0.0025
    cache_pages: float = 524_288.0  # effective_cache_size

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> "PageCosts":
        """Unknown and unreadable ones are PostgreSQL's own."""
        usual = cls()

        def number(name: str, default: float) -> float:
            try:
                return float(settings[name])
            except (KeyError, ValueError):
                return default

        return cls(
            number("seq_page_cost", usual.seq_page),
            number("random_page_cost", usual.random_page),
            number("cpu_tuple_cost", usual.cpu_tuple),
            number("cpu_index_tuple_cost", usual.cpu_index_tuple),
            number("cpu_operator_cost", usual.cpu_operator),
            number("effective_cache_size", usual.cache_pages),
        )
