"""The command line: ``pgloupe up`` where pgLoupe is installed, ``manage.py up`` in its sources. The same commands.

``--data-dir DIR``, before or after the command, says where the data are: the environment's PGLOUPE_VAR_DIR for those
who prefer an option. Without either they are in ``var/`` of the sources, or in the user's folder for data.
"""

import os
import shlex
import sys
from collections.abc import Sequence

PROGRAM = "PGLOUPE_PROGRAM"  # how to call the command line, for sentences that tell people to


def main(argv: Sequence[str] | None = None, program: str = "pgloupe") -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    arguments, data_dir = _without_data_dir(list(sys.argv if argv is None else argv))
    if data_dir:  # for all child processes, too; and another terminal has to name it again
        os.environ["PGLOUPE_VAR_DIR"] = data_dir
        program = f"{program} --data-dir {shlex.quote(data_dir)}"
    os.environ.setdefault(PROGRAM, program)

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from analyzer.runtime import missing_store

    try:
        if missing_store.INTERACTIVE & set(arguments[1:2]) and missing_store.is_missing():
            sys.exit(missing_store.stop())
        execute_from_command_line(arguments)
    except OperationalError as error:
        sys.exit(missing_store.stop(error))
    except ImproperlyConfigured as error:
        sys.exit(f"pgLoupe cannot start: {str(error).rstrip('.')}.")


def _without_data_dir(arguments: list[str]) -> tuple[list[str], str]:
    """The arguments without ``--data-dir``, and the directory it names; "" where it is not given."""
    rest, data_dir = [], ""
    given = iter(arguments)
    for argument in given:
        name, is_joined, value = argument.partition("=")
        if name != "--data-dir":
            rest.append(argument)
            continue
        directory = value if is_joined else next(given, "")
        if not directory:
            sys.exit("--data-dir needs a directory.")
        data_dir = os.path.abspath(directory)
    return rest, data_dir
