"""What an action does to the rows while it holds its locks: rewrites the table, reads all of it, builds indexes.

Source: tablecmds.c (ATRewriteTable and what makes tab->rewrite), the manual on ALTER TABLE; tests/review/test_locks.py
compares it with servers: pg_relation_filenode and the rows that scans read.
"""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.review.actions import Action, Kind, NewColumn
from analyzer.review.column_types import ColumnType, change, fields_words, type_named, type_of
from analyzer.review.defaults import is_volatile
from analyzer.review.effects import TableWork, WorkKind
from analyzer.review.facts_at_statement import FactsAtStatement
from analyzer.review.indexable import takes_no_index
from analyzer.review.locks import domain_tables, name_of
from analyzer.review.partitions import attach_work, default_partition_work
from analyzer.schema.facts import ForeignKeyFacts, IndexFacts, TableFacts
from analyzer.statements.parse import TableName
from analyzer.statements.tree import Node, column_names, name_parts, single_statement, without_casts


def work_of(action: Action, known: FactsAtStatement) -> list[TableWork]:
    """Without that on tables known to be empty, where there is nothing to do."""
    works = [w for w in _work(action, known) if not known.is_empty(w.relation)]
    unique: dict[tuple[WorkKind, str], TableWork] = {}
    for work in works:
        key = (work.kind, known.key(work.relation))
        if key not in unique or (work.is_certain and not unique[key].is_certain):
            unique[key] = work
    return list(unique.values())


def _work(action: Action, known: FactsAtStatement) -> Iterator[TableWork]:
    relation, kind = action.relation, action.kind
    if kind is Kind.REINDEX_INDEX:
        owner = known.owner_of_index(action.others[0])
        if owner is not None:
            yield TableWork("index", name_of(owner), f"{action.others[0]} is built anew", indexes=1)
        return
    if kind is Kind.DOMAIN:
        yield from (
            TableWork("scan", name_of(t), f"values of domain {action.name} are checked")
            for t in domain_tables(action, known)
        )
        return
    if kind is Kind.CREATE_PARTITION and action.others:
        yield from default_partition_work(action.others[0], known)
        return
    if relation is None:
        return
    simple = SIMPLE.get(kind)
    if kind in OF_NEW_PARTITIONS and _is_partitioned(relation, known):
        return
    if simple is not None:
        yield TableWork(simple[0], relation, simple[1])
    elif kind is Kind.ADD_COLUMN and action.new is not None:
        if not (action.if_exists and known.column(relation, action.column).type is not None):
            yield from _added_column(action.new, relation, known)
    elif kind is Kind.ALTER_TYPE:
        yield from _changed_type(action, relation, known)
    elif kind in (Kind.SET_NOT_NULL, Kind.ADD_NOT_NULL):
        yield from _not_null(action, relation, known)
    elif kind is Kind.ADD_CHECK and not action.is_not_valid:
        yield TableWork("scan", relation, "every row is compared with the new CHECK")
    elif kind is Kind.ADD_FOREIGN_KEY and not action.is_not_valid:
        yield from _checked_key(relation, action.others[0], known)
    elif kind in (Kind.ADD_UNIQUE, Kind.ADD_PRIMARY_KEY, Kind.ADD_EXCLUDE):
        yield from _added_key(action, relation, known)
    elif kind is Kind.VALIDATE or (kind is Kind.ALTER_CONSTRAINT and _is_enforced_now(action.node.def_)):
        yield from _validated(action, relation, known)
    elif kind in (Kind.SET_LOGGED, Kind.SET_UNLOGGED):
        yield from _logged(action, relation, known)
    elif kind is Kind.CREATE_INDEX and not (action.is_only and _is_partitioned(relation, known)):
        if not (takes_no_index(relation, known) or (action.if_exists and _has_index(action, relation, known))):
            yield TableWork("index", relation, "the index is built", indexes=1)
    elif kind is Kind.REINDEX_TABLE:
        yield TableWork(
            "index", relation, "all its indexes are built anew", indexes=len(_indexes(relation, known)) or 1
        )
    elif kind is Kind.REFRESH and not action.is_off:
        yield TableWork(
            "scan" if action.is_concurrent else "rewrite", relation, "its query runs, and its rows are replaced"
        )
    elif kind is Kind.ATTACH_PARTITION:
        yield from attach_work(action, relation, known)


SIMPLE: dict[Kind, tuple[WorkKind, str]] = {
    Kind.SET_EXPRESSION: ("rewrite", "a generated column is computed anew for every row"),
    Kind.VACUUM_FULL: ("rewrite", "the table and its indexes are written anew"),
    Kind.CLUSTER: ("rewrite", "the table and its indexes are written anew, in the index's order"),
    Kind.SET_TABLESPACE: ("rewrite", "all its files are copied, unless it is there already"),
    Kind.SET_ACCESS_METHOD: ("rewrite", "the table is written anew, unless it has that method already"),
}


# of a partitioned table: what partitions made later get
OF_NEW_PARTITIONS = frozenset({Kind.SET_TABLESPACE, Kind.SET_ACCESS_METHOD})


def _added_column(new: NewColumn, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    is_rewritten = False
    for work in _filled_column(new, relation, known):
        is_rewritten = is_rewritten or work.is_certain
        yield work
    if new.check is not None and not is_rewritten:
        yield TableWork("scan", relation, "every row is compared with the new CHECK")
    if new.generated == "v" and new.is_not_null and new.check is None:
        yield TableWork("scan", relation, f"{new.name} is computed for every row and looked at for NULL")
    if new.is_unique or new.is_primary:
        yield TableWork("index", relation, "the constraint's index is built", indexes=1)
    if new.references is not None and new.has_value:
        yield from _checked_key(relation, new.references, known)


def _filled_column(new: NewColumn, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    """Where every row has to be written for the column's value."""
    if new.generated == "s":
        yield TableWork("rewrite", relation, "a stored generated column is computed for every row")
    elif new.type.is_serial or new.is_identity:
        yield TableWork("rewrite", relation, "every row gets a number of its own")
    elif new.default is not None and (volatile := is_volatile(new.default, known.live)) is not False:
        function, is_certain = volatile
        if is_certain:
            yield TableWork("rewrite", relation, f"{function}() is volatile: every row gets a value of its own")
        else:
            why = f"it does if {function}() is volatile, as functions are unless declared otherwise"
            yield TableWork("rewrite", relation, why, is_certain=False)
    elif (strict := _has_strict_domain(new.type, known)) is not False:
        if strict:
            yield TableWork("rewrite", relation, f"domain {new.type.name} has constraints to check for every row")
        else:
            why = f"it does if {new.type.name} is a domain with constraints"
            yield TableWork("rewrite", relation, why, is_certain=False)


def _has_strict_domain(of: ColumnType, known: FactsAtStatement) -> bool | None:
    """None where only a server knows what the type is."""
    if known.live is not None:
        domain = known.live.domains.get(of.name)
        return domain is not None and domain.has_constraints
    return False  # most types that are not the catalog's own are enums and extensions' types


def _changed_type(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    old, new = known.type_before(action), action.type
    assert new is not None
    using = action.node.def_.raw_default
    indexes = [i for i in _indexes(relation, known) if _mentions(i, action.column)]
    collation = _changes_collation(action)
    if using is not None and not _is_plain_cast(using, action.column, new):
        yield _type_rewrite(relation, "the USING expression is computed for every row", known)
        return
    if old is None:
        why = "it does unless the old type's values stay as they are (varchar to a longer one, or to text)"
        yield replace(_type_rewrite(relation, why, known), is_certain=False)
        return
    old, new_base, is_strict = _below_domains(old, new, known)
    how = change(old, new_base)
    if how == "rewrite" or is_strict:
        yield _type_rewrite(relation, f"from {words(old)} to {words(new)} every value is converted", known)
        yield from _keys_checked_again(action, relation, known)
        return
    if how == "in utc" and not known.is_utc:
        why = f"it does unless TimeZone is UTC in the session: then {words(old)} and {words(new)} have the same bytes"
        yield replace(_type_rewrite(relation, why, known), is_certain=False)
    if any(check_names(c.expression, action.column) for c in known.checks_of(relation) if c.is_validated):
        yield TableWork("scan", relation, f"a CHECK on {action.column} is made anew and compared with every row")
    rebuilt = [i for i in indexes if i.expressions or i.predicate is not None or collation or how == "in utc"]
    if rebuilt:
        names = ", ".join(i.name for i in rebuilt)
        yield TableWork("index", relation, f"{names}: built anew for the new type", indexes=len(rebuilt))


def _changes_collation(action: Action) -> bool:
    """Not where it names the default, which columns have that name none."""
    clause = action.node.def_.collClause
    return clause is not None and name_parts(clause.collname)[-1] != "default"


def _type_rewrite(relation: TableName, why: str, known: FactsAtStatement) -> TableWork:
    return TableWork("rewrite", relation, why, indexes=len(_indexes(relation, known)))


def _below_domains(old: ColumnType, new: ColumnType, known: FactsAtStatement) -> tuple[ColumnType, ColumnType, bool]:
    domains = known.live.domains if known.live else {}
    is_strict = new != old and new.name in domains and domains[new.name].has_constraints
    return below_domains(old, known), below_domains(new, known), is_strict


def below_domains(of: ColumnType, known: FactsAtStatement) -> ColumnType:
    domain = known.live.domains.get(of.name) if known.live else None
    return (type_named(domain.base_type) or of) if domain is not None else of


def _is_plain_cast(using: Node, column: str, new: ColumnType) -> bool:
    """``column``, ``column::new``: what would be done without USING."""
    inner = without_casts(using)
    if [*column_names(using)] != [column] or type(inner).__name__ != "ColumnRef":
        return False
    name = getattr(using, "typeName", None)
    return name is None or (type_of(name) == new and using.arg is inner)


def _keys_checked_again(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    table = known.table(relation)
    if table is None:
        return
    for owner, key in _keys_on(action.column, table, known):
        if key.is_validated:
            why, referenced = f"foreign key {key.name} is checked anew", (key.referenced_schema, key.referenced_table)
            yield from (TableWork("scan", name, why) for name in (name_of(owner), TableName(*referenced)))


def _keys_on(column: str, table: TableFacts, known: FactsAtStatement) -> Iterator[tuple[TableFacts, ForeignKeyFacts]]:
    for other in known.facts or ():
        for key in other.foreign_keys:
            is_own = other.oid == table.oid and column in key.columns
            if is_own or (key.referenced_oid == table.oid and column in key.referenced_columns):
                yield other, key


def _not_null(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    column = action.column or (action.columns[0] if action.columns else "")
    if action.is_not_valid:
        return
    proved = known.proves_not_null(relation, column)
    if proved is True:
        return
    why = f"every row is looked at for NULL in {column}"
    if proved is None:
        why += f", unless a valid CHECK ({column} IS NOT NULL) is there"
    yield TableWork("scan", relation, why, is_certain=proved is False)


def _checked_key(relation: TableName, referenced: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    if known.is_empty(relation):
        return
    yield TableWork("scan", relation, "every row is looked up in the referenced table", is_lookup=True)
    yield TableWork("scan", referenced, "the foreign key's rows are looked up in it")


def _added_key(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    if not action.using_index:
        yield TableWork("index", relation, "the constraint's index is built", indexes=1)
    if action.kind is Kind.ADD_PRIMARY_KEY:
        columns = key_columns(action, relation, known)
        unproved = [column for column in columns if known.proves_not_null(relation, column) is False]
        if unproved:
            why = f"every row is looked at for NULL in {', '.join(unproved)}, which a primary key makes NOT NULL"
            yield TableWork("scan", relation, why)


def key_columns(action: Action, relation: TableName, known: FactsAtStatement) -> tuple[str, ...]:
    """Those of USING INDEX, too."""
    made = known.indexes.get(action.using_index)
    there = next((i.columns for i in _indexes(relation, known) if i.name == action.using_index), ())
    return action.columns or (made.columns if made is not None else tuple(filter(None, there)))


def _is_enforced_now(constraint: Node) -> bool:
    return bool(constraint.alterEnforceability and constraint.is_enforced)


def _validated(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    table = known.table(relation)
    for key in table.foreign_keys if table else ():
        if table is not None and key.name == known.name_before(table, action.name):
            if not key.is_validated:
                yield from _checked_key(relation, TableName(key.referenced_schema, key.referenced_table), known)
            return
    check = next((c for c in known.checks_of(relation) if c.name == action.name), None)
    if check is None or not check.is_validated:
        yield TableWork("scan", relation, "every row is compared with the constraint")


def _logged(action: Action, relation: TableName, known: FactsAtStatement) -> Iterator[TableWork]:
    if known.is_unlogged(relation) == (action.kind is Kind.SET_UNLOGGED):
        return
    yield TableWork("rewrite", relation, "the table and its indexes are written anew")


def _indexes(relation: TableName, known: FactsAtStatement) -> tuple[IndexFacts, ...]:
    table = known.table(relation)
    return table.indexes if table else ()


def _is_partitioned(relation: TableName, known: FactsAtStatement) -> bool:
    table = known.table(relation)
    return table is not None and table.kind == "p"


def _has_index(action: Action, relation: TableName, known: FactsAtStatement) -> bool:
    return any(i.name == action.name for i in _indexes(relation, known))


def _mentions(index: IndexFacts, column: str) -> bool:
    texts = (*index.expressions, *([index.predicate] if index.predicate else []))
    return column in index.columns or any(column in column_names(single_statement(f"SELECT {t}")) for t in texts)


def check_names(expression: Node, column: str) -> bool:
    return column in column_names(expression)


def words(of: ColumnType) -> str:
    modifiers = f"({', '.join(map(str, of.modifiers))})" if of.modifiers else ""
    return f"{SPOKEN.get(of.name, of.name)}{fields_words(of)}{modifiers}{'[]' if of.is_array else ''}"


SPOKEN = {"int2": "smallint", "int4": "integer", "int8": "bigint", "bpchar": "char", "bool": "boolean"}
