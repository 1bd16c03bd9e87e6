"""PostgreSQL's server log as bytes -> what ran how long, with which values and by which plan.

Pure: the standard library and pglast. ``entries`` finds what has a duration, ``totals`` sums it per statement.
"""
