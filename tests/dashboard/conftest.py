from pathlib import Path

import pytest
from django.conf import settings


@pytest.fixture(autouse=True)
def static_files_are_there():
    """WhiteNoise warns about a missing directory."""
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
