"""What can be checked of the looks without eyes: contrast in both schemes, one place for colours."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).resolve().parents[2] / "static" / "css"
READ = ("ink", "ink-quiet", "ink-faint", "accent", "accent-strong", "critical", "warning", "info", "ok")
CODE = ("sql-keyword", "sql-string", "sql-value", "sql-comment", "ink", "ink-quiet")


def schemes() -> dict[str, dict[str, str]]:
    light, dark = (CSS / "tokens.css").read_text().split("@media (prefers-color-scheme: dark)")
    found = {name: dict(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6});", text)) for name, text in
             (("light", light), ("dark", dark))}  # fmt: skip
    assert set(found["dark"]) == set(found["light"])
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(a: str, b: str) -> float:
    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    colours = schemes()[scheme]
    pairs = [(text, ground) for text in READ for ground in ("paper", "surface")]
    pairs += [(text, "sunken") for text in CODE]
    pairs += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("accent-strong", "accent-soft")]
    low = {f"{t} on {g}": round(contrast(colours[t], colours[g]), 2) for t, g in pairs
           if contrast(colours[t], colours[g]) < 4.5}  # fmt: skip
    assert low == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_of_charts_stand_out(scheme):
    """WCAG 2.2, 1.4.11: 3 to 1; the lighter ones are told apart by their names too."""
    colours = schemes()[scheme]
    assert contrast(colours["chart-1"], colours["surface"]) >= 3


def test_only_the_tokens_name_colours():
    for path in CSS.glob("*.css"):
        if path.name in ("tokens.css", "plan-page.css"):  # the plan's page has Bootstrap's variables
            continue
        assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", path.read_text()), path.name
