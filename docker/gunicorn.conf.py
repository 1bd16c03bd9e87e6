"""gunicorn as the image runs it. SIGTERM: no new connections, 30 s for the pages under way."""

import os

bind = os.environ.get("PGLOUPE_BIND", "0.0.0.0:8000")
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 4
graceful_timeout = 30
timeout = 60
keepalive = 5
control_socket_disable = True
if os.access("/dev/shm", os.W_OK):
    worker_tmp_dir = "/dev/shm"  # a heartbeat on a slow disk would get workers killed
