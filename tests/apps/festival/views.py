"""Twenty pages. Those of PLANTED look up row by row; those of INNOCENT only look as if they did."""

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session, contains_eager, joinedload, selectinload

from tests.apps.festival.models import Attendee, Event, Message, Option, Organizer, Speaker, Talk, Ticket, Venue


def _all(session: Session, statement):
    return session.scalars(statement).all()


# one look-up a row, less those that the session has already
def programme(session: Session, k: int):
    return [e.organizer.name for e in _all(session, select(Event).where(Event.day == k % 60))]


# two look-ups a row, in one table
def resold(session: Session, k: int):
    tickets = select(Ticket).where(Ticket.state == "resold").order_by(Ticket.id).offset(k % 700).limit(10 + k % 10)
    return [(t.buyer.name, t.holder.name) for t in _all(session, tickets)]


# children of children
def agenda(session: Session, k: int):
    organizers = _all(session, select(Organizer).where(Organizer.id.between(k % 60, k % 60 + 2)))
    return [[talk.title for event in o.events for talk in event.talks] for o in organizers]


# joined children
def guests(session: Session, k: int):
    def of(event):
        tickets = select(Ticket).join(Ticket.buyer).options(contains_eager(Ticket.buyer))
        return [t.buyer.name for t in _all(session, tickets.where(Ticket.event_id == event.id))]

    return [of(event) for event in _all(session, select(Event).where(Event.organizer_id == 1 + k % 60))]


# the same row, again and again
def prices(session: Session, k: int):
    def currency():
        return session.execute(select(Option.value).where(Option.name == "currency")).scalar_one()

    tickets = select(Ticket.id).where(Ticket.state == "sold", Ticket.id > k % 2000).order_by(Ticket.id).limit(40)
    return [(ticket, currency()) for ticket in _all(session, tickets)]


# many to many
def talks(session: Session, k: int):
    found = select(Talk).where(Talk.id >= 1 + k % 3900).order_by(Talk.id).limit(8 + k % 12)
    return [[s.name for s in talk.speakers] for talk in _all(session, found)]


# a count for each row
def sales(session: Session, k: int):
    def sold(event):
        return session.scalar(select(func.count()).select_from(Ticket).where(Ticket.event_id == event.id))

    return [sold(e) for e in _all(session, select(Event).where(Event.venue_id == 1 + k % 60).order_by(Event.day))]


# a deferred column of each row
def abstracts(session: Session, k: int):
    found = select(Talk).where(Talk.title.like(f"talk {1 + k % 39}__")).order_by(Talk.title).limit(20)
    return [talk.abstract for talk in _all(session, found)]


# whether there are any, for each row
def without_tickets(session: Session, k: int):
    def has(event):
        return session.scalar(select(exists().where(Ticket.event_id == event.id, Ticket.state == "free")))

    found = select(Event).where(Event.day.between(k % 60, k % 60 + 1)).order_by(Event.title)
    return [e.title for e in _all(session, found) if not has(e)]


# children that several parents share: organizers of another statement's events
def calendar(session: Session, k: int):
    found = select(Event).order_by(Event.day, Event.id).offset(k % 1100).limit(20)
    return [(e.organizer.name, e.venue.name) for e in _all(session, found)]


PLANTED = (programme, resold, agenda, guests, prices, talks, sales, abstracts, without_tickets, calendar)


def prefetched(session: Session, k: int):
    found = select(Event).where(Event.organizer_id == 1 + k % 60).options(selectinload(Event.talks))
    return [len(e.talks) for e in _all(session, found.options(joinedload(Event.venue)))]


def batch(session: Session, k: int):
    ids = [1 + (k * i) % 300 for i in range(1, 6 + k % 9)]
    return [s.name for s in _all(session, select(Speaker).where(Speaker.id.in_(ids)))]


def pager(session: Session, k: int):
    found = select(Talk).options(joinedload(Talk.event)).order_by(Talk.title)
    count = session.scalar(select(func.count()).select_from(Talk))
    return count, [t.event.title for t in _all(session, found.offset(k % 20 * 20).limit(20))]


def event(session: Session, k: int):
    found = session.get_one(Event, 1 + k % 1200)
    return found.title, found.organizer.name, found.venue.name, len(found.talks)


def job(session: Session, k: int):
    """Works one row after another by design, so that many of them can run."""
    for _ in range(25):
        waiting = select(Ticket).where(Ticket.state == "job").order_by(Ticket.id).limit(1)
        ticket = session.scalars(waiting.with_for_update(skip_locked=True)).one()
        session.get_one(Attendee, ticket.buyer_id, populate_existing=True)
        ticket.holder_id = 1 + (ticket.holder_id + 1) % 2000
        session.commit()
    return 25


def poll(session: Session, k: int):
    return session.scalar(select(Message).where(Message.attendee_id == 1 + k % 2000).limit(1)) is not None


HEADLINERS: list[int] = []


def headliner(session: Session, k: int):
    """Its list is kept for twenty requests, each of which looks one of it up."""
    if len(HEADLINERS) <= 1:
        found = select(Speaker.id).where(Speaker.id > k % 250).order_by(Speaker.id).limit(20)
        HEADLINERS[:] = _all(session, found)
    return session.get_one(Speaker, HEADLINERS.pop()).name


def imports(session: Session, k: int):
    for i in range(20):
        session.add(Message(attendee_id=1 + k % 2000, text=f"message {i}"))
        session.flush()
    session.commit()
    return 20


def me(session: Session, k: int):
    return k


def retried(session: Session, k: int):
    """Reads a row until it is as new as it has to be."""
    return [session.get_one(Venue, 1 + k % 60, populate_existing=True).name for _ in range(3)]


INNOCENT = (prefetched, batch, pager, event, job, poll, headliner, imports, me, retried)
