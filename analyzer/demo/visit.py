"""One request to the shop: its connection, its random numbers, and what every page does."""

import hashlib
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.types.json import Jsonb

from analyzer.demo import statements as s

Row = tuple[Any, ...]


@dataclass
class Shop:
    """What the pages know about the data: its size when it was made, and when that was."""

    built_at: datetime
    users: int = 20_000
    categories: int = 800
    products: int = 20_000
    customers: int = 60_000
    orders: int = 150_000
    events_inserted: int = 0  # since the last clean-up, which deletes as many
    spare_coupons: deque[int] = field(default_factory=deque)  # made by us, used by no order


@dataclass
class Visit:
    """One request: its connection, its own random numbers, the clock's time, and the shop."""

    connection: psycopg.Connection[Row]
    random: random.Random
    now: datetime
    shop: Shop
    route: str = ""
    statements: int = 0

    def run(self, statement: str, values: Sequence[object] = ()) -> psycopg.Cursor[Row]:
        self.statements += 1
        if self.route:  # sqlcommenter's form: at the end, keys sorted, values URL-encoded
            # psycopg reads % as the start of a placeholder
            route = quote(self.route, safe="").replace("%", "%%")
            statement += f" /*framework='django%%3A5.2',route='{route}'*/"
        return self.connection.execute(statement.encode(), values)

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        return self.run(statement, values).fetchall()

    def skewed(self, count: int, power: float) -> int:
        """An id from 1 to ``count``; low ones are likelier, as in the data."""
        return 1 + int(count * self.random.random() ** power)

    def sign_in(self, signed_in_ratio: float = 1.0) -> int | None:
        """What Django's middleware does on each request: the session, then its user."""
        number = self.skewed(self.shop.users, 1.5)
        key = hashlib.md5(f"session{number}".encode(), usedforsecurity=False).hexdigest()
        session = self.rows(s.SESSION, [self.now, key])
        if self.random.random() < 0.03:
            data = session[0][1] if session else ""
            self.run(s.SESSION_SAVE, [data, self.now + timedelta(days=365), key])
        if self.random.random() >= signed_in_ratio:
            return None
        self.rows(s.USER, [number])
        return number

    def record_event(self, kind: str, customer_id: int | None, **payload: object) -> None:
        self.run(s.EVENT_INSERT, [customer_id, kind, Jsonb(payload), self.now])
        self.shop.events_inserted += 1
