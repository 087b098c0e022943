from __future__ import annotations

from hoodwink.evidence.page import render


def test_what_utf8_cannot_hold_is_written_with_a_backslash() -> None:
    page = render("grade.html.j2", "", "", rows=[], passed=0, target="odd\udcff", model="m", confidence=0.9)
    assert "odd\\udcff" in page and page.encode().decode() == page
