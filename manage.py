#!/usr/bin/env python
"""Django's command line: `manage.py up`, `manage.py demo` and the rest."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from analyzer.runtime import no_store

    try:
        if no_store.INTERACTIVE & set(sys.argv[1:2]) and no_store.is_missing():
            sys.exit(no_store.stop())
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        sys.exit(no_store.stop(error))


if __name__ == "__main__":
    main()
