"""The page of one index suggestion: what it brings, and the change as texts to copy; with it goes the map of models."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from analyzer.advice.code.models_commands import CLASSES_COMMAND, MODELS_COMMAND
from analyzer.advice.code.models_map import MAX_MAP_BYTES
from analyzer.errors import BadInput
from analyzer.models import Database, ModelsMap, SuggestionRecord
from analyzer.store.models_map import forget_models, keep_models, models_of
from analyzer.store.schemas import kept_schema
from analyzer.words.sizes import size_words
from dashboard.indexes.suggestion_evidence import evidence_of
from dashboard.indexes.suggestion_tabs import suggestion_tabs
from dashboard.people import audit_log as audit
from dashboard.permissions import operator_required, viewer_required

MODEL_TABS = ("django", "sqlalchemy", "sqlmodel")  # whose code names models, so that a map of them helps
TEXT_SHOWN_AGAIN = 100_000  # characters of a map that was refused


@viewer_required
@require_GET
def suggestion(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _get(pk))


@operator_required
@require_POST
def models(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep the map of models for the suggestion's database, or forget it; or what its code is shown in first."""
    suggestion = _get(pk)
    database = suggestion.database
    where = f"{database.server.name}, database {database.name}"
    if "orm" in request.POST:
        return _choose_orm(request, suggestion)
    if "forget" in request.POST:
        forget_models(database)
        audit.record(request, "models_map_forgotten", where)
        messages.success(request, f"The map of models of database {database.name} is forgotten.")
    else:
        try:
            kept = keep_models(database, _map_text(request), request.user.get_username())
        except BadInput as error:
            return _page(request, suggestion, status=422, error=str(error))
        audit.record(request, "models_map_kept", where, tables=kept.tables)
        messages.success(request, f"The map of {kept.tables} table{'s' if kept.tables > 1 else ''} is kept.")
    return redirect(f"{reverse('suggestion', args=[pk])}#content")


def _choose_orm(request: HttpRequest, suggestion: SuggestionRecord) -> HttpResponse:
    database, orm = suggestion.database, request.POST["orm"]
    if orm not in ("", *Database.Orm.values):
        return _page(request, suggestion, status=422, error="Choose one of the listed.")
    database.orm = orm
    database.save(update_fields=["orm"])
    audit.record(request, "orm_chosen", f"{database.server.name}, database {database.name}", orm=orm or "as found")
    messages.success(request, f"Code for database {database.name} starts with {_orm_words(database)}.")
    return redirect(f"{reverse('suggestion', args=[suggestion.pk])}#content")


def _orm_words(database: Database) -> str:
    return Database.Orm(database.code_first).label if database.code_first else "SQL"


def _get(pk: int) -> SuggestionRecord:
    records = SuggestionRecord.objects.select_related("database__server", "database__models_map")
    return get_object_or_404(records, pk=pk)


def _map_text(request: HttpRequest) -> str:
    """The uploaded file, else what was pasted; raises BadInput for what is too large or no text."""
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        return str(request.POST.get("map", ""))
    if (file.size or 0) > MAX_MAP_BYTES:
        raise BadInput(f"The file is larger than {size_words(MAX_MAP_BYTES)}.")
    raw: bytes = file.read()
    try:  # PowerShell's > writes UTF-16
        return raw.decode("utf-16" if raw[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("The file is no text in UTF-8.") from error


def _page(request: HttpRequest, suggestion: SuggestionRecord, *, status: int = 200, error: str = "") -> HttpResponse:
    kept: ModelsMap | None = getattr(suggestion.database, "models_map", None)
    shown = suggestion_tabs(suggestion, kept_schema(suggestion.database), models_of(kept), timezone.localtime())
    keys = [tab.key for tab in shown.tabs]
    wanted = request.GET.get("tab", "")
    context = {
        "section": "findings",
        "suggestion": suggestion,
        "server": suggestion.database.server,
        "columns": ", ".join(str(column) for column in suggestion.columns),
        "evidence": evidence_of(suggestion),
        "shown": shown,
        "tab_key": wanted if wanted in keys else next(iter(keys), ""),
        "models_map": kept,
        "model_tabs": MODEL_TABS,
        "commands": (("In your Django project", MODELS_COMMAND), ("In your SQLAlchemy project", CLASSES_COMMAND)),
        "orm_choices": Database.Orm.choices,
        "orm_found": Database.Orm(suggestion.database.orm_found).label if suggestion.database.orm_found else "",
        "map_error": error,
        "map_text": request.POST.get("map", "")[:TEXT_SHOWN_AGAIN],
    }
    return render(request, "dashboard/suggestion.html", context, status=status)
