"""`hoodwink attack`: one attack of the table, sent to photos or to a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hoodwink.cli.common import Choice, all_pictures, fraction, takes_models, takes_talk
from hoodwink.cli.talk import NO, Talk
from hoodwink.runs import one_line

if TYPE_CHECKING:
    from rich.text import Text

    from hoodwink.auditing.attacked import Attacked
    from hoodwink.auditing.records import Labels
    from hoodwink.models.model import Model

_SHOWN = 20  # pictures that are listed one by one


@dataclass(frozen=True)
class _Sources:
    """The pictures, uint8 H x W x C each, what each is called, their labels, and the hashes of their files, where known."""

    pictures: Any
    names: list[str]
    labels: Labels | None


def options(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE, where the value is a number, a fraction, true, false or a word."""
    found: dict[str, Any] = {}
    for text in value:
        name, equals, word = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"NAME=VALUE was wanted, not {text!r}; type {param.opts[0]} restarts=2")
        found[name.replace("-", "_")] = _value(word, ctx, param)
    return found


def _value(word: str, ctx: click.Context, param: click.Parameter) -> Any:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return fraction(ctx, param, word)
    except click.BadParameter:
        return word


@click.command("attack", epilog="\b\nExample:\n  hoodwink attack pgd hoodwink-out/original.png --eps 4/255 --steps 10")
@click.argument("name", metavar="NAME")
@click.argument("sources", nargs=-1, required=True, metavar="PHOTO... | DATA")
@click.option("--eps", metavar="SIZE", callback=fraction, help="The ball's size: 8/255. Without, the nearest picture is sought.")
@click.option("--norm", type=click.Choice(["linf", "l2", "l1", "l0"]), help="How distance is measured (default: the attack's own).")
@click.option("--as", "target", metavar="CLASS", help="What the network shall call them (default: anything else).")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Steps, as the attack counts them.")
@click.option("--free", is_flag=True, help="Search off the grid of whole levels, where files are.")
@click.option("-o", "--option", "given", multiple=True, metavar="NAME=VALUE", callback=options, help="Any other of the attack's options.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is random.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N pictures.")
@click.option("--out", metavar="DIR", help="Write each as DIR/NAME-fooled.png beside its original, and judge the files.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@takes_models
@takes_talk
def attack_command(
    name: str, sources: tuple[str, ...], limit: int | None, out: str | None, force: bool, choice: Choice, talk: Talk, **asked: Any
) -> None:
    """Send one attack to pictures.

    NAME is one of hoodwink attacks, PHOTO a picture file, whose label is what the network calls it now; DATA a data set, cifar10 or
    cifar10:train, or a folder of pictures. Ends with 0 if all are fooled, 1 if one is not.
    """
    if out is not None and asked["free"]:
        raise click.UsageError("--free leaves the grid of whole levels, and a picture file holds nothing else; leave out --free or --out")
    with talk.busy("looking"):
        from hoodwink.auditing.attacked import attack, find_attack
    row, given = find_attack(name), asked.pop("given")
    models = choice.classifiers(talk)
    if len(models) > 1:
        raise click.UsageError(f"one network was wanted, not {len(models)}; give --model once")
    found = _read(sources, limit, models[0], talk)
    if not found.names:
        return
    with talk.busy(f"{row.name} on {len(found.names)} pictures"):
        result = attack(row.name, models[0], found.pictures, found.labels, **asked, **given)
    answers = None if out is None else _write(Path(out), force, found.names, found.pictures, result, models[0], {**asked, **given})
    rows = _rows(found.names, result, models[0], answers)
    if not all(one["success"] for one in rows):
        talk.code = max(talk.code, NO)
    _show(rows, result, models[0], talk)
    if out is not None:
        talk.show(f"  written to {one_line(out)}; type hoodwink verify {one_line(out)}")
    talk.document({"attack": row.name, "norm": result.norm, "seconds": result.seconds, "pictures": rows, "errors": talk.errors})


def _read(sources: tuple[str, ...], limit: int | None, model: Model, talk: Talk) -> _Sources:
    """A data set where one source is named that is no picture file, else photos, each of its own size."""
    channels = model.card.picture.channels
    if len(sources) == 1 and not Path(sources[0]).is_file() or sources[0].endswith(".csv"):
        return _set(sources[0], limit, channels, model, talk)
    from hoodwink.pictures.read import read_picture

    found: list[tuple[str, Any]] = []
    paths = all_pictures(sources, talk)[:limit]
    talk.each(paths, lambda path: found.append((str(path), read_picture(path, channels=channels).levels)))
    return _Sources([levels for _, levels in found], [name for name, _ in found], None)


def _set(spec: str, limit: int | None, channels: int, model: Model, talk: Talk) -> _Sources:
    from hoodwink.auditing.naming import match_labels
    from hoodwink.cli.data import fetching
    from hoodwink.data.load import load

    with fetching(talk, spec) as (tell, progress):
        data = load(spec, limit=limit, channels=channels, tell=tell, progress=progress)
    for name, why in data.broken:
        talk.warn(f"{name}: left out: {why}")
    digits = len(str(len(data) - 1))
    names = [f"{data.name}-{k:0{digits}d}" for k in range(len(data))] if data.files is None else [str(path) for path in data.files]
    return _Sources(data.pictures, names, match_labels(data.labels, data.classes, model.classes))


def _rows(names: Sequence[str], result: Attacked, model: Model, answers: list[int] | None) -> list[dict[str, Any]]:
    """What came of each picture, as JSON values; where files were written, by what is seen in them."""
    now = result.answers.tolist() if answers is None else answers
    return [
        {
            "file": name,
            "before": model.class_name(int(result.labels[k])),
            "after": model.class_name(now[k]),
            "success": bool(result.success[k]) and now[k] == int(result.answers[k]),
            "distance": float(result.distance[k]),
            "gradients": int(result.gradients[k]),
            "forwards": int(result.forwards[k]),
        }
        for k, name in enumerate(names)
    ]


def _write(
    out: Path, force: bool, names: Sequence[str], originals: Sequence[Any], result: Attacked, model: Model, asked: dict[str, Any]
) -> list[int]:
    """Write a run folder: each picture and its original, a claim for each that fooled; returns what is seen in each file."""
    from hoodwink.cli.places import folders
    from hoodwink.evidence.judge import judge
    from hoodwink.evidence.record import first_record
    from hoodwink.pictures.write import encode_png
    from hoodwink.runs import Run

    arguments = list(click.get_current_context().obj or ())
    record = first_record("attack", {"attack": result.name, **asked, "norm": result.norm}, [model], arguments, asked["seed"])
    run = Run.create(out, record, force=force)
    stems = [Path(names[0]).stem] if len(names) == 1 else [folder.name for folder in folders([Path(name) for name in names], out)]
    made: Any = result.pictures
    seen, claims = [], []
    for k, stem in enumerate(stems):
        run.write(f"{stem}.png", encode_png(originals[k]))
        file = f"{stem}-fooled.png" if result.success[k] else f"{stem}-not-fooled.png"
        verdict = judge(run.write(file, encode_png(made[k])), model)
        seen.append(verdict.label_index)
        if result.success[k] and verdict.label_index == result.answers[k]:
            values = {"sha256": verdict.sha256, "original": f"{stem}.png", "label": verdict.label, "eps": asked["eps"], "norm": result.norm}
            wrong = {"not": model.class_name(int(result.labels[k]))} if asked["target"] is None else {"target": verdict.label}
            claims.append({"kind": "picture", "file": file, "model": 0, "values": {**values, **wrong}})
    run.update(claims=claims, result={"success": result.success.tolist(), "distance": result.distance.tolist()})
    run.finish()
    return seen


def _show(rows: list[dict[str, Any]], result: Attacked, model: Model, talk: Talk) -> None:
    from statistics import mean, median

    from hoodwink.cli.show import heading, listing

    fooled = [one["distance"] for one in rows if one["success"]]
    still = sum(distance == 0 for distance in fooled)
    middle = f", median distance {_distance(median(fooled), result.norm)}" if fooled else ""
    middle += f", {still} without a change" if still else ""
    spent = f"{mean(one['gradients'] for one in rows):.1f} gradients and {mean(one['forwards'] for one in rows):.1f} forwards a picture"
    talk.show(
        heading(f"{len(fooled)} of {len(rows)} fooled{middle}", f"{result.name} on {model.card.name}, {spent}, {result.seconds:.1f} s")
    )
    columns = ("", "picture", "before", "now", result.norm, "gradients", "forwards")
    talk.show(listing(*columns, rows=[_cells(one, result.norm) for one in rows[:_SHOWN]]))
    if len(rows) > _SHOWN:
        talk.show(f"  and {len(rows) - _SHOWN} more; --json lists all")


def _cells(one: dict[str, Any], norm: str) -> list[str | Text]:
    from rich.text import Text

    from hoodwink.cli.show import BAD, GOOD

    word = Text("fooled", GOOD) if one["success"] else Text("stands", BAD)
    numbers = (_distance(one["distance"], norm), str(one["gradients"]), str(one["forwards"]))
    return [word, one["file"], one["before"], one["after"], *numbers]


def _distance(value: float, norm: str) -> str:
    """A distance in the unit that says most."""
    return {"linf": f"{255 * value:.4g}/255", "l0": f"{value:.0f} values"}.get(norm, f"{value:.4g}")
