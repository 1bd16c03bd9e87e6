"""Statements on different tables get rows of their own; rows of a cursor's FETCHes go to the statement that declared it.

Fingerprints are made anew from the texts kept, and renamed wherever they are written. What one row holds of several
texts cannot be told from the store: their entries' texts are asked for again, and their history goes with the entries.
"""

from django.db import migrations, models
from django.db.models import Count, Q

from analyzer.statements.fingerprint import fingerprint
from analyzer.statements.inner_query import fetched_cursor, inner_query, planned_kind


def rename(apps, schema_editor):
    Server = apps.get_model("analyzer", "Server")
    for server_id in Server.objects.values_list("pk", flat=True):
        renamed = _rename_statements(apps, server_id)
        if renamed:
            _rename_mentions(apps, server_id, renamed)


def _rename_statements(apps, server_id):
    """Old fingerprint -> new one, of those that differ."""
    Statement, Entry = (apps.get_model("analyzer", name) for name in ("Statement", "StatementEntry"))
    statements = Statement.objects.filter(server_id=server_id, text_state="ok").order_by("first_seen", "pk")
    statements = statements.only("fingerprint", "kind", "normalized_sql").iterator(chunk_size=500)
    taken = set(Statement.objects.filter(server_id=server_id).values_list("fingerprint", flat=True))
    several = set(
        Entry.objects.filter(server_id=server_id, statement__isnull=False).values("statement_id")
        .annotate(queryids=Count("queryid", distinct=True)).filter(queryids__gt=1)
        .values_list("statement_id", flat=True)
    )  # fmt: skip
    keepers, renamed = {}, {}
    for statement in statements:
        inner = inner_query(statement.normalized_sql)
        is_of_cursor = (inner and inner.cursor is not None) or fetched_cursor(statement.normalized_sql) is not None
        if statement.pk in several or is_of_cursor:
            Entry.objects.filter(statement_id=statement.pk).update(is_text_due=True)
        new, old = fingerprint(statement.normalized_sql), statement.fingerprint
        if new is None:
            continue
        kind = planned_kind(statement.normalized_sql)
        if new != old and new in keepers:  # two cursors' names are one statement now
            Entry.objects.filter(statement_id=statement.pk).update(statement_id=keepers[new])
            statement.delete()
            renamed[old] = new
            continue
        keepers.setdefault(new, statement.pk)
        if new == old and kind == statement.kind:
            continue
        if new != old and new in taken:
            continue  # another row has that name and its own text: the entries find theirs when they are read again
        statement.fingerprint, statement.kind = new, kind
        statement.save(update_fields=["fingerprint", "kind"])
        if new != old:
            renamed[old] = new
    return renamed


def _rename_mentions(apps, server_id, renamed):
    Finding, Suggestion, Run = (
        apps.get_model("analyzer", name) for name in ("FindingRecord", "SuggestionRecord", "AdviceRun")
    )
    for finding in Finding.objects.filter(server_id=server_id).iterator():
        about = renamed.get(finding.about)
        related = [renamed.get(f, f) for f in finding.related_fingerprints]
        if about is None and related == finding.related_fingerprints:
            continue
        if about is not None:
            finding.key = _renamed_key(finding.key, renamed)
            finding.about = about
        finding.related_fingerprints = related
        finding.save(update_fields=["key", "about", "related_fingerprints"])
    for record in Suggestion.objects.filter(database__server_id=server_id).iterator():
        _rename_in(record, ("helps", "outcome", "evidence"), renamed)
        keys = [_renamed_key(key, renamed) for key in record.finding_keys]
        if keys != record.finding_keys:
            record.finding_keys = keys
            record.save(update_fields=["finding_keys"])
    for run in Run.objects.filter(database__server_id=server_id).iterator():
        _rename_in(run, ("result",), renamed)


def _rename_in(record, names, renamed):
    changed = []
    for name in names:
        before = getattr(record, name)
        after = _renamed(before, renamed)
        if after != before:
            setattr(record, name, after)
            changed.append(name)
    if changed:
        record.save(update_fields=changed)


def _renamed_key(key, renamed):
    """Of a finding: "PL004:ab12:Seq Scan on t", cut to what the column holds."""
    code, colon, rest = key.partition(":")
    return f"{code}{colon}{_renamed(rest, renamed)}"[:500]


def _renamed(value, renamed):
    """Fingerprints stand alone, as values or as keys, or before a colon ("ab12:typical")."""
    if isinstance(value, str):
        head, colon, rest = value.partition(":")
        return f"{renamed[head]}{colon}{rest}" if head in renamed else value
    if isinstance(value, list):
        return [_renamed(item, renamed) for item in value]
    if isinstance(value, dict):
        return {_renamed(key, renamed): _renamed(item, renamed) for key, item in value.items()}
    return value


class Migration(migrations.Migration):
    dependencies = [("analyzer", "0012_plan_by_twin")]
    operations = [
        migrations.AddField("statemententry", "is_text_due", models.BooleanField(db_default=False)),
        migrations.AddField("statemententry", "cursor", models.CharField(blank=True, db_default="", max_length=63)),
        migrations.AddField("statemententry", "is_fetch", models.BooleanField(db_default=False)),
        migrations.AddField("statemententry", "adds_calls", models.BooleanField(db_default=True)),
        migrations.AddIndex(
            "statemententry",
            models.Index(fields=["server", "cursor"], name="ix_entry_cursor", condition=~Q(cursor="")),
        ),
        migrations.RunPython(rename, migrations.RunPython.noop),
    ]
