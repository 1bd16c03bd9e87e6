from analyzer.words.visible import visible, visible_line
from dashboard.statements.plan_view import drawn
from dashboard.templatetags.texts import has_hidden, hidden_names, highlighted, sql_line, version_name


def test_invisible_controls_are_spelled_out():
    assert visible("a\u202eb\u200bc\x00\nd\te") == "a⟨U+202E⟩b⟨U+200B⟩c⟨U+0000⟩\nd\te"
    assert visible_line("a\u202eb\nc\u2028d\te") == "a⟨U+202E⟩b⟨U+000A⟩c⟨U+2028⟩d\te"
    assert has_hidden("a\u2066") is True
    assert has_hidden("plain\n\ttext äöü 漢字") is False
    assert hidden_names("\u202e \u200b") == "right-to-left override, zero width space"


def test_highlighting_escapes_every_part():
    shown = highlighted("select '</script><b>' /* <i> */ from \"<u>\" where a = $1", "sql")
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "<u>" not in shown
    assert '<span class="sql-keyword">select</span>' in shown
    assert '<span class="sql-string">&#x27;&lt;/script&gt;&lt;b&gt;&#x27;</span>' in shown
    assert '<span class="sql-value">$1</span>' in shown


def test_other_languages_and_very_long_texts_are_escaped_only():
    assert highlighted("a < b", "django") == "a &lt; b"
    assert highlighted("<" * 30_000, "sql") == "&lt;" * 30_000


def test_one_line_of_a_long_statement_is_cut():
    line = sql_line("select\n  " + "x" * 10_000, 40)
    assert len(line) == 40
    assert line.endswith("…")


def test_version_names():
    assert [version_name(n) for n in (150014, 130023, 180000, None)] == ["15.14", "13.23", "18.0", "unknown"]


def test_a_plan_holds_no_tag_for_the_viewer_to_write_into_its_page():
    plan = [{"Plan": {"Output": ["</b><img src=x>", "a < b", 3], "<i>": "(a <= 1)\u202e", "Parallel": False}}]
    assert drawn(plan) == [
        {"Plan": {"Output": ["< /b>< img src=x>", "a < b", 3], "< i>": "(a <= 1)⟨U+202E⟩", "Parallel": False}}
    ]
