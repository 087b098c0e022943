"""A training as a run folder: from the recipe's name to a model folder that every other verb takes."""

from __future__ import annotations

import gc
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from hoodwink.data.download import Progress
from hoodwink.data.fetch import Tell
from hoodwink.evidence.record import first_record
from hoodwink.evidence.sampled import SAMPLES, gathered, sample_values
from hoodwink.evidence.verify import HERE
from hoodwink.models.card import NoiseInput
from hoodwink.models.model import CARD_FILE, WEIGHTS_FILE, unusable
from hoodwink.models.weights import pack
from hoodwink.pictures.write import encode_png
from hoodwink.runs import EVENTS, Run, RunError, as_json, check_free, one_line, spare_models
from hoodwink.training.checkpoint import STATE, load_state, save_state
from hoodwink.training.generative import adversarial, elbo, wasserstein
from hoodwink.training.inputs import gather, make_card, make_network
from hoodwink.training.loop import Diverged, Epoch, Parts, Training, evaluate, fit
from hoodwink.training.material import Material
from hoodwink.training.precision import keep_memory
from hoodwink.training.recipe import Recipe, RecipeError
from hoodwink.training.recipes import find_recipe
from hoodwink.training.sheets import MADE, draw_sheet, keep_animation, keep_sheet, made_of_noise
from hoodwink.training.updates import Family, classify, penalised, reconstruct

DEFAULT_OUT = "hoodwink-train"
_SAID = ("help", "minutes", "score")  # what is said of a recipe; the weights do not depend on it
SAVED = 20.0  # seconds between two states; a kill costs no more


@dataclass(frozen=True)
class Watch:
    """Who is told what. epoch: the means of each; step: after each group of steps the step and how many there are in all.

    network: after each epoch its number, from 1, and the network, in evaluation mode.
    """

    say: Callable[[str], None] | None = None
    epoch: Callable[[Epoch], None] | None = None
    step: Callable[[int, int], None] | None = None
    tell: Tell | None = None
    progress: Progress | None = None
    network: Callable[[int, nn.Module], None] | None = None


def train(
    recipe: str | Recipe,
    *,
    out: str | Path = DEFAULT_OUT,
    device: str = "cpu",
    resume: bool = False,
    force: bool = False,
    tensorboard: bool = False,
    saved: float = SAVED,
    watch: Watch | None = None,
    arguments: Sequence[str] = (),
    **settings: Any,
) -> Run:
    """Train a network by a recipe, and keep it as a run folder that is a model folder, too.

    recipe: a name of RECIPES. settings: of the recipe, that are to be other (epochs=5, rate=0.1). resume: go on with the run that is in
    `out`, finished epochs and steps are not repeated; on a CPU with the same versions and threads the weights are those of a run that was
    never stopped. saved: seconds between two states. Under torchrun the processes train together. Raises RecipeError, DataError,
    RunError, and Diverged where the loss is no number.
    """
    watch = watch or Watch()
    chosen = (find_recipe(recipe) if isinstance(recipe, str) else recipe).changed(settings)
    run = _resumed(Path(out), chosen) if resume else None
    if run is not None and run.finished:
        return run
    rank, world = _join()
    if run is None and rank == 0:  # before the work, which may be long
        spare_models(out, (chosen.backbone,))
        check_free(out, force=force)
    if world > 1 and (chosen.reading.unit or chosen.adversarial or chosen.backbone):
        what = "texts are" if chosen.reading.unit else "a generator and its discriminator are" if chosen.adversarial else "a head is"
        raise RecipeError(f"{chosen.name}: {what} trained by one process, there are {world}; type hoodwink train without torchrun")
    _check_device(device)
    material = gather(chosen, device, say=watch.say, tell=watch.tell, progress=watch.progress)
    if run is not None:
        _check_same(run, chosen, material)
    network = make_network(chosen, material, device)
    material = material.suited(network)
    parts = _parts(chosen, network, material, rank, world)
    keep_memory()
    training = Training.start(parts)
    path = Path(out) / STATE
    if run is not None and path.is_file():
        training.position = load_state(path, network, training.optimiser, training.slow)
    if rank > 0:  # the first process writes and speaks for all
        _fit(training, None, material, Watch(), saved, False)
        _leave(world)
        return Run(out, {})
    run = run or Run.create(out, _record(chosen, material, device, arguments), force=force)
    with _advising(run, training):
        _fit(training, run, material, watch, saved, tensorboard)
        _finish(run, training, material)
    _leave(world)
    return run


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise RecipeError(unusable(device, error)) from error


def history(run: Run) -> list[Epoch]:
    """The means of each epoch of a run; of one that was done again after a kill, the last."""
    found: dict[int, Epoch] = {}
    for line in (run.directory / EVENTS).read_text().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut short by a kill
        if "epoch" in event:
            found[event["epoch"]] = Epoch(**event)
    return [found[number] for number in sorted(found)]


def _resumed(out: Path, recipe: Recipe) -> Run:
    """The run that is there, if it is of this very recipe."""
    run = Run.open(out)
    known, wanted = run.record.get("settings") or {}, as_json(recipe.to_json())
    other = [name for name, value in wanted.items() if name not in _SAID and value != known.get(name)]
    if other:
        raise RunError(
            f"{one_line(out)}: a run of other settings is there ({', '.join(other[:5])}); leave the settings out, or train anew with --out DIR"
        )
    return run


def _check_same(run: Run, recipe: Recipe, material: Material) -> None:
    """Refuse to go on with other pictures or another backbone than at the start: what one name stands for may have changed."""
    other = [
        what
        for what, key in ((f"other data, {recipe.data}", "inputs"), (f"another backbone, {recipe.backbone}", "features"))
        if key in run.record and _same(run.record[key]) != _same(_sources(recipe, material).get(key))
    ]
    if other:
        raise RunError(f"{one_line(run.directory)}: {' and '.join(other)}, than at its start is there now; train anew with --out DIR")


def _same(known: Any) -> Any:
    """Of what a record says of sources, what must be the same whenever they are read."""
    if isinstance(known, dict):
        return {key: known.get(key) for key in ("weights_sha256", "layer")}
    return known and [(one["split"], one["sha256"]) for one in known]


def _parts(recipe: Recipe, network: nn.Module, material: Material, rank: int, world: int) -> Parts:
    family = penalised(_family(recipe, network), network, recipe.l1, recipe.l2)
    return Parts(recipe, network, family, material.train, material.validation, rank, world)


def _family(recipe: Recipe, network: Any) -> Family:
    """How a network of the recipe learns."""
    families: dict[str, Callable[[], Family]] = {
        "cross-entropy": lambda: classify(recipe.smoothing),
        "squared-error": reconstruct,
        "elbo": elbo,
        "adversarial": lambda: adversarial(network),
        "wasserstein": lambda: wasserstein(network, recipe.rounds),
    }
    return families[recipe.loss]()


def _record(recipe: Recipe, material: Material, device: str, arguments: Sequence[str]) -> dict[str, Any]:
    record = first_record("train", recipe.to_json(), (), arguments, recipe.seed)
    return record | {"device": device} | _sources(recipe, material)


def _sources(recipe: Recipe, material: Material) -> dict[str, Any]:
    """The data, and the backbone if there is one, as a record holds them."""
    inputs = [
        {"name": recipe.data, "split": spec.rpartition(":")[2], "sha256": material.hashes[name]} for name, spec in material.sets.items()
    ]
    features = {} if material.backbone is None else {"features": material.backbone.facts()}
    return {"inputs": inputs, **features}


def _fit(training: Training, run: Run | None, material: Material, watch: Watch, saved: float, tensorboard: bool) -> None:
    """Train, keeping a state every so often, and telling everybody."""
    board, recipe = None, training.parts.recipe
    if run is not None and not training.position.total:
        keep_sheet(run, 0, draw_sheet(training.parts.network, material, recipe.seed))
    if tensorboard and run is not None:
        from hoodwink.training.board import Board

        board = Board(run.directory / "tensorboard", training.parts)
    last = time.monotonic()

    def on_epoch(epoch: Epoch) -> None:
        drawn = None if run is None else draw_sheet(training.parts.network, material, recipe.seed)
        if run is not None:
            run.event(**asdict(epoch))
            keep_sheet(run, epoch.epoch, drawn)
        if board is not None:
            board.epoch(epoch, training.position.total, evaluate(training.parts, material.test)[1], drawn)
        if watch.epoch is not None:
            watch.epoch(epoch)
        if watch.network is not None:
            watch.network(epoch.epoch, training.parts.network.eval())

    def tick(training: Training) -> None:
        nonlocal last
        if run is not None and (training.position.done or time.monotonic() - last >= saved):
            save_state(run.directory / STATE, training.position, training.parts.network, training.optimiser, training.slow)
            _keep_model(run, training, material, None)
            last = time.monotonic()
        if watch.step is not None:
            watch.step(training.position.total, training.steps * training.parts.recipe.epochs)

    try:
        fit(training, watch=on_epoch, tick=tick)
    finally:
        if board is not None:
            board.close()


@contextmanager
def _advising(run: Run, training: Training) -> Iterator[None]:
    """Say of a loss that is no number what is left, and what may help."""
    try:
        yield
    except Diverged as error:
        path = run.directory / STATE
        good = (
            f"the last good weights are in {one_line(path)}" if path.is_file() and not training.position.done else "no good state is left"
        )
        raise Diverged(f"{error}; {good}; a smaller rate may help: --set rate={training.parts.recipe.rate / 10:g}") from None


def _finish(run: Run, training: Training, material: Material) -> None:
    """Judge the last and the best weights on the test set once, and write the model of the recipe's choice."""
    parts, position = training.parts, training.position
    recipe, network = parts.recipe, parts.network
    last = evaluate(parts, material.test)
    result: dict[str, Any] = {"epochs": position.epoch, "last": _score(last), "seconds": round(position.seconds, 2)}
    kept = last
    if position.best_weights and position.best is not None:
        network.load_state_dict(position.best_weights)
        kept = evaluate(parts, material.test)
        judged = {"validation_loss": -position.best} if kept[1] is None else {"validation_accuracy": position.best}
        result |= {"best": _score(kept), "best_epoch": position.best_epoch, **judged}
    if recipe.flips:
        result["flips"] = _score(evaluate(parts, material.test, flips=True))
    score = _measured(recipe, material, *kept)
    card = _keep_model(run, training, material, score)
    keep_animation(run)
    run.update(
        result=result,
        models=[{"spec": HERE, "options": {}, "name": card["name"], "weights_sha256": card["weights_sha256"], "card": card}],
        claims=[_made(run, recipe, network, material)] if score is None else [_claimed(recipe, material, score)],
    )
    run.event(wrote=STATE)
    run.finish()


def _measured(recipe: Recipe, material: Material, loss: float | None, accuracy: float | None) -> float | None:
    """The score of a loss and an accuracy on the test set; None where examples cannot judge."""
    if recipe.measure == "accuracy" or loss is None:
        return accuracy
    values = math.prod(material.test.take(torch.arange(1))[0].shape[1:])  # the loss is a mean over them
    return {"perplexity": math.exp(min(loss, 700)), "squared_error": loss, "nats": loss * values}[recipe.measure]


def _keep_model(run: Run, training: Training, material: Material, score: float | None) -> dict[str, Any]:
    """Write the weights as they are into the run's folder, which makes it a model folder; the card that was written."""
    network, backbone = training.parts.network, material.backbone
    weights, sha256 = pack(network if backbone is None else backbone.whole(network))
    card = make_card(training.parts.recipe, material, sha256, score, date.today().isoformat())
    run.write(WEIGHTS_FILE, weights)
    run.write(CARD_FILE, (json.dumps(card.to_json(), indent=1) + "\n").encode())
    return card.to_json(brief=True)


def _claimed(recipe: Recipe, material: Material, score: float) -> dict[str, Any]:
    values = {"set": material.sets["test"], "sha256": material.hashes["test"], "only": recipe.reading.only, recipe.measure: score}
    return {"kind": "score", "file": WEIGHTS_FILE, "model": 0, "values": values}


def _made(run: Run, recipe: Recipe, network: nn.Module, material: Material) -> dict[str, Any]:
    """What the network makes of noise is what can be claimed of it."""
    if not isinstance(material.input, NoiseInput):
        raise RecipeError(f"{recipe.name}: a network that makes pictures of noise was wanted; there is nothing else to claim of it")
    run.write(SAMPLES, encode_png(gathered(made_of_noise(network, material.input, recipe.seed))))
    return {"kind": "sample", "file": SAMPLES, "model": 0, "values": sample_values(MADE, recipe.seed)}


def _score(found: tuple[float | None, float | None]) -> dict[str, float]:
    named = {"test_loss": found[0], "test_accuracy": found[1]}
    return {name: value for name, value in named.items() if value is not None}


def _join() -> tuple[int, int]:
    """This process's rank and how many train together, as torchrun says in the environment."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return int(os.environ.get("RANK", "0")), world


def _leave(world: int) -> None:
    """All wait for the last one: a process that ends while another still talks to it dies badly."""
    if world > 1:
        dist.barrier()
        gc.collect()  # a parallel network is a cycle that keeps the group's threads, which must not outlive the program
        dist.destroy_process_group()
