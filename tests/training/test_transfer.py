from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import hoodwink as hw
from hoodwink.data.cards import DataError
from hoodwink.data.load import load
from hoodwink.evidence.verify import verify
from hoodwink.models.embed import as_embedder
from hoodwink.runs import Run, RunError
from hoodwink.training.recipe import Recipe, RecipeError
from hoodwink.training.recipes import RECIPES, find_recipe
from hoodwink.training.run import Watch, history, train
from hoodwink.training.transfer import VectorFeed
from small_backbones import folder

SMALL: dict[str, Any] = {"data": "digits-32", "split": "", "validation": 137, "subset": 300, "epochs": 15, "rate": 0.01}


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOODWINK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def run(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train("dogs-transfer", out=tmp_path_factory.mktemp("run") / "digits", backbone=str(backbone), **SMALL)


def test_it_learns_and_says_what_it_learned_from(run: Run, backbone: Path) -> None:
    result, known = run.record["result"], run.record["features"]
    assert run.finished and result["best"]["test_accuracy"] > 0.7 and len(history(run)) == 15
    assert (known["model"], known["layer"], known["dimension"]) == ("tiny", "linear.3", 48)
    assert known["weights_sha256"] == hw.load_model(backbone).card.weights_sha256
    assert set(known["seconds"]) == {"train", "validation", "test"} and all(value >= 0 for value in known["seconds"].values())


def test_what_is_kept_is_the_whole_network(run: Run, backbone: Path) -> None:
    model, body, data = hw.load_model(run.directory), hw.load_model(backbone), load("digits-32:test")
    assert model.card.classes == data.classes and model.card.picture == body.card.picture
    assert "of tiny (drawn at random)" in model.card.source and model.card.licence == "CC0-1.0"
    encoded = model.encode_all(list(data.pictures[:50]))
    head = model.network.get_submodule("linear.3")
    features = as_embedder(body).model.outputs(encoded)
    assert torch.equal(model.outputs(encoded), head(features))
    kept = load_file(run.directory / "weights.safetensors")
    assert all(torch.equal(kept[name], value) for name, value in body.network.state_dict().items() if not name.startswith("linear.3"))


def test_its_claim_holds_when_pictures_are_judged(run: Run) -> None:
    found = verify(run.directory)
    assert found.holds and [check.kind for check in found.checks] == ["score"]


def test_other_verbs_take_it(run: Run) -> None:
    model, data = hw.load_model(run.directory), load("digits-32:test", limit=10)
    fooled = hw.fool(np.asarray(data.pictures[0]), target="3", model=model, confidence=0.5, steps=100)
    assert fooled.after.label == "3"
    found = hw.audit(model, data.pictures, data.labels, eps=16 / 255, sentinels=0)
    assert found.robust_accuracy < found.clean_accuracy


def test_a_head_on_the_pixels_themselves_is_training_from_pixels(tmp_path: Path) -> None:
    # The backbone is one linear layer: without it, its features are the normalised pixels.
    plain = {"inputs": 32 * 32 * 3, "hidden": [], "classes": 5, "dropout": 0.0}
    body = folder(tmp_path / "body", "mlp", plain, side=32)
    settings = {"data": "digits-32", "validation": 200, "subset": 200, "epochs": 4, "rate": 0.01, "dropout": 0.0, "split": ""}
    one = train("dogs-transfer", out=tmp_path / "one", backbone=str(body), **settings, input="unit")
    same = find_recipe("dogs-transfer").to_json() | {"network": "mlp", "arguments": plain, "backbone": "", "input": "signed"}
    other = train(Recipe.from_json(same), out=tmp_path / "other", **settings)
    for a, b in zip(history(one), history(other), strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-4) and a.validation_accuracy == pytest.approx(b.validation_accuracy, abs=0.006)
    ours, theirs = load_file(tmp_path / "one/weights.safetensors"), load_file(tmp_path / "other/weights.safetensors")
    assert torch.allclose(ours["layers.1.mlp.layers.1.weight"], theirs["layers.1.weight"], atol=1e-4)


def test_features_are_standardised_by_those_that_are_learned(run: Run, backbone: Path, tmp_path: Path) -> None:
    head = hw.load_model(run.directory).network.get_submodule("linear.3")
    raw = train("dogs-transfer", out=tmp_path / "raw", backbone=str(backbone), input="unit", **{**SMALL, "epochs": 1})
    plain = hw.load_model(raw.directory).network.get_submodule("linear.3")
    assert float(plain.mean.abs().max()) == 0 and bool((plain.std == 1).all()) and float(head.mean.abs().max()) > 0.01


@pytest.mark.parametrize("stop", [1, 20, 100])
def test_stopped_and_resumed_it_is_the_same_to_the_bit(run: Run, backbone: Path, tmp_path: Path, stop: int) -> None:
    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        if done >= stop:
            raise Stopped

    with pytest.raises(Stopped):
        train("dogs-transfer", out=tmp_path / "cut", backbone=str(backbone), saved=0, watch=Watch(step=stopping), **SMALL)
    assert hw.load_model(tmp_path / "cut").card.scores == ()
    resumed = train("dogs-transfer", out=tmp_path / "cut", backbone=str(backbone), resume=True, **SMALL)
    assert (resumed.directory / "weights.safetensors").read_bytes() == (run.directory / "weights.safetensors").read_bytes()


def test_with_another_backbone_it_does_not_go_on(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        raise Stopped

    body = folder(tmp_path / "body")
    with pytest.raises(Stopped):
        train("dogs-transfer", out=tmp_path / "run", backbone=str(body), watch=Watch(step=stopping), **SMALL)
    folder(body, seed=1)
    with pytest.raises(RunError, match=r"run: another backbone, .*body, than at its start is there now; train anew with --out DIR"):
        train("dogs-transfer", out=tmp_path / "run", backbone=str(body), resume=True, **SMALL)


def test_a_head_learns_in_half_precision(backbone: Path, tmp_path: Path) -> None:
    found = train("dogs-transfer", out=tmp_path / "run", backbone=str(backbone), precision="bfloat16", **SMALL)
    assert found.record["result"]["best"]["test_accuracy"] > 0.7


def test_hidden_layers_and_dropout(backbone: Path, tmp_path: Path) -> None:
    found = train("dogs-transfer", out=tmp_path / "run", backbone=str(backbone), **SMALL, hidden=[20], dropout=0.2)
    head = hw.load_model(found.directory).card.network["arguments"]["head"]
    assert head == {"name": "head", "arguments": {"hidden": [20], "dropout": 0.2, "classes": 10, "inputs": 48}}
    assert verify(found.directory).holds


def test_the_layer_that_is_replaced_can_be_named(run: Run, tmp_path: Path) -> None:
    # Of a network with a head on it the whole head: what is left is what the head was trained on.
    found = train("dogs-transfer", out=tmp_path / "run", backbone=str(run.directory), layer="linear.3", **SMALL)
    assert hw.load_model(found.directory).card.network["arguments"]["layer"] == "linear.3"
    assert [epoch.loss for epoch in history(found)] == pytest.approx([epoch.loss for epoch in history(run)])


def test_a_head_on_a_head(run: Run, tmp_path: Path) -> None:
    settings = {**SMALL, "epochs": 2}
    found = train("dogs-transfer", out=tmp_path / "run", backbone=str(run.directory), **settings)
    assert verify(found.directory).holds and found.record["result"]["best"]["test_accuracy"] > 0.5


def test_an_embedder_is_a_backbone(backbone: Path, tmp_path: Path) -> None:
    saved = as_embedder(hw.load_model(backbone)).model.save(tmp_path / "embedder")
    one, other = (train("dogs-transfer", out=tmp_path / k, backbone=str(b), **SMALL) for k, b in (("a", saved), ("b", backbone)))
    assert [epoch.loss for epoch in history(one)] == pytest.approx([epoch.loss for epoch in history(other)])
    assert verify(one.directory).holds


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flip": True}, "backbone: its features are computed once, of the pictures as they are"),
        ({"crop": 2}, "leave the augmentation and flips away"),
        ({"flips": True}, "leave the augmentation and flips away"),
        ({"input": "signed"}, "input: 'standard' or 'unit' .* was wanted of the features of a backbone, not 'signed'"),
        ({"network": "residual"}, "network: one that takes the backbone's features was wanted, not 'residual'; type --set network=head"),
        ({"data": "digits"}, "backbone: tiny takes pictures in colour, digits has grey ones"),
        ({"backbone": ""}, "network: head takes another network's features; type --set backbone=efficientnet-lite0"),
        *(
            ({"backbone": name}, f"backbone: a packaged network, a model folder, timm:NAME or torchvision:NAME was wanted, not '{name}'")
            for name in ("nowhere", "python:tiny_nets:bare")
        ),
        ({"backbone": "python:tiny_nets:colours"}, "backbone: a network that a model folder can name was wanted, python:tiny_nets:colours"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(backbone: Path, tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        train("dogs-transfer", out=tmp_path / "run", **{"backbone": str(backbone), **SMALL, **settings})
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_splits_of_other_classes_are_refused(backbone: Path, tmp_path: Path) -> None:
    data = _few(tmp_path / "few")
    (data / "test" / "b").rename(data / "test" / "c")
    with pytest.raises(DataError, match="few:test: the classes of .*few:train were wanted; b, c is not in both"):
        train("cifar-transfer", out=tmp_path / "run", backbone=str(backbone), data=str(data), subset=0)


def test_folders_of_pictures_of_any_size(backbone: Path, tmp_path: Path) -> None:
    data = _few(tmp_path / "few", (40, 57))
    found = train("cifar-transfer", out=tmp_path / "run", backbone=str(backbone), data=str(data), subset=0, epochs=2)
    assert hw.load_model(found.directory).card.classes == ("a", "b") and verify(found.directory).holds


def test_texts_and_several_processes_are_refused(backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="backbone: a recipe that classifies pictures was wanted, made-names is another"):
        train("made-names", out=tmp_path / "run", backbone=str(backbone))
    monkeypatch.setattr("hoodwink.training.run._join", lambda: (0, 2))
    with pytest.raises(RecipeError, match="trained by one process, there are 2; type hoodwink train without torchrun"):
        train("dogs-transfer", out=tmp_path / "run", backbone=str(backbone), **SMALL)


def test_a_feed_of_vectors_is_a_feed() -> None:
    feed = VectorFeed(torch.arange(20.0).reshape(10, 2), torch.arange(10))
    inputs, labels = feed.part(torch.tensor([4, 2, 9])).take(torch.tensor([2, 0]))
    assert inputs.tolist() == [[18.0, 19.0], [8.0, 9.0]] and labels.tolist() == [9, 4]
    batches = list(feed.batches(4, seed=0, epoch=1, start=0, rank=0, world=1))
    assert sorted(torch.cat(batches).tolist()) == list(range(10)) and len(batches) == feed.steps(4) == 3
    drawn = list(feed.drawn(batches, torch.Generator()))
    assert all(torch.equal(labels, batch) for (_, labels), batch in zip(drawn, batches, strict=True))


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if recipe.backbone])
def test_the_recipes_fit_the_rules(name: str) -> None:
    from hoodwink.training.transfer import _check

    _check(RECIPES[name])
    assert Recipe.from_json(json.loads(json.dumps(RECIPES[name].to_json()))).backbone == RECIPES[name].backbone


def test_networks_of_libraries(torchvision_operators: object, tmp_path: Path) -> None:
    pytest.importorskip("torchvision.models", reason="torchvision is not installed (pip install 'hoodwink[torchvision]')")
    model = hw.load_model("torchvision:alexnet", pretrained=False)
    settings = {"data": str(_few(tmp_path / "few")), "split": "", "epochs": 1, "layer": "classifier"}
    found = train("dogs-transfer", out=tmp_path / "run", backbone=str(model.save(tmp_path / "alexnet")), **settings)
    assert found.record["features"]["dimension"] == 256 * 6 * 6 and verify(found.directory).holds


def _few(path: Path, sides: tuple[int, int] = (40, 40)) -> Path:
    """A folder of eight pictures of two classes, half of them for the test."""
    from PIL import Image

    for split in ("train", "test"):
        for label in "ab":
            (path / split / label).mkdir(parents=True)
            for k, side in enumerate(sides):
                levels = np.random.default_rng(k + 10 * ord(label)).integers(0, 256, (40, side, 3), dtype=np.uint8)
                Image.fromarray(levels).save(path / split / label / f"{split}{k}.png")
    return path
