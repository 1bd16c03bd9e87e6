"""The demo as parts for the supervisor: its cluster, its data, its workload, and the shop as monitored server."""

import os
import secrets
from collections.abc import Callable, Sequence

from analyzer.demo import SERVER_SLUG, shop
from analyzer.runtime import supervisor
from analyzer.runtime.parts import ChildProcess
from analyzer.runtime.postgres import PostgresCluster

SERVER_NAME = "Demo shop"
PORT_WANTED = 54_329  # kept between runs, so that DSNs people noted stay right; another one when it is taken
SAMPLE_INTERVAL_S = 5  # the interval fits of the N+1 check need enough points within minutes


def cluster() -> PostgresCluster:
    """PostgreSQL 18 under ``var/demo-postgres``, reached by pgLoupe over TCP as any other server is."""
    return PostgresCluster(
        supervisor.var_dir() / "demo-postgres",
        settings=shop.CLUSTER_SETTINGS,
        tcp=True,
        port=PORT_WANTED,
        log_file=supervisor.log_dir() / "demo-postgres.log",
    )


def prepare(shop_cluster: PostgresCluster, *, say: Callable[[str], None], rate: float) -> Sequence[ChildProcess]:
    """Data on the first start, the registration, and the workload to run. The cluster must be running."""
    admin_dsn = shop_cluster.dsn("postgres")
    if not shop.is_built(admin_dsn):
        say("Making the demo shop: about a million rows. This is done once.")
        shop.build(admin_dsn)
    _register(shop_cluster)
    say(f"The demo shop is at work ({rate:.0f} statements a second); the pages say what is wrong with it.")
    # The application connects through the socket, which lets in whoever may enter its directory.
    dsn = shop_cluster.dsn(shop.DATABASE, shop.APP_ROLE)
    workload = supervisor.child("demo workload", "-m", "analyzer.demo.workload", "--rate", f"{rate:.1f}", SHOP_DSN=dsn)
    return [workload]


def _register(shop_cluster: PostgresCluster) -> None:
    """The shop as monitored server, with a new password at each start: nothing needs to remember it."""
    from analyzer.models import Server  # models need Django set up
    from analyzer.store.servers import add_server_from_dsn

    password = secrets.token_urlsafe(24)
    shop.set_password(shop_cluster.dsn("postgres"), shop.MONITOR_ROLE, password)
    # The port may be another one than last time; it is the same server all the same.
    Server.objects.filter(slug=SERVER_SLUG).update(port=shop_cluster.port)
    add_server_from_dsn(
        shop_cluster.dsn(shop.DATABASE, shop.MONITOR_ROLE, password=password, tcp=True),
        name=SERVER_NAME,
        sample_interval_s=SAMPLE_INTERVAL_S,
        # The load guard allows 0.7 sessions at work per core. On two cores a second one would put a plan off by
        # ten minutes, in a demo that somebody watches for five.
        cores=max(4, os.cpu_count() or 1),
    )
