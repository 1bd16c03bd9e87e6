from sqlalchemy import Column, ForeignKey, Table, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, mapped_column, relationship


class Base(DeclarativeBase):
    pass


class Organizer(Base):
    __tablename__ = "organizers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    events: Mapped[list["Event"]] = relationship(back_populates="organizer")


class Venue(Base):
    __tablename__ = "venues"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    city: Mapped[str] = mapped_column(index=True)


class Event(Base):
    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    day: Mapped[int] = mapped_column(index=True)
    organizer_id: Mapped[int] = mapped_column(ForeignKey("organizers.id"), index=True)
    venue_id: Mapped[int] = mapped_column(ForeignKey("venues.id"), index=True)
    organizer: Mapped[Organizer] = relationship(back_populates="events")
    venue: Mapped[Venue] = relationship()
    talks: Mapped[list["Talk"]] = relationship(back_populates="event")


talk_speakers = Table(
    "talk_speakers",
    Base.metadata,
    Column("talk_id", ForeignKey("talks.id"), primary_key=True),
    Column("speaker_id", ForeignKey("speakers.id"), primary_key=True, index=True),
)


class Speaker(Base):
    __tablename__ = "speakers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Talk(Base):
    __tablename__ = "talks"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    abstract: Mapped[str] = deferred(mapped_column(Text))
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    event: Mapped[Event] = relationship(back_populates="talks")
    speakers: Mapped[list[Speaker]] = relationship(secondary=talk_speakers)


class Attendee(Base):
    __tablename__ = "attendees"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    token: Mapped[str] = mapped_column(unique=True)


class Ticket(Base):
    __tablename__ = "tickets"
    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    buyer_id: Mapped[int] = mapped_column(ForeignKey("attendees.id"), index=True)
    holder_id: Mapped[int] = mapped_column(ForeignKey("attendees.id"), index=True)
    state: Mapped[str] = mapped_column(index=True)
    event: Mapped[Event] = relationship()
    buyer: Mapped[Attendee] = relationship(foreign_keys=buyer_id)
    holder: Mapped[Attendee] = relationship(foreign_keys=holder_id)


class Option(Base):
    __tablename__ = "options"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Message(Base):
    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    attendee_id: Mapped[int] = mapped_column(ForeignKey("attendees.id"), index=True)
    text: Mapped[str]
