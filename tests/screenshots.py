"""`make screenshots`: README's pictures, taken from the demo once everything planted in it is found.

Starts a demo of its own (data directory and ports of its own, removed afterwards), so it can run beside another.
"""

import json
import sys
import time
from pathlib import Path

from analyzer.demo import planted
from tests.running import REPOSITORY, Running

DOCS = REPOSITORY / "docs"
MOST_BYTES = 400_000  # a README shall open at once
FOUND_WITHIN_S = 600  # two minutes on an idle machine of two cores
HISTORY_S = 120  # that much load behind the charts, so that they show a shape
CODES = (
    planted.N_PLUS_ONE, planted.UNINDEXED_FOREIGN_KEY, *{s.code for s in planted.SLOW_STATEMENTS if s.code}
)  # fmt: skip
PLANTED = (
    len(planted.N_PLUS_ONES)
    + len([s for s in planted.SLOW_STATEMENTS if s.code])
    + len(planted.MISSING_FOREIGN_KEY_INDEXES)
)
STATEMENT = planted.SLOW_STATEMENTS[0].statement


def main() -> int:
    demo = Running("demo")
    try:
        take(demo)
    finally:
        demo.remove()
    too_heavy = [p.name for p in DOCS.glob("screenshot*.png") if p.stat().st_size > MOST_BYTES]
    if too_heavy:
        sys.stderr.write(f"Above {MOST_BYTES:,} bytes: {', '.join(sorted(too_heavy))}\n")
    return 1 if too_heavy else 0


def take(demo: Running) -> None:
    base = demo.login_link.partition("/login/")[0]
    demo.wait_for(lambda: "The demo shop is at work" in demo.output, "the shop", 180)
    started_s = time.monotonic()
    demo.wait_for(lambda: len(found(demo)) >= PLANTED, f"{PLANTED} findings", FOUND_WITHIN_S)
    say(f"{PLANTED} findings after {time.monotonic() - started_s:.0f} s; letting the load gather")
    demo.wait_for(lambda: time.monotonic() - started_s > HISTORY_S, "some history", HISTORY_S + 10)
    # Somebody who uses pgLoupe every day has a password; without one the first page asks for it.
    demo.store("update auth_user set password = 'md5$unknown$' || md5(random()::text) returning id")
    [(slug, fingerprint)] = demo.store(
        "select s.slug, t.fingerprint from analyzer_statement t join analyzer_server s on s.id = t.server_id"
        " where strpos(regexp_replace(t.normalized_sql, '\\s+', ' ', 'g'), %s) > 0",
        STATEMENT,
    )
    picture(demo, f"{base}/", DOCS / "screenshot.png", height=760)
    picture(demo, f"{base}/servers/{slug}/statements/{fingerprint}/", DOCS / "screenshot-statement.png", height=1400)


def found(demo: Running) -> list[tuple[str]]:
    return demo.store("select key from analyzer_findingrecord where closed_at is null and code = any(%s)", list(CODES))


def picture(demo: Running, url: str, file: Path, *, height: int) -> None:
    # Beside `up`, which gives its own processes these: the settings' default is an unreachable store.
    services = json.loads((demo.var_dir / "up.json").read_text())
    demo._env.update(DATABASE_URL=services["database_url"], REDIS_URL=services["redis_url"])
    code = demo.run_again("screenshot", url, str(file), "--width", "1440", "--height", str(height))
    if code != 0:
        raise SystemExit(f"No picture of {url}: `manage.py screenshot` ended with {code}")
    say(f"{file.relative_to(REPOSITORY)}: {file.stat().st_size:,} bytes")


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
