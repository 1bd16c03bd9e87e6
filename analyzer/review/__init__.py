"""Reviews a migration against a database's live facts: locks, rewrites, scans, who waits, and the safe sequence. Pure.

``files`` reads a FILE into statements with their lines and transactions, ``statements`` makes typed actions of each,
``locks`` and ``work`` say what an action takes and does, ``rules`` what is wrong with that, ``safe_sequence`` what to
run instead. ``facts_at_statement`` holds what is known of the database at each statement: the facts that were read, and
what the statements before it changed.
"""
