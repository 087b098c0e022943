from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import hoodwink as hw
from hoodwink.data.load import load
from hoodwink.evidence.verify import verify
from hoodwink.networks.gan import GAN
from hoodwink.runs import Run
from hoodwink.training.feeds import PictureFeed
from hoodwink.training.generative import PENALTY, adversarial, elbo, noise_like, slope_penalty, wasserstein
from hoodwink.training.inputs import gather, make_network
from hoodwink.training.loop import Diverged, Parts, Training, fit
from hoodwink.training.recipe import RecipeError
from hoodwink.training.recipes import find_recipe
from hoodwink.training.run import Watch, history, train
from hoodwink.training.updates import means

GANS: dict[str, Any] = {"epochs": 2, "batch": 100, "rate": 0.01}


def small_gan(**more: Any) -> GAN:
    torch.manual_seed(1)
    return GAN(**{"side": 4, "noise": 3, "widths": (5, 6), "dropout": 0.0, **more})


def test_a_step_is_the_two_moves_that_plain_torch_makes() -> None:
    """The discriminator moves first, the generator against what it has become, each with an optimiser of its own."""
    gan, other = small_gan(), small_gan()
    real = torch.rand(8, 1, 4, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    recipe = find_recipe("digits-gan").changed({"rate": 0.05, "batch": 8})
    training = Training.start(Parts(recipe, gan, adversarial(gan), _Once(real), None))
    torch.manual_seed(5)
    losses = [move(training, phase, real) for phase in training.parts.family.phases]
    torch.manual_seed(5)
    ours = [torch.optim.Adam(values, lr=0.05) for values in (other.of_discriminator(), other.of_generator())]
    made = other.made(noise_like(real, 3)).detach()
    first = F.binary_cross_entropy(other.judged(real).sigmoid(), torch.ones(8))
    first = first + F.binary_cross_entropy(other.judged(made).sigmoid(), torch.zeros(8))
    first.backward()
    ours[0].step()
    second = F.binary_cross_entropy(other.judged(other.made(noise_like(real, 3))).sigmoid(), torch.ones(8))
    other.zero_grad()
    second.backward()
    ours[1].step()
    assert losses == pytest.approx([first.item(), second.item()], rel=1e-5)
    for one, two in zip(gan.parameters(), other.parameters(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


class _Once(PictureFeed):
    """A feed of one batch, which the moves above do not ask."""

    def __init__(self, real: torch.Tensor) -> None:
        from hoodwink.data.resident import Resident

        super().__init__(Resident(real.to(torch.uint8), torch.zeros(len(real), dtype=torch.int64)), (0.5,), (0.5,), itself=True)


def move(training: Training, phase: Any, real: torch.Tensor) -> float:
    from hoodwink.training.loop import _move

    return float(_move(training, training.parts.network, phase, real, real)[0])


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights() -> None:
    """The slope of w.x is w wherever it is taken: the penalty is (|w| - 1)^2."""
    gan = small_gan()
    gan.body, gan.head = nn.Sequential(nn.Flatten()), nn.Linear(16, 1)
    real, made = torch.randn(5, 1, 4, 4), torch.randn(5, 1, 4, 4)
    wanted = (gan.head.weight.norm() - 1).square()
    found = slope_penalty(gan, real, made)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    (slope,) = torch.autograd.grad(found, gan.head.weight)
    assert torch.allclose(slope, torch.autograd.grad(wanted, gan.head.weight)[0], atol=1e-5), "it must have a gradient itself"


def test_the_critics_loss_is_the_difference_of_means_and_the_penalty() -> None:
    gan = small_gan(norms=False)
    critic, generator = wasserstein(gan, rounds=5).phases
    assert critic.rounds == 5 and generator.rounds == 1
    real = torch.rand(6, 1, 4, 4) * 2 - 1
    torch.manual_seed(2)
    loss, told = critic.update(gan, real, real)
    torch.manual_seed(2)
    made = gan.made(noise_like(real, 3)).detach()
    penalty = slope_penalty(gan, real, made)
    assert loss.item() == pytest.approx((gan.judged(made).mean() - gan.judged(real).mean() + PENALTY * penalty).item(), rel=1e-5)
    assert told.tolist() == pytest.approx([gan.judged(real).mean().item(), gan.judged(made).mean().item()], rel=1e-5)


def test_a_batch_is_cut_for_the_critics_rounds() -> None:
    recipe = find_recipe("mnist-wgan").changed({"data": "digits", "side": 8, "widths": "4,3", "epochs": 1, "batch": 100})
    seen: list[int] = []
    material = gather(recipe)
    gan = make_network(recipe, material)
    assert isinstance(gan, GAN)
    family = wasserstein(gan, recipe.rounds)
    update = family.phases[0].update

    def noting(network: Any, inputs: torch.Tensor, wanted: torch.Tensor) -> Any:
        seen.append(len(inputs))
        return update(network, inputs, wanted)

    from dataclasses import replace

    family = replace(family, phases=(replace(family.phases[0], update=noting), family.phases[1]))
    fit(Training.start(Parts(recipe, gan, family, material.train, None)), watch=lambda epoch: None, tick=lambda training: None)
    assert seen[:5] == [20] * 5 and sum(seen) == len(material.train)


def test_the_bound_is_what_the_source_adds_up() -> None:
    """Mean cross-entropy plus the summed divergence over (batch x values) is the bound of each picture over its values."""
    recipe = find_recipe("digits-vae")
    network = make_network(recipe, gather(recipe)).train()
    x = torch.rand(16, 1, 8, 8)
    torch.manual_seed(3)
    loss, told = elbo().phases[0].update(network, x, x)
    torch.manual_seed(3)
    made, mean, log_variance = network(x)
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    assert loss.item() == pytest.approx((F.binary_cross_entropy(made, x) + kl / (16 * 64)).item(), rel=1e-5)
    assert told.sum().item() == pytest.approx(loss.item() * 64, rel=1e-5)


@pytest.mark.parametrize("name", ["digits-gan", "digits-vae"])
def test_a_training_is_a_model_with_sheets_and_a_claim(name: str, tmp_path: Path) -> None:
    seen: list[int] = []
    run = train(name, out=tmp_path / "run", watch=Watch(network=lambda epoch, network: seen.append(epoch)), **GANS)
    assert seen == [1, 2] and [epoch.epoch for epoch in history(run)] == [1, 2]
    told = {"real", "made", "generator"} if name == "digits-gan" else {"reconstruction", "divergence"}
    assert all(set(epoch.more) == told and epoch.accuracy is None for epoch in history(run))
    assert [path.name for path in sorted((run.directory / "sheets").iterdir())] == ["000.png", "001.png", "002.png"]
    with Image.open(run.directory / "training.gif") as film:
        assert getattr(film, "n_frames", 1) == 3
    (check,) = verify(run.directory).checks
    assert check.status == "holds" and check.kind == ("sample" if name == "digits-gan" else "score")
    model = hw.load_model(run.directory)
    assert model.card.task == ("generate" if name == "digits-gan" else "reconstruct")


def test_the_score_of_an_autoencoder_is_its_error_measured_again(tmp_path: Path) -> None:
    settings = {"data": "digits", "side": 8, "code": 10, "epochs": 30, "validation": 297, "keep": "best"}
    run = train("mnist-autoencoder", out=tmp_path / "run", **settings)
    model, data = hw.load_model(run.directory), load("digits:test")
    with torch.no_grad():
        errors = [float((model.outputs(model.encode(one)) - model.encode(one)).square().mean()) for one in data.pictures]
    assert model.card.scores[0]["value"] == pytest.approx(np.mean(errors), rel=1e-4)
    result = run.record["result"]
    assert result["best"]["test_loss"] == pytest.approx(np.mean(errors), rel=1e-4) and "test_accuracy" not in result["best"]
    assert result["validation_loss"] == pytest.approx(min(epoch.validation_loss or 1 for epoch in history(run)))
    assert np.mean(errors) < 0.06 and verify(run.directory).holds


def test_another_claim_does_not_hold(tmp_path: Path) -> None:
    import json

    run = train("digits-vae", out=tmp_path / "run", **GANS)
    path = run.directory / "run.json"
    record = json.loads(path.read_text())
    record["claims"][0]["values"]["nats"] -= 1
    path.write_text(json.dumps(record))
    (check,) = verify(run.directory).checks
    assert check.status == "does not hold" and "was claimed" in check.why


@pytest.mark.parametrize("stop", [3, 8])
@pytest.mark.parametrize("name", ["digits-gan", "digits-vae"])
def test_stopped_and_resumed_it_is_the_same_to_the_bit(name: str, stop: int, tmp_path: Path) -> None:
    settings = {**GANS, "batch": 200}  # both with what is drawn at random: noise, codes, dropout
    whole = train(name, out=tmp_path / "whole", **settings)

    class Stopped(Exception):
        pass

    def stopping(done: int, total: int) -> None:
        if done >= stop:
            raise Stopped

    with pytest.raises(Stopped):
        train(name, out=tmp_path / "cut", saved=0, watch=Watch(step=stopping), **settings)
    assert not Run.open(tmp_path / "cut").finished
    resumed = train(name, out=tmp_path / "cut", resume=True, **settings)
    one, two = (load_file(run.directory / "weights.safetensors") for run in (whole, resumed))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert [(e.loss, e.more) for e in history(whole)] == [(e.loss, e.more) for e in history(resumed)]
    assert (whole.directory / "training.gif").read_bytes() == (resumed.directory / "training.gif").read_bytes()


def test_half_precision_and_accumulation_are_of_autoencoders_too(tmp_path: Path) -> None:
    settings = {"precision": "bfloat16", "accumulate": 2, "batch": 50, "epochs": 2}
    epochs = history(train("digits-vae", out=tmp_path / "run", **settings))
    assert epochs[1].loss < epochs[0].loss


def test_tensorboard_is_shown_losses_and_sheets(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train("digits-gan", out=tmp_path / "run", tensorboard=True, **GANS)
    events = EventAccumulator(str(run.directory / "tensorboard"))
    events.Reload()
    assert {"training loss", "generator", "real", "made"} <= set(events.Tags()["scalars"])
    assert "pictures made" in events.Tags()["images"]


def test_a_code_that_overflows_is_a_loss_that_is_no_number(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the loss of step 2 of epoch 1 is nan; .*--set rate=0.1"):
        train("digits-vae", out=tmp_path / "run", rate=1, epochs=3)


def test_a_batch_without_examples_counts_as_nothing() -> None:
    outputs, wanted = [torch.tensor([1.0, 2.0]), torch.tensor([torch.nan, torch.nan])], [torch.ones(3, 1), torch.ones(0, 1)]
    assert means(("a", "b"), outputs, wanted) == {"a": 3.0, "b": 6.0}


def test_what_does_not_fit_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="input: one of unit was wanted, not 'standard'"):
        find_recipe("mnist-vae").changed({"input": "standard"})
    for name, value in {"accumulate": 2, "precision": "bfloat16", "validation": 10, "patience": 3, "lookahead": 5, "flips": True}.items():
        with pytest.raises(RecipeError, match=f"{name}: of a training with the loss 'adversarial' it can only be"):
            find_recipe("digits-gan").changed({name: value})
    with pytest.raises(RecipeError, match="smoothing: of a training with the loss 'elbo'"):
        find_recipe("digits-vae").changed({"smoothing": 0.1})
    monkeypatch.setattr("hoodwink.training.run._join", lambda: (0, 2))
    with pytest.raises(RecipeError, match="a generator and its discriminator are trained by one process, there are 2"):
        train("digits-gan", out=tmp_path / "run")
