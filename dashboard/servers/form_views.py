"""Adding, changing and removing a monitored server. What is to be kept is tried first, with a real connection."""

from collections.abc import Sequence

from django.contrib import messages
from django.core.cache import cache
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from analyzer.errors import PgLoupeError
from analyzer.models import Server
from analyzer.monitored.access.identity import ServerIdentity
from analyzer.monitored.access.replica import need_replica
from analyzer.monitored.access.role_sql import create_login_sql
from analyzer.monitored.access.trial import Trial, try_connection
from analyzer.steps import schedule
from analyzer.steps.adding import join, same_server
from analyzer.store import servers as store
from dashboard.people import audit_log as audit
from dashboard.permissions import operator_required
from dashboard.servers.forms import BY_DSN, EXPLAIN_MODES, MODE_WORDS, ServerForm

# Judgement: a person who mends a connection needs fewer, somebody who looks for open ports needs far more.
MOST_TRIALS = 30
TRIALS_COUNTED_S = 300


@operator_required
@never_cache
@sensitive_post_parameters("password", "dsn")
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    return _form_page(request, None)


@operator_required
@never_cache
@sensitive_post_parameters("password", "dsn")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, server: str) -> HttpResponse:
    return _form_page(request, get_object_or_404(Server, slug=server))


@operator_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, server: str) -> HttpResponse:
    """GET says what goes; POST removes it."""
    watched = get_object_or_404(Server, slug=server)
    if request.method == "POST":
        store.remove_server(watched)
        audit.record(
            request, "server_removed", watched.name, host=watched.host, port=watched.port, database=watched.dbname
        )
        messages.success(request, f"{watched.name} and everything known about it is removed.")
        return redirect("servers")
    context = {"section": "servers", "server": watched, "stored": store.stored_counts(watched)}
    return render(request, "dashboard/server_form_remove.html", context)


@sensitive_variables("form", "trial")
def _form_page(request: HttpRequest, server: Server | None) -> HttpResponse:
    if request.method != "POST":
        return _page(request, ServerForm(server=server), None)
    form, action = ServerForm(request.POST, server=server), request.POST.get("action", "save")
    if not form.is_valid() or form.connection is None:
        return _page(request, form, None, status=422)
    if action != "test" and not form.is_connection_changed and not form.is_replica_changed:
        return _save(request, form, None)
    if _too_many_trials(request):
        form.add_error(None, f"More than {MOST_TRIALS} tests in five minutes: wait a little.")
        return _page(request, form, None, status=429)
    is_trusted = server is not None and server.is_address_trusted and store.is_same_place(server, form.connection)
    policy = store.address_policy()
    trial = try_connection(form.connection, policy, is_trusted=is_trusted)
    outcome = trial.error or ("something is missing" if trial.missing else "it works")
    audit.record(request, "connection_tested", form.connection.address, outcome=outcome[:300])
    if trial.is_connected and form.replica is not None:
        try:
            primary = policy.checked(form.connection, is_trusted=is_trusted)
            need_replica(policy.checked(form.replica, is_trusted=False), primary)
        except PgLoupeError as error:
            form.add_error("replica_host", f"{error}.")
            return _page(request, form, trial, status=422)
    known = same_server(trial.identity, form.connection) if server is None and trial.identity is not None else None
    if known is not None and trial.identity is not None:
        return _known_server(request, form, trial, known, trial.identity)
    if trial.is_connected and (action == "save_anyway" or (action == "save" and not trial.missing)):
        return _save(request, form, trial)
    return _page(request, form, trial, status=200 if action == "test" and trial.is_connected else 422)


@sensitive_variables("form", "trial")
def _known_server(
    request: HttpRequest, form: ServerForm, trial: Trial, known: Server, identity: ServerIdentity
) -> HttpResponse:
    """A new connection led to a server that is watched already: to another of its databases, or to the same."""
    if known.dbname == identity.database:
        form.add_error(form.field_of("dbname"), f"{known.name} watches this database already.")
        return _page(request, form, None, status=422)
    differing, action = form.differing_from(known), request.POST.get("action", "save")
    if action == "test" or (differing and action != "join"):  # what somebody typed is not set aside without a word
        return _page(request, form, trial, known=known, differing=differing)
    joined = join(known, identity)
    audit.record(request, "database_added", known.name, database=identity.database)
    messages.success(request, joined.sentence)
    return _go_to(request, known)


@sensitive_variables("form")
def _save(request: HttpRequest, form: ServerForm, trial: Trial | None) -> HttpResponse:
    assert form.connection is not None
    fields, now = form.model_fields(), timezone.now()
    if trial is not None:
        fields["server_version_num"] = trial.server_version_num
        fields["preflight_at"] = now
        fields["preflight"] = [
            {"name": i.name, "status": i.status, "detail": i.detail, "sql": i.sql} for i in trial.items
        ]
    try:
        saved = store.save_server(form.server, form.connection, fields)
    except IntegrityError:  # somebody was quicker with this name
        form.add_error("name", "Another server has this name.")
        return _page(request, form, trial, status=422)
    where = {"host": saved.host, "port": saved.port, "database": saved.dbname, "login": saved.user}
    if form.server is None:
        audit.record(request, "server_added", saved.name, **where)
        messages.success(request, f"{saved.name} is watched from now on; the first sample comes within seconds.")
    else:
        schedule.make_due_now(saved, "snapshot", "schema", now=now)
        audit.record(request, "server_changed", saved.name, **where, fields=sorted(form.changed_data))
        messages.success(request, f"{saved.name} is saved.")
    return _go_to(request, saved)


def _go_to(request: HttpRequest, server: Server) -> HttpResponse:
    address = reverse("server", args=[server.slug])
    if _is_part(request):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


@sensitive_variables("form", "trial")
def _page(
    request: HttpRequest,
    form: ServerForm,
    trial: Trial | None,
    status: int = 200,
    known: Server | None = None,
    differing: Sequence[tuple[str, str, str]] = (),
) -> HttpResponse:
    """The whole page, or for the script, which leaves what was typed where it is, only what came of it.

    ``known``: the server that is watched already and answered. ``differing``: settings of it that were typed otherwise.
    """
    shown = form if _is_part(request) or not form.is_bound else form.shown_again()
    context = {
        "section": "servers",
        "server": form.server,
        "form": shown,
        "trial": trial,
        "known": known,
        "known_mode": dict(MODE_WORDS).get(known.explain_mode, "") if known else "",
        "differing": differing,
        "error_fields": [field for field in shown if field.errors],
        "trial_field": _field_at_fault(form, trial),
        "explain_modes": EXPLAIN_MODES,
        "login_sql": create_login_sql("pgloupe", "app"),
        "is_part": _is_part(request),
    }
    name = "server_form_result" if _is_part(request) else "server_form"
    return render(request, f"dashboard/{name}.html", context, status=status)


def _field_at_fault(form: ServerForm, trial: Trial | None) -> str:
    """Where to look, in the form as it stands before the person."""
    if trial is None or not trial.field:
        return ""
    return "dsn" if form.data.get("given_by") == BY_DSN and trial.field != "sslrootcert" else trial.field


def _too_many_trials(request: HttpRequest) -> bool:
    """Counted per process (Django's local cache)."""
    key = f"server-trials:{request.user.pk}"
    cache.add(key, 0, TRIALS_COUNTED_S)
    return cache.incr(key) > MOST_TRIALS


def _is_part(request: HttpRequest) -> bool:
    return request.headers.get("HX-Request") == "true"
