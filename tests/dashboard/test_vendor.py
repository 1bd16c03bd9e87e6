import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"


def test_vendored_files_are_those_that_are_listed():
    listed = dict(re.findall(r"^\| (\S+) \| `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE))
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.glob("*/*")
    }
    assert found == listed


def test_every_library_comes_with_its_licence():
    for folder in VENDOR.iterdir():
        if folder.is_dir():
            assert any(path.name.startswith("LICENSE") for path in folder.iterdir()), folder.name


def test_no_template_has_inline_script_style_or_another_host():
    templates = VENDOR.parents[1] / "templates"
    for path in templates.rglob("*.html"):
        text = path.read_text()
        # no pages: mail programs know inline styles only, and never run scripts; the other is a file to hand over
        if path.parent.name == "mail" or path.name == "analysis.html":
            assert not re.search(r"\son\w+=|<script", text), path
            continue
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path
        assert not re.search(r"""(?:src|href)=["']https?:""", text), path
        assert "|safe" not in text.replace("field.help_text|safe", ""), path
