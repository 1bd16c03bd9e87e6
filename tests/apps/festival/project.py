"""The festival: its application, its data and how a request of each page is made. Tagged as docs/routes.md says."""

import asyncio
import random
from typing import Annotated

from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session

from tests.apps.festival import views
from tests.apps.festival.models import (
    Attendee,
    Base,
    Event,
    Message,
    Option,
    Organizer,
    Speaker,
    Talk,
    Ticket,
    Venue,
    talk_speakers,
)

engine = None


def set_up(host, port, dbname):
    global engine
    import tagged_sqlalchemy  # noqa: F401, what docs/routes.md has

    engine = create_engine(f"postgresql+psycopg://postgres@/{dbname}?host={host}&port={port}", pool_size=3)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for table, rows in _rows(random.Random(1)):
            connection.execute(insert(table), rows)


def _rows(dice):
    yield Organizer, [{"name": f"organizer {i}"} for i in range(80)]
    yield Venue, [{"name": f"venue {i}", "city": f"city {i % 20}"} for i in range(60)]
    yield Event, [
        {"title": f"event {i}", "day": dice.randrange(60), "organizer_id": dice.randint(1, 80),
         "venue_id": dice.randint(1, 60)} for i in range(1200)
    ]  # fmt: skip
    yield Speaker, [{"name": f"speaker {i}"} for i in range(300)]
    yield Talk, [
        {"title": f"talk {i}", "abstract": "x" * 200, "event_id": dice.randint(1, 1200)} for i in range(4000)
    ]  # fmt: skip
    pairs = {(t, dice.randint(1, 300)) for t in range(1, 4001) for _ in range(2)}
    yield talk_speakers, [{"talk_id": t, "speaker_id": s} for t, s in sorted(pairs)]
    yield Attendee, [{"name": f"attendee {i}", "token": f"token {i}"} for i in range(2000)]
    yield Ticket, [
        {"event_id": dice.randint(1, 1200), "buyer_id": dice.randint(1, 2000), "holder_id": dice.randint(1, 2000),
         "state": ("sold", "resold", "job", "free")[i % 4]} for i in range(6000)
    ]  # fmt: skip
    yield Option, [{"name": n, "value": "x"} for n in ("currency", "theme", "mail")]
    yield Message, [{"attendee_id": dice.randint(1, 2000), "text": "hello"} for _ in range(3000)]


def application():
    from tagged_fastapi import tag_route

    def session():
        with Session(engine) as opened:
            yield opened

    Opened = Annotated[Session, Depends(session)]

    def user(opened: Opened, k: int):
        """Who asks: looked up at every request."""
        return opened.scalars(select(Attendee).where(Attendee.token == f"token {k % 2000}")).one()

    app = FastAPI(dependencies=[Depends(tag_route)])

    def add(view):
        def endpoint(k: int, opened: Opened, asking: Annotated[Attendee, Depends(user)]):
            return {"user": asking.name, "page": view(opened, k)}

        app.get(f"/{view.__name__}/{{k}}")(endpoint)

    for view in (*views.PLANTED, *views.INNOCENT):
        add(view)
    return app


def pages():
    """``{name: (is planted, request)}``; ``request(k)`` makes one and returns when it is answered."""
    app = application()
    found = {}
    for planted, several in ((True, views.PLANTED), (False, views.INNOCENT)):
        for view in several:
            path = f"/{view.__name__}/"
            found[f"{path}_k_"] = planted, lambda k, path=path: asyncio.run(_get(app, f"{path}{k}"))
    return found


async def _get(app, path):
    """One request, as an ASGI server would pass it on."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, (path, sent)
