"""`hoodwink model`: the networks that can be had, and their cards."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice, takes_models, takes_talk
from hoodwink.cli.talk import Talk
from hoodwink.cli.verbs import Verbs

if TYPE_CHECKING:
    from hoodwink.models.card import Input, PictureInput
    from hoodwink.models.model import Model
    from hoodwink.models.shapes import Layer

TEXT = (8,)  # the steps of a text that goes through a network
_SHOWN = 5  # class names on a card: all would fill the screen
VERBS = {
    "list": (__name__, "List the packaged networks and the other ways to one."),
    "show": (__name__, "Show a network's card and layers, and try the network."),
    "join": ("hoodwink.cli.join", "Put a classifier behind an autoencoder."),
}
WAYS = {
    "a packaged name": "efficientnet-lite0",
    "a model folder": "DIR, with weights.safetensors and card.json, as Model.save writes it",
    "bare weights": "FILE.pth or FILE.safetensors, with --network, --mean, --std, --classes",
    "a scratch classifier": "FILE.npz, as hoodwink.scratch saves it",
    "timm:NAME": "a network of timm, such as timm:resnet18.a1_in1k",
    "torchvision:NAME": "a network of torchvision, such as torchvision:resnet50",
    "python:MODULE:FUNCTION": "a function of your own that makes a torch module, such as python:nets:make",
}


@click.command(
    "model",
    cls=Verbs,
    table=VERBS,
    subcommand_metavar="VERB ...",
    invoke_without_command=True,
    epilog="\b\nExample:\n  hoodwink model list",
)
@click.pass_context
def model_command(ctx: click.Context) -> None:
    """List networks and show their cards."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@click.command("list", epilog="\b\nExample:\n  hoodwink model list")
@takes_talk
def list_command(talk: Talk) -> None:
    """List the packaged networks and the other ways to one."""
    with talk.busy("looking"):
        from hoodwink.cli.show import facts, heading
        from hoodwink.models.load import PACKAGED
        from hoodwink.networks.table import NETWORKS

    sizes = {
        name: f"{row.size[0]} x {row.size[1]} pixels" if row.size else "noise" if row.noise else "features" if row.features else "texts"
        for name, row in NETWORKS.items()
    }
    talk.show(heading("Packaged"), facts((name, sizes[name]) for name in PACKAGED))
    talk.show(heading("For bare weights", "--network"), facts(sizes.items()))
    talk.show(heading("Ways to a network", "--model"), facts(WAYS.items()))
    talk.document({"packaged": list(PACKAGED), "networks": list(NETWORKS), "ways": WAYS})


@click.command("show", epilog="\b\nExample:\n  hoodwink model show efficientnet-lite0")
@click.argument("name", required=False, metavar="[NAME]")
@takes_models
@takes_talk
def show_command(name: str | None, choice: Choice, talk: Talk) -> None:
    """Show a network's card and layers, and try the network.

    NAME is what --model takes; bare weights are described by the options. Trying it means: evaluation mode, preparation of pictures equal
    to Pillow's, one logit for each class, finite gradients. NAME may also be a network without weights, such as mlp; it has no card.
    """
    chosen = choice if name is None else choice.add(name)
    bare = [spec for spec in chosen.specs if _is_bare(spec)]
    rest = replace(chosen, specs=tuple(spec for spec in chosen.specs if spec not in bare))
    if bare and rest.fields and not rest.given:
        raise click.UsageError(
            f"{bare[0]} is shown without weights, so --{next(iter(rest.fields))} is about nothing; give them as --weights FILE --network {bare[0]}"
        )
    networks = [_network(spec) for spec in bare]
    models = rest.load(talk) if rest.given or not bare else []
    records = [_record(model, talk) for model in models]
    for model, record in zip(models, records, strict=True):
        _show(model, record, talk)
    for network in networks:
        _show_network(network, talk)
    talk.document({"models": [_plain(record) for record in records], "networks": [_plain(network) for network in networks]})


def _is_bare(spec: str) -> bool:
    """Whether a spec names a network of the table that has no weights of its own."""
    from hoodwink.models.load import PACKAGED
    from hoodwink.networks.table import NETWORKS

    return spec in NETWORKS and spec not in PACKAGED and not os.path.exists(spec)


def _record(model: Model, talk: Talk) -> dict[str, Any]:
    from hoodwink.models.card import NoiseInput, PictureInput
    from hoodwink.models.selfcheck import probes
    from hoodwink.models.shapes import layers

    count = sum(parameter.numel() for parameter in model.network.parameters())
    check = {"passed": True, "warnings": talk.warnings}  # one that fails is an error: the network is not loaded
    wanted = model.card.input
    shape: tuple[int, ...] = (wanted.size,) if isinstance(wanted, NoiseInput) else TEXT
    if isinstance(wanted, PictureInput):
        shape = tuple(model.encode(probes(wanted)[0]).shape[1:])
    found = layers(model.network, shape, trained=model.trained, text=wanted.kind == "text")
    known = {"card": model.card.to_json(brief=True), "classes": len(model.classes), "parameters": count, "self_check": check}
    return known | {"takes": wanted.kind, "input": shape, "layers": found}


def _network(name: str) -> dict[str, Any]:
    from hoodwink.models.shapes import layers
    from hoodwink.networks.table import NETWORKS

    row = NETWORKS[name]
    network = row.make()
    numbers = row.noise or row.features
    shape = (row.channels, *row.size) if row.size else (numbers,) if numbers else TEXT
    count = sum(parameter.numel() for parameter in network.parameters())
    takes = "picture" if row.size else "noise" if row.noise else "features" if row.features else "text"
    return {"name": name, "parameters": count, "takes": takes, "input": shape, "layers": layers(network, shape, text=takes == "text")}


def _plain(record: dict[str, Any]) -> dict[str, Any]:
    """A record as JSON values."""
    return record | {"input": list(record["input"]), "layers": [asdict(layer) for layer in record["layers"]]}


def _show_network(record: dict[str, Any], talk: Talk) -> None:
    from hoodwink.cli.show import heading

    talk.show(heading(record["name"], f"without weights, {record['parameters']:,} parameters"))
    _show_layers(record, talk)


def _show_layers(record: dict[str, Any], talk: Talk) -> None:
    """The table of the layers, and the totals."""
    from rich.padding import Padding
    from rich.text import Text

    from hoodwink.cli.show import listing, notes
    from hoodwink.models.shapes import times

    found: Sequence[Layer] = record["layers"]
    rows = [
        (one.name or "-", one.kind, times(one.output), f"{one.parameters:,}" * bool(one.parameters), Text(one.formula.replace("; ", "\n")))
        for one in found
    ]
    total, trained = sum(one.parameters for one in found), sum(one.trained for one in found)
    talk.show(Padding(listing("layer", "kind", "output", "parameters", "how they come about", rows=rows), (0, 0, 0, 2)), "")
    part = "all of them trained" if trained == total else f"{trained:,} of them trained"
    sizes = times(record["input"])
    taken = {
        "text": f"a text of {sizes} steps",
        "noise": f"{sizes} numbers",
        "features": f"{sizes} features",
        "picture": f"a picture of {sizes} (C x H x W)",
    }[record["takes"]]
    talk.show(notes([f"{len(found)} layers, for {taken}: {total:,} parameters, {part}"]))


def _show(model: Model, record: dict[str, Any], talk: Talk) -> None:
    from hoodwink.cli.show import facts, heading

    card = model.card
    classes = f"{record['classes']} classes, " if record["classes"] else ""
    talk.show(heading(card.name, f"{card.task}, {classes}{record['parameters']:,} parameters"))
    rows = {
        "network": _call(card.network),
        "source": card.source,
        "licence": card.licence,
        "weights": f"SHA-256 {card.weights_sha256}",
        **_input(card.input),
        "classes": _some(model.classes.names),
        **{f"score on {score.get('set', '?')}": str(score.get("value", "?")) for score in card.scores},
        "self-check": "; ".join(["passed", *talk.warnings]),
    }
    talk.show(facts((name, value) for name, value in rows.items() if value), "")
    _show_layers(record, talk)


def _call(network: dict[str, Any]) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in network["arguments"].items())
    return f"{network['name']}({arguments})" if arguments else str(network["name"])


def _input(wanted: Input) -> dict[str, str]:
    """What is done to what the network takes."""
    from hoodwink.models.card import NoiseInput, PictureInput

    if isinstance(wanted, NoiseInput):
        return {"noise": f"{wanted.size} numbers, {'from N(0, 1)' if wanted.draw == 'normal' else 'evenly from [-1, 1]'}"}
    if isinstance(wanted, PictureInput):
        return {"pictures": _preparation(wanted), "mean, std": f"{_numbers(wanted.mean)} and {_numbers(wanted.std)}"}
    known = f"of {wanted.letters!r}" if wanted.unit == "letters" else f"{len(wanted.words):,} of them, cut by {wanted.cut!r}"
    return {"texts": f"{wanted.unit}, {known}"}


def _preparation(wanted: PictureInput) -> str:
    colours = "RGB" if wanted.channels == 3 else "grey"
    resize = wanted.resize
    steps = [] if resize is None else [f"shorter side to {resize}" if isinstance(resize, int) else f"resized to {_size(resize)}"]
    if steps:
        steps[0] += f" ({wanted.filter})"
    steps += [f"cropped to {_size(wanted.size)}"] if wanted.size else []
    return ", ".join([colours, *steps])


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} pixels"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in (values[:1] if len(set(values)) == 1 else values))


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" ... {names[-1]}" if len(names) > _SHOWN else "")
