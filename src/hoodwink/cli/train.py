"""`hoodwink train` and `hoodwink recipes`: networks trained by a recipe, into folders that every other verb takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hoodwink.cli.common import pairs, takes_talk
from hoodwink.cli.talk import INTERRUPTED, Talk
from hoodwink.runs import RECORD, Run, as_json, one_line

if TYPE_CHECKING:
    from hoodwink.training.loop import Epoch
    from hoodwink.training.recipe import Recipe
    from hoodwink.training.run import Watch

_SCORES = {
    "accuracy": "an accuracy",
    "perplexity": "a perplexity",
    "squared_error": "a mean squared error",
    "nats": "a bound in nats a picture",
}
_TIMED = ("backbone", "data", "subset")  # settings of another value take another time
DEFAULT_OUT = "hoodwink-train"  # as training.run has it, which --help must not import


_EXAMPLES = """\b
Example:
  hoodwink train digits-mlp --out hoodwink-digits --force
  hoodwink train made-names --out names
  hoodwink train made-writer --out writer
  hoodwink train digits-vae --epochs 10 --out digits"""


@click.command("train", epilog=_EXAMPLES)
@click.argument("recipe", required=False, metavar="[RECIPE]")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Times through the training pictures, instead of the recipe's.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help="Of weights, order and augmentation.")
@click.option("--set", "settings", multiple=True, metavar="K=V", callback=pairs, help="Another setting of the recipe. May be repeated.")
@click.option("--out", default=DEFAULT_OUT, show_default=True, metavar="DIR", help="The run folder, which is a model folder, too.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@click.option("--resume", metavar="RUN", help="Go on with the run in this folder; the recipe and its settings are its own.")
@click.option("--tensorboard", is_flag=True, help="Write curves, pictures and the graph for TensorBoard, too.")
@click.option("--device", default="cpu", show_default=True, metavar="NAME", help="Where it trains: cpu, cuda.")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads of the CPU.")
@takes_talk
def train_command(recipe: str | None, out: str, force: bool, resume: str | None, talk: Talk, device: str, **asked: Any) -> None:
    """Train a network by a recipe.

    RECIPE is a name that `hoodwink recipes` lists. Writes a model folder that look, fool, attack and audit take.
    """
    with talk.busy("loading torch"):
        import torch

        from hoodwink.training.run import train
    if asked["threads"] is not None:
        torch.set_num_threads(asked["threads"])
    chosen = _chosen(recipe, resume, asked)
    if resume is not None:
        _refuse(resume, force, asked["tensorboard"])
    folder = resume or out
    _foretell(chosen, talk)
    with _watching(chosen, talk) as watch:
        try:
            run = train(
                chosen,
                out=folder,
                device=device,
                resume=resume is not None,
                force=force,
                tensorboard=asked["tensorboard"],
                watch=watch,
                arguments=tuple(click.get_current_context().obj or ()),
            )
        except KeyboardInterrupt:
            talk.code = INTERRUPTED
            talk.warn(
                f"interrupted; {f'hoodwink train --resume {one_line(folder)}' if _begun(Path(folder), chosen) else 'the same line'} goes on"
            )
            return
    _conclude(run, chosen, talk)


@click.command("recipes", epilog="\b\nExample:\n  hoodwink recipes\n  hoodwink recipes cifar-fast")
@click.argument("name", required=False, metavar="[NAME]")
@takes_talk
def recipes_command(name: str | None, talk: Talk) -> None:
    """List the recipes, and the settings of one.

    With a NAME, its settings, each of which `hoodwink train NAME --set K=V` changes.
    """
    with talk.busy("looking"):
        from hoodwink.training.recipes import RECIPES, find_recipe
    from hoodwink.cli.show import facts, heading, listing

    if name is not None:
        recipe = find_recipe(name)
        record = recipe.to_json()
        talk.show(
            heading(recipe.name, recipe.help), facts((key, str(value)) for key, value in record.items() if key not in ("name", "help"))
        )
        talk.document(record)
        return
    rows = [
        (one.name, one.data, one.network, f"{one.minutes:g}", f"{one.score:.3f}" if one.score else "", one.help) for one in RECIPES.values()
    ]
    talk.show(heading("Recipes"), listing("name", "data", "network", "minutes", "score", "what it is", rows=rows))
    talk.document({"recipes": [one.to_json() for one in RECIPES.values()]})


def _chosen(recipe: str | None, resume: str | None, asked: dict[str, Any]) -> Recipe:
    from hoodwink.training.recipe import Recipe, RecipeError
    from hoodwink.training.recipes import find_recipe

    given = {name: asked[name] for name in ("epochs", "seed") if asked[name] is not None}
    if resume is not None:
        known = Run.open(resume).record
        if known.get("command") != "train":
            raise RecipeError(f"{one_line(resume)}: the folder of a training was wanted, this holds a run of {known.get('command')}")
        found = Recipe.from_json(known["settings"])
        if recipe not in (None, found.name):
            raise RecipeError(f"{one_line(resume)}: holds a run of {found.name}, not of {recipe}; type --out for another folder")
        return found.changed({**asked["settings"], **given})
    if recipe is None:
        raise click.UsageError("a recipe was wanted: type hoodwink train mnist-cnn; hoodwink recipes lists all")
    return find_recipe(recipe).changed({**asked["settings"], **given})


def _refuse(resume: str, force: bool, tensorboard: bool) -> None:
    """Options that would be without effect beside --resume."""
    if click.get_current_context().get_parameter_source("out") is ParameterSource.COMMANDLINE or force:
        raise click.UsageError("--resume goes on with a run in its own folder; leave out --out and --force, or train anew without --resume")
    if tensorboard and Run.open(resume).finished:
        raise click.UsageError("this run is finished, and nothing is left to be drawn; leave out --tensorboard, or train anew with it")


def _begun(folder: Path, recipe: Recipe) -> bool:
    """Whether a folder holds a run of this very recipe that is to be gone on with, not one that was there before."""
    if not (folder / RECORD).is_file():
        return False
    run = Run.open(folder)
    return not run.finished and run.record.get("settings") == as_json(recipe.to_json())


def _foretell(recipe: Recipe, talk: Talk) -> None:
    """What to expect, before it starts."""
    from hoodwink.training.recipes import MEASURED, RECIPES

    known = RECIPES.get(recipe.name)
    if known is not None and known.minutes and all(getattr(recipe, name) == getattr(known, name) for name in _TIMED):
        # What takes time where there is a backbone are its features, not the epochs.
        minutes = known.minutes if recipe.backbone else known.minutes * recipe.epochs / known.epochs
        same = {**recipe.to_json(), "seed": 0} == {**known.to_json(), "seed": 0}
        score = f", to {_SCORES[recipe.measure]} of {known.score:.3g} on the test set" if same and recipe.measure else ""
        talk.say(f"{recipe.name}: some {minutes:.2g} minutes on {MEASURED}{score}")


@contextmanager
def _watching(recipe: Recipe, talk: Talk) -> Iterator[Watch]:
    """A bar on a terminal and a line for each epoch."""
    from hoodwink.cli.data import fetching
    from hoodwink.training.run import Watch

    def told(epoch: Epoch) -> None:
        more = {
            "accuracy": epoch.accuracy,
            **epoch.more,
            "validation": epoch.validation_loss,
            "validation accuracy": epoch.validation_accuracy,
        }
        said = "".join(f", {name} {value:.4f}" for name, value in more.items() if value is not None)
        talk.say(f"epoch {epoch.epoch}: loss {epoch.loss:.4f}{said}, {epoch.seconds:.1f} s")

    with fetching(talk, recipe.data) as (tell, progress), stepping(talk) as step:
        yield Watch(talk.say, told, step, tell, progress)


@contextmanager
def stepping(talk: Talk, what: str = "step") -> Iterator[Callable[[int, int], None] | None]:
    """What moves a bar on a terminal, given the step (or another thing that is counted) and how many there are; None where nobody would see it."""
    if not talk.lively:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=talk.err, transient=True) as bar:
        line = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(line, completed=done, total=total)


def _conclude(run: Run, recipe: Recipe, talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    if not run.record:  # of several processes the first speaks
        return
    result = run.record["result"]
    of = "test accuracy" if recipe.task == "classify" else "share of letters guessed"
    scores = run.record["models"][0]["card"]["scores"]
    lines = {"model": str(run.directory), "epochs": str(result["epochs"]), "seconds": f"{result['seconds']:.1f}"}
    for name, words in (
        ("best", f"{of}, best epoch"),
        ("last", f"{of}, last epoch"),
        ("flips", "with both sides of each picture"),
    ):
        if "test_accuracy" in result.get(name, {}):
            lines[words] = f"{result[name]['test_accuracy']:.4f}"
    if scores and recipe.measure != "accuracy":
        lines[f"{recipe.measure.replace('_', ' ')} on the test set"] = f"{scores[0]['value']:.4f}"
    if recipe.makes_pictures:
        lines["after each epoch"] = f"{one_line(run.directory / 'training.gif')}"
    talk.show(heading(recipe.name), facts(lines.items()))
    talk.say(f"type {_next(run, recipe)}")
    talk.document({"folder": str(run.directory), "settings": recipe.to_json(), "result": result})


def _next(run: Run, recipe: Recipe) -> str:
    """What to do with a network of this kind."""
    folder = one_line(run.directory)
    if recipe.task == "generate" or recipe.loss == "elbo":
        return f"hoodwink sample {folder}"
    if recipe.task == "reconstruct":
        return f"hoodwink model join {folder} CLASSIFIER --out joined, with a classifier of the same pictures"
    data = one_line(f"{recipe.data}:test{'-once' * recipe.reading.once}")
    return f"hoodwink audit {folder} {data} " + ("--changes 1" if recipe.reading.unit else "--eps 2/255 --limit 100")
