"""Twenty pages. Those of PLANTED look up row by row; those of INNOCENT only look as if they did."""

from datetime import date, timedelta

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.http import JsonResponse

from tests.apps.library.models import (
    Author,
    Book,
    Branch,
    Copy,
    Country,
    Genre,
    Loan,
    Member,
    Note,
    Publisher,
    Setting,
)

FIRST_DAY = date(2026, 1, 1)


def page(work):
    """A view of what ``work(request, k)`` returns; k chooses whose page it is."""

    def view(request, k):
        return JsonResponse({"user": request.user.username, "page": work(request, k)})

    view.__name__ = view.__qualname__ = work.__name__
    return view


def day(k):
    return FIRST_DAY + timedelta(days=k % 300)


# one look-up a row
def loans(request, k):
    return [loan.member.name for loan in Loan.objects.filter(due=day(k))]


# two look-ups a row, in one table
def handovers(request, k):
    due = Loan.objects.filter(due__gte=day(k), state="out").order_by("due", "id")[: 12 + k % 8]
    return [(loan.member.name, loan.handled_by.name) for loan in due]


# children of children
def shelves(request, k):
    return [
        [copy.barcode for shelf in branch.shelf_set.all() for copy in shelf.copy_set.all()]
        for branch in Branch.objects.filter(city=f"city {k % 30}")
    ]


# joined children
def circulation(request, k):
    copies = Copy.objects.filter(shelf__branch_id=1 + k % 120).order_by("id")[: 12 + k % 9]
    return [[loan.member.name for loan in Loan.objects.select_related("member").filter(copy=c)] for c in copies]


# the same row, again and again
def fines(request, k):
    late = Loan.objects.filter(due__lt=day(k), state="out").order_by("-due", "-id")[:40]
    return [(loan.pk, Setting.objects.get(key="fine_per_day").value) for loan in late]


# many to many
def by_year(request, k):
    return [[g.name for g in book.genres.all()] for book in Book.objects.filter(year=1950 + k % 70)[:20]]


# a generic relation
def annotated(request, k):
    return [[n.text for n in book.notes.all()] for book in Book.objects.filter(publisher_id=1 + k % 100)[:25]]


# a serializer's methods, one of them over two tables; countries are looked up by the next page too
def serialized(request, k):
    def author_country(book):
        return book.author.country.name

    books = Book.objects.filter(id__gte=1 + k * 7 % 1900).order_by("id")[: 10 + k % 10]
    return [{"title": b.title, "from": author_country(b)} for b in books]


# children that several parents share
def publishers(request, k):
    return [p.country.name for p in Publisher.objects.order_by("name")[k % 5 : k % 5 + 25]]


PLANTED = (loans, handovers, shelves, circulation, fines, by_year, annotated, serialized, publishers)
# the tenth is Django's admin list of loans, without list_select_related: admin.py


def prefetched(request, k):
    books = Book.objects.filter(author_id=1 + k % 150).select_related("publisher").prefetch_related("genres")
    return [(b.publisher.name, [g.name for g in b.genres.all()]) for b in books]


def batch(request, k):
    ids = [1 + (k * i) % 1500 for i in range(1, 6 + k % 9)]
    return [m.name for m in Member.objects.in_bulk(ids).values()]


def pager(request, k):
    found = Loan.objects.filter(state="back").select_related("member").order_by("id")
    at = k % 20 * 20
    return found.count(), [loan.member.name for loan in found[at : at + 20]]


def book(request, k):
    found = Book.objects.get(pk=1 + k % 2000)
    genres = Genre.objects.filter(book=found)
    return found.title, found.author.name, found.publisher.name, Country.objects.get(pk=1 + k % 50).name, len(genres)


def job(request, k):
    """Works one row after another by design, so that many of them can run."""
    for _ in range(25):
        with transaction.atomic():
            loan = Loan.objects.select_for_update(skip_locked=True).filter(state="job").order_by("id").first()
            Member.objects.get(pk=loan.member_id)
            Loan.objects.filter(pk=loan.pk).update(due=loan.due + timedelta(days=1))
    return 25


def poll(request, k):
    kind = ContentType.objects.get_for_model(Branch)
    return Note.objects.filter(content_type=kind, object_id=1 + k % 40).first() is not None


SHOP_WINDOW = []


def shop_window(request, k):
    """Its list is kept for twenty requests, each of which looks one of it up."""
    if len(SHOP_WINDOW) <= 1:
        SHOP_WINDOW[:] = list(Author.objects.filter(country_id=1 + k % 50).values_list("pk", flat=True)[:20]) or [1]
    return Author.objects.get(pk=SHOP_WINDOW.pop()).name


def imports(request, k):
    for i in range(20):
        Note.objects.create(content_type_id=1, object_id=k, text=f"note {i}")
    return 20


def me(request, k):
    return request.user.email


def retried(request, k):
    """Reads a row until it is as new as it has to be."""
    seen = [Member.objects.get(pk=1 + k % 1500) for _ in range(3)]
    return seen[-1].name


INNOCENT = (prefetched, batch, pager, book, job, poll, shop_window, imports, me, retried)
