from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from hoodwink.cli.main import VERBS
from hoodwink.cli.reference import PAGE, page, reference

ROOT = Path(__file__).resolve().parents[2]


def test_every_verb_has_a_section() -> None:
    text = page()
    for name in VERBS:
        assert f"\n## `hoodwink {name}`\n" in text
    assert "\n## `hoodwink model show`\n" in text
    assert max(map(len, text.partition("## `hoodwink`")[2].splitlines())) <= 80


def test_it_is_written_and_checked() -> None:
    runner = CliRunner()
    stale = runner.invoke(reference, ["--check"])
    assert stale.exit_code == 1
    assert "out of date" in stale.output
    assert runner.invoke(reference, []).exit_code == 0
    assert PAGE.read_text(encoding="utf-8") == page()
    assert runner.invoke(reference, ["--check"]).exit_code == 0


def test_the_page_in_docs_is_current() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page()
