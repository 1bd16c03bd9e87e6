"""What is installed for the product is all that it imports: the tests' own packages would hide one that is missing."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.environment import IN_VAIN_S

REPOSITORY = Path(__file__).resolve().parents[2]
COMES_WITH_PYTHON = {"pip", "setuptools", "wheel"}
IMPORT_ALL = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import django
django.setup()
for package in ("analyzer", "dashboard"):
    for module in pkgutil.walk_packages([package], f"{package}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from dashboard.celery import app
with app.connection() as connection:  # its transport is imported by name
    print(type(connection.transport).__module__)
"""


def installed_for_the_product() -> set[str]:
    """Distributions that requirements.txt asks for, and what those ask for."""
    wanted = [
        Requirement(line)
        for line in (REPOSITORY / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    found: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        requirement = wanted.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(key)
        for text in metadata.requires(requirement.name) or ():
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": e}) for e in {"", *requirement.extras}):
                needed.marker = None
                wanted.append(needed)
    return {name for name, _ in found}


@pytest.mark.slow
def test_it_starts_with_what_requirements_txt_installs() -> None:
    ours = installed_for_the_product() | COMES_WITH_PYTHON
    absent = {
        module
        for module, owners in metadata.packages_distributions().items()
        if not any(canonicalize_name(owner) in ours for owner in owners)
    }
    assert "pytest" in absent
    said = subprocess.run(
        [sys.executable, "-c", f"ABSENT = {absent!r}\n{IMPORT_ALL}"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=IN_VAIN_S,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr[-2000:]
    assert said.stdout == "dashboard.health.broker\n"
