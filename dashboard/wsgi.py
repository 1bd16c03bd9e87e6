"""The web server's way in."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
application = get_wsgi_application()
# What was loaded stays for good: without it in sight the collector's rare full rounds take a few milliseconds of a
# page's time instead of some fifty (the manual, gc.freeze).
gc.collect()
gc.freeze()
