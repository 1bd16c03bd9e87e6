"""Which kind of FILE it is, and its reader."""

from analyzer.review.files.migration import Migration
from analyzer.review.files.sql import read_sql


def read_migration(text: str, file: str, *, single_transaction: bool = False) -> Migration:
    return read_sql(text, single_transaction=single_transaction)
