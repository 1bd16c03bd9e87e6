"""Restores a dump into the twin's database as the role without rights, and says what could not be restored and why.

pg_restore connects by itself: no psql reads the script, so nothing in it can escape to a shell. What would act on its
own (event triggers, triggers, publications, subscriptions, foreign servers) is left out by name of kind.
"""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from pglast import ast, enums
from pglast.stream import RawStream

from analyzer.monitored.failures import redact_message
from analyzer.runtime.postgres import PostgresCluster
from analyzer.runtime.processes import RuntimeFailure
from analyzer.statements.tree import Node, Unparsable, fresh_parse
from analyzer.twin.cluster import DATABASE, ROLE, connect_role

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
REWRITTEN = frozenset({"FOREIGN TABLE", "TABLE", "INDEX", "MATERIALIZED VIEW", "CONSTRAINT"})
# of ALTER TABLE beside a CREATE TABLE: what a plan may depend on
KEPT_COMMANDS = frozenset({
    enums.AlterTableType.AT_AddIdentity, enums.AlterTableType.AT_AddConstraint, enums.AlterTableType.AT_SetStatistics,
    enums.AlterTableType.AT_SetNotNull, enums.AlterTableType.AT_ColumnDefault,
})  # fmt: skip
_BY_LENGTH = sorted(KINDS | LEFT_OUT, key=len, reverse=True)
_ENTRY = re.compile(r"(?P<id>\d+); (?P<catalog>\d+) (?P<oid>\d+) (?P<rest>.+)")
_FAILED = re.compile(r"pg_restore: from TOC entry (?P<id>\d+);")
_ERROR = re.compile(r"pg_restore: error: could not execute query: ERROR: +(?P<message>.*)")


@dataclass(frozen=True, slots=True)
class Entry:
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

    def entries(self) -> list[Entry]:
        found = []
        for line in self._run("--list").stdout.decode("utf-8", "replace").splitlines():
            match = _ENTRY.fullmatch(line)
            if match is None:
                continue
            kind = next((k for k in _BY_LENGTH if match["rest"].startswith(f"{k} ")), "")
            label = match["rest"].removeprefix(kind).strip()
            found.append(Entry(int(match["id"]), int(match["oid"]), kind, label))
        return found

    def restore(self, missing_extensions: Mapping[str, str], done_schemas: Sequence[str] = ()) -> list[Missing]:
        """All that can be restored; the rest, in the dump's order."""
        wanted = [e for e in self.entries() if e.kind in KINDS and not _is_schema(e, done_schemas)]
        foreign = [e for e in wanted if e.kind == "FOREIGN TABLE"]
        failed = dict.fromkeys((e.id for e in foreign), "it could not be created")
        failed |= self._restore_some([e for e in wanted if e.kind != "FOREIGN TABLE"])
        # what fails as it is may do so in plainer words, and others may have failed for want of it
        rewritten: set[int] = set()
        while plainer := [e for e in wanted if e.id in failed and e.kind in REWRITTEN and e.id not in rewritten]:
            rewritten |= {e.id for e in plainer}
            left = len(failed)
            for entry in plainer:
                if (reason := self._restore_plainly(entry)) is None:
                    del failed[entry.id]
                else:
                    failed[entry.id] = reason
            if len(failed) < left:
                rest = [e for e in wanted if e.id in failed and e.kind != "FOREIGN TABLE"]
                for entry in rest:
                    del failed[entry.id]
                failed |= self._restore_some(rest)
        return [_missing(entry, failed[entry.id], missing_extensions) for entry in wanted if entry.id in failed]

    def _restore_some(self, entries: Sequence[Entry]) -> dict[int, str]:
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
        if done.returncode and not failed:
            last = next((line for line in reversed(text.splitlines()) if line.strip()), "it gave no reason")
            raise RuntimeFailure(f"pg_restore failed: {redact_message(last, None)[:300]}")
        return failed

    def _restore_plainly(self, entry: Entry) -> str | None:
        """Without server, storage and options, which other versions and forks have more of; None, or why it failed."""
        script = self._run("--no-owner", "--no-privileges", "--file=-", entries=[entry]).stdout.decode()
        # psql's \restrict lines are not SQL
        text = "\n".join(line for line in script.splitlines() if not line.startswith("\\"))
        statements = fresh_parse(text)
        if isinstance(statements, Unparsable):
            return statements.reason
        plain = [found for raw in statements if (found := plainer(raw.stmt)) is not None]
        if not plain:
            return "it is defined in a way the twin cannot read"
        try:
            with connect_role(self.cluster) as connection:
                connection.execute("set check_function_bodies = off; set search_path = ''")
                with connection.transaction():
                    for statement in plain:
                        connection.execute(RawStream()(statement).encode())
        except psycopg.Error as error:
            return redact_message(error.diag.message_primary or "it could not be created", error.sqlstate)
        return None

    def _run(self, *options: str, entries: Sequence[Entry] | None = None) -> subprocess.CompletedProcess[bytes]:
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


def plainer(statement: Node) -> Node | None:
    """The statement with what makes a table or index, and nothing of how it is kept; None for others."""
    if isinstance(statement, ast.CreateForeignTableStmt):
        statement = statement.base
    if isinstance(statement, ast.CreateStmt):
        statement.options = statement.accessMethod = statement.tablespacename = None
        for column in statement.tableElts or ():
            if isinstance(column, ast.ColumnDef):
                column.fdwoptions = column.storage_name = column.compression = None
        return statement
    if isinstance(statement, ast.IndexStmt):
        statement.options = statement.tableSpace = None
        return statement
    if isinstance(statement, ast.CreateTableAsStmt):
        statement.into.options = statement.into.accessMethod = statement.into.tableSpaceName = None
        return statement
    if isinstance(statement, ast.AlterTableStmt):
        kept = tuple(command for command in statement.cmds if command.subtype in KEPT_COMMANDS)
        statement.cmds = kept
        return statement if kept and statement.objtype != enums.ObjectType.OBJECT_FOREIGN_TABLE else None
    return None


def _is_schema(entry: Entry, names: Sequence[str]) -> bool:
    return entry.kind == "SCHEMA" and any(entry.label.startswith(f"- {name} ") for name in names)


def _missing(entry: Entry, reason: str, missing_extensions: Mapping[str, str]) -> Missing:
    schema, _, rest = entry.label.partition(" ")
    name = rest.rpartition(" ")[0] or rest
    qualified = name if schema == "-" else f"{schema}.{name}"
    found = Missing(entry.kind.lower(), qualified, reason, entry.oid)
    needs = re.search(r"(type|function|operator class|operator|language|access method|collation) ", reason)
    if needs and "does not exist" in reason and missing_extensions:
        names = ", ".join(sorted(missing_extensions))
        found = replace(found, reason=f"{reason} (the twin does not have: {names})")
    return found
