"""Two real projects whose pages are known: ``library`` (Django) and ``festival`` (FastAPI with SQLAlchemy).

Twenty views each. Half of them look up row by row what one statement could fetch; the other half only look as if they
did. Each runs in a process of its own (serve.py) against a database that it makes itself.
"""
