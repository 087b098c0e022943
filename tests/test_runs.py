from __future__ import annotations

import errno
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hoodwink.runs import Run, RunError, one_line, read_json, reason, sha256_bytes, sha256_file, write_atomic, write_json


def failing(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def events(run: Run) -> list[Any]:
    return [json.loads(line) for line in (run.directory / "events.jsonl").read_text().splitlines()]


@pytest.fixture
def finished(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", {"command": "fool"})
    run.event(gradients=1)
    run.write("fooled.png", b"picture")
    run.write("pairs/a.png", b"another")
    run.finish()
    return run


# files


@pytest.mark.parametrize("data", [b"", b"words", bytes(3_000_000)])
def test_a_file_is_written_whole_and_replaces_another(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    for _ in range(2):
        write_atomic(path, data)
        assert path.read_bytes() == data and listing(tmp_path) == ["file"]


def test_bytes_that_the_system_takes_in_parts_are_all_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    write_atomic(tmp_path / "file", b"a few words")
    assert (tmp_path / "file").read_bytes() == b"a few words"


def test_the_new_name_comes_after_the_bytes_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        function = getattr(os, name)

        def call(*args: Any) -> Any:
            done.append(name)
            return function(*args)

        return call

    for name in ("write", "fsync", "replace"):
        monkeypatch.setattr(os, name, noted(name))
    write_atomic(tmp_path / "file", b"words")
    assert done[:3] == ["write", "fsync", "replace"]


def test_a_file_has_the_rights_that_the_user_gives_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("function", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "interrupted"])
def test_an_interruption_leaves_what_was_there_and_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    monkeypatch.setattr(os, function, failing(error))
    with pytest.raises(type(error)) as caught:
        write_atomic(path, b"after")
    monkeypatch.undo()
    assert listing(tmp_path) == ["file"] and path.read_bytes() == b"before"
    if isinstance(caught.value, OSError):
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))


def test_an_interruption_after_part_of_the_bytes_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = os.write, iter(range(9))

    def full(descriptor: int, data: bytes) -> int:
        if next(calls):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:4])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left on device.*file"):
        write_atomic(tmp_path / "file", b"a few words")
    assert listing(tmp_path) == []


def test_a_folder_that_cannot_be_synchronised_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    descriptors: list[int] = []

    def once(descriptor: int) -> None:
        descriptors.append(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", once)
    write_atomic(tmp_path / "file", b"words")
    assert len(descriptors) == 2 and (tmp_path / "file").read_bytes() == b"words"


def test_a_file_cannot_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomic(tmp_path / "folder", b"")
    assert os.listdir(tmp_path) == ["folder"]


# JSON, sums and words

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part), max_leaves=8)  # fmt: skip


@given(JSON)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"psnr": float("-inf")}])
def test_numbers_that_json_lacks_are_not_written(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", value)
    assert listing(tmp_path) == []


@pytest.mark.parametrize("data", [b"{", b"", b"\xff\xfe\xfa", b'{"a": \n\n!}', b"[" * 100_000])
def test_what_is_no_json_is_an_error_that_names_the_file(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "two\nlines.json"
    path.write_bytes(data)
    with pytest.raises(RunError, match=r"two\\nlines.json: not JSON: ") as caught:
        read_json(path)
    assert len(str(caught.value).splitlines()) == 1


def test_json_that_is_not_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="gone.json: cannot be read: no such file or directory"):
        read_json(tmp_path / "gone.json")


def test_sums_are_those_of_the_bytes(tmp_path: Path) -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_bytes(b"") == empty
    (tmp_path / "file").write_bytes(bytes(100_000))
    assert sha256_file(tmp_path / "file") == sha256_bytes(bytes(100_000)) != empty


@given(st.text(st.characters()))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_one_line_is_one_that_can_be_printed(text: str) -> None:
    line = one_line(text)
    assert line.isprintable() and len(line.splitlines()) <= 1 and line.encode().decode() == line
    assert not text.isprintable() or line == text


def test_names_that_are_no_text_and_reasons_become_lines() -> None:
    assert one_line(Path(os.fsdecode(b"caf\xe9\n.png"))) == "caf\\udce9\\n.png"
    assert reason(OSError(2, "No such file or directory")) == "no such file or directory"
    assert reason(OSError("Odd\nwords")) == "odd\\nwords"


# runs


def test_a_run_has_its_record_first_and_its_manifest_last(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "a" / "run", {"command": "fool", "seed": 0})
    assert listing(run.directory) == ["run.json"] and not run.finished
    run.event(gradients=1, objective=-2.5)
    run.event(gradients=2, objective=1.5)
    path = run.write("fooled.png", b"picture")
    assert path == run.directory / "fooled.png" and path.read_bytes() == b"picture"
    run.update(result={"fooled": True}, seed=1)
    assert read_json(run.directory / "run.json") == run.record == {"command": "fool", "seed": 1, "result": {"fooled": True}}
    assert events(run) == [{"gradients": 1, "objective": -2.5}, {"gradients": 2, "objective": 1.5}, {"wrote": "fooled.png"}]
    assert not run.finished
    run.finish()
    files = {name: sha256_file(run.directory / name) for name in ("run.json", "events.jsonl", "fooled.png")}
    assert run.finished and read_json(run.directory / "manifest.json") == {"files": files}
    assert run.check() == []


def test_a_run_without_events_or_files_can_finish(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    run.finish()
    assert listing(tmp_path) == ["manifest.json", "run.json"] and run.check() == []


def test_a_record_is_a_copy_of_what_was_given(tmp_path: Path) -> None:
    given = {"settings": {"seed": 0}, "arguments": ("fool", "--seed")}
    run = Run.create(tmp_path, given)
    given["settings"]["seed"] = 7  # type: ignore[index]
    assert run.record == Run.open(tmp_path).record == {"settings": {"seed": 0}, "arguments": ["fool", "--seed"]}


def test_a_finished_run_stays_as_it_is(finished: Run) -> None:
    before = {name: (finished.directory / name).read_bytes() for name in listing(finished.directory)}
    for change in (lambda: finished.event(a=1), lambda: finished.update(a=1), lambda: finished.write("b.png", b""), finished.finish):
        with pytest.raises(RunError, match=f"^{finished.directory}: this run is finished and stays as it is"):
            change()
    assert {name: (finished.directory / name).read_bytes() for name in listing(finished.directory)} == before


def test_an_unfinished_run_goes_on_where_it_is_opened(tmp_path: Path) -> None:
    first = Run.create(tmp_path, {"command": "fool"})
    first.write("a.png", b"a")
    second = Run.open(tmp_path)
    assert second.record == {"command": "fool"} and not second.finished
    second.write("b.png", b"b")
    second.finish()
    assert set(read_json(tmp_path / "manifest.json")["files"]) == {"run.json", "events.jsonl", "a.png", "b.png"}


def test_an_event_that_was_cut_short_stays_alone(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    run.write("a.png", b"a")
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"wrote": "b')
    run.event(gradients=3)
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert lines == ['{"wrote": "a.png"}', '{"wrote": "b', '{"gradients": 3}']
    run.finish()
    assert run.check() == [] and "a.png" in read_json(tmp_path / "manifest.json")["files"]


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/../../x", "/x", "run.json", "manifest.json", "events.jsonl", "nul\0"])
def test_a_file_of_a_run_is_inside_its_folder_and_none_of_its_own(tmp_path: Path, name: str) -> None:
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(RunError, match="a name inside the folder was wanted, other than run.json, events.jsonl, manifest.json") as caught:
        run.write(name, b"")
    assert listing(tmp_path) == ["run/run.json"] and str(caught.value).isprintable()


def test_a_link_does_not_lead_a_run_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    run = Run.create(tmp_path / "run", {})
    (run.directory / "link").symlink_to(tmp_path / "other")
    with pytest.raises(RunError, match="inside the folder"):
        run.write("link/x", b"")
    assert listing(tmp_path / "other") == []


def test_changed_and_missing_files_are_found(finished: Run) -> None:
    (finished.directory / "fooled.png").write_bytes(b"other")
    assert finished.check() == ["fooled.png"]
    (finished.directory / "pairs" / "a.png").unlink()
    (finished.directory / "run.json").write_text("{}")
    assert Run.open(finished.directory).check() == ["run.json", "fooled.png", "pairs/a.png"]


def test_a_manifest_of_odd_names_reads_no_other_file(finished: Run) -> None:
    outside = finished.directory.parent / "outside"
    outside.write_bytes(b"")
    (finished.directory / "pipe").mkdir()
    files = {"../outside": sha256_bytes(b""), str(outside): sha256_bytes(b""), "pipe": "", "fooled.png": 3, "\0": ""}
    (finished.directory / "manifest.json").write_text(json.dumps({"files": files}))
    assert finished.check() == list(files)


@pytest.mark.parametrize("data", ["[]", "{}", '{"files": []}', "{"])
def test_a_manifest_that_is_none_is_an_error(finished: Run, data: str) -> None:
    (finished.directory / "manifest.json").write_text(data)
    with pytest.raises(RunError, match=r"manifest.json: "):
        finished.check()


def test_an_unfinished_run_has_nothing_to_check(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a finished run was wanted, this has no manifest.json"):
        Run.create(tmp_path, {}).check()


def test_what_is_no_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=f"^{tmp_path}: a run folder was wanted, this has no run.json"):
        Run.open(tmp_path)
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(RunError, match=r"run.json: an object was wanted, it holds list"):
        Run.open(tmp_path)


# folders that are not empty


def test_a_folder_that_is_not_empty_needs_force(finished: Run) -> None:
    with pytest.raises(
        RunError, match=f"^{finished.directory}: an empty folder was wanted, this one is not: name another, or type --force"
    ):
        Run.create(finished.directory, {})
    assert finished.check() == []


def test_force_removes_the_old_run_and_nothing_else(finished: Run) -> None:
    (finished.directory / "notes.txt").write_text("mine")
    (finished.directory / "pairs" / "mine.png").write_text("mine")
    Run.create(finished.directory, {"command": "new"}, force=True)
    assert listing(finished.directory) == ["notes.txt", "pairs/mine.png", "run.json"]
    assert read_json(finished.directory / "run.json") == {"command": "new"}


def test_force_removes_what_an_unfinished_run_wrote(tmp_path: Path) -> None:
    run = Run.create(tmp_path, {})
    run.write("fooled.png", b"")
    (tmp_path / "mine.png").write_bytes(b"")
    Run.create(tmp_path, {}, force=True)
    assert listing(tmp_path) == ["mine.png", "run.json"]


def test_force_follows_no_manifest_out_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    outside.write_bytes(b"")
    (folder / "link").symlink_to(tmp_path)
    names = ["../outside", str(outside), "link/outside", "sub", ".", ""]
    (folder / "manifest.json").write_text(json.dumps({"files": dict.fromkeys(names, "")}))
    (folder / "events.jsonl").write_text("".join(json.dumps({"wrote": name}) + "\n" for name in [*names, 3]))
    Run.create(folder, {}, force=True)
    assert outside.exists() and sorted(os.listdir(folder)) == ["link", "run.json", "sub"]


def test_force_takes_a_folder_without_a_run_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"")
    (tmp_path / "manifest.json").write_text("no JSON")
    Run.create(tmp_path, {}, force=True)
    assert listing(tmp_path) == ["mine", "run.json"]


def test_an_interrupted_removal_leaves_an_unfinished_run(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unlink, calls = Path.unlink, iter(range(9))

    def once(path: Path, missing_ok: bool = False) -> None:
        if next(calls):
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", once)
    with pytest.raises(KeyboardInterrupt):
        Run.create(finished.directory, {}, force=True)
    assert not finished.finished


def test_a_folder_that_cannot_be_had_is_an_error_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=f"^{tmp_path}/file: a folder was wanted, this is a file"):
        Run.create(tmp_path / "file", {})
    with pytest.raises(RunError, match="no run can be written there: not a directory"):
        Run.create(tmp_path / "file" / "run", {})
    monkeypatch.setattr(os, "write", failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(RunError, match="no run can be written there: no space left on device"):
        Run.create(tmp_path / "run", {})
    assert os.listdir(tmp_path / "run") == []


@pytest.mark.parametrize("out", ["model", "model/../model", "."])
@pytest.mark.parametrize("spec", ["model", "model/weights.safetensors"])
def test_a_run_does_not_replace_its_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, spec: str) -> None:
    monkeypatch.chdir(tmp_path)
    run = Run.create("model", {})
    run.write("card.json", b"{}")
    run.write("weights.safetensors", b"")
    run.finish()
    record = {"models": [{"spec": None}, {"spec": "efficientnet-lite0"}, {"spec": spec}]}
    with pytest.raises(RunError, match=f"^{out}: the model of this run lies there: name another folder"):
        Run.create(out, record, force=True)
    assert run.check() == []
    Run.create("efficientnet-lite0", record)
    Run.create("efficientnet-lite0", record, force=True)  # a run's folder, not the model of that name
    Run.create("model/run", record)


def test_a_record_that_json_lacks_words_for_is_found_before_anything_is_removed(finished: Run) -> None:
    for record in ({"a": float("nan")}, {"a": Path("x")}):
        with pytest.raises((ValueError, TypeError), match="JSON"):
            Run.create(finished.directory, record, force=True)
    assert finished.check() == []


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes")
def test_a_pipe_in_a_manifest_is_not_waited_for(finished: Run) -> None:
    os.mkfifo(finished.directory / "pipe")
    (finished.directory / "manifest.json").write_text(json.dumps({"files": {"pipe": ""}}))
    assert finished.check() == ["pipe"]
