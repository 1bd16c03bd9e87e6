"""`manage.py rotate_keys`: a new encryption key in, the old one out. docs/operations.md has the steps."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet
from django.conf import settings
from django.core.management.base import CommandError

from analyzer.management.terminal import TerminalCommand
from analyzer.models import Server
from analyzer.runtime.environment import secret
from analyzer.runtime.places import program
from analyzer.runtime.secret_keys import key_file, key_name, replace_encryption_keys
from analyzer.store.key_rotation import Rotated, rotate


class Command(TerminalCommand):
    help = (
        "Re-encrypt the passwords of monitored servers and the sampled values with the newest key"
        " (the first of PGLOUPE_ENCRYPTION_KEYS). Keys are shown by a short name, never themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        step = parser.add_mutually_exclusive_group()
        step.add_argument("--generate", action="store_true", help="print a new key and do nothing else")
        step.add_argument("--add", action="store_true", help="put a new key first in var/keys.json; restart afterwards")
        step.add_argument("--check", action="store_true", help="count what is under which key; 1 when some is lost")
        step.add_argument("--drop-old", action="store_true", help="take the old keys out of var/keys.json")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["generate"]:
            self.stdout.write(Fernet.generate_key().decode())
        elif options["add"]:
            self._add()
        elif options["drop_old"]:
            self._drop_old()
        else:
            self._rotate(only_look=options["check"])

    def _add(self) -> None:
        self._need_key_file()
        new = Fernet.generate_key().decode()
        replace_encryption_keys(self._var_dir(), [new, *settings.ENCRYPTION_KEYS])
        self.stdout.write(
            f"{key_file(self._var_dir())} has the new key {key_name(new)} first."
            f" Restart pgLoupe, then run: {program()} rotate_keys"
        )

    def _drop_old(self) -> None:
        self._need_key_file()
        newest, *old = settings.ENCRYPTION_KEYS
        if not old:
            self.stdout.write(f"There is only one key, {key_name(newest)}.")
            return
        left = [f"{r.reencrypted + len(r.unreadable_ids)} of {r.table}" for r in rotate(only_look=True) if _is_left(r)]
        if left:
            raise CommandError(
                f"Still under old keys: {', '.join(left)}. Run first: {program()} rotate_keys", returncode=1
            )
        replace_encryption_keys(self._var_dir(), [newest])
        self.stdout.write(f"Dropped {', '.join(map(key_name, old))}; {key_name(newest)} is left. Restart pgLoupe.")

    def _rotate(self, *, only_look: bool) -> None:
        newest, *old = settings.ENCRYPTION_KEYS
        self.stdout.write(f"Newest key {key_name(newest)}; old keys: {', '.join(map(key_name, old)) or 'none'}")
        lost: list[str] = []
        for done in rotate(only_look=only_look):
            what = f"{done.table}.{done.column}"
            verb = "to re-encrypt" if only_look else "re-encrypted"
            self.stdout.write(
                f"{what}: {done.reencrypted} {verb}, {done.current} under the newest key,"
                f" {len(done.unreadable_ids)} unreadable"
            )
            if done.unreadable_ids and done.table == Server._meta.db_table:
                lost += Server.objects.filter(pk__in=done.unreadable_ids).values_list("name", flat=True)
        if lost:
            raise CommandError(
                f"No key here opens the password of: {', '.join(lost)}. Add the missing key at the end of"
                " PGLOUPE_ENCRYPTION_KEYS, or enter these passwords again.",
                returncode=1,
            )

    def _need_key_file(self) -> None:
        if secret("PGLOUPE_ENCRYPTION_KEYS"):
            raise CommandError(
                "The keys come from PGLOUPE_ENCRYPTION_KEYS: change them there (--generate prints one)", returncode=2
            )

    def _var_dir(self) -> Path:
        return Path(settings.VAR_DIR)


def _is_left(done: Rotated) -> bool:
    return bool(done.reencrypted or (done.unreadable_ids and done.table == Server._meta.db_table))
