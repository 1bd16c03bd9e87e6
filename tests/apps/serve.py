"""Runs one of the projects and makes the requests that its standard input asks for.

    python -m tests.apps.serve library HOST PORT DATABASE FOLDER

FOLDER is where the files of docs/routes.md are. Says ``{page: is planted}`` first; then each line ``{page: requests}``
is answered by a line when all are made, mixed by chance, three at a time.
"""

import importlib
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor

AT_ONCE = 3


def main(project, host, port, dbname, folder):
    sys.path.insert(0, folder)
    found = importlib.import_module(f"tests.apps.{project}.project")
    found.set_up(host, int(port), dbname)
    pages, dice = found.pages(), random.Random(7)
    say({name: planted for name, (planted, _) in pages.items()})
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for line in sys.stdin:
            wanted = [pages[name][1] for name, n in json.loads(line).items() for _ in range(n)]
            dice.shuffle(wanted)
            for done in [threads.submit(make, dice.randrange(100_000)) for make in wanted]:
                done.result()
            say({"cpu_s": time.process_time()})


def say(found):
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
