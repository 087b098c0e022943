"""The page of all results and the pages of the docs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from hoodwink.studies import publish
from hoodwink.studies.record import StudyError
from hoodwink.studies.report import find_results, study_page
from hoodwink.studies.runner import run
from hoodwink.studies.table import STUDIES

ROOT = Path(__file__).parent.parent.parent


def test_one_page_holds_everything(tmp_path: Path) -> None:
    run("neuron", out=tmp_path / "runs/neuron")
    run("neuron", True, out=tmp_path / "runs/small", seeds=1, **{"squared.passes": 3})
    results = find_results([tmp_path / "runs"])
    assert [(result.name, result.quick) for result in results] == [("neuron", False), ("neuron", True)]
    page = study_page(results)
    assert page.count("<h2>") == 2 and "neuron (quick)" in page and "default-src &#39;none&#39;" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page), "nothing is loaded from anywhere"
    assert "reached" in page and "No floor missed" in page and "hoodwink study run neuron --quick --set squared.passes=3" in page


def test_what_is_missed_is_red(tmp_path: Path) -> None:
    folder = run("neuron", out=tmp_path / "run").folder
    record = json.loads((folder / "result.json").read_text())
    record["lines"][0]["measured"][0]["mark"] |= {"floor": 5.0, "reason": "<b>too small</b>"}
    (folder / "result.json").write_text(json.dumps(record))
    page = study_page(find_results([folder]))
    assert '<span class="missed">missed</span>' in page and "&lt;b&gt;too small" in page and "1 floor missed" in page


def test_no_result_is_said_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is none; type hoodwink study run neuron"):
        find_results([tmp_path])


def test_results_and_pages_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(publish, "STUDIES", {"neuron": STUDIES["neuron"]})
    run("neuron", out="run")
    Path("docs/results/neuron").mkdir(parents=True)
    Path("docs/results/neuron/old.png").write_bytes(b"")
    invoked = CliRunner().invoke(publish.publish, ["run"])
    assert invoked.exit_code == 0, invoked.output
    assert sorted(path.name for path in Path("docs/results/neuron").iterdir()) == ["curves.png", "result.json"]
    page = Path("docs/studies/neuron.md").read_text()
    assert "| w1 | 2.682 | 2.682 |" in page and "(../results/neuron/curves.png)" in page and "```sh\nhoodwink study run neuron\n```" in page
    assert "2 of 2 floors reached" in Path("docs/studies/README.md").read_text()
    assert CliRunner().invoke(publish.publish, ["--check"]).exit_code == 0
    Path("docs/studies/neuron.md").write_text("changed")
    assert CliRunner().invoke(publish.publish, ["--check"]).exit_code == 1


def test_quick_results_are_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match="a run at full size was wanted"):
        publish.keep(run("neuron", True, out="run"))


def test_a_result_of_other_settings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    publish.keep(run("neuron", out="run", rate=5.0))
    with pytest.raises(StudyError, match="they have changed since"):
        publish.pages()


def test_the_pages_of_the_docs_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for path, text in publish.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: type python -m hoodwink.studies.publish"
