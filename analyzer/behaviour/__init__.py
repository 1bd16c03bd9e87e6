"""N+1 bursts seen from the server: which lookups follow the rows of which parent query.

``pairs`` finds who could be parent and child by the foreign keys, ``fit`` says how much of the child's calls the
parent's rows explain, ``sessions`` what single sessions show, ``fixes`` the ORM call that ends it. The check that puts
them together is ``analyzer/checks/statement/n_plus_one_burst.py``.
"""
