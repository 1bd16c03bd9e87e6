"""The web server's way in."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
application = get_wsgi_application()
# What was loaded stays for good: without it in sight the collector's full rounds, which hold up a page, are short.
gc.collect()
gc.freeze()
