"""Restores a dump into the twin's database as the role without rights, and says what could not be restored and why.

What fails is tried again: over a collation with one in its place, else in plainer words, else without what a column may
hold (checks, defaults, ways to generate it).

pg_restore connects by itself: no psql reads the script, so nothing in it can escape to a shell. What would act on its
own (event triggers, triggers, publications, subscriptions, foreign servers) is left out by name of kind.

Long: each way to restore what failed goes on from what the one before left.
"""

import os
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from pglast import ast
from pglast.stream import RawStream

from analyzer.monitored.failures import redact_message
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.statements.tree import Node, Unparsable, fresh_parse
from analyzer.twin.cluster import DATABASE, ROLE, connect_role, superuser
from analyzer.twin.extensions import NOT_HERE
from analyzer.twin.partition_keys import Parent, attach_by_hash, by_hash, parent_of
from analyzer.twin.plainer import without_checks_and_defaults, without_storage
from analyzer.twin.stand_ins import StandInCollation, StandInType, create_collation

# entries of the archive's table of contents that a plan may depend on; everything else stays out
KINDS = frozenset({
    "SCHEMA", "SHELL TYPE", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "AGGREGATE", "OPERATOR", "OPERATOR CLASS",
    "OPERATOR FAMILY", "CAST", "COLLATION", "TEXT SEARCH PARSER", "TEXT SEARCH DICTIONARY", "TEXT SEARCH TEMPLATE",
    "TEXT SEARCH CONFIGURATION", "TABLE", "FOREIGN TABLE", "TABLE ATTACH", "SEQUENCE", "SEQUENCE OWNED BY", "DEFAULT",
    "VIEW", "MATERIALIZED VIEW", "RULE", "INDEX", "INDEX ATTACH", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT",
    "STATISTICS", "STATISTICS DATA",
})  # fmt: skip
LEFT_OUT = frozenset({
    "ACCESS METHOD", "ACL", "BLOB", "BLOB METADATA", "BLOBS", "COMMENT", "CONVERSION", "DATABASE",
    "DATABASE PROPERTIES", "DEFAULT ACL", "EVENT TRIGGER", "EXTENSION", "FOREIGN DATA WRAPPER", "FOREIGN SERVER",
    "POLICY", "PROCEDURAL LANGUAGE", "PUBLICATION", "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA", "ROW SECURITY", "SECURITY LABEL", "SEQUENCE SET", "SERVER", "SUBSCRIPTION",
    "SUBSCRIPTION TABLE", "TRANSFORM", "TRIGGER", "USER MAPPING",
})  # fmt: skip
# No rows are dumped, so "TABLE DATA x" is a table in a schema named "DATA".
UNDEFINED = "42704"
REWRITTEN = frozenset({"DOMAIN", "FOREIGN TABLE", "TABLE", "INDEX", "MATERIALIZED VIEW", "CONSTRAINT"})
NO_SPACE = "No space left on device"  # every object would be missing for it, and the twin kept so
CHECKS = "checks and defaults of"  # a table: what it was restored without
_BY_LENGTH = sorted(KINDS | LEFT_OUT, key=len, reverse=True)
_ENTRY = re.compile(r"(?P<id>\d+); (?P<catalog>\d+) (?P<oid>\d+) (?P<rest>.+)")
_FAILED = re.compile(r"pg_restore: from TOC entry (?P<id>\d+);")
_NO_COLLATION = re.compile(r'collation "(?:pg_catalog\.)?(?P<name>[^"]+)" for encoding "[^"]+" does not exist')
_NO_OPCLASS = re.compile(r"data type (?P<type>\S+) has no default operator class|operator class \S+ does not exist")
_ERROR = re.compile(r"pg_restore: error: could not execute query: ERROR: +(?P<message>.*)")


# of domains, by way of stand-ins for functions (extensions.py)
_UNCHECKABLE = """
select distinct format('alter domain %%s drop constraint %%I', c.contypid::regtype, c.conname)
from pg_constraint as c
join pg_depend as d on d.classid = 'pg_constraint'::regclass and d.objid = c.oid and d.refclassid = 'pg_proc'::regclass
join pg_proc as p on p.oid = d.refobjid
where c.contypid <> 0 and c.contype = 'c' and p.prosrc like %s
"""


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A line of ``pg_restore --list``. ``oid``: the object's on the server. ``label``: schema, name and owner."""

    id: int
    oid: int
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class Missing:
    """What the twin lacks. ``oid``: the object's on the server, 0 unknown."""

    kind: str  # as in the dump, in lower case: "table", "function"
    name: str
    reason: str
    oid: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.reason}"


class Restorer:
    """One dump, one database. ``timeout_s`` bounds what a hostile schema's own functions can take."""

    def __init__(self, cluster: PostgresCluster, dump: Path, *, pg_restore: Path, timeout_s: float = 600) -> None:
        self.cluster, self.dump, self.pg_restore, self.timeout_s = cluster, dump, pg_restore, timeout_s
        self.collations: list[StandInCollation] = []
        self.without_checks: list[Missing] = []
        self.by_hash: set[Parent] = set()  # partitioned so, since their key's type cannot be compared here
        self.incomplete: list[tuple[str, str, str]] = []  # schema and name of a table, why a partition is not in it

    def entries(self) -> list[ArchiveEntry]:
        archive_entries = []
        for line in self._run("--list").stdout.decode("utf-8", "replace").splitlines():
            match = _ENTRY.fullmatch(line)
            if match is None:
                continue
            kind = next((k for k in _BY_LENGTH if match["rest"].startswith(f"{k} ")), "")
            label = match["rest"].removeprefix(kind).strip()
            archive_entries.append(ArchiveEntry(int(match["id"]), int(match["oid"]), kind, label))
        return archive_entries

    def restore(
        self,
        missing_extensions: Mapping[str, str],
        done_schemas: Collection[str] = (),
        stand_ins: Sequence[StandInType] = (),
    ) -> list[Missing]:
        """All that can be restored; the rest, in the dump's order. ``stand_ins``: types that are there already."""
        wanted = [e for e in self.entries() if e.kind in KINDS and not _is_there(e, done_schemas, stand_ins)]
        foreign = [e for e in wanted if e.kind == "FOREIGN TABLE"]
        failed = dict.fromkeys((e.id for e in foreign), "it could not be created")
        failed |= self._restore_some([e for e in wanted if e.kind != "FOREIGN TABLE"])
        while self._create_collations(wanted, failed):
            self._again(wanted, failed)
        if self._drop_uncheckable() and failed:
            self._again(wanted, failed)
        # what fails as it is may do so in plainer words, and others may have failed for want of it
        rewritten: set[int] = set()
        while rest := [e for e in wanted if e.id in failed and e.kind in REWRITTEN and e.id not in rewritten]:
            rewritten |= {e.id for e in rest}
            left = len(failed)
            for entry in rest:
                if (reason := self._restore_plainly(entry)) is None:
                    del failed[entry.id]
                else:
                    failed[entry.id] = reason
            if len(failed) < left:
                self._again(wanted, failed)
                while self._create_collations(wanted, failed):
                    self._again(wanted, failed)
        if self.by_hash:
            self._attach_by_hash([e for e in wanted if e.id in failed and e.kind == "TABLE ATTACH"], failed)
            self._again(wanted, failed)
        self._note_incomplete([e for e in wanted if e.id in failed and e.kind == "TABLE ATTACH"], failed)
        return [
            *self.without_checks,
            *(
                _missing(entry, failed[entry.id], missing_extensions)
                for entry in wanted
                if entry.id in failed and not _is_consequence(failed[entry.id], entry.kind, stand_ins)
            ),
        ]

    def _again(self, entries: Sequence[ArchiveEntry], failed: dict[int, str]) -> None:
        rest = [e for e in entries if e.id in failed and e.kind != "FOREIGN TABLE"]
        for entry in rest:
            del failed[entry.id]
        failed |= self._restore_some(rest)

    def _create_collations(self, entries: Sequence[ArchiveEntry], failed: dict[int, str]) -> int:
        """Stand-ins for those that could not be created and those that others miss; how many were made."""
        made = []
        with superuser(self.cluster) as connection:
            for entry in [e for e in entries if e.kind == "COLLATION" and e.id in failed]:
                for node in self._statements(entry) or ():
                    if not isinstance(node, ast.DefineStmt) or len(node.defnames) != 2:
                        continue
                    schema, name = (part.sval for part in node.defnames)
                    options = {o.defname: o.arg for o in node.definition or ()}
                    is_icu = "icu" in RawStream()(options["provider"]) if "provider" in options else False
                    is_exact = "deterministic" not in options or _is_true(options["deterministic"])
                    kind = ("ICU" if is_icu else "not on this machine") + ("" if is_exact else ", not deterministic")
                    made.append(create_collation(connection, schema, name, kind=kind, is_deterministic=is_exact))
                    if made[-1] is not None:
                        del failed[entry.id]
            names = {m["name"] for reason in failed.values() if (m := _NO_COLLATION.search(reason))}
            names -= {c.name for c in self.collations} | {_name(e) for e in entries if e.kind == "COLLATION"}
            for name in sorted(names):
                kind = "ICU" if name.endswith("-x-icu") else "not on this machine"
                made.append(create_collation(connection, "pg_catalog", name, kind=kind))
        self.collations += [collation for collation in made if collation is not None]
        return len(made) - made.count(None)

    def _drop_uncheckable(self) -> int:
        """Checks of domains that call what the twin does not have: sample values could not be restored."""
        with superuser(self.cluster) as connection:
            rows = connection.execute(_UNCHECKABLE, [f"%{NOT_HERE}%"]).fetchall()
            for (statement,) in rows:
                connection.execute(statement.encode())
        return len(rows)

    def _note_incomplete(self, entries: Sequence[ArchiveEntry], failed: Mapping[int, str]) -> None:
        """Partitions that could not be attached: a plan of their parent would be one of less data."""
        for entry in entries:
            for node in self._statements(entry) or ():
                if isinstance(node, ast.AlterTableStmt):
                    parent = node.relation
                    self.incomplete.append((parent.schemaname or "public", parent.relname, failed[entry.id]))

    def _attach_by_hash(self, entries: Sequence[ArchiveEntry], failed: dict[int, str]) -> None:
        """Partitions of tables whose own bounds nothing here can compare."""
        attached: dict[Parent, list[tuple[ArchiveEntry, list[Node]]]] = {}
        for entry in entries:
            statements = self._statements(entry)
            if not isinstance(statements, str) and (parent := parent_of(statements)) in self.by_hash:
                attached.setdefault(parent, []).append((entry, statements))
        for partitions in attached.values():
            for number, (entry, statements) in enumerate(partitions):
                attach_by_hash(statements, len(partitions), number)
                reason = self._execute(statements)
                if reason is None:
                    del failed[entry.id]
                else:
                    failed[entry.id] = reason

    def _restore_some(self, entries: Sequence[ArchiveEntry]) -> dict[int, str]:
        """Reasons by id of the entries that failed."""
        if not entries:
            return {}
        done = self._run(
            "--no-owner", "--no-privileges", "--no-table-access-method", "--no-tablespaces", "--statistics",
            "--verbose",
            f"--dbname={self.cluster.dsn(DATABASE, ROLE)}", entries=entries,
        )  # fmt: skip
        text = done.stderr.decode("utf-8", "replace")
        kinds = {entry.id: entry.kind for entry in entries}
        failed: dict[int, str] = {}
        current: int | None = None
        for line in text.splitlines():
            if match := _FAILED.match(line):
                current = int(match["id"])
            elif (match := _ERROR.match(line)) and current is not None:
                # sample values stand in the statistics alone; elsewhere quotes hold names
                sqlstate = None if kinds.get(current) == "STATISTICS DATA" else UNDEFINED
                failed.setdefault(current, redact_message(match["message"], sqlstate))
        if full := next((reason for reason in failed.values() if NO_SPACE in reason), None):
            raise RuntimeFailure(f"The twin's files cannot be written: {full}")
        if done.returncode and not failed:
            last = next((line for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")
            raise RuntimeFailure(f"pg_restore failed: {redact_message(last, None)[:300]}")
        return failed

    def _statements(self, entry: ArchiveEntry) -> list[Node] | str:
        """The entry's parse trees, to change; or why there are none."""
        script = self._run("--no-owner", "--no-privileges", "--file=-", entries=[entry])
        # psql's \restrict lines are not SQL
        lines = script.stdout.decode("utf-8", "replace").splitlines()
        text = "\n".join(line for line in lines if not line.startswith("\\"))
        statements = fresh_parse(text)
        return statements.reason if isinstance(statements, Unparsable) else [raw.stmt for raw in statements]

    def _restore_plainly(self, entry: ArchiveEntry) -> str | None:
        """Without server, storage and options, which other versions and forks have more of; None, or why it failed."""
        statements = self._statements(entry)
        if isinstance(statements, str):
            return statements
        plain = [
            plainer_statement
            for statement in statements
            if (plainer_statement := without_storage(statement)) is not None
        ]
        if not plain:
            return "it is defined in a way the twin cannot read"
        reason = self._execute(plain)
        if reason is not None and _NO_OPCLASS.search(reason) and (parent := by_hash(plain)) is not None:
            reason = self._execute(plain)
            self.by_hash |= {parent} if reason is None else set()
        if (
            reason is not None
            and entry.kind in ("TABLE", "FOREIGN TABLE")
            and self._execute(without_checks_and_defaults(plain)) is None
        ):
            name = _name(entry)
            self.without_checks.append(Missing(CHECKS, name, reason, entry.oid))
            return None
        return reason

    def _execute(self, statements: Sequence[Node]) -> str | None:
        try:
            with connect_role(self.cluster) as connection:
                connection.execute("set check_function_bodies = off; set search_path = ''")
                with connection.transaction():
                    for statement in statements:
                        connection.execute(RawStream()(statement).encode())
        except psycopg.Error as error:
            return redact_message(error.diag.message_primary or "it could not be created", error.sqlstate)
        return None

    def _run(self, *options: str, entries: Sequence[ArchiveEntry] | None = None) -> subprocess.CompletedProcess[bytes]:
        list_file = self.dump.with_name(f"{self.dump.name}.{os.getpid()}.list")
        command = [str(self.pg_restore), *options]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C"}
        try:
            if entries is not None:
                list_file.write_text("".join(f"{entry.id};\n" for entry in entries))
                command.append(f"--use-list={list_file}")
            return subprocess.run(
                [*command, str(self.dump)],
                env=environment, capture_output=True, check=False, timeout=self.timeout_s, cwd="/",
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            reason = f"Restoring the schema into the twin took longer than {self.timeout_s:.0f} s"
            raise RuntimeFailure(reason) from error
        finally:
            list_file.unlink(missing_ok=True)


def _is_there(entry: ArchiveEntry, schemas: Collection[str], types: Sequence[StandInType]) -> bool:
    if entry.kind == "SCHEMA":
        return any(entry.label.startswith(f"- {name} ") for name in schemas)
    if entry.kind in ("TYPE", "SHELL TYPE"):
        return any(entry.label.startswith(f"{t.schema} {t.name} ") for t in types)
    return False


def _is_consequence(reason: str, kind: str, types: Sequence[StandInType]) -> bool:
    """Of something that is said to be missing itself: a relation, or a type that no index can be on."""
    if kind == "STATISTICS DATA":
        return reason.startswith("relation ") and reason.endswith(" does not exist")
    needs = _NO_OPCLASS.search(reason)
    if kind not in ("INDEX", "CONSTRAINT", "FK CONSTRAINT") or needs is None:
        return False
    name = (needs["type"] or "").replace('"', "").removesuffix("[]")
    return any(name in ("", t.name, f"{t.schema}.{t.name}") for t in types)


def _is_true(option: Node) -> bool:
    return RawStream()(option).strip("'\" ").lower() not in ("false", "off", "0", "f")


def _name(entry: ArchiveEntry) -> str:
    schema, _, rest = entry.label.partition(" ")
    name = rest.rpartition(" ")[0] or rest
    return name if schema == "-" else f"{schema}.{name}"


def _missing(entry: ArchiveEntry, reason: str, missing_extensions: Mapping[str, str]) -> Missing:
    missing = Missing(entry.kind.lower(), _name(entry), reason, entry.oid)
    needs = re.search(r"(type|function|operator class|operator|language|access method) ", reason)
    if needs and "does not exist" in reason and missing_extensions:
        names = ", ".join(sorted(missing_extensions))
        missing = replace(missing, reason=f"{reason} (the twin does not have: {names})")
    return missing
