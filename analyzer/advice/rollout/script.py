"""Index changes as one script for psql, and one that takes them back: checks, retries, CONCURRENTLY, a verdict on each.

rollout([change, ...], date, sizes)     changes as ``analyzer.advice.code.change`` makes them (creation, removal)

Each step waits until nobody is in its way, runs, and is tried again where a lock timed out; an invalid index that a
broken-off build left is dropped before the next try. A step that is done already is skipped, so that a script can run
twice. The first thing that cannot be done ends the script with one sentence and psql's exit status 3.
``steps.py`` cuts changes into steps, ``psql.py`` has the parts that are the same in every script.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from analyzer.advice.code.change import Change, dollar_quoted, in_each_schema
from analyzer.advice.rollout import psql
from analyzer.advice.rollout.steps import RolloutStep, steps_back, steps_forward
from analyzer.schema.quoting import comment, qualified, quote_literal
from analyzer.statements.tokens import scan
from analyzer.words.sizes import size_words

# judgement: the index itself, and the sorted runs that a build writes to temporary files, about as much again
DISK_FACTOR = 2
PROGRESS = """\
-- Progress of a build, in another session:
--   SELECT phase, round(100.0 * blocks_done / nullif(blocks_total, 0), 1) AS percent, lockers_done, lockers_total,
--       current_locker_pid FROM pg_stat_progress_create_index WHERE datname = current_database();
"""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Texts for ``psql -f``. File names have the date, as those of ``analyzer.advice.code``."""

    file_name: str
    script: str
    undo_file_name: str
    undo: str


def rollout(
    changes: Sequence[Change], date: datetime, sizes: Mapping[str, int] | None = None, *, database: str = ""
) -> Rollout:
    """``sizes``: bytes by name of the index to be; what is not in it is said to be unknown. Drops come last."""
    ordered = sorted((part for change in changes for part in in_each_schema(change)), key=lambda change: change.is_drop)
    forward = [step for change in ordered for step in steps_forward(change, _size_here(change, changes, sizes or {}))]
    back = [step for change in reversed(ordered) for step in steps_back(change)]
    slug = changes[0].slug if len(changes) == 1 else f"{len(ordered)}_indexes"
    file_name, undo_file_name = (f"{date:%Y%m%d%H%M}_{slug}.{end}.sql" for end in ("rollout", "undo"))
    titles = [change.title for change in ordered]
    cautions = dict.fromkeys(caution for change in ordered for caution in change.ddl.cautions)
    undo_titles = [f"Undo: {title}" for title in titles]
    return Rollout(
        file_name,
        _script([*titles, *cautions], file_name, database, forward, f"-- Undo: psql -X -f {undo_file_name}\n"),
        undo_file_name, _script(undo_titles, undo_file_name, database, back, ""),
    )  # fmt: skip


def _size_here(change: Change, changes: Sequence[Change], sizes: Mapping[str, int]) -> int | None:
    """Of the index in this schema: a share of what it takes in all, by the tables' sizes."""
    whole = sizes.get(change.name)
    definition = next((c.definition for c in changes if c.name == change.name and c.definition), None)
    if whole is None or definition is None or not definition.also:
        return whole
    total = sum(t.size_bytes or 0 for t in (definition.table, *definition.also))
    return round(whole * (change.table.size_bytes or 0) / total) if total else None


def _script(titles: Sequence[str], file_name: str, database: str, steps: Sequence[RolloutStep], tail: str) -> str:
    return (
        "".join(comment(title) for title in titles)
        + comment(f"Run it as the tables' owner: psql -X -d {database or 'DATABASE'} -f {file_name}")
        + "-- psql 11 or newer, connected directly, not through a transaction pooler. It may run twice.\n"
        + PROGRESS
        + psql.SESSION
        + "\n"
        + psql.settings()
        + "\n"
        + _variables()
        + _checks(steps)
        + "".join(_step(step, f"{at} of {len(steps)}") for at, step in enumerate(steps, start=1))
        + f"\nSELECT 'Done.';\n{tail}"
    )


def _variables() -> str:
    """The parts that every step uses, each a statement in a variable."""
    texts = {
        "wait": psql.WAIT, "drop_invalid": psql.DROP_INVALID, "own_search_path": psql.OWN_PATH, "fail": psql.FAIL,
        "stop": psql.STOP, "check_whole": psql.CHECK_WHOLE,
        **{f"todo_{kind}": psql.todo(kind) for kind in psql.TODO_AFTER},
        **{f"outcome_{kind}": psql.outcome(todo) for kind, todo in psql.TODO_AFTER.items()},
        **{f"ok_{kind}": text for kind, text in psql.OK.items()},
    }  # fmt: skip
    items = ",\n".join(f"{dollar_quoted(text, 'part')} AS {name}" for name, text in texts.items())
    return f"-- The parts that every step below uses, each a statement in a variable of psql\nSELECT\n{items} \\gset\n"


def _checks(steps: Sequence[RolloutStep]) -> str:
    wanted = [step for step in steps if step.index and not step.is_whole]
    builds = [step for step in steps if step.kind == "build"]
    tables = sorted({qualified(step.table.schema, step.table.name) for step in steps})
    rows = [(qualified(s.table.schema, s.table.name), s.index if s.kind == "build" else "") for s in wanted]
    rows += [(table, "") for table in tables if table not in {row[0] for row in rows}]
    problems = psql.PROBLEMS.format(
        rows=",\n        ".join(f"({quote_literal(table)}, {quote_literal(index)})" for table, index in rows)
    )
    sizes = ",\n    ".join(
        f"({quote_literal(s.index)}, {'NULL' if s.size_bytes is None else s.size_bytes}::bigint)" for s in builds
    )
    disk = psql.FREE_DISK + psql.DISK.format(rows=sizes, factor=DISK_FACTOR) if builds else ""
    regclasses = ", ".join(f"to_regclass({quote_literal(table)})" for table in tables)
    return (
        f"\n-- Checks: nothing has been changed so far\n{problems}\\if :must_stop\n:stop;\n\\endif\n{disk}"
        + psql.waits(regclasses)
    )


def _step(step: RolloutStep, which: str) -> str:
    if step.is_whole:
        return _whole(step)
    size = "" if step.size_bytes is None else f", about {size_words(step.size_bytes)}"
    title = f"Step {which}: {step.what}{size}; up to {psql.STATEMENT_TRIES} tries"
    table = qualified(step.table.schema, step.table.name)
    about = {"step": step.what, "kind": step.kind, "table": table, "index": step.index, "error": ""}
    known = ",\n    ".join(
        f"set_config('pgloupe.{k}', {quote_literal(v)}, false) AS ignored_{k}" for k, v in about.items()
    )
    timeout = "build_timeout" if step.kind in ("build", "drop") else "brief_timeout"
    leftovers = "".join(
        "SELECT format('DROP INDEX CONCURRENTLY IF EXISTS %s', i.indexrelid::regclass) FROM pg_index AS i"
        f" WHERE NOT i.indisvalid AND i.indexrelid = to_regclass({quote_literal(index)}) \\gexec\n"
        for index in step.leftovers
    )
    drop_invalid = ":drop_invalid \\gexec\n" if step.kind == "build" else ""
    once = (
        "\\if :again\n:wait;\n\\set ON_ERROR_STOP off\n"
        f"{drop_invalid}:own_search_path \\gset\n:statement;\n:outcome_{step.kind} \\gset\n"
        "\\set ON_ERROR_STOP on\n\\endif\n"
    )
    clean = (
        "SELECT set_config('lock_timeout', :'brief_timeout', false) AS ignored \\gset\n\\set ON_ERROR_STOP off\n"
        f"{drop_invalid}\\set ON_ERROR_STOP on\n"
        if step.kind == "build"
        else ""
    )
    return (
        f"\n{comment(title)}"
        f"SELECT {dollar_quoted(colons_apart(step.sql), 'sql')} AS statement,\n    {known},\n"
        f"    set_config('lock_timeout', :'{timeout}', false) AS ignored \\gset\n{leftovers}"
        f":todo_{step.kind} \\gset\n{once * psql.STATEMENT_TRIES}\\if :todo\n{clean}:fail;\n\\endif\n:ok_{step.kind};\n"
    )


def _whole(step: RolloutStep) -> str:
    name = quote_literal(step.index)
    about = f"SELECT set_config('pgloupe.index', {name}, false) AS ignored \\gset\n"
    if step.stays_invalid:
        said = f"OK: each partition has {step.index}; as a whole it stays invalid, since foreign partitions have none."
        return f"\n{about}SELECT {quote_literal(said)};\n"
    return (
        f"\n-- The verdict on the whole table's index\n{about}"
        ":check_whole \\gset\n\\if :is_whole\n:ok_whole;\n\\else\n:stop;\n\\endif\n"
    )


def colons_apart(sql: str) -> str:
    """A space after each colon that stands alone outside quotes: psql takes ``[1:x]`` for its variable x."""
    cuts = [token.start + 1 for token in scan(sql) if token.name == "ASCII_58"]
    for cut in reversed(cuts):
        sql = f"{sql[:cut]} {sql[cut:]}"
    return sql
