"""`hoodwink audit`: of these pictures, as files, how many can be fooled inside a ball, and how sure are we?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from hoodwink.cli.answer import Wanted, conclude, takes_wanted, wanted
from hoodwink.cli.common import _CARD, _FIELDS, _MACHINE, Choice, fraction, takes_talk
from hoodwink.cli.shards import asked_shard, own_device
from hoodwink.cli.talk import INTERRUPTED, Talk
from hoodwink.runs import RECORD, Run, one_line

if TYPE_CHECKING:
    from hoodwink.auditing.audit import Help
    from hoodwink.auditing.records import Labels, Settings
    from hoodwink.auditing.shards import Shard
    from hoodwink.data.sets import DataSet
    from hoodwink.models.model import Model

DEFAULT_OUT = "hoodwink-audit"
Verb = TypeVar("Verb", bound=Callable[..., Any])
_LINE = "hoodwink audit efficientnet-lite0 hoodwink-out --eps 2/255"
_TEXTS = "hoodwink audit names made-names --changes 1 --limit 20 --out names-audit"
# What an audit of texts takes.
_TEXT_OPTIONS = {"model", "data", "limit", "changes", "kinds", "seed", "fail_under", "out", "force", "resume"}
_TEXT_OPTIONS |= {"device", "threads", "as_json", "quiet", "debug", "help"}
_BROKEN = 5  # files that cannot be read: all would fill the screen


def takes_network(verb: Verb) -> Verb:
    """Give a verb that names its network as the argument `model` the card options of bare weights, as the argument `choice`."""

    @wraps(verb)
    def choosing(model: str, device: str, threads: int | None, **rest: Any) -> Any:
        fields = {name: rest.pop(name) for name in _FIELDS}
        given = {name: value for name, value in fields.items() if value is not None}
        return verb(choice=Choice((model,), None, given, device, threads), **rest)

    for option in reversed((*_CARD[1:], *_MACHINE)):  # all but --weights
        choosing = option(choosing)
    return choosing  # type: ignore[return-value]


def fractions(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[float, ...]:
    """Numbers or fractions: "0.5", "8/255"."""
    return tuple(size for text in value if (size := fraction(ctx, param, text)) is not None)


@dataclass(frozen=True)
class _Task:
    """One audit, ready to be done. labels: None where the network's own answers are taken; hashes: of each picture of the whole set."""

    model: Model
    pictures: Any
    labels: Labels | None
    about: dict[str, Any]
    out: Path


@click.command("audit", epilog=f"\b\nExample:\n  {_LINE} --limit 2\n  {_LINE} --shard 1/2\n  {_LINE} --shard 2/2\n  {_TEXTS}")
@click.argument("model", metavar="MODEL")
@click.argument("data", metavar="DATA")
@click.option("--eps", multiple=True, metavar="SIZE", callback=fractions, help="The ball's size: 8/255. May be repeated.")
@click.option("--changes", type=click.IntRange(1), metavar="K", help="Of a network of texts: letters or words that may be changed.")
@click.option(
    "--kinds", default="neighbours,typos,lookalikes", show_default=True, metavar="KINDS", help="Of texts: what may stand for a word."
)
@click.option(
    "--norm", multiple=True, type=click.Choice(["linf", "l2", "l1"]), default=["linf"], show_default=True, help="May be repeated."
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N pictures.")
@click.option(
    "--budget", type=click.Choice(["quick", "standard", "exhaustive"]), default="standard", show_default=True, help="How long is searched."
)
@click.option(
    "--sentinels",
    type=click.IntRange(0),
    default=59,
    show_default=True,
    metavar="N",
    help="Of those standing, a sample that gets every attack.",
)
@click.option("--free", is_flag=True, help="Search off the grid of files, too, to compare with published figures.")
@click.option("--certify", is_flag=True, help="Count the pictures that are proven to stand.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="M", help="Then end with what is known.")
@click.option("--attack", "attacks", multiple=True, metavar="MODULE:FUNCTION", help="An attack of your own. May be repeated.")
@click.option("--objective", metavar="MODULE:FUNCTION", help="A loss of your own, function(logits, up, down).")
@click.option("--adversarials", multiple=True, metavar="FILE", help="Pictures of another tool, .npy .npz .safetensors, judged beside ours.")
@click.option("--transfer", metavar="MODEL", help="Another network, whose pictures are tried on this one.")
@click.option("--precision", type=click.Choice(["float32", "bfloat16"]), default="float32", show_default=True, help="Of the search.")
@click.option("--compile", "compiled", is_flag=True, help="Search with torch.compile.")
@click.option("--batch", type=click.IntRange(1), metavar="N", help="Pictures at a time (default: as many as the machine likes).")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="N", help="Of what is random.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts, in DIR/shard-I-of-N; auto: as torchrun or SLURM says.")
@click.option("--out", default=DEFAULT_OUT, show_default=True, metavar="DIR", help="The run folder.")
@click.option("--force", is_flag=True, help="Replace the run that is there.")
@click.option("--resume", is_flag=True, help="Go on with the run that is there.")
@takes_wanted
@takes_network
@takes_talk
def audit_command(
    data: str,
    out: str,
    shard: str | None,
    choice: Choice,
    talk: Talk,
    force: bool,
    resume: bool,
    limit: int | None,
    changes: int | None,
    kinds: str,
    **asked: Any,
) -> None:
    """Say how many pictures, or texts, a file can fool a network with.

    MODEL is a network as --model of the other verbs takes it: a name, a folder, or a file of weights that the options describe. DATA is a
    data set, cifar10 or cifar10:train, or a folder of pictures; of texts: names, tweets:hand, or a csv with the columns text and label. Ends
    with 0, with 1 below --fail-under or on a drop from --baseline.
    """
    if changes is not None:
        from hoodwink.cli.audit_texts import Task, audit_texts_of

        _of_texts_alone()

        words = tuple(filter(None, kinds.split(",")))
        audit_texts_of(Task(data, limit, changes, words, asked["seed"], asked["fail_under"], Path(out), force, resume), choice, talk)
        return
    if not asked["eps"]:
        raise click.UsageError("the size of a ball was wanted: type --eps 8/255, or, for a network of texts, --changes 1")
    part = asked_shard(shard)
    settings = _settings(asked, part)
    ending = wanted(asked, force or resume)
    model = own_device(choice, shard).classifiers(talk)[0]
    _ = model.card.picture  # says what it takes where it takes texts
    task = _task(model, _data(data, limit, model, talk), part, Path(out), talk)
    _check_baseline(ending, task, settings)
    if resume and _finished(task, settings):
        talk.say(f"{one_line(task.out)}: finished already, nothing is done again")
        conclude(Run.open(task.out).record, task.out, ending, talk)
        return
    with _watching(talk) as watch:
        help = _help(asked, task, limit, choice.device, talk, watch)
        try:
            _audit(task, settings, help, force=force, resume=resume)
        except KeyboardInterrupt:
            _interrupted(task, talk)
            return
    conclude(Run.open(task.out).record, task.out, ending, talk)


def _of_texts_alone() -> None:
    """Refuse what is asked of pictures only."""
    from click.core import ParameterSource

    context = click.get_current_context()
    strangers = [
        option.opts[0]
        for option in context.command.params
        if option.name not in _TEXT_OPTIONS and context.get_parameter_source(str(option.name)) is ParameterSource.COMMANDLINE
    ]
    if strangers:
        raise click.UsageError(f"{', '.join(strangers)}: asked of pictures only; leave it out, or leave out --changes")


def _settings(asked: dict[str, Any], shard: Shard | None) -> Settings:
    """What is asked, taken out of the options; eps and norm are refused here, before anything is loaded."""
    from hoodwink.auditing.records import Settings, make_cases
    from hoodwink.auditing.shards import share_of

    attacks = tuple(asked["attacks"])
    sentinels = asked.pop("sentinels")
    return Settings(
        cases=make_cases(asked.pop("eps"), asked.pop("norm")),
        sentinels=sentinels if shard is None else share_of(sentinels, shard),
        attacks=attacks,
        objective=asked["objective"],
        **{name: asked.pop(name) for name in ("budget", "free", "certify", "precision", "seed", "batch")},
    )


def _data(spec: str, limit: int | None, model: Model, talk: Talk) -> DataSet:
    from hoodwink.cli.data import fetching
    from hoodwink.data.load import load

    with fetching(talk, spec) as (tell, progress):
        found = load(spec, limit=limit, channels=model.card.picture.channels, tell=tell, progress=progress)
    for name, why in found.broken[:_BROKEN]:
        talk.warn(f"{name}: left out: {why}")
    if len(found.broken) > _BROKEN:
        talk.warn(f"{len(found.broken) - _BROKEN} more files are left out; hoodwink data show {spec} names them")
    if found.labels is None:
        talk.say(f"{one_line(spec)} has no labels: what the network calls each picture now is taken for its label")
    return found


def _task(model: Model, data: DataSet, shard: Shard | None, out: Path, talk: Talk) -> _Task:
    """The pictures and labels to be audited, and what the record says of them."""
    from hoodwink.auditing.naming import match_labels
    from hoodwink.auditing.shards import fingerprints, members, shard_folder

    labels = match_labels(data.labels, data.classes, model.classes)
    hashes = fingerprints(data.pictures)
    own = {"labels": "the network's own answers"} if labels is None else {}
    about: dict[str, Any] = {"name": data.name, "split": data.split, "sha256": data.sha256, "count": len(data), **own}
    if shard is None:
        return _Task(model, data.pictures, labels, {**about, "hashes": hashes}, out)
    rows = members(hashes, shard)
    if not len(rows):
        raise click.UsageError(f"--shard {shard[0]}/{shard[1]}: there are only {len(set(hashes))} pictures; type fewer shards")
    talk.say(f"shard {shard[0]} of {shard[1]}: {len(rows)} of {len(data)} pictures")
    about |= {"shard": list(shard), "members": rows.tolist(), "hashes": [hashes[row] for row in rows]}
    return _Task(model, _part(data, rows), None if labels is None else labels[rows], about, shard_folder(out, shard))


def _part(data: DataSet, rows: Any) -> Any:
    from hoodwink.data.sets import PictureFiles

    if isinstance(data.pictures, PictureFiles):
        return PictureFiles([data.pictures.paths[row] for row in rows], data.pictures.channels)
    return data.pictures[rows]


def _check_baseline(ending: Wanted, task: _Task, settings: Settings) -> None:
    """Refuse, before the work, a baseline that nothing could be compared with."""
    from hoodwink.auditing.baseline import check_balls, pair

    if ending.baseline is not None:
        pair(ending.baseline["inputs"][0], {**task.about, "pictures": len(task.pictures)})
        check_balls(ending.baseline, settings.cases)


def _help(asked: dict[str, Any], task: _Task, limit: int | None, device: str, talk: Talk, watch: Any) -> Help:
    from hoodwink.auditing.audit import Help
    from hoodwink.auditing.foreign import own_attack, own_objective

    return Help(
        transfer=None if asked["transfer"] is None else _other(asked["transfer"], task.model, device, talk),
        own=tuple((spec, own_attack(spec)) for spec in asked["attacks"]),
        objective=None if asked["objective"] is None else own_objective(asked["objective"]),
        given=tuple((Path(file).name, _adversarials(file, task)) for file in asked["adversarials"]),
        minutes=asked["minutes"],
        compiled=asked["compiled"],
        say=talk.say,
        watch=watch,
        data={**task.about, "limit": limit},
        arguments=tuple(click.get_current_context().obj or ()),
    )


def _other(spec: str, model: Model, device: str, talk: Talk) -> Model:
    found = Choice((spec,), device=device).classifiers(talk)[0]
    if len(found.classes) != len(model.classes):
        raise click.UsageError(f"--transfer {spec}: a network of {len(model.classes)} classes was wanted, this has {len(found.classes)}")
    return found


def _adversarials(file: str, task: _Task) -> Any:
    """Others' pictures, of the whole data set, and of them the shard's."""
    from hoodwink.auditing.foreign import read_adversarials

    shapes = {levels.shape for levels in task.pictures}
    if len(shapes) > 1:
        raise click.UsageError(f"--adversarials {one_line(file)}: this data has pictures of several sizes, which one array cannot hold")
    found = read_adversarials(file, task.about["count"], shapes.pop())
    return found[task.about["members"]] if "members" in task.about else found


def _audit(task: _Task, settings: Settings, help: Help, *, force: bool, resume: bool) -> None:
    from hoodwink.auditing.audit import audit

    asked = {name: getattr(settings, name) for name in ("sentinels", "free", "precision", "attacks", "objective", "batch")}
    audit(
        task.model,
        task.pictures,
        task.labels,
        eps=[case.eps for case in settings.cases],
        norm=[case.norm for case in settings.cases],
        budget=settings.budget,
        certify=settings.certify,
        out=task.out,
        seed=settings.seed,
        resume=resume,
        force=force,
        help=help,
        **asked,
    )


def _finished(task: _Task, settings: Settings) -> bool:
    """Whether the folder holds this very audit, finished."""
    if not (task.out / RECORD).is_file() or not Run.open(task.out).finished:
        return False
    record = Run.open(task.out).record
    about, weights = record.get("inputs", [{}])[0], [one.get("weights_sha256") for one in record.get("models", [])]
    same = {"hashes": list(task.about["hashes"]), "sha256": task.about["sha256"]}
    return (
        record.get("settings") == settings.to_json()
        and weights == [task.model.card.weights_sha256]
        and all(about.get(key) == value for key, value in same.items())
    )


def _interrupted(task: _Task, talk: Talk) -> None:
    talk.code = INTERRUPTED
    talk.warn(f"interrupted; what is finished is kept in {one_line(task.out)}; the same line with --resume goes on")
    talk.document({"folder": str(task.out), "errors": talk.errors, "interrupted": True})


@contextmanager
def _watching(talk: Talk) -> Iterator[Callable[[str, int, int], None] | None]:
    """A line of progress on a terminal: the stage, and how many of its pictures are done."""
    if not talk.lively:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.table import Column

    name = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, width=32))
    with Progress(name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=talk.err, transient=True) as progress:
        line = progress.add_task("preparing", total=None)
        yield lambda stage, done, total: progress.update(line, description=one_line(stage), completed=done, total=total)
