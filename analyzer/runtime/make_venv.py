"""Makes the virtual environment for `make`, with any Python that may be there.

Debian and Ubuntu ship a Python whose venv lacks pip unless root installs python3-venv; then pip comes from
the package index. Standard library only, and old Pythons must be able to read it: they get the sentence below.
"""

import hashlib
import os
import re
import subprocess
import sys

PIP_VERSION = "26.3"
NEEDED = (3, 11)


def main(directory: str) -> int:
    if sys.version_info < NEEDED:
        version = ".".join(map(str, sys.version_info[:2]))
        sys.stderr.write(
            f"pgLoupe needs Python 3.11 or newer, but {sys.executable} is {version};"
            " name another one: make PYTHON=python3.12 ...\n"
        )
        return 2
    try:
        import ensurepip  # noqa: F401 only to see whether it is there
    except ImportError:
        return make_without_ensurepip(directory)
    return subprocess.call([sys.executable, "-m", "venv", directory])


def make_without_ensurepip(directory: str) -> int:
    code = subprocess.call([sys.executable, "-m", "venv", "--without-pip", directory])
    if code:
        return code
    try:
        wheel = fetch_pip(directory)
    except (OSError, ValueError) as problem:
        sys.stderr.write(
            f"{sys.executable} has no ensurepip and pip could not be fetched ({problem});"
            " on Debian and Ubuntu root can run: apt install python3-venv\n"
        )
        return 2
    python = os.path.join(directory, "bin", "python")
    code = subprocess.call([python, os.path.join(wheel, "pip"), "install", "--quiet", "--no-index", wheel])
    os.remove(wheel)
    return code


def fetch_pip(directory: str) -> str:
    """pip's wheel from the index that pip would use, checked against the hash the index gives."""
    from urllib.parse import urljoin
    from urllib.request import urlopen

    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/") + "/pip/"
    name = f"pip-{PIP_VERSION}-py3-none-any.whl"
    with urlopen(index, timeout=60) as response:
        page = response.read().decode("utf-8", "replace")
    link = re.search(r'href="([^"#]*' + re.escape(name) + r')(?:#sha256=([0-9a-f]{64}))?"', page)
    if link is None:
        raise ValueError(index + " has no " + name)
    with urlopen(urljoin(index, link.group(1)), timeout=120) as response:
        content = response.read()
    if link.group(2) and hashlib.sha256(content).hexdigest() != link.group(2):
        raise ValueError(name + " does not match its checksum")
    wheel = os.path.join(directory, name)
    with open(wheel, "wb") as file:
        file.write(content)
    return wheel


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
