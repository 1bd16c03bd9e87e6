"""The files of docs/routes.md, and the Python that runs projects with them."""

import os
import re
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "routes.md"
# one that has FastAPI and google-cloud-sqlcommenter too, which nothing of the product needs
PYTHON = os.environ.get("PGLOUPE_TEST_PROJECT_PYTHON", sys.executable)


def files_of_the_document() -> dict[str, str]:
    """Name -> text."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    named = (re.match(r"# (\w+\.py)\n", block) for block in blocks)
    return {name[1]: block for name, block in zip(named, blocks, strict=True) if name}
