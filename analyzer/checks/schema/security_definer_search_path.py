"""SECURITY DEFINER functions without a search_path of their own.

Such a function runs with its owner's rights and the caller's search_path: a caller who can create objects in a schema
of that path, a temporary table for one, has the function call them with these rights. Where others may run it (PUBLIC,
as by default, or a role to which EXECUTE was granted; a trigger's function is run by whoever sets it off) and the
owner is a superuser, that is every right there is. To verify, \\df+ shows Security "definer", the configuration and who
may run it.

ALTER FUNCTION ... SET search_path = ..., pg_temp at the end; or qualify every name inside. Take EXECUTE from those
that need not run it. Left out are functions that only their owner, superusers and those with the owner's rights may
run, and those with a body in BEGIN ATOMIC: their names were resolved when they were made.
"""

from collections.abc import Iterator, Sequence

from analyzer.checks import Check, NotRun
from analyzer.checks.grouping import MOST_NAMES, left_out, listed, to_copy
from analyzer.findings import Finding, Severity
from analyzer.schema.facts import SchemaFacts
from analyzer.schema.objects import FunctionFacts
from analyzer.schema.quoting import qualified, quote_identifier
from analyzer.words.lists import some_of

check = Check(__name__, code="SC039", title="SECURITY DEFINER without search_path", severity=Severity.INFO)
COMPILED = {"c", "internal"}


@check.on(SchemaFacts)
def security_definer_search_path(facts: SchemaFacts) -> Iterator[Finding]:
    if facts.functions is None:
        raise NotRun("needs the functions")
    open_ones = [f for f in facts.functions if _is_open(f)]
    if not open_ones:
        return
    dangerous = [f for f in open_ones if f.owner_is_superuser]
    open_ones.sort(key=lambda f: not f.owner_is_superuser)
    names, count = [f.signature for f in open_ones], len(open_ones)
    yield check.finding(
        about=facts.database,
        subject="SECURITY DEFINER",
        message=(
            f"{count} SECURITY DEFINER function{'s run' if count > 1 else ' runs'} with the caller's search_path:"
            f" {some_of(names)}.{_of_superusers(dangerous)}"
        ),
        hint="Give each a search_path, and let only those run it who have to.",
        severity=Severity.WARNING if dangerous else Severity.INFO,
        evidence={"functions": listed(names), "function_count": count, "of_superuser": len(dangerous)},
        members=tuple(names),
        fixes=(
            to_copy(
                "A search_path of the function's own (name the schemas that it uses)",
                *(
                    f"ALTER ROUTINE {_named(f)} SET search_path = {quote_identifier(f.schema)}, pg_temp;"
                    for f in open_ones[:MOST_NAMES]
                ),
                *left_out(min(count, MOST_NAMES), count),
            ),
        ),
    )


def _is_open(function: FunctionFacts) -> bool:
    looks_names_up = function.language not in COMPILED and not function.has_sql_body
    is_definer = function.is_security_definer and looks_names_up and "search_path" not in function.settings
    return is_definer and (function.is_public or function.is_trigger or bool(function.runners))


def _of_superusers(functions: Sequence[FunctionFacts]) -> str:
    if not functions:
        return ""
    runners = ["PUBLIC"] if any(f.is_public for f in functions) else []
    runners += sorted({role for f in functions for role in f.runners})
    if any(f.is_trigger and not f.is_public for f in functions):
        runners.append("whoever sets its trigger off")
    belong = "1 of them belongs" if len(functions) == 1 else f"{len(functions):,} of them belong"
    return f" {belong} to a superuser and may be run by others: {some_of(runners)}."


def _named(function: FunctionFacts) -> str:
    return f"{qualified(function.schema, function.name)}({function.arguments})"
