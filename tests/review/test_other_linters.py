"""What squawk 2.30, django-migration-linter 6 and strong_migrations 2.5 warn of, and what eugene 0.8 and pgfence know
beyond: each named by a code here, or left out with the reason."""

import pytest

from analyzer.review.files.read import read_migration
from analyzer.review.review import review
from tests.review.builders import live_facts

SCHEMA = """
create table customers (id bigint primary key);
create table orders (id bigint primary key, customer_id bigint not null, note text, state varchar(20), a int, b int);
create index ix_orders_note on orders (note);
create table bare (a int);
create unique index ix_bare on bare (a);
"""
CASE = {
    "schema": SCHEMA,
    "sizes": {"orders": 90_000, "customers": 90_000, "bare": 90_000},
    "rows": {"orders": 100_000_000, "customers": 1_000_000},
    "statements": {"select id, note, a from orders": 500, "insert into orders (id, customer_id) values (1, 2)": 500},
}
NAMED = {
    "squawk: adding-field-with-default": ("alter table orders add column c int default random()::int", "MG001"),
    "squawk: adding-foreign-key-constraint": (
        "alter table orders add constraint f foreign key (customer_id) references customers", "MG002",
    ),
    "squawk: adding-not-nullable-field": ("alter table orders alter column note set not null", "MG002"),
    "squawk: adding-required-field": ("alter table orders add column c int not null", "MG012"),
    "squawk: adding-serial-primary-key-field": ("alter table orders add constraint p primary key (a)", "MG003"),
    "squawk: ban-char-field": ("create table n (id bigint primary key, c char(3))", "MG043"),
    "squawk: ban-concurrent-index-creation-in-transaction": (
        "begin; create index concurrently ix on orders (a); commit", "MG010",
    ),
    "squawk: ban-drop-column": ("alter table orders drop column note", "MG020"),
    "squawk: ban-drop-database": ("drop database app", "MG048"),
    "squawk: ban-drop-not-null": ("alter table orders alter column customer_id drop not null", "MG026"),
    "squawk: ban-drop-table": ("drop table orders", "MG021"),
    "squawk: ban-truncate-cascade": ("truncate orders cascade", "MG024"),
    "squawk: ban-disable-trigger": ("alter table orders disable trigger all", "MG047"),
    "squawk: changing-column-type": ("alter table orders alter column a type text", "MG001"),
    "squawk: constraint-missing-not-valid": ("alter table orders add constraint c check (a > 0)", "MG002"),
    "squawk: disallowed-unique-constraint": ("alter table orders add constraint u unique (a)", "MG003"),
    "squawk: prefer-big-int": ("create table n (id int generated always as identity primary key)", "MG046"),
    "squawk: prefer-identity": ("create table n (id bigserial primary key)", "MG045"),
    "squawk: prefer-robust-stmts": ("create index concurrently ix_orders_note on orders (note)", "MG019"),
    "squawk: prefer-timestamp-tz": ("create table n (id bigint primary key, at timestamp)", "MG044"),
    "squawk: renaming-column": ("alter table orders rename column note to remark", "MG022"),
    "squawk: renaming-table": ("alter table orders rename to purchases", "MG022"),
    "squawk: require-concurrent-index-creation": ("create index ix on orders (a)", "MG003"),
    "squawk: require-concurrent-index-deletion": ("drop index ix_orders_note", "MG004"),
    "squawk: require-concurrent-reindex": ("reindex table orders", "MG003"),
    "squawk: require-concurrent-partition-detach": ("alter table orders detach partition orders_1", "MG004"),
    "squawk: require-timeout-settings": ("alter table orders add column c int", "MG031"),
    "squawk: transaction-nesting": ("begin; begin; alter table orders add column c int; commit", "MG034"),
    "squawk: ban-uncommitted-transaction": ("begin; alter table orders add column c int", "MG033"),
    "squawk: ban-drop-schema": ("drop schema s cascade", "MG048"),
    "squawk: prefer-repack": ("vacuum full orders", "MG001"),
    "squawk: identifier-too-long": (f"create table {'n' * 70} (id bigint primary key)", "MG049"),
    "squawk: require-enum-value-ordering": ("alter type e add value 'x'", "MG050"),
    "squawk: ban-drop-type": ("drop type e cascade", "MG028"),
    "squawk: ban-set-schema": ("alter table orders set schema other", "MG022"),
    "strong_migrations: adding a json column": ("alter table orders add column c json", "MG042"),
    "strong_migrations: adding a stored generated column": (
        "alter table orders add column c int generated always as (a + 1) stored", "MG001",
    ),
    "strong_migrations: adding an auto-incrementing column": ("alter table orders add column c bigserial", "MG001"),
    "strong_migrations: adding an exclusion constraint": (
        "alter table orders add constraint e exclude using btree (a with =)", "MG003",
    ),
    "strong_migrations: backfilling data": ("update orders set a = 1", "MG032"),
    "strong_migrations: renaming a schema": ("alter schema public rename to old", "MG022"),
    "django-migration-linter: NOT_NULL": ("alter table orders add column c int not null", "MG012"),
    "django-migration-linter: DROP_INDEX": ("drop index ix_orders_note", "MG004"),
    "eugene: W14, a primary key of an index on what may be NULL": (
        "alter table bare add primary key using index ix_bare", "MG002",
    ),
    "pgfence: replica-identity-full": ("alter table orders replica identity full", "MG053"),
}  # fmt: skip
# left out
# squawk: ban-set-default, ban-drop-default:
#   done at once, and running code that gives every value never sees it
# squawk: ban-create-domain-with-constraint:
#   nothing has the domain yet
# squawk: ban-alter-domain-with-add-constraint:
#   said (MG002) where a table has a column of it
# squawk: prefer-text-field:
#   a length may be a rule, and a larger one later rewrites nothing
# strong_migrations: adding an index non-uniquely on more than three columns:
#   the advisor says which columns an index needs
# strong_migrations: changing the default value of a column:
#   done at once


def codes(sql: str) -> set[str]:
    found = review(read_migration(sql, "-", single_transaction=False), 160_000, live_facts(CASE, 160_000))
    return {finding.code for _, finding in found.findings}


@pytest.mark.parametrize("rule", NAMED)
def test_what_others_warn_of_is_named(rule: str) -> None:
    sql, code = NAMED[rule]
    assert code in codes(sql)
