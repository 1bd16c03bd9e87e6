"""The library: settings, data and how a request of each page is made. Tagged as docs/routes.md says."""

import random
from datetime import timedelta

import django
from django.conf import settings

LOANS, BOOKS, MEMBERS = 6000, 2000, 1500


def set_up(host, port, dbname):
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": dbname, "USER": "postgres",
                               "HOST": host, "PORT": port, "CONN_MAX_AGE": None}},
        ROOT_URLCONF="tests.apps.library.urls", ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False, USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        MIGRATION_MODULES=dict.fromkeys(("admin", "auth", "contenttypes", "sessions", "library")),
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                        "django.contrib.sessions", "django.contrib.messages", "tests.apps.library"],
        MIDDLEWARE=["tagged_django.Routes", "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {
            "context_processors": ["django.template.context_processors.request",
                                   "django.contrib.auth.context_processors.auth",
                                   "django.contrib.messages.context_processors.messages"]}}],
    )  # fmt: skip
    django.setup()
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)
    _fill()
    import tagged_django  # noqa: F401, as a server does that loads the middleware before the first request


def _fill():
    from django.contrib.auth.models import User
    from django.contrib.contenttypes.models import ContentType

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
        Shelf,
    )
    from tests.apps.library.views import FIRST_DAY

    dice = random.Random(1)

    def make(model, n, **fields):
        made = [model(**{name: value(i) for name, value in fields.items()}) for i in range(n)]
        model.objects.bulk_create(made, batch_size=1000)

    def name(what):
        return lambda i: f"{what} {i}"

    def some(n):
        return lambda i: dice.randint(1, n)

    User.objects.create_superuser("reader", "reader@example.org", "x")
    make(Country, 50, name=name("country"))
    make(Publisher, 100, name=name("publisher"), country_id=some(50))
    make(Author, 150, name=name("author"), country_id=some(50))
    make(Genre, 20, name=name("genre"))
    make(Book, BOOKS, title=name("book"), year=lambda i: 1950 + dice.randrange(70), blurb=lambda i: "x" * 200,
         author_id=some(150), publisher_id=some(100))  # fmt: skip
    pairs = {(b, dice.randint(1, 20)) for b in range(1, BOOKS + 1) for _ in range(2)}
    Book.genres.through.objects.bulk_create(
        [Book.genres.through(book_id=b, genre_id=g) for b, g in sorted(pairs)], batch_size=1000
    )
    make(Branch, 120, city=lambda i: f"city {i % 30}")
    make(Shelf, 480, branch_id=lambda i: 1 + i % 120, label=name("shelf"))
    make(Copy, 4800, book_id=some(BOOKS), shelf_id=lambda i: 1 + i % 480, barcode=name("copy"))
    make(Member, MEMBERS, name=name("member"), branch_id=some(120))
    make(Loan, LOANS, copy_id=some(4800), member_id=some(MEMBERS), handled_by_id=some(40),
         due=lambda i: FIRST_DAY + timedelta(days=dice.randrange(300)),
         state=lambda i: ("out", "back", "job")[i % 3])  # fmt: skip
    kind = ContentType.objects.get_for_model(Book)
    make(Note, 4000, content_type_id=lambda i: kind.pk, object_id=some(BOOKS), text=name("note"))
    make(Setting, 5, key=lambda i: ("fine_per_day", "theme", "loan_days", "currency", "mail")[i], value=name("value"))


def pages():
    """``{name: (is planted, request)}``; ``request(k)`` makes one and returns when it is answered."""
    import threading

    from django.contrib.auth.models import User
    from django.test import Client

    from tests.apps.library import views

    user, own = User.objects.get(username="reader"), threading.local()

    def get(url):
        if not hasattr(own, "client"):
            own.client = Client()
            own.client.force_login(user)
        response = own.client.get(url)
        assert response.status_code == 200, (url, response.content[:300])

    def of(path):
        return lambda k: get(path.format(k=k))

    found = {v.__name__: (True, of(f"/{v.__name__}/{{k}}/")) for v in views.PLANTED}
    found["admin:library_loan_changelist"] = (
        True,
        lambda k: get(f"/admin/library/loan/?p={1 + k % 20}&state__exact=out"),
    )
    found |= {v.__name__: (False, of(f"/{v.__name__}/{{k}}/")) for v in views.INNOCENT}
    return found
