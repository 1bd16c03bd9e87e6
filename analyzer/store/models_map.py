"""The map of tables to models that somebody uploaded for a database."""

from django.utils import timezone

from analyzer.advice.code import Models, known_orm, parse_map
from analyzer.errors import BadInput
from analyzer.models import Database, ModelsMap


def keep_models(database: Database, text: str, by: str) -> ModelsMap:
    """Replace the database's map; raises BadInput with the line or the table at fault, and keeps what was there."""
    if "\0" in text:
        raise BadInput("The map of models holds a zero byte: it is not a text.")
    classes = parse_map(text)
    if not classes:
        raise BadInput("The map of models names no table.")
    values = {"text": text, "tables": len(classes), "uploaded_at": timezone.now(), "uploaded_by": by[:150]}
    Database.objects.filter(pk=database.pk).update(orm_found=known_orm(classes, None))
    return ModelsMap.objects.update_or_create(database=database, defaults=values)[0]


def forget_models(database: Database) -> None:
    """What the tables tell of the ORM is found again with the next reading of the schema."""
    ModelsMap.objects.filter(database=database).delete()


def models_of(kept: ModelsMap | None) -> Models:
    """Empty without a map, or with one that an older version took and this one does not."""
    try:
        return parse_map(kept.text) if kept is not None else Models()
    except BadInput:
        return Models()
