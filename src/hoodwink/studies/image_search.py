"""Pictures found by what they look like to a network: how many of the nearest have the same label, and how fast they are found."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hoodwink.data.load import load
from hoodwink.data.sets import DataSet
from hoodwink.models.embed import as_embedder
from hoodwink.models.load import load_model
from hoodwink.pictures.draw import sheet
from hoodwink.search.exact import CHUNK, exact, questions
from hoodwink.search.index import open_index
from hoodwink.search.storage import File, Storage
from hoodwink.search.store import Store
from hoodwink.studies.desk import Desk
from hoodwink.studies.draw import COLOURS, name, page, reference, show
from hoodwink.studies.found import Answer, Figure, Found, Story, Table
from hoodwink.studies.record import Line, Mark, Study
from hoodwink.training.features import find_features

NEAREST, ASKED, REPEATS = 20, 500, 30  # answers; questions that the index is judged by; questions that are timed
PRECISION, CHANCE, PIXELS, FIRST, RECALL = (
    f"precision@{NEAREST}",
    f"precision@{NEAREST} by chance",
    f"precision@{NEAREST} of pixels",
    "the nearest has the same label",
    f"recall@{NEAREST} of the index",
)
_FRAME, _WRONG = 3, (209, 73, 91)


def run(desk: Desk) -> Found:
    model = load_model(desk["model"], device=desk.device)
    parts = [load(f"{desk['data']}:{split}", limit=desk["limit"] or None) for split in desk["splits"]]
    embed = as_embedder(model)
    vectors = torch.cat([find_features(embed, part, torch.arange(len(part)), say=desk.say).vectors for part in parts])
    labels, levels = torch.cat([_labels(part) for part in parts]), np.concatenate([np.asarray(part.pictures) for part in parts])
    near, same = nearest_others(vectors), counted(labels)
    right = (labels[near] == labels[:, None]).double()
    flat = torch.from_numpy(levels.reshape(len(levels), -1)).float()
    by_pixels = nearest_others(flat - flat.mean(0))
    values = {
        PRECISION: float(right.mean()),
        CHANCE: float(((same - 1) / (len(labels) - 1)).mean()),
        PIXELS: float((labels[by_pixels] == labels[:, None]).double().mean()),
        FIRST: float(right[:, 0].mean()),
        "pictures": float(len(labels)),
    }
    classes = parts[0].classes
    by_class = {cls: float(right[labels == k].mean()) for k, cls in enumerate(classes)}
    recall, times = _asked(desk, vectors)
    asked = torch.tensor([int(torch.nonzero(labels == k)[0, 0]) for k in range(len(classes)) if (labels == k).any()])
    rows = torch.cat([asked[:, None], near[asked]], 1)
    pictures = {"rows": levels[rows.numpy()], "right": right[asked].numpy()}
    return Found({**values, RECALL: recall}, times, {"by class": by_class, "by rank": right.mean(0).tolist()}, pictures)


def nearest_others(vectors: Tensor, k: int = NEAREST) -> Tensor:
    """The k nearest others by the cosine, N x k indices, nearest first, for each of N vectors N x D."""
    units, found = F.normalize(vectors.double()).float(), []
    for start in range(0, len(units), 1000):
        cosines = units[start : start + 1000] @ units.T
        cosines[torch.arange(len(cosines)), torch.arange(start, start + len(cosines))] = -2  # itself
        found.append(cosines.topk(k).indices)
    return torch.cat(found)


def counted(labels: Tensor) -> Tensor:
    """How many pictures have each picture's label, N."""
    return torch.bincount(labels)[labels].double()


def _labels(part: DataSet) -> Tensor:
    return torch.as_tensor(np.asarray(part.labels), dtype=torch.int64)


def _asked(desk: Desk, vectors: Tensor) -> tuple[float, dict[str, float]]:
    """How many of the nearest the index of all pictures finds, and the seconds of a query by the number of pictures."""
    times, recall = dict[str, float](), 0.0
    order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(desk.seed)).numpy()
    units = F.normalize(vectors.double()).numpy()
    for size in sorted({min(size, len(vectors)) for size in (*desk["sizes"], len(vectors))}):
        rows = units[order[:size]]
        with tempfile.TemporaryDirectory(dir=desk.folder) as folder, closing(_filled(Path(folder), rows)) as store:
            with closing(open_index(store)) as index:
                times[_named("index", size)] = _seconds(lambda one, index=index: index.query(one, NEAREST), rows)  # type: ignore[misc]
                recall = found_again(store, index, rows)
            times[_named("comparing all", size)] = _seconds(lambda one, store=store: _all(store, one), rows)  # type: ignore[misc]
        desk.say(f"{desk.line}: {size:,} pictures asked")
    return recall, times


def _filled(folder: Path, rows: np.ndarray[Any, Any]) -> Store:
    store = Store.open(folder, model="study", weights_sha256="", dimension=rows.shape[1])
    store.add([File(str(at), 0, 0, str(at)) for at in range(len(rows))], rows)
    return store


def found_again(store: Storage, index: Any, rows: np.ndarray[Any, Any]) -> float:
    """Of the nearest others to some pictures, found in float64, the share that the index of the kept embeddings answers."""
    at = {int(file.path): one for one, file in store.files(store.ids()).items()}
    place = {one: row for row, one in at.items()}
    shares = []
    for row in range(min(ASKED, len(rows))):
        cosines = rows @ rows[row]
        cosines[row] = -2
        last = np.partition(cosines, -NEAREST)[-NEAREST]
        answered = [place[one] for one in index.query(rows[row][None], NEAREST + 1)[0][0].tolist() if place[one] != row]
        shares.append(float((cosines[answered[:NEAREST]] >= last).mean()))
    return statistics.fmean(shares)


def _all(store: Storage, question: np.ndarray[Any, Any]) -> None:
    exact(store.rows(CHUNK), questions(question, NEAREST, store.card.dimension), NEAREST)


def _seconds(query: Callable[[np.ndarray[Any, Any]], object], rows: np.ndarray[Any, Any]) -> float:
    """The median over single questions, after one that opens the files."""
    query(rows[:1])
    spent = []
    for row in range(min(REPEATS, len(rows))):
        begun = time.perf_counter()
        query(rows[row][None])
        spent.append(time.perf_counter() - begun)
    return statistics.median(spent)


def _named(way: str, size: int) -> str:
    return f"seconds of a query by {way}, {size:,} pictures"


def tell(answers: Mapping[str, Answer]) -> Story:
    findings = []
    for line, answer in answers.items():
        found = {key: answer.mean(key) for key in (PRECISION, CHANCE, PIXELS, FIRST, RECALL, "pictures")}
        classes = sorted(answer.series("by class")[0].items(), key=lambda one: one[1])
        findings.append(
            f"{line}, {found['pictures']:,.0f} pictures: of the {NEAREST} nearest others to a picture {100 * found[PRECISION]:.1f} % have "
            f"its label, where chance would give {100 * found[CHANCE]:.1f} % and the cosine of pixels gives {100 * found[PIXELS]:.1f} %; the "
            f"nearest of all has it for {100 * found[FIRST]:.1f} %. Worst is {_plain(classes[0][0])} ({100 * classes[0][1]:.0f} %), "
            f"best {_plain(classes[-1][0])} ({100 * classes[-1][1]:.0f} %)."
        )
    findings.append(
        f"In the worst line the index answers {100 * min(answer.mean(RECALL) for answer in answers.values()):.2f} % of the {NEAREST} nearest "
        "that are found in float64: under 100,000 pictures it compares every one, and what is lost is lost to keeping embeddings in float16."
    )
    largest = max(answers.values(), key=lambda answer: answer.mean("pictures"))
    size = int(largest.mean("pictures"))
    quick, slow = (1000 * largest.mean(_named(way, size)) for way in ("index", "comparing all"))
    findings.append(f"Of {size:,} pictures a query takes {quick:.1f} ms by the index, {slow:.1f} ms where the whole store is read for it.")
    return Story(findings, [_bars(answers), _times(answers), *(_sheet(*one) for one in answers.items())], [_by_class(answers)])


def _plain(cls: str) -> str:
    return cls.replace("_", " ")


def _bars(answers: Mapping[str, Answer]) -> Figure:
    with page(1, len(answers), width=4.0 * len(answers) + 1, height=4.0) as figure:
        for panel, (line, answer) in zip(figure.panels, answers.items(), strict=True):
            classes = answer.series("by class")[0]
            panel.barh([_plain(cls) for cls in classes], list(classes.values()), color=COLOURS[0])
            panel.invert_yaxis()
            panel.set_xlim(0, 1)
            for measure, colour, said in ((CHANCE, "#777777", "chance"), (PIXELS, COLOURS[1], "pixels")):
                panel.axvline(answer.mean(measure), color=colour, linestyle="--", linewidth=1.2, label=said)
            name(panel, PRECISION, "", f"{line}: {answer.mean('pictures'):,.0f} pictures")
    caption = f"The share of a picture's {NEAREST} nearest others that have its label, by class; beside chance and the cosine of pixels."
    return Figure("precision", caption, figure.png)


def _times(answers: Mapping[str, Answer]) -> Figure:
    from matplotlib.ticker import LogLocator, NullLocator

    with page(1, 2, width=10) as figure:
        for colour, (line, answer) in enumerate(answers.items()):
            ranks = answer.mean_series("by rank")
            figure.panels[0].plot(range(1, len(ranks) + 1), ranks, color=COLOURS[colour], marker=".", label=line)
            for way, style in (("index", "-"), ("comparing all", ":")):
                sizes = _sizes(answer, way)
                spent = [1000 * answer.mean(_named(way, size)) for size in sizes]
                figure.panels[1].plot(sizes, spent, color=COLOURS[colour], marker=".", linestyle=style, label=f"{line}, by {way}")
        reference(figure.panels[0], next(iter(answers.values())).mean(CHANCE), "chance")
        figure.panels[0].set_ylim(0, 1)
        figure.panels[0].set_xticks(range(0, NEAREST + 1, 5))
        figure.panels[1].set_yscale("log")
        figure.panels[1].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        figure.panels[1].yaxis.set_major_formatter("{x:g}")
        figure.panels[1].yaxis.set_minor_locator(NullLocator())
        figure.panels[1].set_xscale("log")
        largest = max(answers.values(), key=lambda answer: answer.mean("pictures"))
        figure.panels[1].set_xticks(_sizes(largest, "index"), [f"{size:,}" for size in _sizes(largest, "index")])
        figure.panels[1].set_xticks([], minor=True)
        name(figure.panels[0], "rank", "has the same label", "The further down, the fewer")
        name(figure.panels[1], "pictures", "milliseconds", "One query")
    caption = "Left the share of answers with the same label by rank; right how long a query takes by the number of pictures."
    return Figure("ranks", caption, figure.png)


def _sizes(answer: Answer, way: str) -> list[int]:
    begin, end = _named(way, 0).split("0")
    found = [key.removeprefix(begin).removesuffix(end) for key in answer.founds[0].times if key.startswith(begin)]
    return [int(size.replace(",", "")) for size in found]


def _sheet(line: str, answer: Answer) -> Figure:
    rows, right = answer.picture("rows"), answer.picture("right")
    tiles = [[_framed(one, at == 0 or bool(right[row][at - 1])) for at, one in enumerate(shown)] for row, shown in enumerate(rows)]
    with page(width=13, height=0.62 * len(tiles) + 0.3) as figure:
        show(figure.panels[0], sheet(tiles, gap=2))
    caption = (
        f"{line}: the first picture of each class on the left, its {NEAREST} nearest in order; framed in red where the label is another."
    )
    return Figure(f"sheet-{line}", caption, figure.png, private=True)


def _framed(levels: np.ndarray[Any, Any], right: bool) -> np.ndarray[Any, Any]:
    height, width = (size + 2 * _FRAME for size in levels.shape[:2])
    out = np.full((height, width, 3), 255 if right else _WRONG, np.uint8)
    out[_FRAME:-_FRAME, _FRAME:-_FRAME] = levels
    return out


def _by_class(answers: Mapping[str, Answer]) -> Table:
    rows = [
        [line, _plain(cls), f"{100 * share:.1f} %"]
        for line, answer in answers.items()
        for cls, share in answer.series("by class")[0].items()
    ]
    return Table(f"{PRECISION} by class", ["line", "class", PRECISION], rows)


_SETTINGS = {"model": "efficientnet-lite0", "splits": ("test",), "limit": 0}
_QUICK = {"data": "digits-32", "splits": ("test",), "limit": 60, "sizes": (50,)}
_MARKS = (Mark(measure=RECALL, floor=0.995),)
IMAGE_SEARCH = Study(
    name="image-search",
    question="Are the pictures that a network takes for alike of the same kind, and how fast are they found?",
    help=(
        "A network that has learned to name pictures is asked for the 1,280 numbers before its last layer, the picture's embedding. Two pictures "
        "are as near as the cosine between theirs. Nobody told the network of these labels: it has learned ImageNet, of which the dogs are a "
        "small part and CIFAR-10's pictures, 32 pixels wide and enlarged, are not. Each picture is asked with in turn, and the others are "
        f"the answers: precision@{NEAREST} is the share of its {NEAREST} nearest that have its label. Chance is that share if others were drawn "
        "at random. The same with pixels for embeddings, the mean picture taken off, shows what the network adds.\n\n"
        f"The embeddings lie in a store, in float16. Recall@{NEAREST} says how many of the nearest, found in float64 from the embeddings as the "
        "network gave them, the store's index answers. A query is timed alone, by the index and by reading the whole store for it; the "
        "median of 30."
    ),
    lines=(
        Line(
            name="dogs",
            help="The test pictures of ten breeds.",
            settings={**_SETTINGS, "data": "dogs", "sizes": (300,)},
            quick=_QUICK,
            marks=_MARKS,
            fixed=True,
            minutes=0.5,
        ),
        Line(
            name="dogs-all",
            help="All partitions together: more pictures that may be taken for alike.",
            settings={**_SETTINGS, "data": "dogs", "splits": ("train", "valid", "test"), "sizes": (1000, 2000)},
            quick=_QUICK,
            marks=_MARKS,
            fixed=True,
            minutes=1.5,
        ),
        Line(
            name="cifar10",
            help="The test pictures of CIFAR-10, enlarged to what the network takes.",
            settings={**_SETTINGS, "data": "cifar10", "sizes": (1000, 2000, 5000)},
            quick=_QUICK,
            marks=_MARKS,
            fixed=True,
            minutes=2.5,
        ),
    ),
    run=run,
    tell=tell,
)
