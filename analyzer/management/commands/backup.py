"""`manage.py backup FILE`: everything the store holds, in one file, while pgLoupe runs."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from analyzer.errors import PgLoupeError
from analyzer.management.terminal import TerminalCommand
from analyzer.runtime.client_programs import client_program, run
from analyzer.runtime.secret_keys import key_name


class Command(TerminalCommand):
    help = "Write the store to a file with pg_dump (custom format). The keys are not in it: keep them elsewhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="must not exist yet; readable by its owner only")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        if file.exists():
            raise CommandError(f"{file} exists already", returncode=2)
        draft = file.with_name(f".{file.name}.part")
        try:
            with connection.cursor() as cursor:
                cursor.execute("select current_setting('server_version_num')::int")
                (version,) = cursor.fetchone()
            program = client_program("pg_dump", version)
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            run(program, ["--format=custom", "--no-owner", f"--file={draft.absolute()}"], connection.settings_dict)
            draft.replace(file)
        except (PgLoupeError, OSError) as failure:
            draft.unlink(missing_ok=True)
            raise CommandError(str(failure), returncode=2) from failure
        names = ", ".join(map(key_name, settings.ENCRYPTION_KEYS))
        self.stdout.write(
            f"{file}: {file.stat().st_size:,} bytes. Passwords in it open with the encryption key {names} only:"
            " keep that key somewhere else than the backup."
        )
