#!/usr/bin/env python
"""Django's command line in the sources: `manage.py up`, `manage.py demo` and the rest."""

from dashboard.command import main

if __name__ == "__main__":
    main(program="manage.py")
