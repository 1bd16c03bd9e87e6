"""Where an application's unqualified names lead: its search_path, guessed from what the catalog says."""

from collections.abc import Sequence

from analyzer.monitored.connection import Row


def application_search_path(rows: Sequence[Row]) -> tuple[str, ...]:
    """Existing schemas in the order they are searched; ``rows`` are those of ``schema_search_path.sql``.

    The database's setting counts before those of single roles (all but ours), because which role the application
    has is not known; ``"$user"`` stands for every schema that is named like a role. Without a setting for everybody
    the roles that have none keep PostgreSQL's default, ``"$user", public``, which then comes last.
    """
    schemas = {row.value for row in rows if row.kind == "schema"}
    of_users = sorted(row.value for row in rows if row.kind == "schema" and row.role is not None)
    settings = [row for row in rows if row.kind == "setting"]
    settings.sort(key=lambda row: (row.role is not None, not row.is_for_database, row.role or ""))
    paths = [split_search_path(row.value) for row in settings]
    if all(row.role is not None for row in settings):
        paths.append(["$user", "public"])
    names: list[str] = []
    for name in (name for path in paths for name in path):
        names += of_users if name == "$user" else [name]
    path = tuple(dict.fromkeys(name for name in names if name in schemas))
    return path or (("public",) if "public" in schemas else ())


def search_paths_of_roles(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """By role, of those whose path is not the one of "": a setting of theirs, or a schema of their name.

    PostgreSQL's order: a role's setting in this database, the role's, the database's, all databases'.
    """
    schemas = {row.value for row in rows if row.kind == "schema"}
    own_schema = {row.role for row in rows if row.kind == "schema" and row.role is not None}
    settings: dict[tuple[str, bool], list[str]] = {
        (row.role or "", row.is_for_database): split_search_path(row.value) for row in rows if row.kind == "setting"
    }
    everybodys = settings.get(("", True)) or settings.get(("", False)) or ["$user", "public"]
    paths: dict[str, tuple[str, ...]] = {}
    for role in ("", *sorted(own_schema | {role for role, _ in settings if role})):
        names = settings.get((role, True)) or settings.get((role, False)) or everybodys
        path = dict.fromkeys(role if name == "$user" else name for name in names)
        paths[role] = tuple(name for name in path if name in schemas)
    return {role: path for role, path in paths.items() if not role or path != paths[""]}


def split_search_path(text: str) -> list[str]:
    """The names in a setting such as ``"$user", App, "Odd, name"``: unquoted ones are lower case."""
    names, at = [], 0
    while at < len(text):
        if text[at] in ", \t\n":
            at += 1
        elif text[at] == '"':
            name = ""
            at += 1
            while at < len(text):
                if text[at] == '"':
                    if text[at + 1 : at + 2] != '"':
                        break
                    at += 1
                name += text[at]
                at += 1
            names.append(name)
            at += 1
        else:
            end = at
            while end < len(text) and text[end] not in ", \t\n":
                end += 1
            names.append(text[at:end].lower())
            at = end
    return names
